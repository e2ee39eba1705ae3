package cdr

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"
)

// FuzzLine: a line that can be read as a record is the same record when it is written and
// read again, in either format.
func FuzzLine(f *testing.F) {
	r := record(1)
	r.ClientRef, r.From = `a,"b"`, "größe"
	e := newEncoder()
	f.Add(string(bytes.TrimSuffix(e.line(nil, &r), []byte("\n"))))
	f.Add(string(bytes.TrimSuffix(e.jsonLine(nil, &r), []byte("\n"))))
	f.Add("2026-01-31T12:00:00.000Z,0000000000000001,1,1,7,=1+1,+1,1,,SENT,0,,,,1,NORMAL,HTTP,,,,0")
	f.Add(`{"time":null,"message_id":"0000000000000001","part":1,"parts":2,"status":"FAILED","priority":"LOW","via":"SMPP","batch_id":null}`)
	f.Fuzz(func(t *testing.T, line string) {
		for _, format := range []Format{CSV, JSON} {
			in := reader{format: format}
			if in.parse([]byte(line)) != nil {
				continue
			}
			write := func(r *Record) []byte {
				if format == JSON {
					return e.jsonLine(nil, r)
				}
				return e.line(nil, r)
			}
			first := write(&in.record)
			if bytes.IndexByte(first, '\n') != len(first)-1 {
				t.Fatalf("%q is written as %q, which is not one line", line, first)
			}
			if err := in.parse(bytes.TrimSuffix(first, []byte("\n"))); err != nil {
				t.Fatalf("%q is written as %q: %v", line, first, err)
			}
			again := in.record // without what a line cannot have, such as a formula
			if err := in.parse(bytes.TrimSuffix(write(&again), []byte("\n"))); err != nil || in.record != again {
				t.Fatalf("%q is %+v, read again as %+v, %v", line, again, in.record, err)
			}
		}
	})
}

// file returns a complete file with n records.
func file(format Format, n int) []byte {
	e, all := newEncoder(), []byte(format.header())
	for i := range n {
		if r := record(i + 1); format == JSON {
			all = e.jsonLine(all, &r)
		} else {
			all = e.line(all, &r)
		}
	}
	sum := sha256.Sum256(all[len(format.header()):])
	return append(all, format.trailer(int64(n), sum[:])...)
}

// readBytes reads a file that is in memory.
func readBytes(format Format, text []byte) (Summary, error) {
	in := reader{
		format: format, lines: bufio.NewReaderSize(bytes.NewReader(text), 64<<10), sum: sha256.New(), each: func(*Record) error { return nil },
	}
	return in.read()
}

// FuzzFile: a file that is read to its end is one that was written, octet for octet.
func FuzzFile(f *testing.F) {
	for _, format := range []Format{CSV, JSON} {
		f.Add(file(format, 0), format == JSON, uint16(0), byte(0))
		f.Add(file(format, 3), format == JSON, uint16(40), byte(1))
	}
	f.Add([]byte(Header+"#records=0,sha256=\n"), false, uint16(3), byte(9))
	f.Fuzz(func(t *testing.T, text []byte, isJSON bool, at uint16, flip byte) {
		format := CSV
		if isJSON {
			format = JSON
		}
		sum, err := readBytes(format, text)
		switch {
		case err != nil && !errors.Is(err, ErrChanged) && !errors.Is(err, ErrNoTrailer):
			t.Fatalf("an error that is not of the file: %v", err)
		case err == nil && sum.Records != int64(bytes.Count(text, []byte("\n"))-1-bytes.Count([]byte(format.header()), []byte("\n"))):
			t.Fatalf("%d records of %q", sum.Records, text)
		}
		good := file(format, 2)
		if flip != 0 {
			good[int(at)%len(good)] ^= flip
			if _, err := readBytes(format, good); err == nil {
				t.Fatalf("octet %d was changed by %#x, and nobody saw it", int(at)%len(good), flip)
			}
		}
	})
}

// FuzzSlot: a checkpoint is what was written, and no octets with a right sum do harm.
func FuzzSlot(f *testing.F) {
	f.Add([]byte("name"), uint64(1), int64(2), false)
	f.Add(bytes.Repeat([]byte{0xff}, slotSize), uint64(1<<63), int64(-1), true)
	f.Fuzz(func(t *testing.T, octets []byte, turn uint64, length int64, isJSON bool) {
		var s [slotSize]byte
		copy(s[8:], octets)
		copy(s[4:], slotMagic)
		binary.LittleEndian.PutUint64(s[8:], turn)
		binary.LittleEndian.PutUint64(s[16:], uint64(length))
		if s[slotSize-1] = 0; isJSON {
			s[slotSize-1] = 1
		}
		binary.LittleEndian.PutUint32(s[:], slotCRC(s[:]))
		c, ok := parseSlot(s[:])
		if !ok {
			if s[40] <= maxName {
				t.Fatalf("a name of %d octets is refused", s[40])
			}
			return
		}
		if c.turn != turn || c.length != length || (c.format == JSON) != isJSON || len(c.sealed) != int(s[40]) || !bytes.Equal(c.pos[:], s[24:40]) {
			t.Fatalf("%+v", c)
		}
		s[int(turn%slotSize)] ^= 1
		if _, ok := parseSlot(s[:]); ok {
			t.Fatalf("octet %d was changed, and nobody saw it", turn%slotSize)
		}
	})
}
