// Package batch is group commit: many callers hand in items, one goroutine commits
// them in groups by size and age, and each caller learns how its group went.
//
// The main type is Committer. It owns one goroutine, which runs commit; while a group
// is being committed the next one collects, so the dearer a commit is, the larger the
// groups grow. Stop flushes and joins it.
package batch

import (
	"context"
	"errors"
	"sync"
	"time"
)

var (
	// ErrFull is returned while the backlog gate is closed.
	ErrFull = errors.New("batch: backlog is full")
	// ErrStopped is returned after Stop has begun.
	ErrStopped = errors.New("batch: stopped")
)

// Options sets the bounds. Zero values mean the defaults.
type Options struct {
	// MaxItems ends a group: 1,000 by default.
	MaxItems int
	// MaxBytes ends a group when Size is given to New, by the sum of the sizes; 0: no limit.
	// A single item may be larger.
	MaxBytes int
	// Linger is how long the first item of a group waits for company when the committer
	// is idle; 0: not at all.
	Linger time.Duration
	// Backlog is how many items may wait beside the group in commit: 10 × MaxItems by
	// default. When it is reached the gate closes (ErrFull, or Do waits) …
	Backlog int
	// LowWater … and opens again when so few wait: half of Backlog by default.
	LowWater int
	// FlushTimeout bounds the commits that Stop waits for: 10 s by default.
	FlushTimeout time.Duration
}

func (o *Options) complete() {
	if o.MaxItems <= 0 {
		o.MaxItems = 1000
	}
	if o.Backlog <= 0 {
		o.Backlog = 10 * o.MaxItems
	}
	if o.LowWater <= 0 || o.LowWater >= o.Backlog {
		o.LowWater = o.Backlog / 2
	}
	if o.FlushTimeout <= 0 {
		o.FlushTimeout = 10 * time.Second
	}
}

// Committer collects items and commits them in groups, in the order in which they were
// taken. Its methods are safe for concurrent use.
type Committer[T any] struct {
	opts   Options
	size   func(T) int
	commit func(ctx context.Context, items []T) error

	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // capacity 1: something waits, or Stop
	done   chan struct{}
	pool   sync.Pool // of *waiter, for Do

	mu       sync.Mutex
	pending  []entry[T]    // guarded by mu
	bytes    int           // of pending, guarded by mu
	shut     bool          // the gate, guarded by mu
	opened   chan struct{} // closed when the gate opens; nil while it is open; guarded by mu
	stopping bool          // guarded by mu
}

type entry[T any] struct {
	item T
	done func(error)
	wait *waiter
}

// waiter lets Do wait without an allocation: it goes back to the pool.
type waiter struct{ ch chan error }

