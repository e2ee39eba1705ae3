package upstream

import (
	"math"
	"time"
)

// pace finds the rate that an SMSC takes which throttles, from its answers alone. Without
// throttled answers there is none, and nothing is held back.
//
// A throttled answer now and then is met with a pause and no more. Where they go on, what is
// accepted for half a second is measured, and becomes the top of a cubic. Each throttled
// answer after that puts the rate a little below the one that was too fast; it climbs back,
// flat around that rate and ever faster beyond, until the SMSC throttles again or the rate
// does not matter any more. The climb is counted in messages and not in time, so that idle
// hours do not raise the rate, and few answers in hundreds are throttled at any rate.
//
//	rate
//	 │                             ╱   beyond 4 × top: no rate any more
//	 │ top ─ ─ ─ ─ ─ ─ ______──────
//	 │           __────
//	 │ 0.93 top ╱                      x = messages / max(400, 5 s of top)
//	 └──────────┴───────────┴────────  rate = top × (1 + 0.07 (x-1)³)
//	            0           1        2
//
// A rate that had to fall to an eighth is measured anew. When that finds no less than
// before, the SMSC throttles whatever the rate: pauses alone have to do for a minute.
//
// It is guarded by its owner.
type pace struct {
	top    float64 // messages a second around which the rate climbs, 0: no rate
	steps  float64 // messages accepted since the last cut
	tokens float64
	filled time.Time

	since  time.Time // the measurement's beginning, zero: there is none
	last   time.Time // throttled answer
	count  float64   // accepted since
	first  float64   // what was measured last
	before float64   // and the time before, when that was in vain
	rest   time.Time // until then there is no rate
}

const (
	paceDrop    = 0.07 // share by which a cut falls below the top
	paceEarly   = 0.9  // what is left of a top that the rate did not come back to
	paceSteps   = 400  // least messages of a climb back to the top
	paceSeconds = 5    // or so many seconds of the top
	paceOff     = 4    // times the top: the rate does not matter any more
	paceVain    = 8    // a fall to this part calms nothing
	paceMin     = 0.5  // messages a second
	paceBurst   = 0.02 // seconds of the rate that may go at once
	paceMeasure = 500 * time.Millisecond
	paceCalm    = 2 * time.Second // without a throttled answer a measurement ends
	paceRest    = time.Minute
)

// climb is how many messages lie between a cut and the top.
func (p *pace) climb() float64 { return max(paceSteps, paceSeconds*p.top) }

// rate returns the messages a second that may go now, 0: any.
func (p *pace) rate() float64 {
	if p.top == 0 {
		return 0
	}
	x := p.steps/p.climb() - 1
	return p.top * (1 + paceDrop*x*x*x)
}

// idle reports whether accepted messages are of no concern.
func (p *pace) idle() bool { return p.top == 0 && p.since.IsZero() }

// throttled takes a throttled answer, one for each pause.
func (p *pace) throttled(now time.Time) {
	calm := now.Sub(p.last) > paceCalm
	p.last = now
	switch {
	case now.Before(p.rest):
	case p.top > 0:
		top := p.rate()
		if p.steps < p.climb() {
			top = p.top * paceEarly
		}
		p.set(max(top, paceMin), now)
		if p.top < p.first/paceVain {
			p.before, p.top, p.since, p.count = p.first, 0, now, 0
		}
	case p.since.IsZero() || calm:
		p.since, p.count, p.before = now, 0, 0
	case now.Sub(p.since) >= paceMeasure && p.count > 0:
		p.measured(p.count/now.Sub(p.since).Seconds(), now)
	}
}

func (p *pace) measured(rate float64, now time.Time) {
	p.since = time.Time{}
	if p.before > 0 && rate > p.before/2 {
		p.before, p.rest = 0, now.Add(paceRest)
		return
	}
	p.before, p.first = 0, max(rate, paceMin)
	p.set(p.first, now)
}

func (p *pace) set(top float64, now time.Time) { p.top, p.steps, p.tokens, p.filled = top, 0, 0, now }

// accepted counts one message that the SMSC took.
func (p *pace) accepted(now time.Time) {
	switch {
	case p.top > 0:
		p.steps++
		if p.rate() > paceOff*p.top {
			p.top = 0
		}
	case now.Sub(p.last) > paceCalm:
		p.since = time.Time{}
	default:
		p.count++
	}
}

// room returns how many messages may go now, at most most.
func (p *pace) room(now time.Time, most int32) int32 {
	rate := p.rate()
	if rate == 0 {
		return most
	}
	p.tokens = min(max(1, rate*paceBurst), p.tokens+rate*now.Sub(p.filled).Seconds())
	p.filled = now
	return min(most, max(0, int32(p.tokens)))
}

// spend takes the room of one message.
func (p *pace) spend() {
	if p.top > 0 {
		p.tokens--
	}
}

// wait returns how long it takes until there is room for one more.
func (p *pace) wait() time.Duration {
	if p.tokens >= 1 || p.top == 0 {
		return 0
	}
	return time.Duration(math.Ceil((1 - p.tokens) / p.rate() * float64(time.Second)))
}
