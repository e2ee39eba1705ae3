package dispatch

import (
	"errors"
	"math"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/upstream"
	"protei-bulk/smpp"
)

// flight is one message on its way: taken from its lane, until each of its parts has an
// outcome. Flights are used again, unless a timeout may still bring a late answer.
type flight struct {
	d     *Dispatcher
	item  queue.Item
	left  atomic.Int32 // parts without an outcome, and one while the sender is at it
	on    upstream.Bind
	parts []part
	one   [1]part
	whole bool   // one submission carries all parts that go
	took  uint32 // µs to the slowest answer
}

// part is one submit_sm. It is the Completion of its call.
type part struct {
	f       *flight
	index   uint16
	outcome outcome
	late    bool // timed out: the session may still use it
	cut     bool // lost because the link ended
	status  smpp.Status
	took    uint32    // µs to the answer
	handed  time.Time // to a Gateway
	call    upstream.Call
}

// between is the time from handing a part over to its answer, in µs.
func between(sent, done time.Time) uint32 {
	if sent.IsZero() || done.Before(sent) {
		return 0
	}
	return uint32(min(done.Sub(sent).Microseconds(), math.MaxUint32))
}

// outcome is how one try of a part ended.
type outcome uint8

const (
	open    outcome = iota
	done            // recorded: Submitted, or settled
	retry           // refused for now
	lost            // nobody knows
	unsent          // never handed to a session
	noRoute         // refused: the SMSC has no way for it
	skipped         // was not to be sent
	follows         // goes with the part that leads, and ends as that does
)

func (d *Dispatcher) newFlight(it *queue.Item) *flight {
	f, _ := d.flights.Get().(*flight)
	if f == nil {
		f = &flight{d: d}
	}
	f.item = *it
	f.on, f.whole, f.took = 0, false, 0
	n := len(it.Msg.Parts)
	if n == 1 {
		f.parts = f.one[:]
	} else {
		f.parts = make([]part, n)
	}
	for i := range f.parts {
		p := &f.parts[i]
		p.f, p.index, p.outcome, p.late, p.status, p.took = f, uint16(i), open, false, 0, 0
		p.cut = false
		if !it.Parts.Has(i) {
			p.outcome = skipped
		}
	}
	f.left.Store(1)
	return f
}

func (f *flight) recycle() {
	for i := range f.parts {
		if f.parts[i].late {
			return
		}
	}
	f.item = queue.Item{}
	f.parts = nil
	f.d.flights.Put(f)
}

// Complete takes the outcome of one submit_sm. It runs on the session's goroutine.
func (p *part) Complete(r smpp.Result) {
	d := p.f.d
	p.took = between(r.Sent, r.Done)
	if r.Err != nil {
		p.late = errors.Is(r.Err, smpp.ErrTimeout)
		p.cut = !p.late
		p.outcome, p.status = lost, smpp.RUNKNOWNERR
		d.counters.lost.Add(1)
		p.f.partDone()
		return
	}
	switch d.classify(r.Status) {
	case Accepted:
		p.accepted(&r)
	case Throttle:
		d.counters.throttled.Add(1)
		d.sendAgain(p)
		return
	case Temporary:
		d.counters.temporary.Add(1)
		p.outcome, p.status = retry, r.Status
	case Permanent:
		p.going(func(q *part) { q.rejected(r.Status, r.Done.UnixMilli()) })
	case Failing:
		p.going(func(q *part) { q.ended(message.Failed, r.Status, r.Done.UnixMilli()) })
	case NoRoute:
		p.outcome, p.status = noRoute, r.Status
	}
	p.f.partDone()
}

// accepted records that the SMSC has the part.
func (p *part) accepted(r *smpp.Result) {
	f := p.f
	d, m := f.d, f.item.Msg
	id := messageID(r.PDU)
	if f.whole {
		p.taken(id, r.Done.UnixMilli())
		return
	}
	p.outcome = done
	d.counters.submitted.Add(1)
	if id == "" {
		d.noID()
	} else if m.Flags&message.WantReceipt != 0 {
		d.o.Store.NoteSubmitted(message.ReceiptKey{Group: d.o.Connector, SMSCID: id}, m, int(p.index))
	}
	d.record(message.Event{
		Kind: message.Submitted, Msg: m, Part: p.index, SMSCID: id, At: r.Done.UnixMilli(), Dup: f.item.Dup, Took: p.took,
	})
}

func messageID(p smpp.PDU) string {
	if resp, ok := p.(*smpp.SubmitSMResp); ok && resp != nil {
		return string(resp.MessageID)
	}
	return ""
}

func (p *part) rejected(st smpp.Status, at int64) { p.ended(message.Rejected, st, at) }

// ended settles a part that is refused for good.
func (p *part) ended(as message.Status, st smpp.Status, at int64) {
	p.outcome = done
	p.f.d.counters.rejected.Add(1)
	p.f.d.record(message.Event{Kind: message.Settle, Msg: p.f.item.Msg, Part: p.index, Status: as, Error: uint32(st), At: at, Took: p.took})
}

