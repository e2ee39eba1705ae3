package smpp

import (
	"encoding/binary"
	"fmt"
	"io"
)

// frameReader cuts a byte stream into PDUs. Its buffer grows only as bytes arrive, never
// by what command_length claims, and is given back when a long PDU is done. Before the first
// whole PDU it is small: who only connects costs little.
//
//	buf: [ consumed | whole PDUs and the begin of one | free ]
//	      0         r                                  w
type frameReader struct {
	buf   []byte
	r, w  int
	base  int // usual size of buf
	limit int // highest command_length
}

// firstRead is enough for a bind.
const firstRead = 256

func newFrameReader(base, limit int) frameReader {
	return frameReader{buf: make([]byte, min(base, firstRead)), base: base, limit: limit}
}

// next returns the next whole PDU, aliasing the buffer until fill, or nil when more
// bytes are needed. An impossible command_length is ErrFraming, before its bytes come.
func (f *frameReader) next() ([]byte, error) {
	have := f.w - f.r
	if have < 4 {
		return nil, nil
	}
	n := binary.BigEndian.Uint32(f.buf[f.r:])
	if n < HeaderLen || uint64(n) > uint64(f.limit) {
		return nil, fmt.Errorf("%w: %d", ErrFraming, n)
	}
	if have < int(n) {
		return nil, nil
	}
	pdu := f.buf[f.r : f.r+int(n) : f.r+int(n)]
	f.r += int(n)
	return pdu, nil
}

// fill reads once from src. It moves what is left to the front and doubles the buffer
// when a PDU fills it.
func (f *frameReader) fill(src io.Reader) error {
	if f.r > 0 {
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
		if len(f.buf) < f.base {
			f.resize(f.base)
		}
	}
	switch {
	case f.w == len(f.buf):
		f.resize(2 * len(f.buf))
	case len(f.buf) > f.base && f.w <= f.base/2:
		f.resize(f.base)
	}
	n, err := src.Read(f.buf[f.w:])
	f.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

func (f *frameReader) resize(size int) {
	buf := make([]byte, size)
	copy(buf, f.buf[:f.w])
	f.buf = buf
}
