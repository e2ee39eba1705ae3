package smpp

import (
	"errors"
	"time"
)

// tick is how often the session looks at its timers: an eighth of the shortest of
// them, between 1 ms and 1 s. A timeout fires at most one tick late.
func (s *Session) tick() time.Duration {
	shortest := min(s.opts.ResponseTimeout, s.opts.WriteTimeout)
	if s.opts.EnquireLink > 0 {
		shortest = min(shortest, s.opts.EnquireLink)
	}
	if s.opts.InactivityTimeout > 0 {
		shortest = min(shortest, s.opts.InactivityTimeout)
	}
	if !s.initBy.IsZero() {
		shortest = min(shortest, time.Until(s.initBy))
	}
	return min(max(shortest/8, time.Millisecond), time.Second)
}

// armTimer starts the one timer of the session, unless it has ended.
func (s *Session) armTimer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phaseClosed {
		return
	}
	s.timers.Add(1)
	if s.timer == nil {
		s.timer = time.AfterFunc(s.tick(), s.onTimer)
		return
	}
	s.timer.Reset(s.tick())
}

func (s *Session) onTimer() {
	defer s.timers.Done()
	now := time.Now()
	s.expire(now)
	if err := s.overdue(now); err != nil {
		s.fail(err)
		return
	}
	s.checkLink(now)
	s.armTimer()
}

// stopTimer ends the timer and waits for its function.
func (s *Session) stopTimer() {
	s.mu.Lock()
	t := s.timer
	s.mu.Unlock()
	if t != nil && t.Stop() {
		s.timers.Done()
	}
	s.timers.Wait()
}

// overdue returns why the session has to end now, or nil.
func (s *Session) overdue(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	silence := now.Sub(time.Unix(0, s.lastRead.Load()))
	switch {
	case !s.writeBegan.IsZero() && now.Sub(s.writeBegan) >= s.opts.WriteTimeout:
		return ErrWriteTimeout
	case s.phase == phaseOpen && !s.initBy.IsZero() && !now.Before(s.initBy):
		return ErrInitTimeout
	case s.opts.EnquireLink < 0 && s.opts.InactivityTimeout > 0 && silence >= s.opts.InactivityTimeout:
		return ErrInactive
	case !s.unbindAsked.IsZero() && now.Sub(s.unbindAsked) >= s.opts.ResponseTimeout:
		s.confirmUnbind() // the handler has had its time
	}
	return nil
}

// checkLink sends enquire_link after EnquireLink of silence. It goes outside the
// window, and the session ends when it is not answered.
func (s *Session) checkLink(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.EnquireLink < 0 || s.phase != phaseBound || s.linkChecking {
		return
	}
	if now.Sub(time.Unix(0, s.lastRead.Load())) < s.opts.EnquireLink {
		return
	}
	if s.request(CmdEnquireLink, &EnquireLink{}, linkCheck{s}, false) == nil {
		s.linkChecking = true
		s.wakeWriter()
	}
}

// linkCheck is the Completion of our enquire_link.
type linkCheck struct{ s *Session }

// Complete ends the session when nothing at all has come since.
func (l linkCheck) Complete(r Result) {
	l.s.mu.Lock()
	l.s.linkChecking = false
	alive := l.s.lastRead.Load() > r.Sent.UnixNano()
	l.s.mu.Unlock()
	if errors.Is(r.Err, ErrTimeout) && !alive {
		l.s.fail(ErrLinkDead)
	}
}
