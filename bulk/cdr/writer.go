package cdr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

var (
	// ErrFailed is returned for ever after a failed sync: what the disk holds is unknown
	// until the next Open, which derives the missing records again.
	ErrFailed = errors.New("CDR files failed")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("CDR files closed")
)

// Options sets folder and bounds. Zero values mean the defaults.
type Options struct {
	Dir         string        // folder of the files; created when missing
	Format      Format        // CSV
	Compression Compression   // of closed files: none
	RotateBytes int64         // size at which a file is closed: 256 MiB
	RotateEvery time.Duration // age at which a file is closed: 1 h
	Keep        time.Duration // age at which a closed file is deleted; 0 keeps all
	KeepBytes   int64         // octets of closed files above which the oldest are deleted; 0 keeps all
	// MaxBuffer bounds the lines in memory that are not written yet: 8 MiB. Append waits
	// when it is reached, so that a slow or full disk is felt by the store.
	MaxBuffer int
	// Trouble is called by the writer's goroutine when the disk begins to refuse writes,
	// with nil when it takes them again, and with ErrFailed when all is over. While there
	// is trouble intake should stop. It must not block.
	Trouble func(error)
	Logger  *slog.Logger

	now     func() time.Time
	retry   time.Duration
	writeAt func(f *os.File, b []byte, off int64) (int, error)
	// between, when set, is asked before each step of closing a file: an error is a crash there.
	between func(step string) error
}

func (o *Options) complete() error {
	if o.Dir == "" {
		return errors.New("cdr: no folder given")
	}
	var err error
	if o.Format, err = ParseFormat(string(o.Format)); err != nil {
		return fmt.Errorf("cdr: %w", err)
	}
	if o.Compression, err = ParseCompression(string(o.Compression)); err != nil {
		return fmt.Errorf("cdr: %w", err)
	}
	if o.RotateBytes <= 0 {
		o.RotateBytes = 256 << 20
	}
	if o.RotateEvery <= 0 {
		o.RotateEvery = time.Hour
	}
	if o.MaxBuffer <= 0 {
		o.MaxBuffer = 8 << 20
	}
	if o.Trouble == nil {
		o.Trouble = func(error) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.retry <= 0 {
		o.retry = time.Second
	}
	if o.writeAt == nil {
		o.writeAt = (*os.File).WriteAt
	}
	if o.between == nil {
		o.between = func(string) error { return nil }
	}
	return nil
}

const (
	checkpointName = "position"
	// writeBytes wakes the goroutine; below it lines wait up to writeEvery, which is also
	// the longest time without a sync.
	writeBytes = 256 << 10
	writeEvery = 500 * time.Millisecond
)

// Writer appends records to the current file. Its methods are safe for concurrent use.
type Writer struct {
	opts Options
	out  *output   // owned by run after Open
	ends *finisher // of closed files
	wake chan struct{}
	quit chan struct{}
	done chan struct{}

	mu     sync.Mutex
	room   sync.Cond // buf was taken, or the writer failed
	enc    *encoder  // guarded by mu, like the rest
	buf    []byte    // lines not yet taken by run
	pos    Position  // of the last Append
	syncs  []syncWait
	closed bool
	failed error
}

// syncWait is a caller of SyncTo.
type syncWait struct {
	pos Position
	ch  chan error // capacity 1
}

// Open opens the folder, cuts what a crash left behind the last Sync, and starts the
// goroutine.
func Open(opts Options) (*Writer, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	out, err := openOutput(&opts)
	if err != nil {
		return nil, fmt.Errorf("open CDR folder %s: %w", opts.Dir, err)
	}
	w := &Writer{
		opts: opts, out: out, enc: newEncoder(), pos: out.pos,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	w.room.L = &w.mu
	w.ends = newFinisher(&w.opts)
	out.closed = w.ends.nudge
	go w.run()
	return w, nil
}

// Position returns the position of the last Append; right after Open that is the one
// from which the store has to derive records again.
func (w *Writer) Position() Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pos
}

// Append takes the records of all events up to pos. It ignores them when pos is not
// behind Position, and waits while MaxBuffer bytes are not written yet. recs can be
// used again afterwards. An error means that records were not taken and never will be
// by this Writer: ErrFailed or ErrClosed.
func (w *Writer) Append(recs []Record, pos Position) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.buf) >= w.opts.MaxBuffer && w.failed == nil && !w.closed {
		w.nudge()
		w.room.Wait()
	}
	switch {
	case w.failed != nil:
		return w.failed
	case w.closed:
		return ErrClosed
	case bytes.Compare(pos[:], w.pos[:]) <= 0:
		return nil
	}
	before := len(w.buf)
	w.buf = w.lines(w.buf, recs)
	w.pos = pos
	if before < writeBytes && len(w.buf) >= writeBytes || len(w.syncs) > 0 {
		w.nudge()
	}
	return nil
}

