package upstream

import (
	"math"
	"time"
)

// pace finds the rate that an SMSC takes which throttles, from its answers alone. While no more
// of them are throttled than usual, there is no rate, and nothing is held back.
//
// When more are, what is accepted for a second is measured, and becomes the top of a cubic. The
// rate falls a little below it and climbs back, flat around the top and ever faster beyond, until
// again more are throttled. The climb is counted in messages and not in time, so that idle hours
// do not raise the rate.
//
//	rate
//	 │                             ╱   beyond 4 × top: no rate any more
//	 │ top ─ ─ ─ ─ ─ ─ ______──────
//	 │           __────
//	 │ 0.93 top ╱                      x = messages / max(600, 4 s of top)
//	 └──────────┴───────────┴────────  rate = top × (1 + 0.07 (x-1)³)
//	            0           1        2
//
// What is throttled below the top is not so because of the rate. When that is a tenth at most, and
// not one after the other, it is chance: the rate is again what it was before it fell, and that
// share is usual for a minute. Otherwise the limit has fallen meanwhile, and is measured anew. A
// rate that falls to an eighth in this way falls in vain: pauses alone have to do for a minute.
//
// It is guarded by its owner.
type pace struct {
	climbing
	usual refusals
	flood float64 // 0 to paceFlood: throttled answers that come close together

	tokens float64
	filled time.Time // when tokens was right

	cut     time.Time // what was sent before it tells nothing
	answers float64   // since the cut
	refused float64   // throttled ones of them

	since  time.Time     // the measurement's beginning, zero: there is none
	count  float64       // accepted since
	stood  time.Duration // in pauses since
	last   time.Time     // throttled answer
	calm   float64       // accepted since that
	before climbing      // the fall's first measurement
	first  float64       // what that gave, messages a second; 0: nothing yet

	known time.Time // until then the usual share counts
	rest  time.Time // until then there is no rate
}

// climbing is a rate that climbs.
type climbing struct {
	top   float64 // messages a second around which the rate climbs, 0: no rate
	steps float64 // messages accepted since the cut
	quick bool    // the top may be far too low: the climb is short
}

const (
	paceDrop    = 0.07 // share by which a cut falls below the top
	paceSteps   = 600  // least messages of a climb back to the top
	paceSeconds = 4    // or so many seconds of the top
	paceQuick   = 5    // a quick climb is so many times shorter
	paceOff     = 4    // times the top: the rate does not matter any more
	paceOffFar  = 100  // the same of a quick climb
	paceVain    = 8    // a fall to this part calms nothing
	paceMin     = 0.5  // messages a second
	paceBurst   = 0.02 // seconds of the rate that may go at once

	paceLeft   = 0.95 // of a rate that was too fast is not
	paceDoubt  = 0.7  // a measurement below this part of what was not too fast is not believed at once
	paceChance = 0.1  // greatest share of answers that may be throttled by chance
	paceTrial  = 100  // answers that show it
	paceFlood  = 6    // throttled answers in a row
	paceEbb    = 0.25 // of one that each accepted one takes off

	paceMeasure = time.Second
	paceCalm    = 2 * time.Second  // without a throttled answer, and paceTrial others, end a measurement
	paceStale   = 10 * time.Second // what takes longer measures what there was to send
	paceKnown   = time.Minute
	paceRest    = time.Minute
)

// length is how many messages lie between a cut and the top.
func (c *climbing) length() float64 {
	n := max(paceSteps, paceSeconds*c.top)
	if c.quick {
		return n / paceQuick
	}
	return n
}

// rate returns the messages a second that may go now, 0: any.
func (c *climbing) rate() float64 {
	if c.top == 0 {
		return 0
	}
	x := c.steps/c.length() - 1
	return c.top * (1 + paceDrop*x*x*x)
}

// step counts a message, and ends the climb where it does not matter any more.
func (c *climbing) step() {
	off := float64(paceOff)
	if c.quick {
		off = paceOffFar
	}
	if c.steps++; c.rate() > off*c.top {
		*c = climbing{}
	}
}

