package load

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"protei-bulk/load/stats"
)

// Options configure a run. Classes, Shape and Recorder are required.
type Options struct {
	Classes  []UserClass
	Shape    Shape
	Recorder *stats.Recorder
	// Ledger of the messages; nil when nobody follows them.
	Ledger *stats.Ledger
	// Clock that the scenario measures by; Run restarts it. Nil: a new one.
	Clock *Clock
	// RunTime ends the run whatever the shape says; 0: it does not.
	RunTime time.Duration
	// StopTimeout is how long users may finish their iteration; then it is aborted. 0:
	// at once.
	StopTimeout time.Duration
	// DrainTimeout is how long receipts are waited for after the users' end.
	DrainTimeout time.Duration
	// NoDrain says that no receipts are expected.
	NoDrain bool
	// Seed makes the users' choices repeat; 0 draws one.
	Seed uint64
	// Gauges fills in what is sampled beside the requests: the target's CPU and so on.
	// It is called once a second and must not block.
	Gauges func(*stats.Gauges)
	// OnTick is called once a second, and at the end, with the state of the run, on
	// Run's goroutine.
	OnTick func(stats.Live)
	// OnPhase is called when the run goes on to another part: "stopping users",
	// "draining"… On Run's goroutine.
	OnPhase func(string)
	// Resolve is called after the drain when messages are still open: it asks the
	// target what became of them.
	Resolve func(context.Context)
	// Kill ends the run at once when it is done: users are aborted, nothing is drained
	// or resolved. Nil: never.
	Kill   context.Context
	Logger *slog.Logger
}

// Result is what a run leaves behind beside recorder and ledger.
type Result struct {
	Collector *stats.Collector
	Started   time.Time
	Ended     time.Time
	// Stopped says that ctx ended the run before its shape did.
	Stopped bool
	// Killed says that Options.Kill did.
	Killed bool
	// Drained is the time spent waiting for receipts.
	Drained time.Duration
	// Loaded is the time from the start to the end of the users, without the drain.
	Loaded time.Duration
	// PeakUsers is the highest number of users that ran.
	PeakUsers int
}

type engine struct {
	opts  Options
	clock *Clock

	// ctx ends what users wait for when the run can wait no longer.
	ctx   context.Context
	abort context.CancelFunc

	mu      sync.Mutex
	users   [][]*User          // guarded by mu: the living, by class, oldest first
	leaving map[*User]struct{} // guarded by mu: told to stop, still busy
	crowd   *crowd             // guarded by mu

	wg      sync.WaitGroup
	started int
	peak    int
}

// Run runs the test until its shape is over or ctx ends, and drains.
func Run(ctx context.Context, opts Options) (*Result, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	e := &engine{opts: opts, clock: opts.Clock, crowd: newCrowd(opts.Classes)}
	e.users = make([][]*User, len(opts.Classes))
	e.leaving = make(map[*User]struct{})
	e.ctx, e.abort = context.WithCancel(context.Background())
	defer e.abort()
	e.clock.Restart()
	res := &Result{Started: e.clock.Start()}
	res.Collector = stats.NewCollector(stats.CollectorOptions{
		Start: res.Started, Recorder: opts.Recorder, Ledger: opts.Ledger,
	})
	t := &ticker{engine: e, collector: res.Collector}
	t.begin()
	res.Stopped = e.load(ctx, t)
	e.end(t)
	res.Loaded = e.clock.Now()
	res.PeakUsers = e.peak
	if !opts.NoDrain && opts.Ledger != nil && !e.killed() {
		res.Drained = e.drain(t)
	}
	if opts.Resolve != nil && !e.killed() {
		opts.OnPhase("asking the target about open messages")
		opts.Resolve(opts.Kill)
	}
	t.finish()
	res.Killed = e.killed()
	res.Ended = time.Now()
	return res, nil
}

func (o *Options) check() error {
	err := checkClasses(o.Classes)
	if o.Shape == nil {
		err = errors.Join(err, errors.New("no shape"))
	}
	if o.Recorder == nil {
		err = errors.Join(err, errors.New("no recorder"))
	}
	if o.Clock == nil {
		o.Clock = NewClock()
	}
	if o.Kill == nil {
		o.Kill = context.Background()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if o.OnTick == nil {
		o.OnTick = func(stats.Live) {}
	}
	if o.OnPhase == nil {
		o.OnPhase = func(string) {}
	}
	if o.Gauges == nil {
		o.Gauges = func(*stats.Gauges) {}
	}
	return err
}

func (e *engine) killed() bool { return e.opts.Kill.Err() != nil }

// load starts and stops users until the shape is over; stopped says that ctx came first.
func (e *engine) load(ctx context.Context, t *ticker) (stopped bool) {
	p := pace{credit: 1}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return true
		case <-e.opts.Kill.Done():
			return true
		case <-t.C:
			t.tick()
			continue
		case <-timer.C:
		}
		now := e.clock.Now()
		want, rate, done := e.opts.Shape.At(now)
		if done || e.opts.RunTime > 0 && now >= e.opts.RunTime {
			return false
		}
		t.moved = t.moved || want != t.want
		t.want = want
		have := e.count()
		n := p.allow(now, want-have, rate)
		for ; n > 0; n-- {
			e.spawn(now)
		}
		for ; n < 0; n++ {
			e.retire()
		}
		timer.Reset(p.pause(e.count() != want, rate))
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

func (e *engine) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.crowd.total
}

