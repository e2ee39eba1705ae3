package load

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// arrivals is the open model: one goroutine that starts iterations at the times of a rate,
// on users of a bounded pool. Users that have nothing to do wait in line and take turns.
type arrivals struct {
	engine *Engine
	shared bool // Options.Rate and SetRate, not a class's own rate
	most   int  // users, as asked for; 0: by the rate
	ready  int  // users before the first start, as asked for; 0: by the rate

	stopping atomic.Bool
	version  atomic.Uint64 // of rate
	wake     chan struct{} // the rate has changed, a user is ready, or it is the end

	mu    sync.Mutex
	rate  *Rate         // guarded by mu; nil: nothing starts
	base  time.Duration // guarded by mu: time 0 of the rate
	bound int           // guarded by mu: of the pool
	lanes []lane        // guarded by mu
	pool  []*User       // guarded by mu: all users; after the end read by stopAll alone
	idle  int           // guarded by mu: users that wait for a start

	// A worker has every of-th start, beginning at index, of those due from from on.
	index, of uint64        // guarded by mu; of 0: all
	from      time.Duration // guarded by mu
}

// lane is a class's part of an open rate.
type lane struct {
	class  int
	weight float64
	starts float64
	free   userQueue
}

// makeArrivals makes the open model of the options: the shared rate, which may come later
// by SetRate, and a rate for each class that has its own.
func (e *Engine) makeArrivals() {
	if lanes := sharedLanes(e.opts.Classes); len(lanes) > 0 {
		a := e.newArrivals(e.opts.Rate, lanes, e.opts.MaxUsers)
		a.shared, a.ready = true, e.opts.ReadyUsers
	}
	for i, c := range e.opts.Classes {
		if c.Rate != nil {
			most := c.MaxUsers
			if most == 0 {
				most = e.opts.MaxUsers
			}
			e.newArrivals(c.Rate, []lane{{class: i, weight: 1}}, most)
		}
	}
}

func (e *Engine) newArrivals(r *Rate, lanes []lane, most int) *arrivals {
	a := &arrivals{engine: e, rate: r, lanes: lanes, most: most, wake: make(chan struct{}, 1)}
	a.bound = poolBound(r, most)
	e.arrivals = append(e.arrivals, a)
	return a
}

// sharedLanes are the classes that share Options.Rate.
func sharedLanes(classes []UserClass) (lanes []lane) {
	for i, c := range classes {
		if c.Rate == nil && c.FixedCount == 0 && c.Every == 0 {
			lanes = append(lanes, lane{class: i, weight: float64(max(c.Weight, 1))})
		}
	}
	if len(lanes) > 0 {
		return lanes
	}
	for i, c := range classes {
		if c.Rate == nil {
			lanes = append(lanes, lane{class: i, weight: 1})
		}
	}
	return lanes
}

const (
	leastPool = 100
	mostPool  = 10_000
	readyTime = 20 * time.Millisecond // worth of starts that users are there for from the begin
	readyWait = time.Second           // for them to be ready
)

// poolBound is the most users that a rate may have.
func poolBound(r *Rate, most int) int {
	if most > 0 {
		return most
	}
	if r == nil {
		return leastPool
	}
	return min(max(int(math.Ceil(r.Peak())), leastPool), mostPool)
}

// set changes the rate from now on.
func (a *arrivals) set(r *Rate) {
	a.mu.Lock()
	a.rate, a.base = r, a.engine.clock.Now()
	a.bound = max(a.bound, poolBound(r, a.most))
	a.mu.Unlock()
	a.version.Add(1)
	a.poke()
}

func (a *arrivals) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// at is the rate at a time since the start of the run.
func (a *arrivals) at(now time.Duration) float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rate == nil {
		return 0
	}
	return a.rate.At(now - a.base)
}

// end is when the rate is over; 0: it has no end.
func (a *arrivals) end() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rate == nil || a.rate.Length() == 0 {
		return 0
	}
	return a.base + a.rate.Length()
}

// peaked says that the rate has been at its peak.
func (a *arrivals) peaked(now time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rate == nil || now-a.base >= a.rate.peakAt()
}

