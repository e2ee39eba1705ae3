package load

import (
	"time"

	"protei-bulk/load/stats"
)

// Remote runs the users of a test somewhere else: the workers of a fleet. The engine keeps
// shape, rate, guards, search and timeline, and tells it how many users there are to be.
// Its methods do not block unless they say so; the engine calls them from its own
// goroutines.
type Remote interface {
	// Source is what the users measure. What happened a second ago is in it.
	stats.Source
	// Begin is the start of the run's clock. It is called once, before all others.
	Begin(start time.Time)
	// SetUsers asks for so many users of the closed model, at once.
	SetUsers(total int)
	// SetRate asks for iterations at the times of r, time 0 of which is base after the
	// start of the run. Nil stops them.
	SetRate(r *Rate, base time.Duration)
	// Load is what runs, as far as it is known.
	Load() RemoteLoad
	// Stop ends the load; users have Options.StopTimeout. The channel is closed when all
	// have ended and the source has what they did until then.
	Stop() <-chan struct{}
	// Abort ends the users that Stop waits for.
	Abort()
	// Finish waits, for a bounded time, until the last figures are in the source.
	Finish()
}

// RemoteLoad is what runs at a Remote.
type RemoteLoad struct {
	Users  int    // of the closed model
	Pooled int    // users of the open model
	Busy   int    // of them at work
	Ended  uint64 // iterations
}

const (
	// remoteLead is how far ahead a rate is announced, so that every worker has it in time;
	// the first one also needs connections.
	remoteLead      = 250 * time.Millisecond
	remoteFirstLead = time.Second
	// remoteGrace is what a worker may take longer than StopTimeout.
	remoteGrace = 5 * time.Second
	// remoteAge is how old the figures of a Remote may be.
	remoteAge = 2500 * time.Millisecond
)

// source is where the run's figures come from.
func (e *Engine) source() stats.Source {
	if e.opts.Remote != nil {
		return e.opts.Remote
	}
	return stats.NewSource(e.opts.Recorder, e.opts.Ledger)
}

// follows says that there are messages to follow.
func (e *Engine) follows() bool { return e.opts.Remote != nil || e.opts.Ledger != nil }

// counts is the ledger, zero without one.
func (e *Engine) counts() stats.Counts {
	switch {
	case e.opts.Remote != nil:
		return e.opts.Remote.Counts()
	case e.opts.Ledger != nil:
		return e.opts.Ledger.Counts()
	}
	return stats.Counts{}
}

// beginRemote starts the open model at the workers.
func (e *Engine) beginRemote(start time.Time) {
	e.opts.Remote.Begin(start)
	for _, a := range e.arrivals {
		a.mu.Lock()
		a.base = remoteFirstLead
		a.mu.Unlock()
	}
	if len(e.arrivals) > 0 && e.arrivals[0].shared && e.opts.Rate != nil {
		e.opts.Remote.SetRate(e.opts.Rate, remoteFirstLead)
	}
}

// setRemote changes the rate at the workers.
func (a *arrivals) setRemote(r *Rate) {
	base := a.engine.clock.Now() + remoteLead
	a.mu.Lock()
	a.rate, a.base = r, base
	a.mu.Unlock()
	a.engine.opts.Remote.SetRate(r, base)
}

// follow tells the workers how many users there are to be.
func (e *Engine) follow(changed bool) {
	if changed && e.opts.Remote != nil {
		e.opts.Remote.SetUsers(e.count())
	}
}

// running is the number of users that run, those of the open model apart.
func (e *Engine) running() (users, pooled int) {
	if e.opts.Remote != nil {
		l := e.opts.Remote.Load()
		return l.Users, l.Pooled
	}
	return e.count(), e.poolSize()
}

// remotelySpent says that the workers have ended all of Options.Iterations.
func (e *Engine) remotelySpent() bool {
	return e.opts.Remote != nil && e.opts.Iterations > 0 && e.opts.Remote.Load().Ended >= e.opts.Iterations
}
