package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/journal"
)

// probeBytes is what a disk with room takes: more than SQLite adds to one of its files at a time.
const probeBytes = 64 << 10

// noRoomError is ErrDiskFull, and for those who do not know the store ENOSPC.
type noRoomError struct{}

func (noRoomError) Error() string        { return "store: disk is full" }
func (noRoomError) Is(target error) bool { return target == syscall.ENOSPC }

// room is what the disk lacks room for: while there is anything, nothing new is taken. What was
// taken stays in memory and in the journal, and is tried again.
type room struct {
	reserve  atomic.Pointer[error] // Options.MinFreeDisk
	journal  atomic.Pointer[error] // a group or a segment of the journal
	database atomic.Pointer[error] // a transaction of SQLite
}

// full returns why nothing new is taken, ErrDiskFull with the reason, or nil.
func (e *Embedded) full() error {
	for _, p := range []*atomic.Pointer[error]{&e.room.journal, &e.room.database, &e.room.reserve} {
		if err := p.Load(); err != nil {
			return *err
		}
	}
	// Here what is taken can still be made durable at once, so that nobody's answer has to wait for room.
	if err := e.log.Short(); err != nil {
		return fmt.Errorf("%w: no room for more of the journal: %w", ErrDiskFull, err)
	}
	return nil
}

// lacks notes that what waits for room, and why. It logs the first time.
func (e *Embedded) lacks(what *atomic.Pointer[error], name string, err error) {
	err = fmt.Errorf("%w: the %s waits for room: %w", ErrDiskFull, name, err)
	if what.Swap(&err) == nil {
		e.opts.Logger.Error("no room on the disk: nothing new is accepted, what was accepted waits", "error", err)
	}
}

// has notes that what waited has found room.
func (e *Embedded) has(what *atomic.Pointer[error], name string) {
	if what.Load() != nil && what.Swap(nil) != nil {
		e.opts.Logger.Info("room on the disk again", "for", name)
	}
}

// checkDisk compares what is free with the reserve.
func (e *Embedded) checkDisk() {
	if e.opts.MinFreeDisk < 0 {
		return
	}
	free, err := freeBytes(e.opts.Dir)
	if err != nil {
		e.opts.Logger.Warn("disk space is unknown", "error", err)
		return
	}
	full := free < e.opts.MinFreeDisk
	if full == (e.room.reserve.Load() != nil) {
		return
	}
	if full {
		err := fmt.Errorf("%w: less than %d MiB are free", ErrDiskFull, e.opts.MinFreeDisk>>20)
		e.room.reserve.Store(&err)
	} else {
		e.room.reserve.Store(nil)
	}
	e.opts.Logger.Warn("free disk space crossed the limit", "free", free, "limit", e.opts.MinFreeDisk, "accepting", !full)
}

// noRoom reports whether SQLite failed since the disk, or a quota, is full. It has undone the
// transaction then, and the same one can be tried again: its write-ahead log goes on after the last
// commit, whatever was written behind it. SQLITE_FULL is clear; the others are about any fault of a write,
// so the disk is asked.
func (e *Embedded) noRoom(err error) bool {
	switch sqlite.ErrCode(err) {
	case sqlite.ResultFull:
		return true
	case sqlite.ResultIOErrWrite, sqlite.ResultIOErrSHMSize, sqlite.ResultIOErrFsync:
		return journal.NoRoom(probe(e.opts.Dir))
	default:
		return journal.NoRoom(err)
	}
}

// sayFull makes an error of the start ErrDiskFull when that is behind it. SQLite does not always say so.
func (e *Embedded) sayFull(err error) error {
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultIOErr, sqlite.ResultCantOpen, sqlite.ResultFull:
		if journal.NoRoom(probe(e.opts.Dir)) {
			return fmt.Errorf("%w: %w", ErrDiskFull, err)
		}
	}
	return err
}

// probe writes something to dir, and removes it.
func probe(dir string) error {
	path := filepath.Join(dir, "room.probe")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeBytes))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), os.Remove(path))
}

// errLeft ends the materialiser of a store that stops on a full disk: the next start replays the rest.
var errLeft = errors.New("no room on the disk: the rest stays in the journal")

// awaitRoom lets some time pass before the transaction under way is tried again. Writes that come
// meanwhile are refused, but for those that change nothing and want to be told of the next one.
func (m *materialiser) awaitRoom() error {
	e := m.e
	timer := time.NewTimer(e.opts.roomPause)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			e.checkDisk()
			return nil
		case o := <-e.ops:
			m.later = append(m.later, m.refuse([]op{o})...)
		case <-e.applied:
			return errLeft
		case <-e.stop.Done():
			return errLeft
		}
	}
}

// refuse answers the ops that the disk has no room for and returns the others.
func (m *materialiser) refuse(ops []op) (rest []op) {
	err := m.e.full()
	for _, o := range ops {
		if o.do == nil {
			rest = append(rest, o)
		} else {
			o.done <- err
		}
	}
	return rest
}
