// Package journal is an append-only log of opaque records (a kind byte and a
// payload) in recycled, zero-filled segment files: what the embedded store trusts
// until SQLite holds the same facts.
//
// The main types are Log, Group (the records of one write and one fdatasync), Pos and
// FS (the file layer, so that tests can break it). DESIGN.md beside this file has the
// format and tells how the end of the log is told apart from damage.
//
// A Log owns one goroutine, the preparer, which makes the next segment ready in the
// background; Close joins it.
package journal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

// DefaultSegmentBytes is the size of a segment when Options.SegmentBytes is 0.
const DefaultSegmentBytes = 64 << 20

// Options says where a log lives and how it is written.
type Options struct {
	// Dir is the folder of the segments; it is created when missing.
	Dir string
	// StoreUUID names the store; segments of another one are refused.
	StoreUUID [16]byte
	// SegmentBytes is the size of a new segment, 4 KiB to 1 GiB; 0 means
	// DefaultSegmentBytes. It bounds a group: see Log.MaxGroupBytes.
	SegmentBytes int64
	// Sync asks for an fdatasync after each group. Without it an acknowledged group
	// may be lost when the machine stops (not when the process does), and Replay cuts
	// the log at the first damage instead of refusing it.
	Sync bool
	// FS is the file layer; nil means the operating system's.
	FS FS
	// Logger gets warnings; nil means none.
	Logger *slog.Logger
}

