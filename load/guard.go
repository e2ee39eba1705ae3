package load

import (
	"time"

	"protei-bulk/load/stats"
)

// Guard ends a run that misses something, a target with `abort` for instance. It is asked
// after each second under load.
type Guard struct {
	// Name says what is guarded, as "p95 < 200 ms of POST /messages".
	Name string
	// After is how long the run (or the figures, after a reset) must have gone on before
	// the guard is asked.
	After time.Duration
	// Missed says what is wrong, "" when nothing is. It is called on Run's goroutine and
	// must not block; Live.Recent holds the last 10 s, Live.Total everything.
	Missed func(*stats.Live) string
}

// guarded asks the guards; "" when none was missed.
func (t *ticker) guarded() string {
	since := t.engine.clock.Now() - t.from
	for _, g := range t.engine.opts.Guards {
		if since < g.After {
			continue
		}
		if why := g.Missed(&t.live); why != "" {
			return g.Name + ": " + why
		}
	}
	return ""
}
