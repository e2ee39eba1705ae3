package upstream

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// limited is an SMSC that throttles: so many a second, and so many at once.
type limited struct {
	rate, burst, tokens float64
	at                  time.Time
}

func (l *limited) takes(now time.Time) bool {
	l.tokens = min(l.burst, l.tokens+l.rate*now.Sub(l.at).Seconds())
	l.at = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}

// perSecond is one that counts anew each second.
type perSecond struct {
	limit, n int
	second   int64
}

func (p *perSecond) takes(now time.Time) bool {
	if now.Unix() != p.second {
		p.second, p.n = now.Unix(), 0
	}
	p.n++
	return p.n <= p.limit
}

// share is one that throttles a share of what comes, whatever the rate.
type share struct {
	rnd *rand.Rand
	of  float64
}

func (s *share) takes(time.Time) bool { return s.rnd.Float64() >= s.of }

// chanceAnd is an SMSC that throttles a share of what comes, and what is left too.
type chanceAnd struct {
	chance *share
	left   model
}

func (c *chanceAnd) takes(now time.Time) bool { return c.chance.takes(now) && c.left.takes(now) }

// model is an SMSC.
type model interface{ takes(now time.Time) bool }

// way is the link to a model: so many may be unanswered, and each answer takes so long.
type way struct {
	window  int
	latency time.Duration
	each    func(at time.Duration) // runs every millisecond
}

var wide = way{window: 200, latency: 20 * time.Millisecond}

// saturate sends as much as the throttle allows and returns what came back of what was sent
// after warm.
func (w way) saturate(t *Throttle, m model, warm, run time.Duration) (ok, throttled int) {
	type answer struct {
		sent time.Time
		ok   bool
	}
	var flying []answer
	began := time.Now()
	for time.Since(began) < warm+run {
		if w.each != nil {
			w.each(time.Since(began))
		}
		for len(flying) > 0 && time.Since(flying[0].sent) >= w.latency {
			a := flying[0]
			flying = flying[1:]
			counts := a.sent.Sub(began) >= warm
			if a.ok {
				t.Accepted(a.sent, time.Now())
			} else {
				t.Slow(a.sent, 0)
			}
			if counts && a.ok {
				ok++
			} else if counts {
				throttled++
			}
		}
		for n := t.Free(int32(w.window - len(flying))); n > 0; n-- {
			t.Spend()
			flying = append(flying, answer{time.Now(), m.takes(time.Now())})
		}
		time.Sleep(time.Millisecond)
		synctest.Wait() // for the throttle's timers of this moment
	}
	return ok, throttled
}

func newThrottle() *Throttle {
	o := Options{}.withDefaults()
	return NewThrottle(o.PauseMin, o.PauseMax, func() {})
}

// TestPace lets SMSCs throttle all the time: they get at least 90 % of what they take, and
// less than 1.5 % of the answers are throttled.
func TestPace(t *testing.T) {
	if testing.Short() {
		t.Skip("a model on one goroutine")
	}
	for _, rate := range []float64{10, 50, 500, 5000} {
		for _, burst := range []float64{0.02, 0.1, 1} {
			t.Run(fmt.Sprintf("%v a second and %v s of it at once", rate, burst), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					th := newThrottle()
					defer th.Stop()
					run := max(time.Minute, time.Duration(5000/rate)*time.Second)
					ok, throttled := wide.saturate(th, &limited{rate: rate, burst: max(1, rate*burst)}, run, run)
					check(t, ok, throttled, rate*run.Seconds())
				})
			})
		}
	}
	for _, limit := range []int{20, 1000} {
		t.Run(fmt.Sprintf("%d counted by the second", limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := newThrottle()
				defer th.Stop()
				ok, throttled := wide.saturate(th, &perSecond{limit: limit}, 2*time.Minute, 5*time.Minute)
				check(t, ok, throttled, float64(limit)*300)
			})
		})
	}
}

