package sheet

import (
	"bufio"
	"errors"
	"io"
	"os"
)

// sharedInMemory is how many octets of shared strings are kept in memory; those of larger
// tables are in a temporary file.
const sharedInMemory = 4 << 20

// maxShared bounds the shared strings of a file: cells of a full sheet of four columns.
const maxShared = 4 << 20

// shared is the table of an XLSX file's strings, by number.
type shared struct {
	ends []uint32 // of the strings, one after another
	mem  []byte
	file *os.File // instead of mem, when there are many

	window []byte // what was read of file last
	from   uint32
}

// readShared reads xl/sharedStrings.xml.
func readShared(src io.Reader, dir string) (*shared, error) {
	s := &shared{}
	x := &xmlScanner{src: bufio.NewReaderSize(src, 32<<10)}
	var out *bufio.Writer
	var item []byte
	phonetic, total := 0, 0
	for {
		err := x.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s, err
		}
		switch name := string(x.name); {
		case name == "rPh" && !x.empty:
			phonetic += map[bool]int{true: -1, false: 1}[x.closes]
		case name == "si" && !x.closes:
			item = item[:0]
		case name == "t" && x.closes && phonetic == 0:
			item = unescape(item, x.text)
		}
		if string(x.name) != "si" || !x.closes && !x.empty {
			continue
		}
		if len(item) > maxCell { // too long for a cell, and stays so
			item = item[:maxCell+1]
		}
		if total += len(item); len(s.ends) == maxShared || total > 1<<31 {
			return s, errors.New("it has too many different texts")
		}
		s.ends = append(s.ends, uint32(total))
		if s.file == nil && total > sharedInMemory {
			if s.file, err = spool(dir); err != nil {
				return s, err
			}
			out = bufio.NewWriterSize(s.file, 64<<10)
			_, _ = out.Write(s.mem) // Flush tells
			s.mem = nil
		}
		if out != nil {
			_, _ = out.Write(item)
		} else {
			s.mem = append(s.mem, item...)
		}
	}
	if out != nil {
		return s, out.Flush()
	}
	return s, nil
}

// at returns string n, valid until the next call.
func (s *shared) at(n int) ([]byte, error) {
	if n < 0 || n >= len(s.ends) {
		return nil, errors.New("a cell names a text that is not there")
	}
	from, to := uint32(0), s.ends[n]
	if n > 0 {
		from = s.ends[n-1]
	}
	if s.file == nil {
		return s.mem[from:to], nil
	}
	if from < s.from || to > s.from+uint32(len(s.window)) { // cells mostly name one text after another
		if cap(s.window) == 0 {
			s.window = make([]byte, 64<<10)
		}
		read, err := s.file.ReadAt(s.window[:cap(s.window)], int64(from))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		s.window, s.from = s.window[:read], from
	}
	if to-s.from > uint32(len(s.window)) {
		return nil, io.ErrUnexpectedEOF
	}
	return s.window[from-s.from : to-s.from], nil
}

func (s *shared) close() error {
	if s == nil || s.file == nil {
		return nil
	}
	return s.file.Close()
}