func (e *engine) spawn(at time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	class := e.crowd.grow()
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	u := &User{
		Index:    e.started,
		Rand:     rand.New(rand.NewPCG(e.opts.Seed, uint64(e.started))),
		engine:   e,
		class:    class,
		shard:    e.opts.Recorder.Shard(e.started),
		timer:    timer,
		intended: at,
	}
	e.started++
	e.users[class] = append(e.users[class], u)
	e.peak = max(e.peak, e.crowd.total)
	e.wg.Go(func() {
		u.live()
		e.left(u)
	})
}

func (e *engine) left(u *User) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.leaving, u)
}

// retire stops the youngest user of the class that has one too many.
func (e *engine) retire() {
	e.mu.Lock()
	defer e.mu.Unlock()
	class := e.crowd.shrink()
	list := e.users[class]
	u := list[len(list)-1]
	list[len(list)-1] = nil
	e.users[class] = list[:len(list)-1]
	e.leaving[u] = struct{}{}
	u.stop()
}

// end stops all users and waits for them: first for their iterations, then less kindly.
func (e *engine) end(t *ticker) {
	e.opts.OnPhase("stopping users")
	t.phase = stats.PhaseDrain
	e.stopAll()
	done := make(chan struct{})
	go func() {
		e.wg.Wait()
		close(done)
	}()
	timeout := time.NewTimer(e.opts.StopTimeout)
	defer timeout.Stop()
	kill := e.opts.Kill.Done()
	for {
		select {
		case <-done:
			return
		case <-t.C:
			t.tick()
			continue
		case <-timeout.C:
		case <-kill:
			kill = nil
		}
		e.abortAll()
	}
}

func (e *engine) stopAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, list := range e.users {
		for _, u := range list {
			e.leaving[u] = struct{}{}
			u.stop()
		}
	}
	clear(e.users)
	e.crowd = newCrowd(e.opts.Classes)
}

func (e *engine) abortAll() {
	e.abort()
	e.mu.Lock()
	defer e.mu.Unlock()
	for u := range e.leaving {
		u.abort()
	}
}

const drainPoll = 50 * time.Millisecond

// drain waits until every accepted message has its receipt.
func (e *engine) drain(t *ticker) time.Duration {
	e.opts.OnPhase("draining receipts")
	start := e.clock.Now()
	poll := time.NewTicker(drainPoll)
	defer poll.Stop()
	for {
		c := e.opts.Ledger.Counts()
		spent := e.clock.Now() - start
		if c.Open == 0 && c.Awaiting == 0 || spent >= e.opts.DrainTimeout {
			return spent
		}
		select {
		case <-e.opts.Kill.Done():
			return spent
		case <-t.C:
			t.tick()
		case <-poll.C:
		}
	}
}

// ticker ends the seconds of a run.
type ticker struct {
	*time.Ticker
	engine    *engine
	collector *stats.Collector
	phase     stats.Phase
	want      int
	moved     bool // the shape asked for another number since the last tick
}

func (t *ticker) begin() { t.Ticker = time.NewTicker(time.Second) }

func (t *ticker) tick() {
	t.collector.Tick(t.state())
	t.engine.opts.OnTick(t.collector.Live())
}

func (t *ticker) finish() {
	t.Stop()
	t.collector.Finish(t.state())
	t.engine.opts.OnTick(t.collector.Live())
}

// state is what the collector wants to know about the second that ends now.
func (t *ticker) state() stats.Tick {
	e := t.engine
	users := e.count()
	tick := stats.Tick{At: time.Now(), Users: users, Phase: t.phase, Gauges: stats.NoGauges()}
	if t.phase != stats.PhaseDrain {
		tick.Phase = stats.PhaseSteady
		if t.moved || users != t.want {
			tick.Phase = stats.PhaseRamp
		}
	}
	t.moved = false
	e.opts.Gauges(&tick.Gauges)
	return tick
}
