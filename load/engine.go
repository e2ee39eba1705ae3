package load

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/load/stats"
)

// Engine runs one test; make it with [New]. While [Engine.Run] is under way, SetUsers,
// SetRate, ResetStats and Quit may be called from other goroutines.
type Engine struct {
	opts     Options
	clock    *Clock
	starters []func(*User) (runner, error) // of the classes
	requests []func(Request)               // of the listeners
	closed   bool                          // there is a class for the shape's users

	// ctx ends what users wait for when the run can wait no longer.
	ctx   context.Context
	abort context.CancelFunc
	alarm *alarm // of Run

	mu      sync.Mutex
	users   [][]*User          // guarded by mu: the living of the closed model, by class, oldest first
	leaving map[*User]struct{} // guarded by mu: told to stop, still busy
	crowd   *crowd             // guarded by mu: of the closed model
	pooled  int                // guarded by mu: users of the open model
	started int                // guarded by mu
	peak    int                // guarded by mu

	arrivals []*arrivals // of the open model; the first is Options.Rate's
	quit     chan struct{}
	loops    sync.WaitGroup // of arrivals and the search
	wg       sync.WaitGroup // of users

	override atomic.Pointer[override]
	restart  atomic.Bool // ResetStats was called

	quota        atomic.Uint64 // of iterations; math.MaxUint64 is no bound
	taken, ended atomic.Uint64 // iterations, with a quota
	patient      bool          // there may be more iterations later: see Part
	spent        chan struct{} // closed when all iterations have ended

	notes  chan string   // phases of the search
	search *maxSearch    // nil without Options.FindMax
	found  chan struct{} // closed when the search has ended
}

// override is what SetUsers asks for instead of the shape.
type override struct {
	users int
	rate  float64
}

// New checks the options and makes an engine.
func New(opts Options) (*Engine, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	e := &Engine{
		opts: opts, clock: opts.Clock, crowd: newCrowd(opts.Classes), users: make([][]*User, len(opts.Classes)),
		leaving: make(map[*User]struct{}), quit: make(chan struct{}), spent: make(chan struct{}),
		notes: make(chan string, noteBacklog), found: make(chan struct{}),
	}
	for i := range opts.Classes {
		e.starters = append(e.starters, opts.Classes[i].starter())
		e.closed = e.closed || opts.Classes[i].Rate == nil
	}
	for _, l := range opts.Listeners {
		if l.Request != nil {
			e.requests = append(e.requests, l.Request)
		}
	}
	e.started = opts.FirstUser
	e.quota.Store(opts.Iterations)
	if opts.Iterations == 0 {
		e.quota.Store(math.MaxUint64)
	}
	e.makeArrivals()
	return e, nil
}

// noteBacklog bounds the phases that wait for Run's goroutine; later ones are dropped.
const noteBacklog = 64

// Run runs a test until its shape and rate are over or ctx ends, and drains.
func Run(ctx context.Context, opts Options) (*Result, error) {
	e, err := New(opts)
	if err != nil {
		return nil, err
	}
	return e.Run(ctx)
}

// Run runs the test until its shape and rate are over or ctx ends, and drains. It is
// called once.
func (e *Engine) Run(ctx context.Context) (*Result, error) {
	e.ctx, e.abort = context.WithCancel(context.Background())
	defer e.abort()
	e.clock.Restart()
	if !e.opts.CoarseTimers {
		e.alarm = newAlarm(e.clock)
		defer e.alarm.close()
	}
	res := &Result{Started: e.clock.Start()}
	res.Collector = stats.NewCollector(stats.CollectorOptions{
		Start: res.Started, Source: e.source(), Series: e.opts.Series,
	})
	t := &ticker{engine: e, collector: res.Collector}
	e.opts.OnStart(res.Collector)
	t.begin()
	e.tell(func(l *Listener) { call(l.TestStart, e) })
	if e.opts.Remote != nil {
		e.beginRemote(res.Started)
	} else {
		for _, a := range e.arrivals {
			e.loops.Go(a.run)
		}
	}
	if e.opts.FindMax != nil {
		e.search = &maxSearch{engine: e, collector: res.Collector}
		e.loops.Go(e.search.run)
	}
	res.Stopped = e.load(ctx, t)
	res.Aborted = t.aborted
	e.end(t)
	if e.search != nil {
		res.Max = e.search.result()
	}
	res.Loaded = e.clock.Now()
	res.PeakUsers = e.peak
	if !e.opts.NoDrain && e.follows() && !e.killed() {
		res.Drained = e.drain(t)
	}
	if e.opts.Resolve != nil && !e.killed() {
		e.opts.OnPhase("asking the target about open messages")
		e.opts.Resolve(e.opts.Kill)
	}
	if e.opts.Remote != nil {
		e.opts.Remote.Finish()
	}
	t.finish()
	res.Killed = e.killed()
	res.Ended = time.Now()
	e.tell(func(l *Listener) { call(l.TestStop, res) })
	return res, nil
}

func (e *Engine) killed() bool { return e.opts.Kill.Err() != nil }

// SetUsers changes the number of users of the closed model, from now on and whatever the
// shape says; rate is how many start or stop a second, 0 at once. The run still ends when
// the shape does.
func (e *Engine) SetUsers(users int, rate float64) {
	e.override.Store(&override{max(users, 0), max(rate, 0)})
}

