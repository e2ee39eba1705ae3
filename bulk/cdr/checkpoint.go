package cdr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// Position is a place in the store's journal, opaque to this package except that later
// ones are greater as bytes.
type Position [16]byte

// checkpoint is what is durable: the current file of format up to length holds the records
// of every event up to pos. While sealed is set the file is being renamed to it.
type checkpoint struct {
	turn   uint64
	length int64
	pos    Position
	format Format
	sealed string
}

// Two slots are written in turn, far enough apart that no torn write hits both.
//
//	0 crc 4 | "CDR1" | turn 8 | length 8 | position 16 | name length 1 | name … format 1
//
// The format is the last octet of the slot: 0 is CSV, 1 JSON.
const (
	slotSize  = 512
	slotMagic = "CDR1"
	maxName   = 100
)

// checkpoints is the file that holds them.
type checkpoints struct {
	file *os.File
	turn uint64
	buf  [slotSize]byte
}

// Used reports whether a Writer has written into the folder.
func Used(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, checkpointName))
	return err == nil
}

// openCheckpoints opens or creates the file and returns the last checkpoint.
func openCheckpoints(name string) (*checkpoints, checkpoint, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, checkpoint{}, err
	}
	var raw [2 * slotSize]byte
	n, err := f.ReadAt(raw[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		f.Close()
		return nil, checkpoint{}, err
	}
	last := checkpoint{format: CSV}
	for s := raw[:n]; len(s) >= slotSize; s = s[slotSize:] {
		if c, ok := parseSlot(s[:slotSize]); ok && c.turn > last.turn {
			last = c
		}
	}
	return &checkpoints{file: f, turn: last.turn}, last, nil
}

func parseSlot(s []byte) (c checkpoint, ok bool) {
	if string(s[4:8]) != slotMagic || binary.LittleEndian.Uint32(s) != slotCRC(s) || s[40] > maxName {
		return c, false
	}
	c.turn = binary.LittleEndian.Uint64(s[8:])
	c.length = int64(binary.LittleEndian.Uint64(s[16:]))
	copy(c.pos[:], s[24:40])
	c.sealed = string(s[41 : 41+int(s[40])])
	c.format = CSV
	if s[slotSize-1] != 0 {
		c.format = JSON
	}
	return c, true
}

func slotCRC(s []byte) uint32 {
	return crc32.Checksum(s[4:], crc32.MakeTable(crc32.Castagnoli))
}

// write makes c durable.
func (p *checkpoints) write(c checkpoint) error {
	p.turn++
	s := p.buf[:]
	clear(s)
	copy(s[4:], slotMagic)
	binary.LittleEndian.PutUint64(s[8:], p.turn)
	binary.LittleEndian.PutUint64(s[16:], uint64(c.length))
	copy(s[24:], c.pos[:])
	s[40] = byte(len(c.sealed))
	copy(s[41:], c.sealed)
	if c.format == JSON {
		s[slotSize-1] = 1
	}
	binary.LittleEndian.PutUint32(s, slotCRC(s))
	if _, err := p.file.WriteAt(s, int64(p.turn%2)*slotSize); err != nil {
		return fmt.Errorf("write CDR position: %w", err)
	}
	if err := p.file.Sync(); err != nil {
		return fmt.Errorf("sync CDR position: %w", err)
	}
	return nil
}
