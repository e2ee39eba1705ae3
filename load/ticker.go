package load

import (
	"time"

	"protei-bulk/load/stats"
)

// ticker ends the seconds of a run. It belongs to Run's goroutine.
type ticker struct {
	*time.Ticker
	engine    *Engine
	collector *stats.Collector
	live      stats.Live // after the last tick
	phase     stats.Phase
	want      int
	changed   time.Duration // when want last changed
	rate      float64       // of the open model at the last tick
	moved     bool          // the shape asked for another number since the last tick
	override  *override     // the one that ramped and settled are about
	ramped    bool          // users and rate have reached what they go up to
	settled   time.Duration // since when
	from      time.Duration // of the figures: since the last reset
	aborted   string
}

func (t *ticker) begin() { t.Ticker = time.NewTicker(time.Second) }

func (t *ticker) tick() {
	t.collector.Tick(t.state())
	t.publish()
	if t.engine.restart.Swap(false) {
		t.collector.Reset()
		t.from = t.engine.clock.Now()
	}
}

func (t *ticker) finish() {
	t.Stop()
	t.collector.Finish(t.state())
	t.publish()
}

func (t *ticker) publish() {
	t.live = t.collector.Live()
	t.engine.opts.OnTick(t.live)
}

// state is what the collector wants to know about the second that ends now.
func (t *ticker) state() stats.Tick {
	e := t.engine
	users, pooled := e.running()
	now := e.clock.Now()
	tick := stats.Tick{At: time.Now(), Users: users + pooled, Phase: t.phase, Gauges: stats.NoGauges()}
	e.mu.Lock()
	e.peak = max(e.peak, tick.Users)
	e.mu.Unlock()
	if t.phase != stats.PhaseDrain {
		for _, a := range e.arrivals {
			tick.Rate += a.at(now)
		}
		tick.Phase = stats.PhaseSteady
		if t.moved || users != t.want || tick.Rate != t.rate {
			tick.Phase = stats.PhaseRamp
		}
		t.rate = tick.Rate
	}
	t.moved = false
	e.opts.Gauges(&tick.Gauges)
	tick.Series = e.opts.Sample()
	return tick
}

// peaker is a shape that knows its highest number of users.
type peaker interface{ Peak() int }

// unchanged is how long a shape without a known peak must ask for the same number to
// count as started.
const unchanged = time.Second

// settle notices the moment when the users have been started, and the rate has reached
// its peak: again after every SetUsers.
func (t *ticker) settle(now time.Duration) {
	e := t.engine
	if t.moved {
		t.changed = now
	}
	if o := e.override.Load(); o != t.override {
		t.override, t.ramped, t.changed = o, false, now
	}
	if t.ramped || e.count() != t.want || !t.atPeak(now) {
		return
	}
	for _, a := range e.arrivals {
		if !a.peaked(now) {
			return
		}
	}
	t.ramped, t.settled = true, now
	if e.opts.ResetStats {
		e.ResetStats()
	}
	e.tell(func(l *Listener) { call(l.SpawningComplete, t.want) })
}

func (t *ticker) atPeak(now time.Duration) bool {
	if t.override != nil {
		return true
	}
	if p, ok := t.engine.opts.Shape.(peaker); ok {
		return t.want >= p.Peak()
	}
	return now-t.changed >= unchanged
}