// SetRate changes the rate of the open model from now on: start 0 of r is now. Nil stops
// it. A class's own rate stays as it is.
func (e *Engine) SetRate(r *Rate) {
	switch {
	case len(e.arrivals) == 0 || !e.arrivals[0].shared:
	case e.opts.Remote != nil:
		e.arrivals[0].setRemote(r)
	default:
		e.arrivals[0].set(r)
	}
}

// Users is the number of users that run in the closed model, of those that should, and of
// those in the pools of the open model.
func (e *Engine) Users() (running, wanted, pooled int) {
	wanted, _, _ = e.wanted(e.clock.Now())
	running, pooled = e.running()
	return running, wanted, pooled
}

// ResetStats forgets the figures so far at the end of the current second. The ledger
// forgets nothing.
func (e *Engine) ResetStats() { e.restart.Store(true) }

// wanted is what shape and SetUsers ask for.
func (e *Engine) wanted(now time.Duration) (users int, rate float64, done bool) {
	users, rate, done = e.opts.Shape.At(now)
	if o := e.override.Load(); o != nil {
		users, rate = o.users, o.rate
	}
	if !e.closed {
		users = 0
	}
	return users, rate, done
}

// load starts and stops users until the run is over; stopped says that ctx came first.
func (e *Engine) load(ctx context.Context, t *ticker) (stopped bool) {
	p := pace{credit: 1}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return true
		case <-e.opts.Kill.Done():
			return true
		case <-e.spent:
			return false
		case <-e.found:
			return false
		case text := <-e.notes:
			e.opts.OnPhase(text)
			continue
		case <-t.C:
			t.tick()
			if t.aborted = t.guarded(); t.aborted != "" {
				e.opts.OnPhase("aborted: " + t.aborted)
				return false
			}
			continue
		case <-timer.C:
		}
		now := e.clock.Now()
		want, rate, done := e.wanted(now)
		if e.over(t, now, done) || e.remotelySpent() {
			return false
		}
		t.moved = t.moved || want != t.want
		t.want = want
		n := p.allow(now, want-e.count(), rate)
		changed := n != 0
		for ; n > 0; n-- {
			e.spawn(now)
		}
		for ; n < 0; n++ {
			e.retire()
		}
		e.follow(changed)
		t.settle(now)
		timer.Reset(p.pause(e.count() != want, rate))
	}
}

// over says that the run has reached its end: the run time, or the end of everything that
// has one.
func (e *Engine) over(t *ticker, now time.Duration, shapeDone bool) bool {
	if e.opts.RunTime > 0 {
		from := time.Duration(0)
		if e.opts.RunTimeAfterRamp {
			from = t.settled
		}
		if (t.ramped || !e.opts.RunTimeAfterRamp) && now >= from+e.opts.RunTime {
			return true
		}
	}
	if e.search != nil {
		return false
	}
	finite, done := false, true
	for _, a := range e.arrivals {
		if end := a.end(); end > 0 {
			finite = true
			done = done && now >= end
		}
	}
	if !finite {
		return shapeDone
	}
	if flat, ok := e.opts.Shape.(Flat); ok && flat.RunTime == 0 {
		return done
	}
	return done && shapeDone
}

// before says that a start is due before the run time is over.
func (e *Engine) before(at time.Duration) bool {
	return e.opts.RunTime == 0 || e.opts.RunTimeAfterRamp || at < e.opts.RunTime
}

// take takes one of the iterations that there are; false: all are taken.
func (e *Engine) take() bool {
	quota := e.quota.Load()
	if quota == math.MaxUint64 {
		return true
	}
	for {
		n := e.taken.Load()
		if n >= quota {
			return false
		}
		if e.taken.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// finished counts an iteration that was taken.
func (e *Engine) finished() {
	if e.quota.Load() == math.MaxUint64 {
		return
	}
	if e.ended.Add(1) == e.opts.Iterations {
		close(e.spent)
	}
}

// pace spreads starts and stops evenly: it earns rate credits a second.
type pace struct {
	last   time.Duration
	credit float64
}

const (
	paceStep = 10 * time.Millisecond  // between two looks at the shape while users change
	paceIdle = 100 * time.Millisecond // and while they do not
	maxBurst = 100 * time.Millisecond // worth of credit that a stall may earn
	rounding = 1e-6                   // of a credit
)

// allow returns how many users may start (or stop, negative) now.
func (p *pace) allow(now time.Duration, missing int, rate float64) int {
	dt := now - p.last
	p.last = now
	if rate <= 0 {
		p.credit = 1
		return missing
	}
	p.credit = min(p.credit+rate*dt.Seconds(), 1+rate*maxBurst.Seconds())
	n := min(int(p.credit+rounding), max(missing, -missing))
	p.credit -= float64(n)
	if missing < 0 {
		return -n
	}
	return n
}

// pause is the time until the next user can be due.
func (p *pace) pause(changing bool, rate float64) time.Duration {
	if !changing {
		return paceIdle
	}
	if rate <= 0 {
		return paceStep
	}
	next := time.Duration((1 - p.credit) / rate * float64(time.Second))
	return min(max(next, paceStep), paceIdle)
}
