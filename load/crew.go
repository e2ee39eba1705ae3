package load

import (
	"math/rand/v2"
	"time"

	"protei-bulk/load/stats"
)

// count is the number of users of the closed model.
func (e *Engine) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.crowd.total
}

// newUser makes a user that is not running yet. The caller holds mu.
func (e *Engine) newUser(class int) *User {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	u := &User{
		Index:  e.started,
		Rand:   rand.New(rand.NewPCG(e.opts.Seed, uint64(e.started))),
		engine: e,
		class:  class,
		shard:  e.opts.Recorder.Shard(e.started),
		timer:  timer,
	}
	e.started++
	return u
}

// spawn starts a user of the closed model.
func (e *Engine) spawn(at time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	class := e.crowd.grow()
	if e.opts.Remote != nil {
		return
	}
	e.enter(class, at)
}

// enter starts a user of a closed class. The caller holds mu.
func (e *Engine) enter(class int, at time.Duration) {
	u := e.newUser(class)
	u.intended = at
	e.users[class] = append(e.users[class], u)
	e.peak = max(e.peak, e.crowd.total+e.pooled)
	e.wg.Go(func() {
		u.live()
		e.left(u)
	})
}

// join starts a user of the open model's pool.
func (e *Engine) join(class int, serve func(*User)) *User {
	e.mu.Lock()
	defer e.mu.Unlock()
	u := e.newUser(class)
	u.starts = make(chan time.Duration, 1)
	e.pooled++
	e.peak = max(e.peak, e.crowd.total+e.pooled)
	e.wg.Go(func() {
		serve(u)
		e.left(u)
	})
	return u
}

func (e *Engine) left(u *User) {
	e.mu.Lock()
	defer e.mu.Unlock()
	u.gone = true
	delete(e.leaving, u)
}

// leave tells a user to stop. The caller holds mu.
func (e *Engine) leave(u *User) {
	if !u.gone {
		e.leaving[u] = struct{}{}
		u.stop()
	}
}

// retire stops the youngest user of the class that has one too many.
func (e *Engine) retire() {
	e.mu.Lock()
	defer e.mu.Unlock()
	class := e.crowd.shrink()
	if e.opts.Remote == nil {
		e.exit(class)
	}
}

// exit stops the youngest user of a closed class. The caller holds mu.
func (e *Engine) exit(class int) {
	list := e.users[class]
	u := list[len(list)-1]
	list[len(list)-1] = nil
	e.users[class] = list[:len(list)-1]
	e.leave(u)
}

// end stops all users and waits for them: first for their iterations, then less kindly.
func (e *Engine) end(t *ticker) {
	e.opts.OnPhase("stopping users")
	t.phase = stats.PhaseDrain
	close(e.quit)
	e.loops.Wait()
	done, abort, patience := e.stopUsers()
	timeout := time.NewTimer(patience)
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
		abort()
	}
}

// stopUsers tells all users to end: done is closed when they have, abort is for those that
// have not after patience.
func (e *Engine) stopUsers() (done <-chan struct{}, abort func(), patience time.Duration) {
	if r := e.opts.Remote; r != nil {
		return r.Stop(), r.Abort, e.opts.StopTimeout + remoteGrace
	}
	e.stopAll()
	ended := make(chan struct{})
	go func() {
		e.wg.Wait()
		close(ended)
	}()
	return ended, e.abortAll, e.opts.StopTimeout
}

func (e *Engine) stopAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, list := range e.users {
		for _, u := range list {
			e.leave(u)
		}
	}
	clear(e.users)
	e.crowd = newCrowd(e.opts.Classes)
	for _, a := range e.arrivals {
		for _, u := range a.pool {
			e.leave(u)
		}
	}
	e.pooled = 0
}

func (e *Engine) abortAll() {
	e.abort()
	e.mu.Lock()
	defer e.mu.Unlock()
	for u := range e.leaving {
		u.abort()
	}
}

const drainPoll = 50 * time.Millisecond

// drain waits until every accepted message has its receipt.
func (e *Engine) drain(t *ticker) time.Duration {
	e.opts.OnPhase("draining receipts")
	start := e.clock.Now()
	poll := time.NewTicker(drainPoll)
	defer poll.Stop()
	for {
		c := e.counts()
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
