package load_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/stats"
)

// worker is an actor whose task takes busy, or until it is aborted.
type worker struct {
	busy    time.Duration
	aborted chan struct{}
	once    sync.Once
}

func (w *worker) Close() {}
func (w *worker) Abort() { w.once.Do(func() { close(w.aborted) }) }

// lab counts what users do.
type lab struct {
	recorder *stats.Recorder
	entry    stats.Entry
	starts   []time.Duration // of users
	runs     []time.Duration // of iterations
	mu       sync.Mutex
	live     []int // users at each tick
}

func newLab() *lab {
	l := &lab{recorder: stats.NewRecorder(stats.RecorderOptions{Shards: 2})}
	l.entry = l.recorder.Entry("GET", "/")
	return l
}

// class makes a class whose task sleeps for busy and records itself.
func (l *lab) class(name string, wait load.Wait, busy time.Duration) load.UserClass {
	return load.NewClass(name, wait, func(u *load.User) (*worker, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.starts = append(l.starts, u.Now())
		return &worker{busy: busy, aborted: make(chan struct{})}, nil
	}, load.Task[*worker]{Name: "work", Run: func(w *worker, u *load.User) {
		sent := u.Now()
		l.mu.Lock()
		l.runs = append(l.runs, sent)
		l.mu.Unlock()
		select {
		case <-time.After(w.busy):
		case <-w.aborted:
			return
		}
		u.Record(l.entry, sent, u.Now(), stats.Sample{})
	}})
}

func (l *lab) options(shape load.Shape, classes ...load.UserClass) load.Options {
	return load.Options{
		CoarseTimers: true, // they run in bubbles
		Classes:      classes, Shape: shape, Recorder: l.recorder, StopTimeout: time.Second, Seed: 1,
		OnTick: func(live stats.Live) { l.live = append(l.live, live.Users) },
	}
}

func run(t *testing.T, o load.Options) *load.Result {
	t.Helper()
	res, err := load.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestUsersStartEvenly(t *testing.T) {
	for name, tc := range map[string]struct {
		users int
		rate  float64
	}{"two a second": {10, 2}, "one every two seconds": {4, 0.5}, "fifty a second": {100, 50}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab()
				ramp := time.Duration(float64(tc.users)/tc.rate*float64(time.Second)) + 2*time.Second
				run(t, l.options(load.Flat{Users: tc.users, SpawnRate: tc.rate, RunTime: ramp}, l.class("A", load.Constant(time.Second), 0)))
				if len(l.starts) != tc.users {
					t.Fatalf("%d users started, want %d", len(l.starts), tc.users)
				}
				for i, at := range l.starts {
					want := time.Duration(float64(i) / tc.rate * float64(time.Second))
					if off := (at - want).Abs(); off > 30*time.Millisecond {
						t.Errorf("user %d started at %v, want %v", i, at, want)
					}
				}
			})
		})
	}
}

func TestClosedModelWaitsAfterEachIteration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		run(t, l.options(load.Flat{Users: 1, SpawnRate: 1, RunTime: 10 * time.Second}, l.class("A", load.Constant(time.Second), 500*time.Millisecond)))
		for i, at := range l.runs {
			if want := time.Duration(i) * 1500 * time.Millisecond; (at - want).Abs() > 20*time.Millisecond {
				t.Errorf("iteration %d at %v, want %v", i, at, want)
			}
		}
		if len(l.runs) != 7 {
			t.Errorf("%d iterations", len(l.runs))
		}
	})
}

func TestConstantThroughput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		res := run(t, l.options(load.Flat{Users: 4, SpawnRate: 1e9, RunTime: 10 * time.Second}, l.class("A", load.ConstantThroughput(20), 10*time.Millisecond)))
		if n := len(l.runs); n < 4*20*10-8 || n > 4*20*10+8 {
			t.Errorf("%d iterations, want about 800", n)
		}
		sum := res.Collector.Summary(res.Collector.Whole())
		if sum.Total.Requests != uint64(len(l.runs)) {
			t.Errorf("%d recorded, %d run", sum.Total.Requests, len(l.runs))
		}
		if mean := sum.Total.Response.Mean(); (mean - 10*time.Millisecond).Abs() > time.Millisecond {
			t.Errorf("mean response %v", mean)
		}
	})
}

func TestStagesGoUpAndDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		shape, err := load.ParseShape("0s:0,4s:40,8s:40,10s:0", 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		res := run(t, l.options(shape, l.class("A", load.Constant(100*time.Millisecond), 0)))
		want := []int{10, 20, 30, 40, 40, 40, 40, 40, 20, 0}
		if len(l.live) < len(want) {
			t.Fatalf("ticks: %v", l.live)
		}
		for i, w := range want {
			if d := l.live[i] - w; d < -2 || d > 2 {
				t.Errorf("second %d: %d users, want about %d (all: %v)", i+1, l.live[i], w, l.live)
			}
		}
		if res.PeakUsers != 40 || res.Stopped || res.Loaded < 10*time.Second || res.Loaded > 10200*time.Millisecond {
			t.Errorf("result %+v", res)
		}
		w, ok := res.Collector.Measured(0)
		if !ok || w.From < 3*time.Second || w.To > 9*time.Second {
			t.Errorf("measured window %+v", w)
		}
	})
}

func TestStopLetsIterationsFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		o := l.options(load.Flat{Users: 3, SpawnRate: 100}, l.class("A", load.Constant(time.Hour), 5500*time.Millisecond))
		res, err := load.Run(ctx, o)
		if err != nil || !res.Stopped || res.Killed {
			t.Fatalf("%+v, %v", res, err)
		}
		if sum := res.Collector.Summary(res.Collector.Whole()); sum.Total.Requests != 3 {
			t.Errorf("%d requests recorded, want the 3 under way", sum.Total.Requests)
		}
		if res.Loaded > 5600*time.Millisecond {
			t.Errorf("took %v to stop", res.Loaded-5*time.Second)
		}
	})
}

func TestStopTimeoutAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		o := l.options(load.Flat{Users: 3, SpawnRate: 100, RunTime: 2 * time.Second}, l.class("A", load.Wait{}, time.Hour))
		res := run(t, o)
		if res.Loaded < 3*time.Second || res.Loaded > 3100*time.Millisecond {
			t.Errorf("users ended after %v, want 2 s and the stop timeout of 1 s", res.Loaded)
		}
	})
}

func TestRetiredUsersAreAbortedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		shape := load.Stages{{At: time.Second, Users: 5}, {At: 2 * time.Second, Users: 0}, {At: 3 * time.Second, Users: 0}}
		res := run(t, l.options(shape, l.class("A", load.Wait{}, time.Hour)))
		if res.Loaded > 4100*time.Millisecond {
			t.Errorf("users ended after %v", res.Loaded)
		}
	})
}

func TestKillEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		kill, cancel := context.WithCancel(t.Context())
		o := l.options(load.Flat{Users: 3, SpawnRate: 100}, l.class("A", load.Wait{}, time.Hour))
		o.Kill, o.StopTimeout = kill, time.Minute
		o.Ledger = stats.NewLedger(stats.LedgerOptions{})
		o.Ledger.Accept(o.Ledger.Issue(1, 0), nil)
		o.DrainTimeout = time.Minute
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		time.AfterFunc(3*time.Second, cancel)
		res, err := load.Run(ctx, o)
		if err != nil || !res.Killed || res.Loaded > 3100*time.Millisecond || res.Drained != 0 {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

func TestDrainEndsWithTheLastReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		o := l.options(load.Flat{Users: 1, SpawnRate: 1, RunTime: time.Second}, l.class("A", load.Constant(time.Second), 0))
		o.Ledger = stats.NewLedger(stats.LedgerOptions{})
		o.DrainTimeout = time.Minute
		seq := o.Ledger.Issue(2, 0)
		o.Ledger.Accept(seq, nil)
		o.Ledger.Accept(seq+1, nil)
		time.AfterFunc(2*time.Second, func() { o.Ledger.Receipt(seq, stats.FinalDelivered, 0) })
		time.AfterFunc(5*time.Second, func() { o.Ledger.Receipt(seq+1, stats.FinalFailed, 0) })
		resolved := false
		o.Resolve = func(context.Context) { resolved = true }
		res := run(t, o)
		if res.Drained < 3900*time.Millisecond || res.Drained > 4200*time.Millisecond {
			t.Errorf("drained for %v, want 4 s", res.Drained)
		}
		if !resolved {
			t.Error("Resolve was not called")
		}
	})
}

func TestDrainGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		o := l.options(load.Flat{Users: 1, SpawnRate: 1, RunTime: time.Second}, l.class("A", load.Constant(time.Second), 0))
		o.Ledger = stats.NewLedger(stats.LedgerOptions{})
		o.DrainTimeout = 7 * time.Second
		o.Ledger.Accept(o.Ledger.Issue(1, 0), nil)
		if res := run(t, o); (res.Drained - 7*time.Second).Abs() > 100*time.Millisecond {
			t.Errorf("drained for %v", res.Drained)
		}
	})
}

func TestPanicInATaskIsAnException(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		class := load.NewClass("A", load.Constant(time.Second), func(*load.User) (*worker, error) {
			return &worker{aborted: make(chan struct{})}, nil
		}, load.Task[*worker]{Name: "bad", Run: func(*worker, *load.User) { panic("broken task") }})
		run(t, l.options(load.Flat{Users: 1, SpawnRate: 1, RunTime: 3500 * time.Millisecond}, class))
		ex := l.recorder.Exceptions()
		if len(ex) != 1 || ex[0].Message != "broken task" || ex[0].Count != 4 {
			t.Errorf("exceptions: %+v", ex)
		}
	})
}

func TestUserThatCanNotStartTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		attempts := 0
		class := load.NewClass("A", load.Constant(time.Second), func(*load.User) (*worker, error) {
			if attempts++; attempts < 3 {
				return nil, errors.New("no luck")
			}
			return &worker{aborted: make(chan struct{})}, nil
		}, load.Task[*worker]{Name: "work", Run: func(*worker, *load.User) { l.runs = append(l.runs, 0) }})
		run(t, l.options(load.Flat{Users: 1, SpawnRate: 1, RunTime: 3500 * time.Millisecond}, class))
		if attempts != 3 || len(l.runs) != 2 {
			t.Errorf("%d attempts, %d iterations", attempts, len(l.runs))
		}
		if ex := l.recorder.Exceptions(); len(ex) != 1 || ex[0].Count != 2 {
			t.Errorf("exceptions: %+v", ex)
		}
	})
}

// TestLatenessAndResponseTime: the first request of an iteration counts from its intended start.
func TestLatenessAndResponseTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		class := load.NewClass("A", load.ConstantPacing(time.Second), func(*load.User) (*worker, error) {
			return &worker{aborted: make(chan struct{})}, nil
		}, load.Task[*worker]{Name: "work", Run: func(_ *worker, u *load.User) {
			sent := u.Now() + 40*time.Millisecond // as if it was held up before sending
			u.Record(l.entry, sent, sent+10*time.Millisecond, stats.Sample{})
			u.Record(l.entry, sent, sent+10*time.Millisecond, stats.Sample{})
		}})
		res := run(t, l.options(load.Flat{Users: 1, SpawnRate: 1, RunTime: 3500 * time.Millisecond}, class))
		total := res.Collector.Summary(res.Collector.Whole()).Total
		near := func(d, want time.Duration) bool { return math.Abs(float64(d-want)) < float64(want)/500 }
		if d := total.Response.Max(); !near(d, 50*time.Millisecond) {
			t.Errorf("first request of an iteration: response time %v, want 50 ms from the intended start", d)
		}
		if d := total.Response.Min(); !near(d, 10*time.Millisecond) {
			t.Errorf("second request: response time %v, want 10 ms from its own start", d)
		}
		if d := total.Service.Max(); !near(d, 10*time.Millisecond) {
			t.Errorf("service time %v", d)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	l := newLab()
	_, err := load.Run(t.Context(), load.Options{})
	if err == nil {
		t.Error("empty options passed")
	}
	a := l.class("A", load.Wait{}, 0)
	if _, err := load.Run(t.Context(), l.options(load.Flat{}, a, a)); err == nil {
		t.Error("a class given twice passed")
	}
}
