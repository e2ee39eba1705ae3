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

// saturate sends as much as the throttle allows, through a window of 200 and with 20 ms to
// the answer, and returns what came back of what was sent after warm.
func saturate(t *Throttle, takes func(time.Time) bool, warm, run time.Duration) (ok, throttled int) {
	const window, latency = 200, 20 * time.Millisecond
	type answer struct {
		sent time.Time
		ok   bool
	}
	var flying []answer
	began := time.Now()
	for time.Since(began) < warm+run {
		for len(flying) > 0 && time.Since(flying[0].sent) >= latency {
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
		for n := t.Free(int32(window - len(flying))); n > 0; n-- {
			t.Spend()
			flying = append(flying, answer{time.Now(), takes(time.Now())})
		}
		time.Sleep(time.Millisecond)
	}
	return ok, throttled
}

func newThrottle() *Throttle {
	o := Options{}.withDefaults()
	return NewThrottle(o.PauseMin, o.PauseMax, func() {})
}

// TestPace lets SMSCs throttle all the time: they get at least 90 % of what they take, and
// less than 1 % of the answers are throttled.
func TestPace(t *testing.T) {
	for _, rate := range []float64{10, 50, 500, 5000} {
		for _, burst := range []float64{0.02, 0.1, 1} {
			t.Run(fmt.Sprintf("%v a second and %v s of it at once", rate, burst), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					th := newThrottle()
					defer th.Stop()
					run := max(time.Minute, time.Duration(5000/rate)*time.Second)
					ok, throttled := saturate(th, (&limited{rate: rate, burst: max(1, rate*burst)}).takes, run, run)
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
				ok, throttled := saturate(th, (&perSecond{limit: limit}).takes, 2*time.Minute, 5*time.Minute)
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
	if share >= 0.01 {
		t.Errorf("%d of %d answers were throttled", throttled, ok+throttled)
	}
}

func TestPaceFollowsTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		defer th.Stop()
		l := &limited{rate: 1000, burst: 100}
		saturate(th, l.takes, 20*time.Second, 0)
		if r := th.Rate(); r < 800 || r > 1200 {
			t.Errorf("pace %.0f at a limit of 1000", r)
		}
		l.rate = 100
		saturate(th, l.takes, 10*time.Second, 0)
		if r := th.Rate(); r < 70 || r > 130 {
			t.Errorf("pace %.0f at a limit of 100", r)
		}
		l.rate, l.burst = 1e6, 1e6
		saturate(th, l.takes, 90*time.Second, 0)
		if r := th.Rate(); r != 0 {
			t.Errorf("pace %.0f without a limit, want none", r)
		}
	})
}

func TestNoPaceAgainstChance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		defer th.Stop()
		ok, throttled := saturate(th, (&share{rand.New(rand.NewPCG(1, 2)), 0.02}).takes, 10*time.Second, 30*time.Second)
		// A window of 200 in each 70 ms of pause and latency, at least.
		if ok < 30_000 {
			t.Errorf("%d accepted, %d throttled in 30 s: held back although the rate is not what it throttles", ok, throttled)
		}
	})
}

func TestOneThrottledAnswerHoldsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		defer th.Stop()
		for range 5 {
			th.Slow(time.Now(), 0)
			if th.Free(200) != 0 {
				t.Error("no pause")
			}
			time.Sleep(th.min)
			synctest.Wait()
			if n := th.Free(200); n != 200 {
				t.Fatalf("%d free after the pause, want 200", n)
			}
			th.Accepted(time.Now(), time.Now())
			time.Sleep(3 * time.Second)
		}
	})
}
