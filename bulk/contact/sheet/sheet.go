// Package sheet reads the rows of what customers upload: CSV, XLSX and NDJSON, as a stream
// and in bounded memory. A Reader gives one row after another; a row that cannot be read is
// a *Malformed, after which the rest goes on.
//
// What a file may claim is bounded: the length of a row and a cell, the columns, and what
// an XLSX file unpacks to. The package starts no goroutine. XLSX needs a temporary file,
// which has no name and is gone with the process.
package sheet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// Format is the kind of a file.
type Format uint8

// The formats.
const (
	Detect Format = iota // by the first octets
	CSV
	XLSX
	NDJSON
)

// Bounds of what is read.
const (
	MaxRow     = 64 << 10 // octets of a row
	MaxColumns = 256
	MaxFile    = 256 << 20 // octets of an XLSX file as it is sent
	maxCell    = 16 << 10  // octets of a cell

	peeked = 64 << 10 // octets looked at to detect character set and delimiter
)

// Row is one row. Its cells and names are only valid until the next one is read.
type Row struct {
	Line  uint32   // 1-based: the line where it begins, or the number of the row in a sheet
	Cells []string // as many as the row has
	Names []string // of the cells, in formats where each row names them; nil: the first row may
	Raw   string   // the row as it stands in the file, or its cells as CSV
}

// Malformed is a row that cannot be read.
type Malformed struct {
	Line   uint32
	Code   string
	Detail string
	Raw    string // what there is of it, shortened
}

// Error implements error.
func (m *Malformed) Error() string { return fmt.Sprintf("line %d: %s", m.Line, m.Detail) }

// ErrFile is wrapped by what makes a whole file unreadable.
var ErrFile = errors.New("the file cannot be read")

func fileError(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrFile, fmt.Errorf(format, args...))
}

// Options say how to read a file.
type Options struct {
	Format    Format
	Charset   string // IANA name; "": by BOM, else UTF-8 if it is, else Windows-1252
	Delimiter byte   // of CSV, of ASCII; 0: detected
	Sheet     string // of XLSX, by name; "": the first
	TempDir   string // "": os.TempDir
	// MaxUnpacked bounds the octets that an XLSX file unpacks to; 0: 1 GiB.
	MaxUnpacked int64
}

// Reader reads rows.
type Reader interface {
	// Next reads the next row into row: io.EOF at the end, *Malformed for a row that cannot
	// be read. After any other error there are no more.
	Next(row *Row) error
	// Close gives up what the Reader holds.
	Close() error
}

// Open returns a Reader of the file that src carries. Errors wrap ErrFile, or are src's.
func Open(src io.Reader, opts Options) (Reader, error) {
	if opts.MaxUnpacked == 0 {
		opts.MaxUnpacked = 1 << 30
	}
	in := bufio.NewReaderSize(src, peeked)
	head, err := in.Peek(peeked)
	if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	if len(head) == 0 {
		return nil, fileError("it is empty")
	}
	if opts.Delimiter >= utf8.RuneSelf {
		return nil, fileError("delimiter %#x is not a character of ASCII", opts.Delimiter)
	}
	if opts.Format == Detect {
		opts.Format = detect(head)
	}
	switch opts.Format {
	case XLSX:
		return openXLSX(in, opts)
	case NDJSON:
		text, err := decoded(in, opts.Charset)
		if err != nil {
			return nil, err
		}
		return &ndjson{lines: lines{src: text}}, nil
	default:
		text, err := decoded(in, opts.Charset)
		if err != nil {
			return nil, err
		}
		return newCSV(text, opts.Delimiter), nil
	}
}

func detect(head []byte) Format {
	switch text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte(bomUTF8)), " \t\r\n"); {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return XLSX
	case len(text) > 0 && text[0] == '{':
		return NDJSON
	}
	return CSV
}

// shorten keeps a raw row small enough to show.
func shorten(s string) string {
	const most = 500
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// spool is a file without a name.
func spool(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "protei-bulk-import-")
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("temporary file: %w", err), f.Close())
	}
	return f, nil
}
