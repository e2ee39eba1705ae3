package load_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/stats"
)

// open are the options of a run without users of a shape.
func (l *lab) open(r *load.Rate, runTime time.Duration, classes ...load.UserClass) load.Options {
	o := l.options(nil, classes...)
	o.Rate, o.RunTime = r, runTime
	return o
}

// TestOpenModelStartsOnTime: whatever the answers take, start n is at n divided by the
// rate, to the microsecond, after an hour as after a second.
func TestOpenModelStartsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		const perSecond = 7
		o := l.open(load.ConstantRate(perSecond), time.Hour, l.class("A", load.Constant(time.Minute), 300*time.Millisecond))
		res := run(t, o)
		if n := len(l.runs); n != 3600*perSecond {
			t.Errorf("%d iterations in an hour at %d/s", n, perSecond)
		}
		for n, at := range l.runs {
			want := time.Duration(math.Round(float64(n) / perSecond * 1e9))
			if (at - want).Abs() > time.Microsecond {
				t.Fatalf("iteration %d at %v, want %v", n, at, want)
			}
		}
		sum := res.Collector.Summary(res.Collector.Whole())
		if sum.Dropped != 0 || sum.Lateness.Max() != 0 {
			t.Errorf("%d dropped, lateness up to %v", sum.Dropped, sum.Lateness.Max())
		}
		if res.PeakUsers > 4 {
			t.Errorf("%d users for iterations of 0.3 s at 7/s", res.PeakUsers)
		}
	})
}

func TestRampingRateStartsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		r, err := load.ParseRate("0s:0,10s:100,20s:100,25s:0/s", 0)
		if err != nil {
			t.Fatal(err)
		}
		res := run(t, l.open(r, 0, l.class("A", load.Wait{}, 0)))
		if len(l.runs) != 500+1000+250 {
			t.Errorf("%d iterations, the integral is 1750", len(l.runs))
		}
		for n, at := range l.runs {
			if want, _ := r.Due(uint64(n)); at != want {
				t.Fatalf("iteration %d at %v, due at %v", n, at, want)
			}
		}
		if res.Loaded < 25*time.Second || res.Loaded > 25200*time.Millisecond {
			t.Errorf("the run took %v, the rate ends at 25 s", res.Loaded)
		}
		if w, ok := res.Collector.Measured(0); !ok || w.From < 9*time.Second || w.To > 21*time.Second {
			t.Errorf("measured window %+v, want that at the peak rate", w)
		}
	})
}

// TestNoFreeUserIsADroppedIteration: 10 users with iterations of 1 s take 10 of 50 starts a second.
func TestNoFreeUserIsADroppedIteration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		o := l.open(load.ConstantRate(50), 10*time.Second, l.class("A", load.Wait{}, time.Second))
		o.MaxUsers = 10
		dropped := uint64(0)
		o.OnTick = func(live stats.Live) { dropped += live.Last.Dropped }
		res := run(t, o)
		sum := res.Collector.Summary(res.Collector.Whole())
		if n := len(l.runs); n < 95 || n > 110 || uint64(n)+sum.Dropped != 500 {
			t.Errorf("%d iterations and %d dropped of 500 starts", n, sum.Dropped)
		}
		if dropped != sum.Dropped {
			t.Errorf("%d drops shown while it ran, %d at the end", dropped, sum.Dropped)
		}
		if res.PeakUsers != 10 {
			t.Errorf("%d users", res.PeakUsers)
		}
	})
}

// TestOpenModelShowsAStall: a target that answers nothing for a second every five is seen
// by the open model in its percentiles; the closed one hides it.
func TestOpenModelShowsAStall(t *testing.T) {
	stalling := func(l *lab) load.UserClass {
		return load.NewClass("A", load.ConstantThroughput(10), func(*load.User) (*worker, error) {
			return &worker{aborted: make(chan struct{})}, nil
		}, load.Task[*worker]{Name: "work", Run: func(_ *worker, u *load.User) {
			sent := u.Now()
			time.Sleep(10 * time.Millisecond)
			if at := u.Now() % (5 * time.Second); at < time.Second {
				time.Sleep(time.Second - at)
			}
			u.Record(l.entry, sent, u.Now(), stats.Sample{})
		}})
	}
	p95 := func(open bool) (response time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab()
			o := l.options(load.Flat{Users: 10, SpawnRate: 1e9}, stalling(l))
			if open {
				o = l.open(load.ConstantRate(100), 0, stalling(l))
			}
			o.RunTime = time.Minute
			res := run(t, o)
			response = res.Collector.Summary(res.Collector.Whole()).Total.Response.Quantile(0.95)
		})
		return response
	}
	if open, closed := p95(true), p95(false); open < 700*time.Millisecond || closed > 100*time.Millisecond {
		t.Errorf("p95 %v in the open model, %v in the closed one", open, closed)
	}
}

