package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The format, little-endian; DESIGN.md draws it.
const (
	formatVersion = 1

	// segmentHeaderSize and the place of its CRC are the same in every version, so
	// that an old program can tell a newer format from damage.
	segmentHeaderSize = 128
	groupHeaderSize   = 40
	recordHeaderSize  = 8

	// MaxRecordBytes is the largest payload of one record.
	MaxRecordBytes = 1<<24 - 1

	segmentMagic = "PBULKJNL"
	groupMagic   = "PBg1"
	lockName     = "lock"
	tipName      = "tip"
	segmentExt   = ".seg"

	syncedBit = 1 << 31
)

func segmentName(number uint64) string { return fmt.Sprintf("%012d%s", number, segmentExt) }

// castagnoli is built once per use site by the standard library; crc32.MakeTable
// returns a shared table.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// segmentHeader stands at offset 0 and is written together with the first group.
type segmentHeader struct {
	version  uint32
	uuid     [16]byte
	number   uint64
	size     uint64 // of the file
	prev     Pos    // where the log ended before this segment; zero in the first one
	firstSeq uint64 // sequence of the segment's first group
}

// 0 magic 8 | version 4 | crc 4 | uuid 16 | number 8 | size 8 | prev segment 8 |
// 56 prev offset 8 | first sequence 8 | zeros up to 128
func (h *segmentHeader) put(b []byte) {
	clear(b)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], h.version)
	copy(b[16:], h.uuid[:])
	binary.LittleEndian.PutUint64(b[32:], h.number)
	binary.LittleEndian.PutUint64(b[40:], h.size)
	binary.LittleEndian.PutUint64(b[48:], h.prev.Segment)
	binary.LittleEndian.PutUint64(b[56:], h.prev.Offset)
	binary.LittleEndian.PutUint64(b[64:], h.firstSeq)
	binary.LittleEndian.PutUint32(b[12:], segmentCRC(b))
}

func segmentCRC(b []byte) uint32 {
	tab := castagnoli()
	crc := crc32.Update(0, tab, b[:12])
	return crc32.Update(crc, tab, b[16:segmentHeaderSize])
}

// parse reports whether b begins with an intact header.
func (h *segmentHeader) parse(b []byte) bool {
	if len(b) < segmentHeaderSize || string(b[:8]) != segmentMagic {
		return false
	}
	if binary.LittleEndian.Uint32(b[12:]) != segmentCRC(b) {
		return false
	}
	h.version = binary.LittleEndian.Uint32(b[8:])
	copy(h.uuid[:], b[16:])
	h.number = binary.LittleEndian.Uint64(b[32:])
	h.size = binary.LittleEndian.Uint64(b[40:])
	h.prev = Pos{binary.LittleEndian.Uint64(b[48:]), binary.LittleEndian.Uint64(b[56:])}
	h.firstSeq = binary.LittleEndian.Uint64(b[64:])
	return true
}

// groupHeader stands before the records of one write.
type groupHeader struct {
	seq    uint64 // 1, 2, 3… through the whole log
	salt   uint64 // of the opening that wrote it
	body   uint32 // bytes of all records, their headers included
	count  uint32 // records, with syncedBit when stored
	at     int64  // Unix ms, for people
	synced bool
}

// 0 magic 4 | crc 4 | sequence 8 | salt 8 | body bytes 4 | count 4 (bit 31: synced) | Unix ms 8
func (h *groupHeader) put(b []byte, at Pos) {
	copy(b, groupMagic)
	binary.LittleEndian.PutUint64(b[8:], h.seq)
	binary.LittleEndian.PutUint64(b[16:], h.salt)
	binary.LittleEndian.PutUint32(b[24:], h.body)
	count := h.count
	if h.synced {
		count |= syncedBit
	}
	binary.LittleEndian.PutUint32(b[28:], count)
	binary.LittleEndian.PutUint64(b[32:], uint64(h.at))
	binary.LittleEndian.PutUint32(b[4:], groupCRC(b, at))
}

// groupCRC covers the segment number and the offset first, then the header.
func groupCRC(b []byte, at Pos) uint32 {
	crc := mix(at.Segment, at.Offset)
	return crc32.Update(crc, castagnoli(), b[8:groupHeaderSize])
}

func (h *groupHeader) parse(b []byte, at Pos) bool {
	if len(b) < groupHeaderSize || !bytes.HasPrefix(b, []byte(groupMagic)) {
		return false
	}
	if binary.LittleEndian.Uint32(b[4:]) != groupCRC(b, at) {
		return false
	}
	h.seq = binary.LittleEndian.Uint64(b[8:])
	h.salt = binary.LittleEndian.Uint64(b[16:])
	h.body = binary.LittleEndian.Uint32(b[24:])
	count := binary.LittleEndian.Uint32(b[28:])
	h.count, h.synced = count&^syncedBit, count&syncedBit != 0
	h.at = int64(binary.LittleEndian.Uint64(b[32:]))
	return true
}

// seed is what the CRC of a group's records starts from, before their offset.
func (h *groupHeader) seed(segment uint64) uint32 {
	return mix(segment, h.salt) ^ mix(h.seq, ^h.salt)
}

// mix spreads two numbers over 32 bits (the finalizer of SplitMix64, folded).
func mix(a, b uint64) uint32 {
	z := a*0x9e3779b97f4a7c15 ^ b
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return uint32(z ^ z>>32)
}

// recordCRC covers, through seed and offset, the segment number and the place of the
// record in it, and then everything of the record but the CRC itself.
func recordCRC(rec []byte, seed uint32, offset uint64) uint32 {
	return crc32.Update(seed^uint32(offset), castagnoli(), rec[4:])
}
