package load

import (
	"sync/atomic"
	"time"
)

// Clock is the run's monotonic time; everything is measured since its start. It is safe
// for concurrent use.
type Clock struct {
	base  time.Time
	start atomic.Int64 // after base
}

// NewClock returns a clock that starts now.
func NewClock() *Clock { return &Clock{base: time.Now()} }

// Now is the time since the start.
func (c *Clock) Now() time.Duration {
	return time.Since(c.base) - time.Duration(c.start.Load())
}

// Restart sets the start to now: what happened before the run, the canary, does not count.
func (c *Clock) Restart() { c.start.Store(int64(time.Since(c.base))) }

// StartAt sets the start to t, a time with a monotonic reading: that of another process,
// as this one's clock shows it.
func (c *Clock) StartAt(t time.Time) { c.start.Store(int64(t.Sub(c.base))) }

// Start is the wall time of the start.
func (c *Clock) Start() time.Time { return c.base.Add(time.Duration(c.start.Load())) }
