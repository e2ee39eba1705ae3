package upstream

import (
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/smpp"
)

// Throttled reports whether the status asks us to slow down (SMPP.md item 39), unless a
// connector says otherwise.
func Throttled(st smpp.Status) bool { return st == smpp.RTHROTTLED || st == smpp.RMSGQFUL }

// throttle is what an SMSC that throttles makes of one bind, or of all binds of a Group
// (Options.ThrottleScope): a pause in which nothing is written, and after it a pace.
type throttle struct {
	g      *Group
	paused atomic.Bool
	heeds  atomic.Bool // there is a pace, or a pause to forget: accepted messages matter
	pauses atomic.Uint64

	mu       sync.Mutex // guards what follows
	pace     pace
	pause    time.Duration
	pausedAt time.Time
	resume   *time.Timer // at the end of the pause
	turn     *time.Timer // when the pace has room
	waiting  bool        // turn is running
}

// free returns how much of most may be sent now. When the pace leaves nothing, the group
// signals when it does.
func (t *throttle) free(most int32) int32 {
	if t.paused.Load() {
		return 0
	}
	if most <= 0 || !t.heeds.Load() {
		return max(0, most)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.pace.room(time.Now(), most)
	if n == 0 && !t.waiting {
		t.waiting = true
		t.turn = again(t.turn, t.pace.wait(), t.myTurn)
	}
	return n
}

func (t *throttle) myTurn() {
	t.mu.Lock()
	t.waiting = false
	t.mu.Unlock()
	t.g.signal()
}

// again starts a timer, which is made when there is none.
func again(timer *time.Timer, wait time.Duration, f func()) *time.Timer {
	if timer == nil {
		return time.AfterFunc(wait, f)
	}
	timer.Reset(wait)
	return timer
}

func (t *throttle) spend() {
	if t.heeds.Load() {
		t.mu.Lock()
		t.pace.spend()
		t.mu.Unlock()
	}
}

// slow pauses. The answers to what was sent before the pause began do not lengthen it; one
// to what was sent after it doubles the next.
func (t *throttle) slow(sent time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.paused.Load() || t.pause != 0 && sent.Before(t.pausedAt) {
		return
	}
	o := &t.g.o
	now := time.Now()
	t.pause = min(max(2*t.pause, o.PauseMin), o.PauseMax)
	t.pausedAt = now
	t.pace.throttled(now)
	t.heeds.Store(true)
	t.paused.Store(true)
	t.pauses.Add(1)
	t.resume = again(t.resume, t.pause, t.goOn)
}

func (t *throttle) goOn() {
	t.paused.Store(false)
	t.g.signal()
}

// accepted counts one message that the SMSC took. The length of the last pause is forgotten
// once something sent after it went well.
func (t *throttle) accepted(sent, done time.Time) {
	if !t.heeds.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pace.accepted(done)
	if !t.paused.Load() && sent.After(t.pausedAt) {
		t.pause = 0
	}
	t.heeds.Store(t.pause != 0 || !t.pace.idle())
}

// rate returns the messages a second that the pace allows, 0: any.
func (t *throttle) rate() float64 {
	if !t.heeds.Load() {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pace.rate()
}

func (t *throttle) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, timer := range []*time.Timer{t.resume, t.turn} {
		if timer != nil {
			timer.Stop()
		}
	}
}
