package queue

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"protei-bulk/bulk/message"
)

// ErrClosed is returned by Take after Close.
var ErrClosed = errors.New("queue: closed")

// maxTombstones bounds the cancelled messages that are not in memory, per connector.
const maxTombstones = 100_000

// Queue holds the lanes of one connector. Take is for one goroutine, the connector's
// dispatcher; everything else is safe for concurrent use.
type Queue struct {
	connector uint16
	o         *Options
	order     *order
	poke      func() // wakes the loader

	mu      sync.Mutex // guards what follows
	lanes   [message.NumPriorities]lane
	wheel   wheel
	now     int64                   // Unix ms of the last Take
	clock   uint64                  // fair order: pass of the lane served last
	tombs   map[message.ID]struct{} // cancelled, but only in the store
	freed   []Item                  // ordered ones whose turn has come
	waiting bool                    // Take is blocked
	closed  bool
	stale   int64 // items pushed with a sequence seen before

	wake  chan struct{} // 1: wakes Take
	timer *time.Timer   // of Take
}

func newQueue(connector uint16, o *Options, order *order, poke func()) *Queue {
	q := &Queue{
		connector: connector, o: o, order: order, poke: poke,
		tombs: make(map[message.ID]struct{}), wake: make(chan struct{}, 1),
	}
	for p := range q.lanes {
		q.lanes[p].id = message.Lane{Connector: connector, Priority: message.Priority(p)}
		q.lanes[p].lead = horizonStep
	}
	return q
}

// Take fills dst with items that are due and within the send horizon, and blocks until
// there is at least one. It returns 0 without an error when wake has a value, which
// lets the taker wait for something else at the same time.
func (q *Queue) Take(ctx context.Context, dst []Item, wake <-chan struct{}) (int, error) {
	for {
		n, next, err := q.take(dst)
		if n > 0 || err != nil {
			return n, err
		}
		woken, err := q.wait(ctx, next, wake)
		if woken || err != nil {
			return 0, err
		}
	}
}

// take returns how many items it took, or when the wheel wants to be looked at again
// (Unix ms, 0: never).
func (q *Queue) take(dst []Item) (n int, next int64, err error) {
	var asks [message.NumPriorities]uint64
	now := q.o.Now().UnixMilli()
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return 0, 0, ErrClosed
	}
	q.advance(now)
	n = q.fill(dst)
	for p := range q.lanes {
		asks[p] = q.lanes[p].ask()
	}
	q.waiting = n == 0
	next = q.wheel.next()
	refill := q.wantsLoad(now)
	q.mu.Unlock()

	for p, to := range asks {
		if to != 0 {
			q.raise(p, to)
		}
	}
	if refill {
		q.poke()
	}
	return n, next, nil
}

func (q *Queue) wait(ctx context.Context, next int64, wake <-chan struct{}) (woken bool, err error) {
	var due <-chan time.Time
	if next != 0 {
		d := time.UnixMilli(next).Sub(q.o.Now())
		if q.timer == nil {
			q.timer = time.NewTimer(d)
		} else {
			q.timer.Reset(d)
		}
		defer q.timer.Stop()
		due = q.timer.C
	}
	select {
	case <-q.wake:
	case <-due:
	case <-wake:
		woken = true
	case <-ctx.Done():
		err = ctx.Err()
	}
	q.mu.Lock()
	q.waiting = false
	q.mu.Unlock()
	return woken, err
}

// fill needs mu. It serves the sendable lane with the lowest pass, again and again.
func (q *Queue) fill(dst []Item) (n int) {
	for ; len(q.freed) > 0 && n < len(dst); n++ {
		dst[n] = q.freed[0]
		q.freed = q.freed[1:]
		q.unhold(&dst[n])
	}
	for n < len(dst) {
		l := q.pick()
		if l == nil {
			break
		}
		l.pass = max(l.pass, q.clock)
		q.clock = l.pass
		// A run as long as the lane's weight keeps the choice off the hot path.
		for run := stride[0] / stride[l.id.Priority]; run > 0 && n < len(dst) && l.sendable(); run-- {
			dst[n] = l.pop()
			if dst[n].Ordered && !q.order.take(q, &dst[n]) {
				l.waiting++ // it is parked
				l.held++
				continue
			}
			l.pass += stride[l.id.Priority]
			n++
		}
	}
	return n
}

func (q *Queue) pick() *lane {
	var best *lane
	for p := range q.lanes {
		l := &q.lanes[p]
		if l.sendable() && (best == nil || max(l.pass, q.clock) <= max(best.pass, q.clock)) {
			best = l
		}
	}
	return best
}

// advance needs mu. It moves what is due from the wheel to its lane.
func (q *Queue) advance(now int64) {
	q.now = max(q.now, now)
	if q.wheel.count == 0 {
		return
	}
	q.wheel.advance(q.now, func(it Item) {
		l := &q.lanes[it.Msg.Priority]
		l.inWheel--
		if it.Due > q.now {
			q.delay(l, it)
			return
		}
		l.late.add(it)
	})
}

func (q *Queue) delay(l *lane, it Item) {
	q.wheel.add(it, q.now)
	l.inWheel++
}

