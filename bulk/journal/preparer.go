package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxSpare is how many released segments are kept for reuse; more are deleted.
const maxSpare = 4

// zeroChunk is the size of a write that fills a new segment, and zeroSync the bytes
// between its syncs: small steps, so that the hot path's fdatasync does not queue
// behind a whole segment.
const (
	zeroChunk = 256 << 10
	zeroSync  = 4 << 20
)

// prepareAgain is the pause after a segment could not be prepared.
const prepareAgain = 250 * time.Millisecond

// prepared is a segment file that is ready to be written: full size, and durable
// under its name, but with no valid header of this number yet.
type prepared struct {
	number uint64
	file   File
	size   int64
	err    error
}

// preparer makes the next segment ready in its own goroutine, from a released one or
// from a new zero-filled file, so that Append does not wait for that.
type preparer struct {
	fs     FS
	dir    string
	size   int64
	warn   func(msg string, args ...any)
	number uint64 // of the segment that is being prepared; owned by take's caller

	want  chan uint64   // capacity 1: at most one order is open
	ready chan prepared // capacity 1: its result
	ask   chan struct{} // unbuffered: take wants the result as it is, error or not
	quit  chan struct{}
	done  chan struct{}

	short atomic.Pointer[error] // why the disk has no room for the segment that is being prepared

	mu   sync.Mutex
	kept []uint64 // segments on disk that are not released, ascending; guarded by mu
	free []uint64 // released ones, ascending; guarded by mu
}

// newPreparer starts the goroutine and orders segment next. kept are the segments
// that hold the log up to there.
func newPreparer(l *Log, kept []uint64, next uint64) *preparer {
	p := &preparer{
		fs: l.fs, dir: l.opts.Dir, size: l.opts.SegmentBytes, warn: l.opts.Logger.Warn,
		kept: kept, number: next,
		want: make(chan uint64, 1), ready: make(chan prepared, 1), ask: make(chan struct{}),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	p.want <- next
	go p.run()
	return p
}

func (p *preparer) run() {
	defer close(p.done)
	for {
		select {
		case <-p.quit:
			return
		case n := <-p.want:
			if !p.fulfil(n) {
				return
			}
		}
	}
}

// fulfil prepares a segment, and tries again until it succeeds or take wants to know of the fault.
// It returns false when the preparer is to end.
func (p *preparer) fulfil(number uint64) bool {
	for {
		s := p.prepare(number)
		p.note(s.err)
		if s.err == nil {
			p.ready <- s
			return true
		}
		retry := time.NewTimer(prepareAgain)
		select {
		case <-retry.C:
		case <-p.ask:
			retry.Stop()
			p.ready <- s
			return true
		case <-p.quit:
			retry.Stop()
			return false
		}
	}
}

// note keeps in mind, and logs when that changes, whether the disk has no room for the next segment.
func (p *preparer) note(err error) {
	switch was := p.short.Load(); {
	case NoRoom(err):
		p.short.Store(&err)
		if was == nil {
			p.warn("no room for the next journal segment", "error", err)
		}
	case was != nil:
		p.short.Store(nil)
	}
}

// take waits for the ordered segment and orders the one after it, or the same one
// again after an error. One caller at a time.
func (p *preparer) take() (prepared, error) {
	var s prepared
	select {
	case s = <-p.ready:
	case p.ask <- struct{}{}:
		s = <-p.ready
	}
	if s.err == nil {
		p.mu.Lock()
		p.kept = append(p.kept, s.number)
		p.mu.Unlock()
		p.number++
	}
	p.want <- p.number
	return s, s.err
}

// release frees the kept segments below number.
func (p *preparer) release(number uint64) {
	p.mu.Lock()
	i, _ := slices.BinarySearch(p.kept, number)
	p.free = append(p.free, p.kept[:i]...)
	p.kept = slices.Delete(p.kept, 0, i)
	var surplus []uint64
	if n := len(p.free) - maxSpare; n > 0 {
		surplus = slices.Clone(p.free[:n])
		p.free = slices.Delete(p.free, 0, n)
	}
	p.mu.Unlock()
	for _, n := range surplus {
		if err := p.fs.Remove(p.path(n)); err != nil {
			p.warn("remove released journal segment", "segment", n, "error", err)
		}
	}
}

// stop ends the goroutine and closes the prepared file, which stays for next time.
func (p *preparer) stop() error {
	close(p.quit)
	<-p.done
	select {
	case s := <-p.ready:
		if s.err == nil {
			return s.file.Close()
		}
	default:
	}
	return nil
}

func (p *preparer) path(number uint64) string { return filepath.Join(p.dir, segmentName(number)) }

func (p *preparer) prepare(number uint64) prepared {
	f, err := p.file(number)
	if err != nil {
		return prepared{number: number, err: err}
	}
	size, err := p.fill(f)
	if err == nil {
		err = p.fs.SyncDir(p.dir)
	}
	if err != nil {
		return prepared{number: number, err: errors.Join(err, f.Close())}
	}
	return prepared{number: number, file: f, size: size}
}

// file opens the segment's file: the one that a former run prepared, a released one
// under its new name, or a new one.
func (p *preparer) file(number uint64) (File, error) {
	f, err := p.fs.Open(p.path(number))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	p.mu.Lock()
	var old uint64
	if len(p.free) > 0 {
		old = p.free[0]
		p.free = slices.Delete(p.free, 0, 1)
	}
	p.mu.Unlock()
	if old != 0 {
		err := p.fs.Rename(p.path(old), p.path(number))
		if err == nil {
			return p.fs.Open(p.path(number))
		}
		p.warn("recycle journal segment", "segment", old, "error", err)
	}
	return p.fs.Create(p.path(number))
}

// fill brings f to its full size with zeros, which an fdatasync of the log then never
// has to account for. A recycled file has its size and keeps its stale bytes.
func (p *preparer) fill(f File) (int64, error) {
	size, err := f.Size()
	if err != nil || size >= p.size {
		return size, err
	}
	zeros := make([]byte, zeroChunk)
	for unsynced := int64(0); size < p.size; {
		select {
		case <-p.quit:
			return size, ErrClosed
		default:
		}
		n, err := f.WriteAt(zeros[:min(zeroChunk, p.size-size)], size)
		if err != nil {
			return size, fmt.Errorf("zero-fill: %w", err)
		}
		size += int64(n)
		if unsynced += int64(n); unsynced >= zeroSync {
			unsynced = 0
			if err := f.Datasync(); err != nil {
				return size, fmt.Errorf("zero-fill: %w", err)
			}
		}
	}
	if err := f.Sync(); err != nil {
		return size, fmt.Errorf("zero-fill: %w", err)
	}
	return size, nil
}
