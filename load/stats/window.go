package stats

import "time"

// peakTracker finds the longest period at peak load while the run goes on: O(1) a second and exact, however coarse the
// timeline has become.
//
//	load  ____/▔▔▔▔▔▔▔▔▔▔\____      the peak's period starts with the first second that begins at peak load
//	          |<------->|           and ends with the last one that ends there
type peakTracker struct {
	peak       float64
	byRate     bool
	inside     bool
	from, to   time.Duration
	best       Window
	bestLength time.Duration
}

// dip is how far below its peak a load may be and still count as at it: a user that reconnects is no ramp.
const dip = 0.005

// add takes the load at the end of the second [from, to).
func (p *peakTracker) add(users int, rate float64, ph Phase, from, to time.Duration) {
	if rate > 0 && !p.byRate {
		*p = peakTracker{byRate: true}
	}
	load := float64(users)
	if p.byRate {
		load = rate
	}
	switch {
	case ph == PhaseDrain || load == 0:
		p.inside = false
		return
	case load > p.peak:
		p.peak, p.inside, p.bestLength = load, true, 0
		p.from, p.to, p.best = to, to, Window{}
	case load < p.peak*(1-dip):
		p.inside = false
		return
	case !p.inside:
		p.inside, p.from = true, to
	}
	p.to = to
	if d := p.to - p.from; d > p.bestLength {
		p.best, p.bestLength = Window{From: p.from, To: p.to}, d
	}
}

// window is the longest period less the warm-up, at most half of it.
func (p *peakTracker) window(warmup time.Duration) (Window, bool) {
	if p.bestLength <= 0 {
		return Window{}, false
	}
	w := p.best
	w.Warmup = min(max(warmup, 0), p.bestLength/2)
	w.From += w.Warmup
	return w, w.Duration() > 0
}