func check(t *testing.T, ok, throttled int, takes float64) {
	t.Helper()
	share := float64(throttled) / float64(ok+throttled)
	t.Logf("%.1f %% of what it takes, %.2f %% throttled", 100*float64(ok)/takes, 100*share)
	if float64(ok) < 0.9*takes {
		t.Errorf("the SMSC got %d of the %.0f that it would take", ok, takes)
	}
	if share >= 0.015 {
		t.Errorf("%d of %d answers were throttled", throttled, ok+throttled)
	}
}

func TestPaceFollowsTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		defer th.Stop()
		l := &limited{rate: 1000, burst: 100}
		wide.saturate(th, l, 20*time.Second, 0)
		if r := th.Rate(); r < 800 || r > 1200 {
			t.Errorf("pace %.0f at a limit of 1000", r)
		}
		l.rate = 100
		wide.saturate(th, l, 10*time.Second, 0)
		if r := th.Rate(); r < 70 || r > 130 {
			t.Errorf("pace %.0f at a limit of 100", r)
		}
		l.rate, l.burst = 1e6, 1e6
		wide.saturate(th, l, 90*time.Second, 0)
		if r := th.Rate(); r != 0 {
			t.Errorf("pace %.0f without a limit, want none", r)
		}
	})
}

// TestPaceTable is the table of docs/connectors.md: two minutes from the first message on (half of
// one where nothing limits the rate), through a window of 10 and one of 100, 5 ms to the answer.
// What is delivered is compared with what the SMSC would take, and what is throttled beyond
// chance with all answers.
func TestPaceTable(t *testing.T) {
	if testing.Short() {
		t.Skip("a model on one goroutine")
	}
	const run = 2 * time.Minute
	chance := func(of float64) *share { return &share{rand.New(rand.NewPCG(1, 2)), of} }
	changing := &limited{}
	rates := []float64{500, 1000, 250, 500}
	change := func(at time.Duration) {
		changing.rate = rates[min(3, int(at/(run/4)))]
		changing.burst = changing.rate / 10
	}
	counting := &perSecond{}
	recount := func(at time.Duration) { counting.limit = int(rates[min(3, int(at/(run/4)))]) }
	for _, c := range []struct {
		name        string
		m           func() model
		each        func(time.Duration)
		takes       float64 // messages a second, 0: all
		chance      float64
		least, most float64 // delivered of what it takes, throttled beyond chance of all
	}{
		{"throttles 0.1 % at random", func() model { return chance(0.001) }, nil, 0, 0.001, 0.99, 0.001},
		{"throttles 1 % at random", func() model { return chance(0.01) }, nil, 0, 0.01, 0.98, 0.002},
		{"throttles 5 % at random", func() model { return chance(0.05) }, nil, 0, 0.05, 0.97, 0.005},
		{"500/s, 50 at once", func() model { return &limited{rate: 500, burst: 50} }, nil, 500, 0, 0.97, 0.04},
		{"500/s, 500 at once", func() model { return &limited{rate: 500, burst: 500} }, nil, 500, 0, 0.97, 0.04},
		{"500 in each second", func() model { return &perSecond{limit: 500} }, nil, 500, 0, 0.93, 0.03},
		{"500/s, and 1 % at random", func() model { return &chanceAnd{chance(0.01), &limited{rate: 500, burst: 50}} }, nil, 500, 0.01, 0.97, 0.06},
		{"500/s, and 5 % at random", func() model { return &chanceAnd{chance(0.05), &limited{rate: 500, burst: 50}} }, nil, 500, 0.05, 0.95, 0.07},
		{"500, 1000, 250, 500/s for 30 s each", func() model { *changing = limited{}; return changing }, change, 562.5, 0, 0.9, 0.05},
		{"so many in each second", func() model { *counting = perSecond{}; return counting }, recount, 562.5, 0, 0.8, 0.05},
	} {
		for _, window := range []int{10, 100} {
			t.Run(fmt.Sprintf("%s, window %d", c.name, window), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					th := newThrottle()
					defer th.Stop()
					w := way{window, 5 * time.Millisecond, c.each}
					takes := c.takes
					run := run
					if takes == 0 {
						run /= 4
						takes = float64(window) / w.latency.Seconds() * (1 - c.chance)
					}
					ok, throttled := w.saturate(th, c.m(), 0, run)
					of := float64(ok) / run.Seconds() / takes
					beyond := float64(throttled)/float64(ok+throttled) - c.chance
					t.Logf("%.0f/s, %.1f %% of what it takes, %.1f %% throttled", takes*of, 100*of, 100*(beyond+c.chance))
					if of < c.least || beyond > c.most {
						t.Errorf("%.1f %% of what it takes and %.1f %% throttled beyond chance, want %.1f and %.1f", 100*of, 100*beyond, 100*c.least, 100*c.most)
					}
				})
			})
		}
	}
}

