package dispatch

import "time"

// pacer is a token bucket: a rate of submit_sm a second and a burst of a twentieth of a
// second. It is for one goroutine.
type pacer struct {
	rate   float64 // tokens a second, 0: unlimited
	burst  float64
	tokens float64
	last   time.Time
}

func newPacer(rate float64) pacer {
	burst := max(1, rate/20)
	return pacer{rate: rate, burst: burst, tokens: burst}
}

// grant returns how many of want may go now, and if none how long to wait for the next.
func (p *pacer) grant(now time.Time, want int) (n int, wait time.Duration) {
	if p.rate <= 0 || want == 0 {
		return want, 0
	}
	if !p.last.IsZero() {
		p.tokens = min(p.burst, p.tokens+now.Sub(p.last).Seconds()*p.rate)
	}
	p.last = now
	if p.tokens < 1 {
		return 0, max(time.Duration((1-p.tokens)/p.rate*float64(time.Second)), time.Microsecond)
	}
	return min(want, int(p.tokens)), 0
}

// spend takes tokens for n submit_sm. It may leave a debt: parts of one message are not
// kept apart.
func (p *pacer) spend(n int) {
	if p.rate > 0 {
		p.tokens -= float64(n)
	}
}
