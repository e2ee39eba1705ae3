package load

import (
	"context"
	"runtime"
	"testing"
	"time"

	"protei-bulk/load/stats"
)

// BenchmarkSchedule is the arithmetic of one start.
func BenchmarkSchedule(b *testing.B) {
	ramp, err := RampRate(RateStage{0, 0}, RateStage{1000 * time.Hour, 100_000})
	if err != nil {
		b.Fatal(err)
	}
	for name, r := range map[string]*Rate{"constant": ConstantRate(2000), "ramp": ramp} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			s := schedule{rate: r}
			for b.Loop() {
				s.next()
			}
		})
	}
}

// idleActor has nothing to end.
type idleActor struct{}

func (idleActor) Close() {}
func (idleActor) Abort() {}

// BenchmarkStart is all that a start costs the scheduler: its time, the class, a free
// user, its wake-up, and the user's way back into the line.
func BenchmarkStart(b *testing.B) {
	class := NewClass("A", Wait{}, func(*User) (idleActor, error) { return idleActor{}, nil },
		Task[idleActor]{Name: "nothing", Run: func(idleActor, *User) {}})
	e, err := New(Options{Classes: []UserClass{class}, Rate: ConstantRate(1), MaxUsers: 64, Recorder: stats.NewRecorder(stats.RecorderOptions{})})
	if err != nil {
		b.Fatal(err)
	}
	e.ctx, e.abort = context.WithCancel(context.Background())
	defer e.abort()
	a := e.arrivals[0]
	s := schedule{rate: ConstantRate(2000)}
	b.ReportAllocs()
	for b.Loop() {
		for a.waiting() == 0 && len(a.pool) == a.bound {
			runtime.Gosched() // a start that is dropped would cost nothing
		}
		at, _ := s.next()
		a.start(at)
	}
	for _, u := range a.pool {
		u.stop()
	}
	e.wg.Wait()
}

func TestScheduleTakesNoMemory(t *testing.T) {
	s := schedule{rate: ConstantRate(1000)}
	if n := testing.AllocsPerRun(1000, func() { s.next() }); n != 0 {
		t.Errorf("%v allocations a start", n)
	}
}

func TestUserQueueTakesTurns(t *testing.T) {
	var q userQueue
	users := make([]*User, 100)
	for i := range users {
		users[i] = &User{Index: i}
	}
	next, back := 0, 0
	for round := range 50 {
		for range 1 + round%7 {
			q.push(users[next%len(users)])
			next++
		}
		for range 1 + round%5 {
			u := q.pop()
			if u == nil {
				if back != next {
					t.Fatal("empty too early")
				}
				break
			}
			if u.Index != back%len(users) {
				t.Fatalf("user %d, want %d", u.Index, back%len(users))
			}
			back++
		}
	}
}