// run starts iterations until the end of the load.
func (a *arrivals) run() {
	stop := make(chan struct{})
	defer close(stop)
	a.engine.loops.Go(func() {
		select {
		case <-a.engine.quit:
			a.stopping.Store(true)
			a.poke()
		case <-stop:
		}
	})
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	a.prepare(timer)
	clock := a.engine.clock
	version := a.version.Load()
	s, base, _ := a.plan()
	at, ok := s.next()
	for !a.stopping.Load() {
		if v := a.version.Load(); v != version {
			if next, start, from := a.plan(); !ok || base+at >= from {
				version, s, base = v, next, start
				at, ok = s.next()
			}
		}
		pause := time.Hour
		if ok && a.engine.before(base+at) {
			if pause = base + at - clock.Now(); pause <= 0 {
				a.start(base + at)
				at, ok = s.next()
				continue
			}
		}
		timer.Reset(pause)
		a.engine.alarm.at(clock.Now() + pause)
		select {
		case <-a.wake:
		case <-timer.C:
		}
	}
}

// plan is the schedule of the current rate, its time 0, and when it takes over from the one
// before: what that still owes by then is started first.
func (a *arrivals) plan() (s schedule, base, from time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.rate
	if r == nil {
		r = &Rate{corners: []rateCorner{{}}}
	}
	s.rate = r
	if a.of > 0 {
		s.skip(a.from-a.base, a.index, a.of)
	}
	return s, a.base, a.from
}

// prepare starts the users that are to be ready and waits for them, a second at most; the
// rate begins then.
func (a *arrivals) prepare(timer *time.Timer) {
	a.mu.Lock()
	n := a.ready
	if n == 0 && a.rate != nil {
		n = int(math.Ceil(a.rate.Peak() * readyTime.Seconds()))
	}
	n = min(n, a.bound)
	for range n {
		l := a.pick()
		a.add(l, false)
	}
	a.mu.Unlock()
	timer.Reset(readyWait)
	for expired := false; !expired && !a.stopping.Load() && a.waiting() < n; {
		select {
		case <-a.wake:
		case <-timer.C:
			expired = true
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.version.Load() == 0 {
		a.base = a.engine.clock.Now()
	}
}

func (a *arrivals) waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.idle
}

// busy is the number of users that are at work.
func (a *arrivals) busy() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.pool) - a.idle
}

// pick is the lane whose share is furthest behind. The caller holds mu.
func (a *arrivals) pick() *lane {
	best := &a.lanes[0]
	for i := 1; i < len(a.lanes); i++ {
		if l := &a.lanes[i]; l.weight*(2*best.starts+1) > best.weight*(2*l.starts+1) {
			best = l
		}
	}
	best.starts++
	return best
}

// start starts one iteration that was due at at, or drops it.
func (a *arrivals) start(at time.Duration) {
	a.mu.Lock()
	l := a.pick()
	u := l.free.pop()
	switch {
	case u != nil:
		a.idle--
	case len(a.pool) < a.bound:
		u = a.add(l, true)
	}
	a.mu.Unlock()
	if u == nil {
		a.engine.opts.Recorder.Drop(1)
		return
	}
	if !a.engine.take() {
		if a.engine.patient {
			a.release(l, u)
		} else {
			a.stopping.Store(true)
		}
		return
	}
	u.starts <- at
}

// add makes a user; called says that its first start is on its way. The caller holds mu.
func (a *arrivals) add(l *lane, called bool) *User {
	u := a.engine.join(l.class, func(u *User) { u.serve(a, l, called) })
	a.pool = append(a.pool, u)
	return u
}

// release puts a user in line for its next start.
func (a *arrivals) release(l *lane, u *User) {
	a.mu.Lock()
	l.free.push(u)
	a.idle++
	first := a.idle == len(a.pool)
	a.mu.Unlock()
	if first {
		a.poke()
	}
}

// poolSize is the number of users in all pools.
func (e *Engine) poolSize() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pooled
}

// userQueue is a ring of users, first in, first out.
type userQueue struct {
	ring    []*User
	head, n int
}

func (q *userQueue) push(u *User) {
	if q.n == len(q.ring) {
		bigger := make([]*User, max(16, 2*q.n))
		for i := range q.n {
			bigger[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = bigger, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = u
	q.n++
}

// pop is the user that has waited longest, nil when there is none.
func (q *userQueue) pop() *User {
	if q.n == 0 {
		return nil
	}
	u := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return u
}