func (o *Options) complete() error {
	if o.Dir == "" {
		return errors.New("journal: no folder given")
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	if o.SegmentBytes < 4<<10 || o.SegmentBytes > 1<<30 {
		return fmt.Errorf("journal: segment size %d is outside 4 KiB..1 GiB", o.SegmentBytes)
	}
	if o.FS == nil {
		o.FS = OS()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Log is an open journal. Append, Release, End and Close are safe for concurrent use;
// Replay comes once, before the first Append.
type Log struct {
	opts Options
	fs   FS
	lock io.Closer
	salt uint64 // random, see DESIGN.md; changed under mu

	prep *preparer

	mu       sync.Mutex // guards what follows; held during a group's write and sync
	replayed bool
	failed   error // set once, for ever
	closed   bool
	cur      File  // segment being written, nil before the first group of a fresh one
	curSize  int64 // size of cur
	end      Pos   // where the next group goes
	fresh    bool  // cur has no header yet
	prevEnd  Pos   // fresh: where the log ended in the segment before
	seq      uint64
	tip      *tip
	pins     int    // see Pin
	held     uint64 // segment that Release was last told
}

// Open opens or creates the log in opts.Dir and locks it against a second opener
// (ErrInUse). Call Replay before the first Append.
func Open(opts Options) (*Log, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	if err := opts.FS.MkdirAll(opts.Dir); err != nil {
		return nil, fmt.Errorf("create journal folder %s: %w", opts.Dir, err)
	}
	lock, err := opts.FS.Lock(filepath.Join(opts.Dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("lock journal %s: %w", opts.Dir, err)
	}
	return &Log{
		opts: opts,
		fs:   opts.FS,
		lock: lock,
		salt: newSalt(),
	}, nil
}

func newSalt() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// MaxGroupBytes is the largest Group.Size that Append takes.
func (l *Log) MaxGroupBytes() int {
	return int(l.opts.SegmentBytes) - segmentHeaderSize - groupHeaderSize
}

// End returns the position after the last durable group, the zero Pos before Replay.
func (l *Log) End() Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// Append writes the records of g as one group, with one write and one fdatasync, and
// returns the position after it. When it returns nil the group is durable. An empty
// group costs nothing. g can be Reset and used again afterwards.
//
// A failed write or sync poisons the log: this and every later call return ErrFailed,
// and whether the group survives is known only after the next Replay. ErrTooLarge and
// ErrNoSegment write nothing and leave the log usable, and so does ErrNoRoom, whose group
// is not durable, though a crash before the next Append may leave it to Replay.
func (l *Log) Append(g *Group) (Pos, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return l.end, err
	}
	if g.n == 0 {
		return l.end, nil
	}
	if g.Size() > l.MaxGroupBytes() {
		return l.end, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, g.Size(), l.MaxGroupBytes())
	}
	if l.cur == nil || int64(l.end.Offset)+groupHeaderSize+int64(g.Size()) > l.curSize {
		if err := l.roll(); err != nil {
			return l.end, err
		}
	}
	switch err := l.write(g); {
	case err == nil:
	case errors.Is(err, ErrNoRoom):
		return l.end, err
	default:
		l.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		return l.end, l.failed
	}
	return l.end, nil
}

func (l *Log) usable() error {
	switch {
	case l.closed:
		return ErrClosed
	case l.failed != nil:
		return l.failed
	case !l.replayed:
		return errors.New("journal: Append before Replay")
	}
	return nil
}

// roll goes on to the next segment, which the preparer has ready. It needs mu.
func (l *Log) roll() error {
	next, err := l.prep.take()
	if err != nil {
		return fmt.Errorf("%w: segment %d: %w", ErrNoSegment, l.prep.number, err)
	}
	if l.cur != nil {
		if err := l.cur.Close(); err != nil {
			l.opts.Logger.Warn("close journal segment", "segment", l.end.Segment, "error", err)
		}
	}
	l.prevEnd = l.end
	l.cur, l.curSize, l.fresh = next.file, next.size, true
	l.end = Pos{Segment: next.number, Offset: segmentHeaderSize}
	return nil
}

// write puts g at the end of the log. It needs mu.
func (l *Log) write(g *Group) error {
	h := groupHeader{seq: l.seq + 1, salt: l.salt, at: time.Now().UnixMilli(), synced: l.opts.Sync}
	g.seal(h, l.end)
	buf, off := g.buf[segmentHeaderSize:], int64(l.end.Offset)
	if l.fresh {
		sh := segmentHeader{
			version: formatVersion, uuid: l.opts.StoreUUID, number: l.end.Segment,
			size: uint64(l.curSize), prev: l.prevEnd, firstSeq: h.seq,
		}
		sh.put(g.buf[:segmentHeaderSize])
		buf, off = g.buf, 0
	}
	if _, err := l.cur.WriteAt(buf, off); err != nil {
		if NoRoom(err) {
			l.salt = newSalt() // what was written of it is not of the next group
			return fmt.Errorf("%w: write group %d at %s: %w", ErrNoRoom, h.seq, l.end, err)
		}
		return fmt.Errorf("write group %d at %s: %w", h.seq, l.end, err)
	}
	if l.opts.Sync {
		if err := l.cur.Datasync(); err != nil {
			return fmt.Errorf("sync group %d at %s: %w", h.seq, l.end, err)
		}
	}
	l.tip.note(l.seq) // one behind on purpose: see DESIGN.md
	l.seq = h.seq
	l.fresh = false
	l.end.Offset += uint64(groupHeaderSize + g.Size())
	return nil
}

// Release says that nothing before upTo will be replayed again: whole segments before
// it are recycled. A position that goes back is ignored.
func (l *Log) Release(upTo Pos) {
	l.mu.Lock()
	ready := l.replayed && !l.closed
	segment := min(upTo.Segment, l.end.Segment)
	if ready {
		l.held = max(l.held, segment)
		ready = l.pins == 0
	}
	l.mu.Unlock()
	if ready {
		l.prep.release(segment)
	}
}

// Short returns why the disk has no room for the segment after the one being written, or nil. What is
// left of that one can still be used, so it is time to write only what must be. It is for after Replay.
func (l *Log) Short() error {
	if err := l.prep.short.Load(); err != nil {
		return *err
	}
	return nil
}

// Close stops the preparer, closes the files and gives up the lock. It is idempotent.
// Everything that Append acknowledged is durable already.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var errs []error
	if l.prep != nil {
		errs = append(errs, l.prep.stop())
	}
	if l.cur != nil {
		errs = append(errs, l.cur.Close())
	}
	if l.tip != nil {
		errs = append(errs, l.tip.close())
	}
	errs = append(errs, l.lock.Close())
	return errors.Join(errs...)
}