// CompleteLate takes an answer that came after the timeout. The message has gone its
// way by then, but the SMSC has it: its receipt shall be found.
func (p *part) CompleteLate(r smpp.Result) {
	if r.Err != nil || r.Status != smpp.ROK {
		return
	}
	m := p.f.item.Msg
	if id := messageID(r.PDU); id != "" && m.Flags&message.WantReceipt != 0 {
		p.f.d.o.Store.NoteSubmitted(message.ReceiptKey{Group: p.f.d.o.Connector, SMSCID: id}, m, int(p.index))
	}
}

// partDone counts one outcome. The last one decides about the message.
func (f *flight) partDone() {
	if f.left.Add(-1) != 0 {
		return
	}
	if f.whole {
		f.follow()
	}
	var seen [follows + 1]int
	status := smpp.ROK
	for i := range f.parts {
		p := &f.parts[i]
		seen[p.outcome]++
		f.took = max(f.took, p.took)
		if p.outcome == retry || p.outcome == lost {
			status = p.status
		}
	}
	if seen[noRoute] > 0 && f.moves(seen[noRoute]) {
		seen = [follows + 1]int{}
	}
	if seen[retry]+seen[lost]+seen[unsent] > 0 {
		f.failed(seen[lost] > 0, seen[retry] > 0, status, seen[done]+seen[skipped] > 0)
	}
	f.d.ended()
	f.recycle()
}

// moves gives the message to the next connector, when this one took no part of it and has
// no way for n of them. Otherwise it rejects those, and reports false.
func (f *flight) moves(n int) bool {
	d, it := f.d, &f.item
	now := d.o.Now().UnixMilli()
	status := smpp.ROK
	for i := range f.parts {
		if f.parts[i].outcome == noRoute {
			status = f.parts[i].status
		}
	}
	if n == len(f.parts) && d.o.Next != nil && int(it.Attempts)+1 < d.o.MaxAttempts {
		if next, ok := d.o.Next(it.Msg); ok {
			d.counters.moved.Add(1)
			d.record(message.Event{
				Kind: message.Requeue, Msg: it.Msg, Part: message.AllParts, At: now, Error: uint32(status), Dup: it.Dup, Connector: next, Took: f.took,
			})
			return true
		}
	}
	for i := range f.parts {
		if p := &f.parts[i]; p.outcome == noRoute {
			p.rejected(p.status, now)
		}
	}
	return false
}

// failed decides about the parts without a final outcome.
func (f *flight) failed(anyLost, anyRetry bool, status smpp.Status, partly bool) {
	d, it := f.d, &f.item
	now := d.o.Now()
	if anyLost {
		switch d.policy {
		case Hold:
			f.each(func(p *part) {
				d.record(message.Event{Kind: message.Hold, Msg: it.Msg, Part: p.index, At: now.UnixMilli()})
			})
			return
		case Fail:
			f.each(func(p *part) {
				if p.outcome == lost {
					d.record(message.Event{
						Kind: message.Settle, Msg: it.Msg, Part: p.index, Status: message.Failed,
						Error: uint32(smpp.RUNKNOWNERR), At: now.UnixMilli(), Took: p.took,
					})
				}
			})
			if !anyRetry && !f.anyUnsent() {
				return
			}
			anyLost = false
		}
	}
	ev := message.Event{
		Kind: message.Requeue, Msg: it.Msg, Part: message.AllParts, At: now.UnixMilli(), Error: uint32(status),
		Dup: anyLost || it.Dup, Took: f.took,
	}
	if anyRetry || anyLost {
		if end := d.retryAt(&ev, it, partly, !anyRetry && f.allCut()); end != 0 {
			d.counters.gaveUp.Add(1)
			f.each(func(p *part) {
				d.record(message.Event{Kind: message.Settle, Msg: it.Msg, Part: p.index, Status: end, Error: ev.Error, At: ev.At, Took: p.took})
			})
			return
		}
		d.counters.retried.Add(1)
	}
	d.record(ev)
}

// retryAt sets when ev's message goes again; cut says that nothing but the end of its link was in
// its way. When there is no time or no try left it returns the status that ends it instead.
func (d *Dispatcher) retryAt(ev *message.Event, it *queue.Item, partly, cut bool) message.Status {
	wait := d.backoff(it.Attempts)
	if cut {
		wait = d.afterCut(it.Attempts)
	}
	if partly || it.Ordered {
		// Part of it is with the SMSC, or others wait behind it: it cannot be SCHEDULED.
		wait = min(wait, message.FarDue*time.Millisecond)
	}
	ev.Due = ev.At + wait.Milliseconds()
	switch {
	case int(it.Attempts)+1 >= d.o.MaxAttempts:
		return message.Failed
	case ev.Due >= d.validUntil(it.Msg):
		return message.Expired
	}
	return 0
}

// each calls fn with the parts that have no final outcome.
func (f *flight) each(fn func(*part)) {
	for i := range f.parts {
		if p := &f.parts[i]; p.outcome != done && p.outcome != skipped {
			fn(p)
		}
	}
}

// allCut reports whether its lost parts were lost with their link.
func (f *flight) allCut() bool {
	all := true
	f.each(func(p *part) { all = all && (p.cut || p.outcome == unsent) })
	return all
}

func (f *flight) anyUnsent() bool {
	found := false
	f.each(func(p *part) { found = found || p.outcome == unsent })
	return found
}
