package journal

import (
	"cmp"
	"encoding/binary"
	"fmt"
)

// PosSize is the length of an encoded Pos in bytes.
const PosSize = 16

// Pos is a place in the log: a byte offset in a numbered segment. The zero Pos is the
// start of the log; segments count from 1.
type Pos struct {
	Segment uint64
	Offset  uint64
}

// Compare returns -1, 0 or 1 as p is before, at or after q.
func (p Pos) Compare(q Pos) int {
	if c := cmp.Compare(p.Segment, q.Segment); c != 0 {
		return c
	}
	return cmp.Compare(p.Offset, q.Offset)
}

// Before reports whether p comes before q.
func (p Pos) Before(q Pos) bool { return p.Compare(q) < 0 }

// IsZero reports whether p is the start of the log.
func (p Pos) IsZero() bool { return p == Pos{} }

// String returns "segment:offset".
func (p Pos) String() string { return fmt.Sprintf("%d:%d", p.Segment, p.Offset) }

// Encode returns p as 16 bytes, big-endian, so that they sort as positions do.
func (p Pos) Encode() [PosSize]byte {
	var b [PosSize]byte
	binary.BigEndian.PutUint64(b[:8], p.Segment)
	binary.BigEndian.PutUint64(b[8:], p.Offset)
	return b
}

// DecodePos reads what Encode wrote.
func DecodePos(b [PosSize]byte) Pos {
	return Pos{Segment: binary.BigEndian.Uint64(b[:8]), Offset: binary.BigEndian.Uint64(b[8:])}
}