// low returns a rate that was not too fast, if the present one is: the top, when it was passed
// slowly.
func (c *climbing) low() float64 {
	if c.quick {
		return paceLeft * c.rate()
	}
	return min(paceLeft*c.rate(), c.top)
}

// newPace returns one that pauses at the first throttled answer, until it has seen others.
func newPace() (p pace) {
	p.flood = paceFlood - 1
	p.usual.usual(0)
	return p
}

// idle reports whether accepted messages are of no concern.
func (p *pace) idle() bool {
	return p.top == 0 && p.since.IsZero() && p.usual.sum == 0 && p.flood == 0
}

// throttled takes a throttled answer, and reports whether there are so many that a pause is needed.
func (p *pace) throttled(sent, now time.Time) (flood bool) {
	if sent.Before(p.cut) {
		return false
	}
	if now.After(p.known) && p.usual.share != shareMin {
		p.usual.usual(0)
	}
	p.answers++
	p.refused++
	p.last, p.calm = now, 0
	p.flood = min(p.flood+1, paceFlood)
	flood = p.flood == paceFlood
	alarm := p.usual.throttled() || flood
	switch {
	case now.Before(p.rest):
	case !p.since.IsZero() && now.Sub(p.since) <= paceStale:
		p.measured(now)
	case !alarm:
		p.since = time.Time{}
	case p.top > 0 && p.steps < p.length():
		p.judge(flood, now)
	default:
		p.before, p.first = p.climbing, 0
		p.measure(now)
	}
	return flood
}

// judge says why answers are throttled although the rate is below the top.
func (p *pace) judge(flood bool, now time.Time) {
	switch {
	case flood, p.refused > paceChance*max(paceTrial, p.answers):
		p.measure(now)
	case p.answers >= paceTrial:
		p.usual.usual(p.refused / p.answers)
		p.known = now.Add(paceKnown)
		p.set(p.before, now)
	}
}

func (p *pace) measure(now time.Time) { p.since, p.count, p.stood = now, 0, 0 }

// measured ends a measurement that took long enough.
func (p *pace) measured(now time.Time) {
	took := now.Sub(p.since)
	if p.count == 0 { // that it takes nothing is no rate
		p.measure(now)
		return
	}
	if took < paceMeasure {
		return
	}
	rate := max(p.count/took.Seconds()/(1-p.usual.share), paceMin)
	if p.first == 0 {
		p.first = rate
		if low := p.low(); rate < paceDoubt*low {
			rate = low
		}
	}
	if rate < p.first/paceVain {
		p.rest = now.Add(paceRest)
		p.set(climbing{}, now)
		return
	}
	p.set(climbing{top: rate, quick: p.stood > took/2}, now)
}

func (p *pace) set(c climbing, now time.Time) {
	p.climbing, p.tokens, p.filled = c, 0, now
	p.since, p.cut, p.answers, p.refused = time.Time{}, now, 0, 0
	p.usual.sum = 0
}

// accepted counts one message that the SMSC took.
func (p *pace) accepted(sent, now time.Time) {
	if sent.Before(p.cut) {
		return
	}
	p.usual.accepted()
	p.flood = max(0, p.flood-paceEbb)
	p.answers++
	p.count++
	p.calm++
	switch {
	case !p.since.IsZero():
		if p.calm >= paceTrial && now.Sub(p.last) >= paceCalm {
			p.since = time.Time{} // it has passed
		}
	case p.top > 0:
		p.step()
	}
}

// paused takes note of a pause that begins: there is no burst at its end.
func (p *pace) paused(now time.Time, d time.Duration) {
	p.stood += d
	p.tokens, p.filled = 0, now.Add(d)
}

// room returns how many messages may go now, at most most.
func (p *pace) room(now time.Time, most int32) int32 {
	rate := p.rate()
	if rate == 0 {
		return most
	}
	p.tokens = min(max(1, rate*paceBurst), p.tokens+rate*max(0, now.Sub(p.filled).Seconds()))
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
