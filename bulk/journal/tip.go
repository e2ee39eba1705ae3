package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"path/filepath"
)

// tip is a small file that remembers, without ever being synced, a group that was
// followed by another durable one. It tells a log whose middle was lost from one that
// ended there: see DESIGN.md. It is a lower bound and may be old, so a fault of it is
// never an error.
type tip struct {
	file File
	buf  [tipSlot]byte
	uuid [16]byte
	turn int64
}

// Two slots are written in turn, so that a torn write leaves the other one.
//
//	0 crc 4 | zero 4 | uuid 16 | sequence 8
const tipSlot = 32

// openTip opens or creates the file and returns the highest sequence that it knows.
func openTip(l *Log) (*tip, uint64) {
	t := &tip{uuid: l.opts.StoreUUID}
	name := filepath.Join(l.opts.Dir, tipName)
	f, err := l.fs.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = l.fs.Create(name)
	}
	if err != nil {
		l.opts.Logger.Warn("open journal tip", "error", err)
		return t, 0
	}
	t.file = f
	return t, readTip(f, t.uuid)
}

func readTip(f File, uuid [16]byte) uint64 {
	var b [2 * tipSlot]byte
	n, _ := f.ReadAt(b[:], 0)
	seq := uint64(0)
	for s := b[:n]; len(s) >= tipSlot; s = s[tipSlot:] {
		if binary.LittleEndian.Uint32(s) != crc32.Checksum(s[4:tipSlot], castagnoli()) || [16]byte(s[8:24]) != uuid {
			continue
		}
		seq = max(seq, binary.LittleEndian.Uint64(s[24:]))
	}
	return seq
}

// note remembers seq. After an error it gives up: what the file holds stays true.
func (t *tip) note(seq uint64) {
	if t.file == nil || seq == 0 {
		return
	}
	b := t.buf[:]
	copy(b[8:], t.uuid[:])
	binary.LittleEndian.PutUint64(b[24:], seq)
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli()))
	if _, err := t.file.WriteAt(b, t.turn*tipSlot); err != nil {
		_ = t.close()
		return
	}
	t.turn = 1 - t.turn
}

func (t *tip) close() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	return err
}

// reset forgets what the file says.
func (t *tip) reset() {
	if t.file == nil {
		return
	}
	if _, err := t.file.WriteAt(make([]byte, 2*tipSlot), 0); err != nil {
		_ = t.close()
	}
}
