package scenario

import (
	"testing"
	"time"

	"protei-bulk/load/smppload"
	"protei-bulk/smpp"
)

// limited is an SMSC that takes so many submits a second, in virtual time.
type limited struct {
	perSecond float64
	tokens    float64
	last      time.Duration
}

func (l *limited) take(now time.Duration) smpp.Status {
	l.tokens = min(l.tokens+l.perSecond*(now-l.last).Seconds(), l.perSecond/10)
	l.last = now
	if l.tokens < 1 {
		return smpp.RTHROTTLED
	}
	l.tokens--
	return smpp.ROK
}

// play sends for so long at the bind's own pace, at most ceiling submits a second.
func play(t *throttling, target *limited, length time.Duration) (sent, throttled int) {
	for now := time.Duration(0); now < length; {
		if d := t.wait(now); d > 0 {
			now += d
		}
		a := &smppload.Answer{Sent: now, Done: now + 2*time.Millisecond, Status: target.take(now)}
		sent++
		if a.Throttled() {
			throttled++
		}
		t.answered(a)
		now += time.Duration(float64(time.Second) / t.ceiling)
	}
	return sent, throttled
}

func TestFindLimit(t *testing.T) {
	for _, limit := range []float64{30, 400, 2500} {
		bind := &throttling{mode: ThrottleFindLimit, ceiling: 5000}
		sent, throttled := play(bind, &limited{perSecond: limit, tokens: 1}, 60*time.Second)
		got, found := bind.limit()
		if !found || got < 0.9*limit || got > 1.05*limit {
			t.Errorf("limit %.0f: found %.1f, %v", limit, got, found)
		}
		if throttled > sent/5 {
			t.Errorf("limit %.0f: %d of %d throttled while looking", limit, throttled, sent)
		}
	}
}

// TestFindLimitFollows: a limit that rises is found again.
func TestFindLimitFollows(t *testing.T) {
	bind := &throttling{mode: ThrottleFindLimit, ceiling: 5000}
	target := &limited{perSecond: 50, tokens: 1}
	play(bind, target, 20*time.Second)
	target.perSecond, target.last = 1000, 0
	bind.round, bind.next = 0, 0 // play's clock begins again
	play(bind, target, 60*time.Second)
	if got, found := bind.limit(); !found || got < 900 || got > 1050 {
		t.Errorf("found %.1f, %v", got, found)
	}
}

func TestFindLimitBelowTheLimit(t *testing.T) {
	bind := &throttling{mode: ThrottleFindLimit, ceiling: 200}
	sent, throttled := play(bind, &limited{perSecond: 10_000, tokens: 1}, 20*time.Second)
	if rate, found := bind.limit(); found || rate != 200 || throttled != 0 || sent < 2000 {
		t.Errorf("%.0f, %v after %d submits, %d throttled", rate, found, sent, throttled)
	}
}

func TestThrottleBackoff(t *testing.T) {
	bind := &throttling{mode: ThrottleBackoff, ceiling: 1000}
	refuse := func(sent, done time.Duration) {
		bind.answered(&smppload.Answer{Sent: sent, Done: done, Status: smpp.RTHROTTLED})
	}
	now := time.Second
	for _, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000} {
		want *= time.Millisecond
		refuse(now, now)
		refuse(now-time.Millisecond, now) // sent before the pause began: nothing new
		if got := bind.wait(now); got != want {
			t.Errorf("pause %v, want %v", got, want)
		}
		now += want
	}
	if got := bind.wait(now); got > 0 {
		t.Errorf("still %v after the pause", got)
	}
	bind.answered(&smppload.Answer{Sent: now, Done: now, Status: smpp.ROK})
	refuse(now, now)
	if got := bind.wait(now); got != leastPause {
		t.Errorf("pause %v after a success, want %v", got, leastPause)
	}
}

func TestThrottleCountNeverWaits(t *testing.T) {
	bind := &throttling{mode: ThrottleCount, ceiling: 1000}
	sent, throttled := play(bind, &limited{perSecond: 100}, time.Second)
	if sent != 1000 || throttled < 850 {
		t.Errorf("%d sent, %d throttled", sent, throttled)
	}
}
