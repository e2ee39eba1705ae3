package api

import (
	"sync"
	"time"
)

// Bounds of what is remembered of the live figures.
const (
	// PastEvery is the time between two calls of Remember.
	PastEvery = 10 * time.Second
	maxPast   = 360 // figures: an hour
)

// pastFigure is what a liveView of everything said at a moment. The numbers of messages only grow.
type pastFigure struct {
	At        int64 `json:"at"` // Unix milliseconds
	Accepted  int64 `json:"accepted"`
	Delivered int64 `json:"delivered"`
	Failed    int64 `json:"failed"`
	InFlight  int64 `json:"in_flight"`
	Submitted int64 `json:"submitted"`
	Queued    int64 `json:"queued"`
}

// past is a ring of the figures of the last hour.
type past struct {
	mu   sync.Mutex
	ring [maxPast]pastFigure // guarded by mu
	n    int                 // guarded by mu: figures ever remembered
}

// Remember notes how everything is doing now. Whoever runs the API calls it every PastEvery.
func (a *API) Remember() {
	v := a.measure(0)
	p := &a.past
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ring[p.n%maxPast] = pastFigure{v.At, v.Accepted, v.Delivered, v.Failed, v.InFlight, v.Submitted, v.Queued}
	p.n++
}

// figures returns what is remembered, the oldest first.
func (p *past) figures() []pastFigure {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]pastFigure, 0, min(p.n, maxPast))
	for i := max(0, p.n-maxPast); i < p.n; i++ {
		all = append(all, p.ring[i%maxPast])
	}
	return all
}

// liveHistory is GET /api/v1/live/history.
func (c *call) liveHistory() error {
	return c.document(200, map[string]any{"every_seconds": int(PastEvery / time.Second), "figures": c.api.past.figures()})
}
