package load

import (
	"context"
	"math"
	"sync"
	"time"
)

// Part is a worker's part of a test: users that start, stop and iterate as a [Share] says.
// What they measure goes to Options.Recorder and Options.Ledger. Shape, Rate, RunTime and
// what else decides when a test ends is the master's business and not used.
//
// Begin starts it, Stop ends its users, Close ends what outlives them.
type Part struct {
	e *Engine

	mu       sync.Mutex // guards all below
	started  bool       // the arrivals run
	stopped  chan struct{}
	aborted  chan struct{}
	aborting sync.Once
}

// Share is a worker's share of a test.
type Share struct {
	// Users of the closed model, by class; the worker has them at once.
	Users []int
	// Start i of a rate belongs to the worker whose Index is i modulo Of, for starts that
	// are due at From since the start of the run or later. Before, the last share holds.
	Index, Of int
	From      time.Duration
	// Rate is that of the open model as a whole, Base its time 0. Nil: none.
	Rate *Rate
	Base time.Duration
	// Iterations is how many this worker may start in all; math.MaxUint64 is no bound.
	Iterations uint64
}

// NewPart checks the options and makes a part.
func NewPart(opts Options) (*Part, error) {
	opts.Shape, opts.Rate, opts.FindMax, opts.Remote, opts.Iterations, opts.RunTime = Flat{}, nil, nil, nil, 0, 0
	e, err := New(opts)
	if err != nil {
		return nil, err
	}
	e.patient = true
	e.ctx, e.abort = context.WithCancel(context.Background())
	return &Part{e: e, stopped: make(chan struct{}), aborted: make(chan struct{})}, nil
}

// Begin starts the run's clock at start, which may lie in the past.
func (p *Part) Begin(start time.Time) {
	p.e.clock.StartAt(start)
	if !p.e.opts.CoarseTimers {
		p.e.alarm = newAlarm(p.e.clock)
	}
}

// Follow makes users and starts what the share says. It must not be called before Begin
// or after Stop.
func (p *Part) Follow(s Share) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.e
	e.quota.Store(s.Iterations)
	for _, a := range e.arrivals {
		a.follow(s)
		if !p.started {
			e.loops.Go(a.run)
		}
	}
	p.started = true
	now := e.clock.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for class, want := range s.Users {
		for len(e.users[class]) < want {
			e.crowd.total++
			e.enter(class, now)
		}
		for len(e.users[class]) > want {
			e.crowd.total--
			e.exit(class)
		}
	}
}

// follow takes the worker's share of a rate.
func (a *arrivals) follow(s Share) {
	a.mu.Lock()
	defer a.mu.Unlock()
	rate, base := a.rate, remoteFirstLead
	if a.shared {
		rate, base = s.Rate, s.Base
	}
	from := max(s.From, base)
	if a.of == uint64(s.Of) && a.index == uint64(s.Index) && a.from == from && a.base == base && a.rate.same(rate) {
		return // nothing new: what is due since from has been started
	}
	a.rate, a.base = rate, base
	a.index, a.of, a.from = uint64(s.Index), uint64(s.Of), from
	a.bound = max(a.bound, (poolBound(a.rate, a.most)+s.Of-1)/s.Of)
	if a.rate != nil {
		ready := int(math.Ceil(a.rate.Peak() * readyTime.Seconds() / float64(s.Of)))
		for len(a.pool) < min(ready, a.bound) {
			a.add(a.pick(), false)
		}
	}
	a.version.Add(1)
	a.poke()
}

// Load is what runs.
func (p *Part) Load() RemoteLoad {
	l := RemoteLoad{Users: p.e.count(), Pooled: p.e.poolSize(), Ended: p.e.ended.Load()}
	for _, a := range p.e.arrivals {
		l.Busy += a.busy()
	}
	return l
}

// Abort makes Stop's users end at once, now or when it is called.
func (p *Part) Abort() { p.aborting.Do(func() { close(p.aborted) }) }

// Close is called after Stop, when nothing is waited for any more: users' binds and
// connections live until then, for the receipts.
func (p *Part) Close() {
	<-p.stopped
	p.e.abort()
	p.e.alarm.close()
}

// Stop ends all users; done is closed when they have ended, after StopTimeout less kindly.
// It is called once; a Part that never began is ended by it, too.
func (p *Part) Stop() (done <-chan struct{}) {
	e := p.e
	close(e.quit)
	go func() {
		defer close(p.stopped)
		e.loops.Wait()
		ended, abort, patience := e.stopUsers()
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-ended:
		case <-timer.C:
			abort()
		case <-e.opts.Kill.Done():
			abort()
		case <-p.aborted:
			abort()
		}
		<-ended
	}()
	return p.stopped
}