// New starts a committer. commit gets one group at a time; the slice is reused after it
// returns. size may be nil; with it MaxBytes and bytes count.
func New[T any](opts Options, size func(T) int, commit func(ctx context.Context, items []T) error) *Committer[T] {
	opts.complete()
	ctx, cancel := context.WithCancel(context.Background())
	c := &Committer[T]{
		opts: opts, size: size, commit: commit, ctx: ctx, cancel: cancel,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	c.pool.New = func() any { return &waiter{ch: make(chan error, 1)} }
	go c.run()
	return c
}

// Do hands in item and returns when its group is committed, with the commit's error.
// While the gate is closed it waits for it. When ctx ends first Do returns its error;
// if the item was taken already it is committed all the same.
func (c *Committer[T]) Do(ctx context.Context, item T) error {
	w := c.pool.Get().(*waiter)
	for {
		opened, err := c.add(entry[T]{item: item, wait: w})
		if err == nil {
			break
		}
		if !errors.Is(err, ErrFull) {
			c.pool.Put(w)
			return err
		}
		select {
		case <-opened:
		case <-ctx.Done():
			c.pool.Put(w)
			return ctx.Err()
		}
	}
	select {
	case err := <-w.ch:
		c.pool.Put(w)
		return err
	case <-ctx.Done():
		return ctx.Err() // w is not reused: its group still answers to it
	}
}

// TryDo is Do, but returns ErrFull at once while the gate is closed.
func (c *Committer[T]) TryDo(ctx context.Context, item T) error {
	w := c.pool.Get().(*waiter)
	if _, err := c.add(entry[T]{item: item, wait: w}); err != nil {
		c.pool.Put(w)
		return err
	}
	select {
	case err := <-w.ch:
		c.pool.Put(w)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TryGo hands in item and returns at once: ErrFull while the gate is closed,
// ErrStopped, or nil. done, which may be nil, gets the commit's error on the
// committer's goroutine and must not block. It is called exactly when TryGo returns nil.
func (c *Committer[T]) TryGo(item T, done func(error)) error {
	_, err := c.add(entry[T]{item: item, done: done})
	return err
}

// Go is TryGo that waits for the gate until ctx ends.
func (c *Committer[T]) Go(ctx context.Context, item T, done func(error)) error {
	for {
		opened, err := c.add(entry[T]{item: item, done: done})
		if !errors.Is(err, ErrFull) {
			return err
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Backlog returns how many items wait, without those in the group in commit.
func (c *Committer[T]) Backlog() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// add queues e, or says why not; with ErrFull comes the channel that tells when the
// gate opens.
func (c *Committer[T]) add(e entry[T]) (<-chan struct{}, error) {
	c.mu.Lock()
	if c.stopping {
		c.mu.Unlock()
		return nil, ErrStopped
	}
	if c.shut {
		opened := c.opened
		c.mu.Unlock()
		return opened, ErrFull
	}
	c.pending = append(c.pending, e)
	if c.size != nil {
		c.bytes += c.size(e.item)
	}
	n := len(c.pending)
	if n >= c.opts.Backlog {
		c.shut, c.opened = true, make(chan struct{})
	}
	full := n == 1 || n == c.opts.MaxItems || c.full()
	c.mu.Unlock()
	if full {
		c.nudge()
	}
	return nil, nil
}

// full reports whether the pending items make a whole group. It needs mu.
func (c *Committer[T]) full() bool {
	return len(c.pending) >= c.opts.MaxItems || c.opts.MaxBytes > 0 && c.bytes >= c.opts.MaxBytes
}

func (c *Committer[T]) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Stop refuses new items, commits what waits and joins the goroutine. The commits run
// with a context that ends only after FlushTimeout, whatever ctx does; when ctx ends
// first Stop cancels them and returns its error once they have returned.
func (c *Committer[T]) Stop(ctx context.Context) error {
	c.mu.Lock()
	c.stopping = true
	if c.shut {
		c.shut = false
		close(c.opened)
	}
	c.mu.Unlock()
	c.nudge()
	timeout := time.NewTimer(c.opts.FlushTimeout)
	defer timeout.Stop()
	defer c.cancel()
	select {
	case <-c.done:
		return nil
	case <-timeout.C:
		c.cancel()
		<-c.done
		return context.DeadlineExceeded
	case <-ctx.Done():
		c.cancel()
		<-c.done
		return ctx.Err()
	}
}

func (c *Committer[T]) run() {
	defer close(c.done)
	group := make([]entry[T], 0, c.opts.MaxItems)
	items := make([]T, 0, c.opts.MaxItems)
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	busy := false // items gathered while the last group was in commit: no need to linger
	for {
		<-c.wake
		for {
			if !busy {
				c.linger(timer)
			}
			var more, stopping bool
			group, more, stopping = c.take(group[:0])
			if len(group) > 0 {
				items = c.flush(group, items)
			}
			busy = more
			if !more {
				if stopping {
					return
				}
				break
			}
		}
	}
}

// linger waits for company until the group is full, the time is up or Stop begins.
func (c *Committer[T]) linger(timer *time.Timer) {
	if c.opts.Linger <= 0 {
		return
	}
	timer.Reset(c.opts.Linger)
	for {
		c.mu.Lock()
		ready := c.stopping || c.full()
		c.mu.Unlock()
		if ready {
			timer.Stop()
			return
		}
		select {
		case <-timer.C:
			return
		case <-c.wake:
		}
	}
}

// take moves one group out of pending.
func (c *Committer[T]) take(group []entry[T]) (_ []entry[T], more, stopping bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, bytes := 0, 0
	for n < len(c.pending) && n < c.opts.MaxItems {
		if c.size != nil {
			size := c.size(c.pending[n].item)
			if n > 0 && c.opts.MaxBytes > 0 && bytes+size > c.opts.MaxBytes {
				break
			}
			bytes += size
		}
		n++
	}
	group = append(group, c.pending[:n]...)
	rest := copy(c.pending, c.pending[n:])
	clear(c.pending[rest:])
	c.pending = c.pending[:rest]
	c.bytes -= bytes
	if c.shut && rest <= c.opts.LowWater {
		c.shut = false
		close(c.opened)
		c.opened = nil
	}
	return group, rest > 0, c.stopping
}

// flush commits one group and tells everybody.
func (c *Committer[T]) flush(group []entry[T], items []T) []T {
	items = items[:0]
	for i := range group {
		items = append(items, group[i].item)
	}
	err := c.commit(c.ctx, items)
	for i := range group {
		e := &group[i]
		if e.wait != nil {
			e.wait.ch <- err
		} else if e.done != nil {
			e.done(err)
		}
	}
	clear(group)
	clear(items)
	return items
}
