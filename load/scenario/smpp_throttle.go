package scenario

import (
	"fmt"
	"sync"
	"time"

	"protei-bulk/load/smppload"
	"protei-bulk/smpp"
)

// ThrottleMode is what an SMPPUser does about answers that ask for a slower pace
// (ESME_RTHROTTLED, ESME_RMSGQFUL). In each mode they are an outcome of their own.
type ThrottleMode uint8

// The modes of --set smpp_throttle.
const (
	ThrottleCount     ThrottleMode = iota // go on as before and count them
	ThrottleBackoff                       // pause the bind: 0.1 s, doubled up to 10 s while they come
	ThrottleFindLimit                     // look for the highest rate that is taken
)

var throttleNames = [...]string{ThrottleCount: "count", ThrottleBackoff: "backoff", ThrottleFindLimit: "find-limit"}

// String is the mode's name in --set.
func (m ThrottleMode) String() string { return throttleNames[m] }

func parseThrottle(s string) (ThrottleMode, error) {
	for m, name := range throttleNames {
		if s == name {
			return ThrottleMode(m), nil
		}
	}
	return 0, fmt.Errorf("want count, backoff or find-limit")
}

const (
	leastPause = 100 * time.Millisecond
	mostPause  = 10 * time.Second

	limitRound = time.Second // between two changes of the rate
	firstRate  = 10.0        // submits a second
	leastStep  = 0.05        // growth in the round after a throttled one; it doubles each round
	mostStep   = 1.0         // up to this, which is also the growth before the first one
	retreat    = 0.95        // of what was taken in a round with throttled answers
	limitsKept = 10          // rounds with throttled answers that the result is taken from
)

// throttling is one bind's pace. It is used by the user and by the session's goroutine.
//
// find-limit: the rate doubles each second until an answer is throttled. A round with
// throttled answers sets it to a little less than was taken in that round, which is what
// the limit lets through; rounds without them raise it, by 5 % at first. So it swings
// closely around the limit and follows it when it moves.
type throttling struct {
	mode    ThrottleMode
	ceiling float64 // submits a second

	mu    sync.Mutex // guards what follows; times are since the start of the run
	pause time.Duration
	until time.Duration // backoff: nothing is sent before

	rate             float64
	next             time.Duration // when the next submit is due
	round            time.Duration // start of the round; 0: none yet
	taken, throttled int           // answers in the round
	step             float64       // growth of the next round without throttled answers
	limits           [limitsKept]float64
	hits             int // rounds with throttled answers; the last limitsKept of them are in limits
}

// wait is how long the next submit has to wait at now.
func (t *throttling) wait(now time.Duration) time.Duration {
	if t.mode == ThrottleCount {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mode == ThrottleBackoff {
		return t.until - now
	}
	t.turn(now)
	due := max(t.next, now-limitRound/10) // what was missed long ago is not made up for
	t.next = due + time.Duration(float64(time.Second)/t.rate)
	return due - now
}

// turn ends the round when it is over.
func (t *throttling) turn(now time.Duration) {
	if t.rate == 0 {
		t.rate, t.step, t.round, t.next = min(firstRate, t.ceiling), mostStep, now, now
	}
	length := now - t.round
	if length < limitRound {
		return
	}
	if t.throttled > 0 {
		taken := float64(t.taken) / length.Seconds()
		t.limits[t.hits%limitsKept] = taken
		t.hits++
		t.rate, t.step = max(taken*retreat, t.rate/2), leastStep
	} else {
		t.rate *= 1 + t.step
		t.step = min(2*t.step, mostStep)
	}
	t.rate = min(max(t.rate, min(1, t.ceiling)), t.ceiling)
	t.round, t.taken, t.throttled = now, 0, 0
}

// answered takes an answer, on the session's goroutine.
func (t *throttling) answered(a *smppload.Answer) {
	if t.mode == ThrottleCount {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case a.Throttled():
		t.throttled++
		t.slower(a)
	case a.Err == nil && a.Status == smpp.ROK:
		t.taken++
		if a.Sent >= t.until {
			t.pause = 0
		}
	}
}

// slower begins a pause; what was sent before the last one began says nothing new.
func (t *throttling) slower(a *smppload.Answer) {
	if t.mode != ThrottleBackoff || a.Sent < t.until {
		return
	}
	t.pause = min(max(2*t.pause, leastPause), mostPause)
	t.until = a.Done + t.pause
}

// limit is the rate that is let through; found is false when nothing was throttled, then
// it is the rate that was reached.
func (t *throttling) limit() (perSecond float64, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(t.hits, limitsKept)
	if n == 0 {
		return t.rate, false
	}
	for _, rate := range t.limits[:n] {
		perSecond += rate
	}
	return perSecond / float64(n), true
}
