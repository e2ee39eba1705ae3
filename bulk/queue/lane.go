package queue

import (
	"protei-bulk/bulk/message"
)

// horizonStep is the granularity of the send horizon, and how far ahead it is asked for at first.
const horizonStep = 1000

// maxLead is how far ahead of sending a horizon may be asked for.
const maxLead = 64_000

// stride is what one message of a priority costs in the fair order: the inverse of its
// weight (LOW 1, NORMAL 4, HIGH 12, CRITICAL 32).
var stride = [message.NumPriorities]uint64{message.Low: 96, message.Normal: 24, message.High: 8, message.Critical: 3}

// lane is one queue. Its fields are guarded by Queue.mu.
type lane struct {
	id message.Lane

	ready   fifo  // due items in the order of Seq, all newer than …
	late    bySeq // … or merged with these: delayed items that are due now
	inWheel int   // items in Queue.wheel
	waiting int64 // everything that waits, on disk included
	held    int   // ordered items that are parked, or whose turn has come

	appended uint64 // highest sequence seen
	disk     bool   // disk mode: items above loaded are only in the store
	loaded   uint64 // disk mode: highest sequence in memory

	expected int          // room kept for what the load brings
	loading  bool         // a load is under way
	side     fifo         // what was pushed during it
	sideFrom uint64       // appended when it began
	sideFull bool         // something pushed during it did not fit
	retryAt  int64        // Unix ms before which no new load starts
	prune    []message.ID // tombstones to drop at its end

	horizon uint64 // durable: items up to it may be sent
	asked   uint64 // the highest one asked for
	lead    uint64 // how far ahead of need it is asked for
	stalled bool   // the head waits for a horizon that was asked for
	taken   uint64 // highest sequence taken

	suspectTo   uint64 // items up to it may have been sent before the start
	recoverNext uint64 // first sequence given after the start

	pass uint64
}

// memory is the number of items the lane holds or is about to hold.
func (l *lane) memory() int { return l.ready.live + len(l.late) + l.inWheel + l.side.live + l.expected }

// head returns the item that is next in the lane's order, or nil.
func (l *lane) head() *Item {
	it := l.ready.front()
	if len(l.late) != 0 && (it == nil || l.late[0].Seq < it.Seq) {
		return &l.late[0]
	}
	return it
}

// sendable reports whether the head may be taken.
func (l *lane) sendable() bool {
	it := l.head()
	return it != nil && it.Seq <= l.horizon
}

// pop removes the head.
func (l *lane) pop() Item {
	it := l.ready.front()
	var out Item
	if len(l.late) != 0 && (it == nil || l.late[0].Seq < it.Seq) {
		out = l.late.pop()
	} else {
		out = *it
		l.ready.pop()
	}
	l.taken = max(l.taken, out.Seq)
	l.waiting--
	return out
}

// ask returns the horizon to record now, or 0 when the present one is far enough.
func (l *lane) ask() uint64 {
	need := l.taken
	if it := l.head(); it != nil {
		need = max(need, it.Seq)
		if it.Seq > l.horizon && l.asked > l.horizon && l.taken > 0 && !l.stalled {
			l.stalled = true // it had to wait: ask earlier from now on
			l.lead = min(l.lead*2, maxLead)
		}
	}
	if need == 0 || need+l.lead/2 <= l.asked {
		return 0
	}
	to := need + l.lead
	l.asked = (to + horizonStep - 1) / horizonStep * horizonStep
	return l.asked
}

// granted notes that of the horizon to that was asked for, granted is durable. What is
// missing is asked for again.
func (l *lane) granted(to, granted uint64) {
	l.horizon = max(l.horizon, granted)
	if granted < to {
		l.asked = min(l.asked, l.horizon)
	}
	if !l.stalled {
		l.lead = max(l.lead-l.lead/8, horizonStep)
	}
	l.stalled = false
}
