package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync/atomic"
	"time"

	"protei-bulk/load/stats"
)

// User is one virtual user. Its methods belong to the user's goroutine.
type User struct {
	// Index counts the users of a run from 0, in the order of their start.
	Index int
	// Rand is the user's own source; with Options.Seed set it repeats.
	Rand *rand.Rand

	engine   *Engine
	class    int
	shard    *stats.Shard
	timer    *time.Timer
	stopping atomic.Bool
	runner   atomic.Pointer[runner] // for abort
	intended time.Duration          // intended start of the iteration
	fresh    bool                   // no request of this iteration is recorded yet
	gone     bool                   // guarded by engine.mu: its goroutine has ended
	starts   chan time.Duration     // of the open model: when its iterations were due
}

// Shard is the part of the recorder that this user's samples go to.
func (u *User) Shard() *stats.Shard { return u.shard }

// Now is the time since the start of the run.
func (u *User) Now() time.Duration { return u.engine.clock.Now() }

// Context ends when the run can not wait for the user any longer.
func (u *User) Context() context.Context { return u.engine.ctx }

// Stopping says that the user should end: a task that repeats something asks it.
func (u *User) Stopping() bool { return u.stopping.Load() }

// Intended is the time from which the response time of the next request counts: the
// intended start of the iteration for its first request, sent for every later one.
func (u *User) Intended(sent time.Duration) time.Duration {
	if !u.fresh {
		return sent
	}
	u.fresh = false
	return min(u.intended, sent)
}

// Record takes one finished request, from its times since the start of the run.
func (u *User) Record(e stats.Entry, sent, done time.Duration, smp stats.Sample) {
	smp.Service = done - sent
	smp.Response = done - u.Intended(sent)
	u.Observe(e, done, smp)
}

// Observe takes one finished request whose times are measured already, for instance of an
// asynchronous client. Unlike the other methods it may be called from any goroutine.
func (u *User) Observe(e stats.Entry, done time.Duration, smp stats.Sample) {
	u.shard.Record(e, smp)
	if len(u.engine.requests) > 0 {
		u.announce(e, done, smp)
	}
}

func (u *User) announce(e stats.Entry, done time.Duration, smp stats.Sample) {
	r := Request{User: u, At: done, Sample: smp}
	r.Method, r.Name = u.engine.opts.Recorder.Name(e)
	for _, fn := range u.engine.requests {
		fn(r)
	}
}

// Fail adds a failure to the failure table; it is counted with Record.
func (u *User) Fail(e stats.Entry, text string) {
	u.engine.opts.Recorder.Fail(e, text, time.Now())
}

// retryStart is the pause before a user that could not start tries again.
const retryStart = time.Second

// Class is the user's class.
func (u *User) Class() *UserClass { return &u.engine.opts.Classes[u.class] }

// Sleep pauses the user for d; false says that it is to end.
func (u *User) Sleep(d time.Duration) bool { return u.sleepUntil(u.Now() + d) }

// live is the user's goroutine.
func (u *User) live() {
	r := u.begin()
	if r == nil {
		return
	}
	defer r.Close()
	class := &u.engine.opts.Classes[u.class]
	for u.sleepUntil(u.intended) && u.take() {
		it := iteration{intended: u.intended, actual: u.Now()}
		u.shard.Late(max(it.actual-it.intended, 0))
		u.fresh = true
		u.iterate(r)
		u.engine.finished()
		it.end = u.Now()
		u.intended = class.Wait.next(it, u.Rand)
	}
}

// quotaPoll is how often a user looks whether there are iterations again.
const quotaPoll = 100 * time.Millisecond

// take takes an iteration; false says that the user is to end.
func (u *User) take() bool {
	for !u.engine.take() {
		if !u.engine.patient || !u.Sleep(quotaPoll) {
			return false
		}
	}
	return true
}

// serve is the goroutine of a user of the open model. One that was called has its first
// start before it has an actor: what that takes is part of the response time.
func (u *User) serve(a *arrivals, l *lane, called bool) {
	var r runner
	defer func() {
		if r != nil {
			r.Close()
		}
	}()
	if !called {
		if r = u.begin(); r == nil {
			return
		}
		a.release(l, u)
	}
	for {
		at := <-u.starts
		if at == noStart {
			return
		}
		u.shard.Late(max(u.Now()-at, 0))
		if r == nil {
			if r = u.begin(); r == nil {
				return
			}
		}
		u.intended, u.fresh = at, true
		u.iterate(r)
		u.engine.finished()
		if u.stopping.Load() {
			return
		}
		a.release(l, u)
	}
}

// noStart in User.starts ends the user. A start that is there already is carried out first:
// it was due before the end, and is counted nowhere else.
const noStart = time.Duration(-1)

// begin makes the actor; nil when the user is to end before that works.
func (u *User) begin() runner {
	for {
		r, err := u.engine.starters[u.class](u)
		if err == nil {
			u.runner.Store(&r)
			u.intended = max(u.intended, u.Now())
			return r
		}
		u.engine.opts.Recorder.Exception(err.Error(), u.engine.opts.Classes[u.class].Name+": start of a user")
		u.intended = u.Now() + retryStart
		if !u.sleepUntil(u.intended) {
			return nil
		}
	}
}

// iterate runs one task; a panic in it is an exception of the scenario, not our end.
func (u *User) iterate(r runner) {
	defer func() {
		if p := recover(); p != nil {
			u.engine.opts.Recorder.Exception(fmt.Sprint(p), string(debug.Stack()))
			u.engine.opts.Logger.Error("task panicked", "class", u.engine.opts.Classes[u.class].Name, "panic", p)
		}
	}()
	r.iterate(u)
}

// sleepUntil waits for the time since the start of the run; false says the user is to end.
//
// There is one timer per user and nothing else to wait for: stop sets the flag and then
// fires the timer. Whichever comes first, its firing or our Reset, the flag is set
// before it or the timer fires after it.
func (u *User) sleepUntil(at time.Duration) bool {
	if d := at - u.Now(); d > 0 {
		u.timer.Reset(d)
		u.engine.alarm.at(at)
		if !u.stopping.Load() {
			<-u.timer.C
		}
	}
	return !u.stopping.Load()
}

// stop asks the user to end after its iteration. Safe for concurrent use.
func (u *User) stop() {
	u.stopping.Store(true)
	u.timer.Reset(0)
	if u.starts != nil {
		select {
		case u.starts <- noStart:
		default: // a start is there already, and the user looks at stopping after it
		}
	}
}

// abort ends what the user waits for. Safe for concurrent use.
func (u *User) abort() {
	u.stop()
	if r := u.runner.Load(); r != nil {
		(*r).Abort()
	}
}