func (w *Writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Sync returns when everything that Append took before is durable. When ctx ends first
// it returns its error.
func (w *Writer) Sync(ctx context.Context) error { return w.SyncTo(ctx, w.Position()) }

// SyncTo returns when Append has come to pos and everything up to there is durable. The
// store calls it before it lets go of the events up to pos. When ctx ends first it
// returns its error.
func (w *Writer) SyncTo(ctx context.Context, pos Position) error {
	ch := make(chan error, 1)
	w.mu.Lock()
	switch {
	case w.failed != nil:
		w.mu.Unlock()
		return w.failed
	case w.closed:
		w.mu.Unlock()
		return ErrClosed
	}
	w.syncs = append(w.syncs, syncWait{pos, ch})
	w.mu.Unlock()
	w.nudge()
	select {
	case err := <-ch:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close writes and syncs what was taken and joins the goroutine; with a disk that
// refuses writes it gives up, and the next Open derives the rest again.
func (w *Writer) Close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.quit)
		w.room.Broadcast()
	}
	w.mu.Unlock()
	<-w.done
	w.ends.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

func (w *Writer) run() {
	defer close(w.done)
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	var spare []byte
	for {
		durable, stopping := false, false
		select {
		case <-w.wake:
		case <-tick.C:
			durable = true
		case <-w.quit:
			durable, stopping = true, true
		}
		buf, pos, syncs := w.take(spare)
		err := w.flush(buf, pos, durable || len(syncs) > 0)
		spare = buf[:0]
		for _, s := range syncs {
			s.ch <- err
		}
		if err != nil || stopping {
			w.end(err)
			return
		}
	}
}

// take swaps the buffers and returns the callers of SyncTo whose position has come.
func (w *Writer) take(spare []byte) (buf []byte, pos Position, ready []syncWait) {
	w.mu.Lock()
	defer w.mu.Unlock()
	buf, w.buf = w.buf, spare
	w.syncs = slices.DeleteFunc(w.syncs, func(s syncWait) bool {
		if bytes.Compare(s.pos[:], w.pos[:]) > 0 {
			return false
		}
		ready = append(ready, s)
		return true
	})
	w.room.Broadcast()
	return buf, w.pos, ready
}

// end closes the files and answers everybody who waits.
func (w *Writer) end(err error) {
	if cerr := w.out.close(); err == nil && cerr != nil {
		w.opts.Logger.Warn("close CDR files", "error", cerr)
	}
	w.mu.Lock()
	w.failed = err
	w.closed = true
	syncs := w.syncs
	w.syncs = nil
	w.room.Broadcast()
	w.mu.Unlock()
	for _, s := range syncs {
		s.ch <- errors.Join(ErrClosed, err)
	}
	if err != nil {
		w.opts.Trouble(err)
	}
}

// flush writes buf, which holds the records up to pos, trying again while the disk
// refuses it, then syncs and rotates as is due. An error is final.
func (w *Writer) flush(buf []byte, pos Position, sync bool) error {
	if err := w.persist(func() error { return w.out.write(buf) }); err != nil {
		return err
	}
	w.out.pos = pos
	if rotate := w.out.rotationDue(); sync || rotate {
		if err := w.out.sync(); err != nil {
			return fmt.Errorf("%w: %w", ErrFailed, err)
		}
		if rotate {
			return w.persist(w.out.rotate)
		}
	}
	return nil
}

// persist runs f until it succeeds; Trouble and then quit end the patience.
func (w *Writer) persist(f func() error) error {
	err := f()
	if err == nil {
		return nil
	}
	w.opts.Logger.Error("CDR files cannot be written", "error", err)
	w.opts.Trouble(err)
	timer := time.NewTimer(w.opts.retry)
	defer timer.Stop()
	for {
		select {
		case <-w.quit:
			return fmt.Errorf("%w: %w", ErrFailed, err)
		case <-timer.C:
		}
		if err = f(); err == nil {
			w.opts.Logger.Info("CDR files can be written again")
			w.opts.Trouble(nil)
			return nil
		}
		if errors.Is(err, ErrFailed) {
			return err
		}
		timer.Reset(w.opts.retry)
	}
}
