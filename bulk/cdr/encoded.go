package cdr

import (
	"bytes"
	"fmt"
	"strings"
)

// Records that wait elsewhere before a Writer takes them, such as in a database, are encoded:
// an octet for the format, then its lines.
const (
	encodedCSV  = 'c'
	encodedJSON = 'j'
)

// Encode appends records in the Writer's format, for AppendEncoded of this Writer or another.
func (w *Writer) Encode(dst []byte, recs []Record) []byte {
	if len(recs) == 0 {
		return dst
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	kind := byte(encodedCSV)
	if w.opts.Format == JSON {
		kind = encodedJSON
	}
	return w.lines(append(dst, kind), recs)
}

// lines appends records in the Writer's format. It needs mu.
func (w *Writer) lines(dst []byte, recs []Record) []byte {
	for i := range recs {
		if w.opts.Format == JSON {
			dst = w.enc.jsonLine(dst, &recs[i])
		} else {
			dst = w.enc.line(dst, &recs[i])
		}
	}
	return dst
}

// AppendEncoded is Append of records that Encode made, maybe in another format.
func (w *Writer) AppendEncoded(text []byte, pos Position) error {
	recs, err := decode(text)
	if err != nil {
		return err
	}
	return w.Append(recs, pos)
}

func decode(text []byte) (recs []Record, err error) {
	if len(text) == 0 {
		return nil, nil
	}
	kind, text := text[0], text[1:]
	switch kind {
	case encodedJSON:
		for line := range bytes.Lines(text) {
			var r Record
			if err := parseJSON(line, &r); err != nil {
				return nil, fmt.Errorf("encoded record %d: %w", len(recs)+1, err)
			}
			recs = append(recs, r)
		}
		return recs, nil
	case encodedCSV:
		var fields []string
		for line := range strings.Lines(string(text)) {
			var r Record
			if fields, err = splitCSV(fields[:0], strings.TrimSuffix(line, "\n")); err == nil {
				err = parseFields(fields, &r)
			}
			if err != nil {
				return nil, fmt.Errorf("encoded record %d: %w", len(recs)+1, err)
			}
			recs = append(recs, r)
		}
		return recs, nil
	}
	return nil, fmt.Errorf("records are encoded in a way %q that this version does not know", kind)
}
