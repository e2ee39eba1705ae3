package api

import (
	"sync"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/message"
)

// Bounds of what is remembered of the live figures.
const (
	// PastEvery is the time between two calls of Remember.
	PastEvery = 10 * time.Second
	maxPast   = 360 // moments: an hour
	// maxPastOwners bounds the accounts with a past. One takes at most 32 kB, when something changes
	// in each moment.
	maxPastOwners = 1000
)

// pastFigure is what a liveView said at a moment. The numbers of messages only grow.
type pastFigure struct {
	At        int64 `json:"at"` // Unix milliseconds
	Accepted  int64 `json:"accepted"`
	Delivered int64 `json:"delivered"`
	Failed    int64 `json:"failed"`
	InFlight  int64 `json:"in_flight"`
	Submitted int64 `json:"submitted"`
	Queued    int64 `json:"queued"`
}

// past are the figures of the last hour: of everything, account 0, and of each account.
type past struct {
	mu      sync.Mutex
	moments [maxPast]int64     // guarded by mu: Unix milliseconds, a ring
	n       int                // guarded by mu: moments ever remembered
	of      map[uint32][]since // guarded by mu: at most maxPastOwners, and account 0
}

// since is a figure that holds from a moment on, until the next one: what does not change takes no room.
type since struct {
	n      int
	figure pastFigure
}

// Remember notes how everything, and each account, is doing now. Whoever runs the API calls it
// every PastEvery.
func (a *API) Remember() {
	v := a.measure(0)
	p := &a.past
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moments[p.n%maxPast] = v.At
	p.note(0, pastFigure{0, v.Accepted, v.Delivered, v.Failed, v.InFlight, v.Submitted, v.Queued})
	a.opts.Insight.EachAccount(func(id uint32, counts Counts) {
		p.note(id, pastFigure{
			Accepted: total(counts), Delivered: counts[message.Delivered], Failed: failed(&counts), InFlight: inFlight(&counts),
		})
	})
	p.n++
}

// note adds the figure of this moment, and forgets what is older than an hour.
func (p *past) note(id uint32, f pastFigure) {
	all, known := p.of[id]
	if !known && id != 0 && !p.room(f.InFlight > 0) {
		return
	}
	if len(all) > 0 && all[len(all)-1].figure == f {
		return
	}
	old := 0
	for old+1 < len(all) && all[old+1].n <= p.n-maxPast+1 { // the one before still holds where the hour begins
		old++
	}
	if p.of == nil {
		p.of = make(map[uint32][]since)
	}
	p.of[id] = append(append(all[:0], all[old:]...), since{p.n, f})
}

// room reports whether one more account can have a past. One that sends takes the place of
// one of which nothing changed for an hour.
func (p *past) room(sends bool) bool {
	accounts := len(p.of)
	if p.of[0] != nil {
		accounts--
	}
	if accounts < maxPastOwners {
		return true
	}
	if !sends {
		return false
	}
	for id, all := range p.of {
		if id != 0 && all[len(all)-1].n <= p.n-maxPast {
			delete(p.of, id)
			return true
		}
	}
	return false
}

// figures returns what is remembered of an account, or of everything, the oldest first.
func (p *past) figures(id uint32) []pastFigure {
	p.mu.Lock()
	defer p.mu.Unlock()
	figures, all := []pastFigure{}, p.of[id]
	for n := max(0, p.n-maxPast); n < p.n; n++ {
		for len(all) > 1 && all[1].n <= n {
			all = all[1:]
		}
		if len(all) > 0 && all[0].n <= n {
			f := all[0].figure
			f.At = p.moments[n%maxPast]
			figures = append(figures, f)
		}
	}
	return figures
}

// liveHistory is GET /api/v1/live/history.
func (c *call) liveHistory() error {
	return c.document(200, map[string]any{"every_seconds": int(PastEvery / time.Second), "figures": c.api.past.figures(liveOf(c.who))})
}

// liveOf is the account whose figures somebody sees: his own, or 0 for everything.
func liveOf(who *account.Account) uint32 {
	if who.Role == account.Admin {
		return 0
	}
	return who.ID
}