// TestResponseCountsFromTheIntendedStart: what a new user needs to connect is in the
// response time and not in the service time.
func TestResponseCountsFromTheIntendedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		class := load.NewClass("A", load.Wait{}, func(*load.User) (*worker, error) {
			time.Sleep(80 * time.Millisecond) // connects
			return &worker{aborted: make(chan struct{})}, nil
		}, load.Task[*worker]{Name: "work", Run: func(_ *worker, u *load.User) {
			sent := u.Now()
			time.Sleep(20 * time.Millisecond)
			u.Record(l.entry, sent, u.Now(), stats.Sample{})
		}})
		r, err := load.ParseRate("0s:100,25ms:100/s", 0)
		if err != nil {
			t.Fatal(err)
		}
		o := l.open(r, 0, class)
		o.ReadyUsers = 1 // starts at 0, 10 and 20 ms: the second and the third find no free user
		total := run(t, o).Collector.Live().Total
		if total.Requests != 3 {
			t.Fatalf("%d requests", total.Requests)
		}
		near := func(got, want time.Duration) bool { return (got - want).Abs() < want/200 }
		if low, high := total.Response.Min(), total.Response.Max(); !near(low, 20*time.Millisecond) || !near(high, 100*time.Millisecond) {
			t.Errorf("response times from %v to %v, want 20 ms with a user that is ready, 100 ms with one that connects", low, high)
		}
		if high := total.Service.Max(); !near(high, 20*time.Millisecond) {
			t.Errorf("service time up to %v, want 20 ms", high)
		}
	})
}

func TestClosedAndOpenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed, own := newLab(), newLab()
		own.recorder, own.entry = closed.recorder, closed.recorder.Entry("POST", "/")
		a := closed.class("A", load.Constant(time.Second), 0)
		b := own.class("B", load.Constant(time.Hour), 0)
		b.Rate = load.ConstantRate(20)
		res := run(t, closed.options(load.Flat{Users: 5, SpawnRate: 1e9, RunTime: 10 * time.Second}, a, b))
		if n := len(closed.runs); n < 49 || n > 56 {
			t.Errorf("%d iterations of 5 users that wait 1 s", n)
		}
		if n := len(own.runs); n < 199 || n > 203 {
			t.Errorf("%d iterations of the class with 20 a second", n)
		}
		if res.PeakUsers < 6 {
			t.Errorf("%d users", res.PeakUsers)
		}
	})
}

func TestOpenRateIsSharedByWeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newLab(), newLab()
		b.recorder = a.recorder
		heavy, light := a.class("A", load.Wait{}, 0), b.class("B", load.Wait{}, 0)
		heavy.Weight, light.Weight = 3, 1
		run(t, a.open(load.ConstantRate(400), time.Second, heavy, light))
		if len(a.runs) < 299 || len(a.runs) > 301 || len(a.runs)+len(b.runs) != 400 {
			t.Errorf("%d and %d iterations, want 3 : 1", len(a.runs), len(b.runs))
		}
	})
}

func TestRateChangesWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		e, err := load.New(l.open(load.ConstantRate(10), 10*time.Second, l.class("A", load.Wait{}, 0)))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(5*time.Second, func() { e.SetRate(load.ConstantRate(100)) })
		if _, err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := 0
		for _, at := range l.runs {
			if at < 5*time.Second {
				before++
			}
		}
		if after := len(l.runs) - before; before != 50 || after < 495 || after > 511 {
			t.Errorf("%d starts before the change and %d behind it, want 50 and 500", before, after)
		}
	})
}

func TestUsersChangeWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		o := l.options(load.Flat{Users: 10, SpawnRate: 10, RunTime: 20 * time.Second}, l.class("A", load.Constant(100*time.Millisecond), 0))
		var complete []int
		o.Listeners = []load.Listener{{SpawningComplete: func(users int) { complete = append(complete, users) }}}
		e, err := load.New(o)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(5*time.Second, func() { e.SetUsers(30, 20) })
		time.AfterFunc(15*time.Second, func() {
			_, wanted, _ := e.Users()
			e.SetUsers(wanted-25, 0)
		})
		res, err := e.Run(t.Context())
		if err != nil || res.PeakUsers != 30 {
			t.Fatalf("%+v, %v", res, err)
		}
		for second, want := range map[int]int{3: 10, 8: 30, 13: 30, 17: 5} {
			if got := l.live[second]; got != want {
				t.Errorf("%d users in second %d, want %d: %v", got, second, want, l.live)
			}
		}
		if fmt.Sprint(complete) != "[10 30 5]" {
			t.Errorf("spawning_complete: %v", complete)
		}
		if res.Loaded > 20200*time.Millisecond {
			t.Errorf("ended at %v: a change of the users keeps the end", res.Loaded)
		}
	})
}

// TestUsersNeedAClosedClass: users that no class is there for are not started.
func TestUsersNeedAClosedClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		class := l.class("A", load.Wait{}, 0)
		class.Rate = load.ConstantRate(10)
		o := l.options(nil, class)
		o.RunTime = 5 * time.Second
		e, err := load.New(o)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { e.SetUsers(10, 0) })
		if _, err := e.Run(t.Context()); err != nil || len(l.runs) != 50 {
			t.Errorf("%d iterations, %v", len(l.runs), err)
		}
	})
}

func TestIterationsAreBounded(t *testing.T) {
	for name, open := range map[string]bool{"closed": false, "open": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab()
				class := l.class("A", load.Wait{}, 400*time.Millisecond)
				o := l.options(load.Flat{Users: 7, SpawnRate: 1e9}, class)
				if open {
					o = l.open(load.ConstantRate(50), 0, class)
				}
				o.Iterations = 100
				o.StopTimeout = 0
				res := run(t, o)
				if sum := res.Collector.Summary(res.Collector.Whole()); len(l.runs) != 100 || sum.Total.Requests != 100 {
					t.Errorf("%d iterations started and %d recorded, want 100: the last ones may finish", len(l.runs), sum.Total.Requests)
				}
			})
		})
	}
}

func TestRunTimeAfterRampAndResetStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		o := l.options(load.Flat{Users: 50, SpawnRate: 10}, l.class("A", load.Constant(time.Second), 0))
		o.RunTime, o.RunTimeAfterRamp, o.ResetStats = 10*time.Second, true, true
		res := run(t, o)
		if res.Loaded < 14500*time.Millisecond || res.Loaded > 15500*time.Millisecond {
			t.Errorf("ran for %v, want a ramp of 5 s and 10 s", res.Loaded)
		}
		w := res.Collector.Whole()
		if w.From < 5*time.Second || w.From > 7*time.Second {
			t.Errorf("figures from %v, want those since the end of the ramp", w.From)
		}
		if sum := res.Collector.Summary(w); sum.Total.Requests > 520 || sum.Total.Requests < 400 {
			t.Errorf("%d requests since the ramp", sum.Total.Requests)
		}
	})
}

func TestGuardEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		o := l.options(load.Flat{Users: 1, SpawnRate: 1, RunTime: time.Hour}, l.class("A", load.Constant(time.Second), 0))
		o.Guards = []load.Guard{
			{Name: "never", Missed: func(*stats.Live) string { return "" }},
			{Name: "requests < 20", After: 30 * time.Second, Missed: func(live *stats.Live) string {
				if live.Total.Requests >= 20 {
					return fmt.Sprint(live.Total.Requests)
				}
				return ""
			}},
		}
		res := run(t, o)
		if !strings.HasPrefix(res.Aborted, "requests < 20: ") || res.Stopped {
			t.Errorf("aborted %q, stopped %v", res.Aborted, res.Stopped)
		}
		if res.Loaded < 30*time.Second || res.Loaded > 32*time.Second {
			t.Errorf("aborted after %v, want 30 s: it is not asked before", res.Loaded)
		}
	})
}

func TestListenersAreToldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		o := l.options(load.Flat{Users: 2, SpawnRate: 1e9, RunTime: 2500 * time.Millisecond}, l.class("A", load.Constant(time.Second), 0))
		var mu sync.Mutex
		var events []string
		note := func(text string) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, text)
		}
		requests := 0
		o.Listeners = []load.Listener{{
			TestStart:        func(*load.Engine) { note("test_start") },
			SpawningComplete: func(users int) { note(fmt.Sprint("spawning_complete ", users)) },
			TestStop:         func(*load.Result) { note("test_stop") },
			Quitting:         func(code int) int { note("quitting"); return code + 1 },
		}, {
			Request: func(r load.Request) {
				mu.Lock()
				defer mu.Unlock()
				if r.Method == "GET" && r.Name == "/" && r.User.Class().Name == "A" {
					requests++
				}
			},
			Quitting: func(code int) int { return code * 10 },
		}}
		e, err := load.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if code := e.Quit(2); code != 30 {
			t.Errorf("exit code %d, want what the listeners leave", code)
		}
		if got := strings.Join(events, ", "); got != "test_start, spawning_complete 2, test_stop, quitting" {
			t.Errorf("events: %s", got)
		}
		if requests != 6 {
			t.Errorf("%d requests heard, want 6", requests)
		}
	})
}

func TestTagsSelectTasks(t *testing.T) {
	task := func(name string, weight int, tags ...string) load.Task[*worker] {
		return load.Task[*worker]{Name: name, Weight: weight, Tags: tags, Run: func(*worker, *load.User) {}}
	}
	newWorker := func(*load.User) (*worker, error) { return &worker{}, nil }
	a := load.NewClass("A", load.Wait{}, newWorker, task("one", 3, "slow"), task("two", 2, "fast", "read"), task("three", 1))
	b := load.NewClass("B", load.Wait{}, newWorker, task("four", 5), task("five", 1, "slow"))
	b.Tags = []string{"admin"}
	list := func(classes []load.UserClass) string {
		var out []string
		for _, c := range classes {
			for _, task := range c.Tasks {
				out = append(out, fmt.Sprint(c.Name, ".", task.Name, "×", task.Weight))
			}
		}
		return strings.Join(out, " ")
	}
	for name, tc := range map[string]struct {
		tags, exclude []string
		want          string
	}{
		"none":          {nil, nil, "A.one×3 A.two×2 A.three×1 B.four×5 B.five×1"},
		"one":           {[]string{"fast"}, nil, "A.two×2"},
		"of the class":  {[]string{"admin"}, nil, "B.four×5 B.five×1"},
		"exclude":       {nil, []string{"slow"}, "A.two×2 A.three×1 B.four×5"},
		"both":          {[]string{"admin", "read"}, []string{"slow"}, "A.two×2 B.four×5"},
		"without class": {nil, []string{"admin"}, "A.one×3 A.two×2 A.three×1"},
	} {
		got, err := load.SelectTags([]load.UserClass{a, b}, tc.tags, tc.exclude)
		if err != nil || list(got) != tc.want {
			t.Errorf("%s: %s, %v, want %s", name, list(got), err, tc.want)
		}
	}
	if _, err := load.SelectTags([]load.UserClass{a, b}, []string{"fsat"}, nil); err == nil || !strings.Contains(err.Error(), "admin, fast, read, slow") {
		t.Errorf("unknown tag: %v, want the known ones", err)
	}
	if got := list(load.EqualWeights([]load.UserClass{a})); got != "A.one×1 A.two×1 A.three×1" {
		t.Errorf("equal weights: %s", got)
	}
}

// TestOnlySelectedTasksRun: the tasks that the tags leave are the ones that run.
func TestOnlySelectedTasksRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		var mu sync.Mutex
		ran := map[string]int{}
		task := func(name string, tags ...string) load.Task[*worker] {
			return load.Task[*worker]{Name: name, Tags: tags, Run: func(*worker, *load.User) {
				mu.Lock()
				defer mu.Unlock()
				ran[name]++
			}}
		}
		class := load.NewClass("A", load.Constant(10*time.Millisecond), func(*load.User) (*worker, error) {
			return &worker{aborted: make(chan struct{})}, nil
		}, task("no", "slow"), task("yes", "fast"), task("neither"), task("too", "fast"))
		classes, err := load.SelectTags([]load.UserClass{class}, []string{"fast"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		run(t, l.options(load.Flat{Users: 5, SpawnRate: 1e9, RunTime: time.Second}, classes...))
		if len(ran) != 2 || ran["yes"] < 100 || ran["too"] < 100 {
			t.Errorf("tasks that ran: %v", ran)
		}
	})
}
