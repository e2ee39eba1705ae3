package load

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// timerWaker is a waker of the runtime's timers, for the fake time of a bubble.
type timerWaker struct {
	timer *time.Timer
	end   chan struct{}
}

func newTimerWaker() *timerWaker {
	return &timerWaker{timer: time.NewTimer(1000 * time.Hour), end: make(chan struct{})}
}

func (w *timerWaker) set(after time.Duration) { w.timer.Reset(after) }
func (w *timerWaker) close()                  { close(w.end) }

func (w *timerWaker) run(fired func()) {
	for {
		fired()
		select {
		case <-w.timer.C:
		case <-w.end:
			return
		}
	}
}

// spy notes when a waker fired.
type spy struct {
	waker
	clock *Clock
	mu    sync.Mutex
	fired []time.Duration
}

func (s *spy) run(fired func()) {
	s.waker.run(func() {
		s.mu.Lock()
		s.fired = append(s.fired, s.clock.Now())
		s.mu.Unlock()
		fired()
	})
}

// TestAlarmRingsForEachWait lets users wait for random times, some of them past, some the
// same, some set while others ring, and looks for an interrupt at each, not earlier and at
// most a slot later.
func TestAlarmRingsForEachWait(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			clock := NewClock()
			clock.Restart()
			w := &spy{waker: newTimerWaker(), clock: clock}
			a := newAlarmWith(clock, w)
			var mu sync.Mutex
			var wanted []time.Duration
			var users sync.WaitGroup
			for i := range uint64(40) {
				users.Go(func() {
					r := rand.New(rand.NewPCG(seed, i))
					for range 50 {
						wait := time.Duration(r.Int64N(int64(3 * time.Second)))
						if r.IntN(4) == 0 {
							wait = time.Duration(r.Int64N(int64(time.Millisecond)))
						}
						at := clock.Now() + wait
						a.at(at)
						mu.Lock()
						wanted = append(wanted, at)
						mu.Unlock()
						time.Sleep(wait + time.Duration(r.Int64N(int64(time.Millisecond))))
					}
				})
			}
			users.Wait()
			time.Sleep(2 * alarmSlot)
			a.close()
			for _, at := range wanted {
				i, _ := slices.BinarySearch(w.fired, at)
				if i == len(w.fired) || w.fired[i] > at+alarmSlot {
					t.Fatalf("seed %d: waited for %v, no interrupt until %v", seed, at, at+alarmSlot)
				}
			}
			if most := 2 * len(wanted); len(w.fired) > most {
				t.Errorf("seed %d: %d interrupts for %d waits", seed, len(w.fired), len(wanted))
			}
		})
	}
}

// TestAlarmIgnoresFarTimes: what has no slot would alias a nearer one.
func TestAlarmIgnoresFarTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := NewClock()
		w := &spy{waker: newTimerWaker(), clock: clock}
		a := newAlarmWith(clock, w)
		a.at(alarmSlots * alarmSlot)
		a.at(1000 * time.Hour)
		time.Sleep(2 * alarmSlots * alarmSlot)
		a.close()
		if len(w.fired) != 1 { // run's own look at the begin
			t.Errorf("fired at %v for times without a slot", w.fired)
		}
	})
}

// TestSystemWakerFires uses the system's own clock; the leak check of the package sees
// whether close ends it.
func TestSystemWakerFires(t *testing.T) {
	w := newWaker()
	if w == nil {
		if newAlarm(NewClock()) != nil {
			t.Error("an alarm without a waker")
		}
		return
	}
	fired, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		w.run(func() {
			select {
			case fired <- struct{}{}:
			default:
			}
		})
	}()
	<-fired // at once
	for range 3 {
		w.set(time.Millisecond)
		<-fired
	}
	w.close()
	<-done
}

// BenchmarkLateness is how late a goroutine wakes up in an idle process, with the runtime's
// timers alone and with the alarm: the lateness at p50 and p95 in µs.
func BenchmarkLateness(b *testing.B) {
	for _, name := range []string{"runtime", "alarm"} {
		b.Run(name, func(b *testing.B) {
			clock := NewClock()
			var a *alarm
			if name == "alarm" {
				a = newAlarm(clock)
				defer a.close()
			}
			timer := time.NewTimer(time.Hour)
			r := rand.New(rand.NewPCG(1, 2))
			var late []time.Duration
			for b.Loop() {
				at := clock.Now() + 2*time.Millisecond + time.Duration(r.Int64N(int64(3*time.Millisecond)))
				timer.Reset(at - clock.Now())
				a.at(at)
				<-timer.C
				late = append(late, clock.Now()-at)
			}
			slices.Sort(late)
			b.ReportMetric(float64(late[len(late)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(late[len(late)*95/100].Microseconds()), "p95-us")
		})
	}
}
