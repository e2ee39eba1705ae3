package load

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// alarm makes the timers of users exact. While nothing else happens the Go runtime waits
// for its next timer in whole milliseconds, rounded up, so that users of an idle process
// start half a millisecond late on average and a whole one in the worst case. The alarm
// has a clock of its own that interrupts that wait within microseconds; the runtime then
// looks at its timers and finds them due. It fires no timer itself: without it, where the
// system has no such clock, users are late as before.
//
//	users:  timer.Reset(d)   set the bit of the slot     ┌──────────── ring of 2^20 slots ─┐
//	                         arm the clock if earlier ─> │ …0 0 1 0 0 0 1 1 0 0 0 0 1 0 0… │
//	clock fires: clear what is past, arm for the next ─> └─────────────────────────────────┘
//
// Slots make many starts share an interrupt: 10,000 a second at most. Times more than
// 105 s ahead have no slot and are not made exact.
type alarm struct {
	clock  *Clock
	slots  [alarmSlots / 64]atomic.Uint64
	armed  atomic.Int64 // slot that the wake is set for; noSlot: none
	done   chan struct{}
	mu     sync.Mutex // guards wake's setting, and what follows
	past   int64      // slots up to here are cleared
	wake   waker
	closed bool
}

// waker interrupts the runtime's wait.
type waker interface {
	set(after time.Duration) // replaces what was set before
	run(fired func())        // calls fired at once and each time it fires, until it is closed
	close()
}

const (
	alarmSlot  = 100 * time.Microsecond
	alarmSlots = 1 << 20
	noSlot     = math.MaxInt64
)

// newAlarm starts an alarm; nil where the system has no clock for it.
func newAlarm(clock *Clock) *alarm {
	w := newWaker()
	if w == nil {
		return nil
	}
	return newAlarmWith(clock, w)
}

func newAlarmWith(clock *Clock, w waker) *alarm {
	a := &alarm{clock: clock, wake: w, done: make(chan struct{}), past: int64(clock.Now() / alarmSlot)}
	a.armed.Store(noSlot)
	go a.run()
	return a
}

// at says that somebody waits for a time since the start of the run. Safe for concurrent
// use and for a nil alarm.
func (a *alarm) at(t time.Duration) {
	if a == nil {
		return
	}
	s := int64(t / alarmSlot)
	if s >= int64(a.clock.Now()/alarmSlot)+alarmSlots-1 {
		return
	}
	// The order matters: whoever clears the armed slot looks at the bits after that.
	word, bit := a.slot(s)
	if word.Or(bit)&bit != 0 || s >= a.armed.Load() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if s < a.armed.Load() {
		a.arm(s)
	}
}

func (a *alarm) slot(s int64) (word *atomic.Uint64, bit uint64) {
	i := uint64(s) % alarmSlots
	return &a.slots[i/64], 1 << (i % 64)
}

// arm sets the wake to the end of a slot. The caller holds mu.
func (a *alarm) arm(s int64) {
	a.armed.Store(s)
	if !a.closed {
		a.wake.set(max(time.Duration(s+1)*alarmSlot-a.clock.Now(), 1))
	}
}

func (a *alarm) run() {
	defer close(a.done)
	a.wake.run(a.next)
}

// next forgets the slots that are past and arms the first one that is not.
func (a *alarm) next() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed.Store(noSlot)
	for now := int64(a.clock.Now() / alarmSlot); a.past < now; a.past++ {
		if word, bit := a.slot(a.past); word.Load()&bit != 0 {
			word.And(^bit)
		}
	}
	if s := a.first(); s < noSlot {
		a.arm(s)
	}
}

// first is the first slot with a bit that is not past. The caller holds mu.
func (a *alarm) first() int64 {
	for s := a.past; s < a.past+alarmSlots; {
		i := uint64(s) % alarmSlots
		if rest := a.slots[i/64].Load() >> (i % 64); rest != 0 {
			return s + int64(bits.TrailingZeros64(rest))
		}
		s += 64 - int64(i%64)
	}
	return noSlot
}

// close ends the alarm and waits for its goroutine.
func (a *alarm) close() {
	if a == nil {
		return
	}
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.wake.close()
	<-a.done
}
