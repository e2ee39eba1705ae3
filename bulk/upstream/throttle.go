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

// Throttle is what an SMSC that throttles makes of one bind, or of all ways to it
// (Options.ThrottleScope): pauses in which nothing is written, and a pace. Its
// methods are safe for concurrent use. It owns two timers until Stop.
type Throttle struct {
	min, max time.Duration // of a pause
	signal   func()        // there may be room again

	paused atomic.Bool
	heeds  atomic.Bool // accepted messages matter: there is a pace, or a pause to forget
	pauses atomic.Uint64

	mu       sync.Mutex // guards what follows
	pace     pace
	pause    time.Duration
	pausedAt time.Time
	resume   *time.Timer // at the end of the pause
	turn     *time.Timer // when the pace has room
	waiting  bool        // turn is running
}

// NewThrottle returns one whose pauses double from min to max; signal is called, and must not
// block, when there may be room again.
func NewThrottle(min, max time.Duration, signal func()) *Throttle {
	t := &Throttle{min: min, max: max, signal: signal, pace: newPace()}
	t.heeds.Store(true)
	return t
}

// Free returns how much of most may be sent now. When the pace leaves nothing, the group
// signals when it does.
func (t *Throttle) Free(most int32) int32 {
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

func (t *Throttle) myTurn() {
	t.mu.Lock()
	t.waiting = false
	t.mu.Unlock()
	t.signal()
}

// again starts a timer, which is made when there is none.
func again(timer *time.Timer, wait time.Duration, f func()) *time.Timer {
	if timer == nil {
		return time.AfterFunc(wait, f)
	}
	timer.Reset(wait)
	return timer
}

// Spend takes the room of one message.
func (t *Throttle) Spend() {
	if t.heeds.Load() {
		t.mu.Lock()
		t.pace.spend()
		t.mu.Unlock()
	}
}

// Slow takes a throttled answer. It pauses when there are many, and for wait at least when that
// is not 0. The answers to what was sent before the pause began do not lengthen it; one to what
// was sent after it doubles the next.
func (t *Throttle) Slow(sent time.Time, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.paused.Load() || t.pause != 0 && sent.Before(t.pausedAt) {
		return
	}
	now := time.Now()
	t.heeds.Store(true)
	if !t.pace.throttled(sent, now) && wait == 0 {
		return
	}
	t.pause = min(max(2*t.pause, t.min), t.max)
	t.pausedAt = now
	wait = max(t.pause, wait)
	t.pace.paused(now, wait)
	t.paused.Store(true)
	t.pauses.Add(1)
	t.resume = again(t.resume, wait, t.goOn)
}

func (t *Throttle) goOn() {
	t.paused.Store(false)
	t.signal()
}

// Accepted counts one message that the SMSC took. The length of the last pause is forgotten
// once something sent after it went well.
func (t *Throttle) Accepted(sent, done time.Time) {
	if !t.heeds.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pace.accepted(sent, done)
	if !t.paused.Load() && sent.After(t.pausedAt) {
		t.pause = 0
	}
	t.heeds.Store(t.pause != 0 || !t.pace.idle())
}

// Rate returns the messages a second that the pace allows, 0: any.
func (t *Throttle) Rate() float64 {
	if !t.heeds.Load() {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pace.rate()
}

// Stop stops the timers.
func (t *Throttle) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, timer := range []*time.Timer{t.resume, t.turn} {
		if timer != nil {
			timer.Stop()
		}
	}
}

// Paused reports whether a pause goes on.
func (t *Throttle) Paused() bool { return t.paused.Load() }

// Pauses returns how many there were.
func (t *Throttle) Pauses() uint64 { return t.pauses.Load() }
