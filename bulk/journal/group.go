package journal

import (
	"encoding/binary"
	"fmt"
)

// Group collects the records of one write. The zero Group is ready; Reset keeps its
// buffer, so a group that is used again and again allocates nothing. It is not safe
// for concurrent use.
type Group struct {
	// buf has room for a segment header and the group header in front, so that one
	// write does for both.
	buf   []byte
	n     int
	begun int // offset of the record between Begin and End, 0: none
}

const groupFront = segmentHeaderSize + groupHeaderSize

// Reset empties the group and keeps its buffer.
func (g *Group) Reset() {
	g.n, g.begun = 0, 0
	if g.buf != nil {
		g.buf = g.buf[:groupFront]
	}
}

// Len is the number of records.
func (g *Group) Len() int { return g.n }

// Size is the bytes of all records with their headers: what Log.MaxGroupBytes bounds.
func (g *Group) Size() int { return max(len(g.buf)-groupFront, 0) }

// Add appends a record with a copy of payload. It panics on a payload above
// MaxRecordBytes, as End does.
func (g *Group) Add(kind byte, payload []byte) {
	g.End(append(g.Begin(kind), payload...))
}

// Begin starts a record and returns the buffer to which the caller appends its
// payload; End takes the result back. Nothing else may be called in between.
func (g *Group) Begin(kind byte) []byte {
	if g.buf == nil {
		g.buf = make([]byte, groupFront, 64<<10)
	}
	g.begun = len(g.buf)
	return append(g.buf, 0, 0, 0, 0, 0, 0, 0, kind) // kind is the top byte of the second word
}

// End finishes the record that Begin started.
func (g *Group) End(buf []byte) {
	size := len(buf) - g.begun - recordHeaderSize
	if g.begun == 0 || size < 0 || size > MaxRecordBytes {
		panic(fmt.Sprintf("journal: record of %d bytes, or End without Begin", size))
	}
	kind := buf[g.begun+7]
	binary.LittleEndian.PutUint32(buf[g.begun+4:], uint32(kind)<<24|uint32(size))
	g.buf = buf
	g.begun = 0
	g.n++
}

// Cancel drops the record that Begin started.
func (g *Group) Cancel() { g.begun = 0 }

// seal fills in the group's header and every CRC for a group that goes to at.
func (g *Group) seal(h groupHeader, at Pos) {
	h.body, h.count = uint32(g.Size()), uint32(g.n)
	h.put(g.buf[segmentHeaderSize:], at)
	seed := h.seed(at.Segment)
	offset := at.Offset + groupHeaderSize
	for rest := g.buf[groupFront:]; len(rest) > 0; {
		size := recordHeaderSize + int(binary.LittleEndian.Uint32(rest[4:])&MaxRecordBytes)
		binary.LittleEndian.PutUint32(rest, recordCRC(rest[:size], seed, offset))
		rest = rest[size:]
		offset += uint64(size)
	}
}

// parseRecord reads the record at the start of body, whose place is offset. size is
// that of the whole record, 0 when it does not validate.
func parseRecord(body []byte, seed uint32, offset uint64) (kind byte, payload []byte, size int) {
	if len(body) < recordHeaderSize {
		return 0, nil, 0
	}
	word := binary.LittleEndian.Uint32(body[4:])
	size = recordHeaderSize + int(word&MaxRecordBytes)
	if size > len(body) || binary.LittleEndian.Uint32(body) != recordCRC(body[:size], seed, offset) {
		return 0, nil, 0
	}
	return byte(word >> 24), body[recordHeaderSize:size:size], size
}
