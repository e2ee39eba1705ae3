package cdr

import (
	"fmt"
	"strings"
)

// Format is how a record is written.
type Format string

// The formats.
const (
	CSV  Format = "csv"  // RFC 4180 with a header line
	JSON Format = "json" // one JSON object on each line
)

// ParseFormat reads a name; the empty one is CSV.
func ParseFormat(name string) (Format, error) {
	switch Format(strings.ToLower(name)) {
	case "", CSV:
		return CSV, nil
	case JSON:
		return JSON, nil
	}
	return "", fmt.Errorf("%q is not a CDR format: csv or json", name)
}

func (f Format) extension() string {
	if f == JSON {
		return ".jsonl"
	}
	return ".csv"
}

// header is what a file begins with.
func (f Format) header() string {
	if f == JSON {
		return ""
	}
	return Header
}

// current is the name of the file that is being written.
func (f Format) current() string { return "current" + f.extension() }

// trailer is the last line of a closed file.
func (f Format) trailer(records int64, sum []byte) string {
	if f == JSON {
		return fmt.Sprintf("%s%d,\"sha256\":\"%x\"}\n", jsonTrailer, records, sum)
	}
	return fmt.Sprintf("%s%d,sha256=%x\n", csvTrailer, records, sum)
}

// What a trailer begins with, and no record does.
const (
	csvTrailer  = "#records="
	jsonTrailer = `{"records":`
)

// Compression is what is done to closed files.
type Compression string

// The compressions.
const (
	NoCompression Compression = "none"
	Gzip          Compression = "gzip"
	Zstd          Compression = "zstd"
)

// ParseCompression reads a name; the empty one is none.
func ParseCompression(name string) (Compression, error) {
	switch Compression(strings.ToLower(name)) {
	case "", NoCompression:
		return NoCompression, nil
	case Gzip:
		return Gzip, nil
	case Zstd:
		return Zstd, nil
	}
	return "", fmt.Errorf("%q is not a compression: none, gzip or zstd", name)
}

func (c Compression) extension() string {
	switch c {
	case Gzip:
		return ".gz"
	case Zstd:
		return ".zst"
	}
	return ""
}

// Names of files: closing-STAMP.csv is closed and awaits its trailer, cdr-STAMP.csv, with
// .gz or .zst behind it when it is compressed, is complete.
const (
	closingPrefix = "closing-"
	closedPrefix  = "cdr-"
	temporary     = ".tmp"
)

// kindOf reads format and compression from a file's name.
func kindOf(name string) (f Format, c Compression, ok bool) {
	c = NoCompression
	for _, some := range []Compression{Gzip, Zstd} {
		if rest, found := strings.CutSuffix(name, some.extension()); found {
			name, c = rest, some
		}
	}
	switch {
	case strings.HasSuffix(name, CSV.extension()):
		return CSV, c, true
	case strings.HasSuffix(name, JSON.extension()):
		return JSON, c, true
	}
	return "", "", false
}

// isClosed reports whether name is that of a complete file.
func isClosed(name string) bool {
	_, _, ok := kindOf(name)
	return ok && strings.HasPrefix(name, closedPrefix)
}
