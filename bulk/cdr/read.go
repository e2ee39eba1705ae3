package cdr

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var (
	// ErrNoTrailer: the file has no last line with records and checksum. It is not closed yet,
	// was cut, or is of a version before 0.6.
	ErrNoTrailer = errors.New("has no checksum line at its end: it is not complete, or older than checksums")
	// ErrChanged: records or checksum are not what the last line says.
	ErrChanged = errors.New("is not what was written")
	// ErrNotCDR: the name is not that of a CDR file.
	ErrNotCDR = errors.New("is not a CDR file: the name of one ends in .csv or .jsonl, with .gz or .zst behind it when it is compressed")
)

// Summary is what a complete file says of itself, verified.
type Summary struct {
	Records int64
	SHA256  string // of everything before the last line, in hex digits
}

// ReadFile reads a complete file, compressed or not, and checks its number of records and
// its checksum against its last line: ErrNoTrailer, ErrChanged. It calls each for every
// record in order, before the check can be made; the Record is used again. A nil each only
// checks. An error names the file and the line.
func ReadFile(name string, each func(*Record) error) (Summary, error) {
	s, err := readFile(name, each)
	if err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

func readFile(name string, each func(*Record) error) (Summary, error) {
	format, compression, ok := kindOf(filepath.Base(name))
	if !ok {
		return Summary{}, ErrNotCDR
	}
	f, err := os.Open(name)
	if err != nil {
		return Summary{}, err
	}
	defer f.Close()
	src, end, err := decompress(f, compression)
	if err != nil {
		return Summary{}, fmt.Errorf("%w: %w", ErrChanged, err)
	}
	defer end()
	r := reader{format: format, lines: bufio.NewReaderSize(src, 256<<10), sum: sha256.New(), each: each}
	return r.read()
}

func decompress(f io.Reader, c Compression) (io.Reader, func(), error) {
	switch c {
	case Gzip:
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, nil, err
		}
		return z, func() { _ = z.Close() }, nil
	case Zstd:
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return f, func() {}, nil
}

type reader struct {
	format Format
	lines  *bufio.Reader
	sum    hash.Hash
	each   func(*Record) error
	number int64 // of the line
	count  int64 // records
	record Record
	fields []string
}

func (r *reader) read() (Summary, error) {
	for {
		line, err := r.lines.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return Summary{Records: r.count}, ErrNoTrailer
		case err != nil:
			return Summary{Records: r.count}, fmt.Errorf("line %d: %w: %w", r.number+1, ErrChanged, err)
		}
		r.number++
		if isTrailer(r.format, line) {
			return r.end(string(line))
		}
		r.sum.Write(line)
		if r.number == 1 && r.format.header() != "" {
			if string(line) != Header {
				return Summary{}, fmt.Errorf("%w: line 1 is not the header", ErrChanged)
			}
			continue
		}
		r.count++
		if r.each == nil {
			continue
		}
		if err := r.parse(bytes.TrimSuffix(line, []byte{'\n'})); err != nil {
			return Summary{Records: r.count}, fmt.Errorf("line %d: %w: %w", r.number, ErrChanged, err)
		}
		if err := r.each(&r.record); err != nil {
			return Summary{Records: r.count}, err
		}
	}
}

func (r *reader) parse(line []byte) error {
	if r.format == JSON {
		return parseJSON(line, &r.record)
	}
	var err error
	if r.fields, err = splitCSV(r.fields[:0], string(line)); err != nil {
		return err
	}
	return parseFields(r.fields, &r.record)
}

// end checks the last line.
func (r *reader) end(line string) (Summary, error) {
	got := Summary{Records: r.count, SHA256: hex.EncodeToString(r.sum.Sum(nil))}
	if _, err := r.lines.ReadByte(); !errors.Is(err, io.EOF) {
		return got, fmt.Errorf("%w: something follows its checksum line, line %d", ErrChanged, r.number)
	}
	if want := r.format.trailer(r.count, r.sum.Sum(nil)); line != want {
		return got, fmt.Errorf("%w: it has %d records and SHA-256 %s, its last line says %s", ErrChanged, got.Records, got.SHA256, strings.TrimSpace(line))
	}
	return got, nil
}

// Files returns the complete files that names stand for, in order: a file itself, and of a
// folder the files cdr-*. A file that is being written is an error.
func Files(names []string) ([]string, error) {
	var all []string
	for _, name := range names {
		st, err := os.Stat(name)
		switch {
		case err != nil:
			return nil, err
		case !st.IsDir():
			base := filepath.Base(name)
			if base == CSV.current() || base == JSON.current() || strings.HasPrefix(base, closingPrefix) {
				return nil, fmt.Errorf("%s: is still being written; complete files are named %s…", name, closedPrefix)
			}
			all = append(all, name)
			continue
		}
		files, err := os.ReadDir(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if isClosed(file.Name()) {
				all = append(all, filepath.Join(name, file.Name()))
			}
		}
	}
	return all, nil
}

// splitCSV appends the fields of a line: RFC 4180 without line breaks in fields.
func splitCSV(dst []string, line string) ([]string, error) {
	for {
		if !strings.HasPrefix(line, `"`) {
			field, rest, more := strings.Cut(line, ",")
			dst = append(dst, field)
			if !more {
				return dst, nil
			}
			line = rest
			continue
		}
		end := closingQuote(line)
		if end < 0 {
			return dst, errors.New("a quote is not closed")
		}
		dst = append(dst, strings.ReplaceAll(line[1:end], `""`, `"`))
		switch rest := line[end+1:]; {
		case rest == "":
			return dst, nil
		case rest[0] == ',':
			line = rest[1:]
		default:
			return dst, errors.New("something stands between a closing quote and the next comma")
		}
	}
}

func closingQuote(line string) int {
	for i := 1; i < len(line); i++ {
		if line[i] != '"' {
			continue
		}
		if i+1 == len(line) || line[i+1] != '"' {
			return i
		}
		i++
	}
	return -1
}

// number reads a column that is a number of at most so many bits.
func parseNumber(column, s string, bits int) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is not a number in its bounds", column, s)
	}
	return n, nil
}