// raise asks the store for a higher send horizon.
func (q *Queue) raise(p int, to uint64) {
	l := &q.lanes[p]
	q.o.Store.RecordHorizon(l.id, to, func(granted uint64, err error) {
		q.mu.Lock()
		wake := false
		if err == nil {
			wake = granted > l.horizon && q.waiting
			l.granted(to, granted)
		} else {
			l.asked = l.horizon
		}
		q.mu.Unlock()
		if err != nil {
			q.o.Logger.Error("send horizon not recorded, lane stands still", "connector", q.connector, "priority", l.id.Priority, "err", err)
		}
		if wake {
			q.signal()
		}
	})
}

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// push needs mu. It is O(1) and never blocks.
func (q *Queue) push(it Item) {
	l := &q.lanes[it.Msg.Priority]
	if it.Seq <= l.appended {
		q.stale++
		return
	}
	l.appended = it.Seq
	if len(q.tombs) != 0 {
		if _, gone := q.tombs[it.Msg.ID]; gone {
			return
		}
	}
	l.waiting++
	room := l.memory() < q.capacity(l)
	switch {
	case l.disk && l.loading && !l.sideFull && room:
		l.side.push(it)
	case l.disk:
		l.sideFull = true
	case !room:
		l.disk, l.loaded = true, it.Seq-1
	default:
		q.keep(l, it)
	}
}

// keep needs mu. It puts an item into memory that is newer than all in its lane.
func (q *Queue) keep(l *lane, it Item) {
	if it.Due != 0 {
		if q.wheel.count == 0 {
			q.now = max(q.now, q.o.Now().UnixMilli())
		}
		if it.Due > q.now {
			q.delay(l, it)
			return
		}
	}
	l.ready.push(it)
}

// capacity needs mu. It is how many items l may hold, given what its neighbours hold.
func (q *Queue) capacity(l *lane) int {
	reserve := q.o.Memory / 8
	shared := q.o.Memory - reserve*len(q.lanes)
	for p := range q.lanes {
		if other := &q.lanes[p]; other != l {
			shared -= max(0, other.memory()-reserve)
		}
	}
	return reserve + max(0, shared)
}

// cancel takes a waiting message out, wherever it waits, and reports whether it did.
func (q *Queue) cancel(p message.Priority, id message.ID, seq uint64, status message.Status) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := &q.lanes[p]
	switch {
	case status == message.Scheduled:
		return q.bury(id)
	case seq == 0:
		return false
	case l.ready.remove(seq), l.late.remove(seq):
	case l.inWheel > 0 && q.wheel.remove(func(it *Item) bool { return it.Seq == seq && it.Msg.Priority == p }) > 0:
		l.inWheel--
	case l.disk && seq > l.loaded:
		// Also one that was pushed during a load: it may be loaded yet.
		if !q.bury(id) {
			return false
		}
		l.side.remove(seq)
	case l.held > 0 && (q.order.cancel(id, seq) || q.unfree(seq, p)):
		l.held--
	default:
		return false
	}
	l.waiting--
	return true
}

// unhold needs mu. It counts an ordered item that is parked no more.
func (q *Queue) unhold(it *Item) {
	l := &q.lanes[it.Msg.Priority]
	l.held--
	l.waiting--
}

// unfree needs mu. It takes an ordered item back whose turn had come.
func (q *Queue) unfree(seq uint64, p message.Priority) bool {
	i := slices.IndexFunc(q.freed, func(it Item) bool { return it.Seq == seq && it.Msg.Priority == p })
	if i < 0 {
		return false
	}
	q.freed = slices.Delete(q.freed, i, i+1)
	return true
}

func (q *Queue) bury(id message.ID) bool {
	if _, twice := q.tombs[id]; twice || len(q.tombs) >= maxTombstones {
		return false
	}
	q.tombs[id] = struct{}{}
	return true
}

// unbury needs mu. The end is in the store now, so no later load brings the message.
func (q *Queue) unbury(p message.Priority, id message.ID) {
	if len(q.tombs) == 0 {
		return
	}
	if l := &q.lanes[p]; l.loading {
		l.prune = append(l.prune, id)
		return
	}
	delete(q.tombs, id)
}

// Pull moves items for which want says so from memory to dst, up to its capacity: they are
// the caller's to end or to give another place, and nobody else sends them. It looks at
// every item, so it is for moments when nothing can be sent.
func (q *Queue) Pull(dst []Item, want func(*Item) bool) []Item {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.advance(q.o.Now().UnixMilli()) // what was delayed and is due now, Take has not looked for
	for p := range q.lanes {
		l := &q.lanes[p]
		before := len(dst)
		dst = l.ready.pull(dst, want)
		dst = l.late.pull(dst, want)
		l.waiting -= int64(len(dst) - before)
	}
	before := len(dst)
	dst = q.order.pull(q, dst, want)
	q.freed = slices.DeleteFunc(q.freed, func(it Item) bool {
		if len(dst) == cap(dst) || !want(&it) {
			return false
		}
		dst = append(dst, it)
		return true
	})
	for i := range dst[before:] {
		q.unhold(&dst[before+i])
	}
	return dst
}

// Depth says how much waits in a lane.
type Depth struct {
	Lane    message.Lane
	Waiting int64 // all that waits; after a start what is on disk counts once it is loaded
	Memory  int   // of these, in memory and due
	Delayed int   // of these, in the delay wheel
	Disk    bool  // disk mode: the rest is in the store only
}

// Depths appends the depth of each lane to dst.
func (q *Queue) Depths(dst []Depth) []Depth {
	q.mu.Lock()
	defer q.mu.Unlock()
	for p := range q.lanes {
		l := &q.lanes[p]
		dst = append(dst, Depth{
			Lane: l.id, Waiting: max(0, l.waiting), Disk: l.disk,
			Memory: l.memory() - l.expected - l.inWheel, Delayed: l.inWheel,
		})
	}
	return dst
}