// TestChanceGivesTheRateUp: what is throttled whatever the rate leaves no rate behind.
func TestChanceGivesTheRateUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		defer th.Stop()
		paced := false
		w := wide
		w.each = func(time.Duration) { paced = paced || th.Rate() != 0 }
		w.saturate(th, &share{rand.New(rand.NewPCG(1, 2)), 0.02}, 0, 4*time.Second)
		if r := th.Rate(); !paced || r != 0 {
			t.Errorf("pace %.0f after 4 s, and one before: %v; want none after one that was tried", r, paced)
		}
	})
}

// down is an SMSC that throttles everything until then.
type down struct{ until time.Time }

func (d *down) takes(now time.Time) bool { return !now.Before(d.until) }

// TestAnOutageIsNoRate lets an SMSC throttle everything for half a minute: what it takes afterwards
// is held back by nothing but the longest pause.
func TestAnOutageIsNoRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		defer th.Stop()
		ok, _ := wide.saturate(th, &down{time.Now().Add(30 * time.Second)}, 0, 35*time.Second)
		if ok < 10_000*3 || th.Rate() != 0 {
			t.Errorf("%d accepted in 5 s, pace %.0f: want more than 3 s of 10,000, and none", ok, th.Rate())
		}
	})
}

func TestFewThrottledAnswersHoldNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		defer th.Stop()
		for range 50 {
			th.Accepted(time.Now(), time.Now())
		}
		for range 5 {
			th.Slow(time.Now(), 0)
			if n := th.Free(200); n != 200 || th.Rate() != 0 {
				t.Fatalf("%d free and pace %.0f after one throttled answer, want 200 and none", n, th.Rate())
			}
			for range 200 {
				th.Accepted(time.Now(), time.Now())
			}
		}
	})
}

func TestThrottledAnswersInARowPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		defer th.Stop()
		th.Slow(time.Now(), 0) // the first answer of all
		if th.Free(200) != 0 {
			t.Error("no pause although nothing was accepted before")
		}
		time.Sleep(th.min)
		synctest.Wait()
		if n := th.Free(200); n != 200 {
			t.Fatalf("%d free after the pause, want 200", n)
		}
		for range 50 {
			th.Accepted(time.Now(), time.Now())
		}
		row := 0
		for ; th.Free(200) == 200 && row < 100; row++ {
			th.Slow(time.Now(), 0)
		}
		if row != paceFlood {
			t.Errorf("a pause after %d throttled answers in a row, want %d", row, paceFlood)
		}
	})
}

// TestHowLongToWaitIsHeeded: an SMSC that says how long to wait is not sent anything before.
func TestHowLongToWaitIsHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		defer th.Stop()
		for range 50 {
			th.Accepted(time.Now(), time.Now())
		}
		th.Slow(time.Now(), 5*time.Second)
		time.Sleep(5*time.Second - time.Millisecond)
		if th.Free(200) != 0 {
			t.Error("goes on before the time that the SMSC asked for")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if th.Free(200) != 200 {
			t.Error("still paused")
		}
	})
}
