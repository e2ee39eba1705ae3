package store

import (
	"context"
	"sync"
	"sync/atomic"

	"protei-bulk/bulk/message"
)

// maxQueued bounds the events that wait for the writer before Accept says ErrBusy.
// Record is not bounded here: windows and max_unsynced_settles bound its callers.
const maxQueued = 300_000

// pending is what producers have handed over since the writer last looked.
type pending struct {
	events   []message.Event
	receipts []message.Receipt
	inbound  []inboundRecord
	horizons []horizon
	stamps   []stamp // by at
	moves    []move
	dones    []func(error)
}

func (p *pending) empty() bool {
	return len(p.events) == 0 && len(p.receipts) == 0 && len(p.inbound) == 0 && len(p.horizons) == 0 && len(p.moves) == 0 && len(p.dones) == 0
}

func (p *pending) reset() {
	clear(p.events)
	clear(p.receipts)
	clear(p.inbound)
	clear(p.stamps)
	clear(p.moves)
	clear(p.dones)
	p.events, p.receipts, p.inbound = p.events[:0], p.receipts[:0], p.inbound[:0]
	p.horizons, p.stamps, p.moves, p.dones = p.horizons[:0], p.stamps[:0], p.moves[:0], p.dones[:0]
}

// queue is the door to the writer: producers append to one pending under a short lock,
// the writer swaps it for an empty one.
type queue struct {
	mu     sync.Mutex
	cur    *pending // guarded by mu
	closed error    // guarded by mu: why nothing more is taken
	wake   chan struct{}
	size   atomic.Int64 // events waiting or being written
}

func (q *queue) init() {
	q.cur = &pending{}
	q.wake = make(chan struct{}, 1)
}

// put lets add append to the pending; done follows when that is applied, or at once
// with the reason why it never will be.
func (q *queue) put(done func(error), add func(*pending)) {
	if err := q.try(done, add); err != nil && done != nil {
		done(err)
	}
}

func (q *queue) try(done func(error), add func(*pending)) error {
	q.mu.Lock()
	if err := q.closed; err != nil {
		q.mu.Unlock()
		return err
	}
	before := len(q.cur.events)
	add(q.cur)
	q.size.Add(int64(len(q.cur.events) - before))
	if done != nil {
		q.cur.dones = append(q.cur.dones, done)
	}
	q.mu.Unlock()
	q.signal()
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// swap takes what is pending and leaves spare, which must be empty.
func (q *queue) swap(spare *pending) (p *pending, closed error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p = q.cur
	q.cur = spare
	return p, q.closed
}

// close refuses everything from now on with the reason.
func (q *queue) close(reason error) {
	q.mu.Lock()
	if q.closed == nil {
		q.closed = reason
	}
	q.mu.Unlock()
	q.signal()
}

// Record makes ev durable and applies it. done, which may be nil, runs afterwards on
// the applier goroutine and must not block.
func (e *Embedded) Record(ev message.Event, done func(error)) {
	e.queue.put(done, func(p *pending) { p.events = append(p.events, ev) })
}

// RecordMany is Record for several events that become durable together, in order.
func (e *Embedded) RecordMany(evs []message.Event, done func(error)) {
	e.queue.put(done, func(p *pending) { p.events = append(p.events, evs...) })
}

// RecordHorizon makes a lane's send horizon durable. A horizon never goes back.
func (e *Embedded) RecordHorizon(key message.Lane, seq uint64, done func(granted uint64, err error)) {
	e.queue.put(func(err error) { done(seq, err) }, func(p *pending) { p.horizons = append(p.horizons, horizon{key, seq}) })
}

// Accept takes new messages and returns when they are durable and in the live table.
// They are the store's from then on. What those with a Tariff cost must have been reserved.
// ErrBusy, ErrDiskFull, ErrTooLarge and ErrFailed refuse
// all of them; after any other error the messages may or may not be accepted.
func (e *Embedded) Accept(ctx context.Context, msgs []*message.Message, extra AcceptExtra) error {
	return Wait(ctx, func(done func(error)) error { return e.AcceptAsync(msgs, extra, done) })
}

// Wait returns what start's callback is given, or why start did not begin, or why ctx ended first.
func Wait(ctx context.Context, start func(done func(error)) error) error {
	result := make(chan error, 1)
	if err := start(func(err error) { result <- err }); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// AcceptAsync is Accept that calls done, on the applier goroutine, instead of waiting.
// When it returns an error nothing was taken and done is not called.
func (e *Embedded) AcceptAsync(msgs []*message.Message, extra AcceptExtra, done func(error)) error {
	if err := e.admit(len(msgs)); err != nil {
		return err
	}
	if extra.Answer != nil {
		if err := e.admitAnswer(msgs, extra.Answer); err != nil {
			return err
		}
	}
	return e.queue.try(done, func(p *pending) {
		if extra.Answer != nil {
			p.stamps = append(p.stamps, stamp{at: len(p.events), n: len(msgs), first: msgs[0].ID, batch: msgs[0].Batch, answer: extra.Answer})
		}
		for _, m := range msgs {
			p.events = append(p.events, message.Event{Kind: message.Accept, Msg: m, At: m.SubmittedAt})
		}
	})
}

// admit says whether n more messages may come in.
func (e *Embedded) admit(n int) error {
	switch full := e.full(); {
	case full != nil:
		return full
	case e.queue.size.Load() > maxQueued, e.dirty.len()+n > e.opts.MaxBacklog:
		return ErrBusy
	}
	return nil
}
