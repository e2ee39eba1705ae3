package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"protei-bulk/load"
	"protei-bulk/load/stats"
)

// session follows the plan of one run. Its goroutine is that of run.
type session struct {
	*Session
	life     *life
	number   uint32 // of the run
	reporter *stats.Reporter

	dealer  *load.Dealer // for so many members as dealt
	dealt   int
	place   [2]int // index and number of members
	begun   bool
	start   time.Time       // of the run
	stopped <-chan struct{} // closed when the users have ended; nil: they run
	ended   bool            // they have
	asked   chan any        // the answer of Resolve
	buf     []byte
	cut     int       // seconds reported
	told    time.Time // of the last report

	listening sync.RWMutex // held by what the master asks; guards closed
	closed    bool
}

// run works until the master has the last figures, or goes on to another run. An error
// ends the worker's life.
func (s *session) run(ctx context.Context) error {
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	subs, err := s.listen(ctx)
	if err != nil {
		return err
	}
	defer func() {
		for _, sub := range subs {
			_ = sub.Unsubscribe()
		}
	}()
	s.life.advance(s.number, stageReady)
	timer := time.NewTimer(reportEvery)
	defer timer.Stop()
	strays := time.NewTicker(strayEvery)
	defer strays.Stop()
	for {
		p := s.life.current()
		if p.Run != s.number {
			return nil // the master has gone on
		}
		if done := s.follow(ctx, &p); done {
			return nil
		}
		timer.Reset(s.untilReport())
		select {
		case <-ctx.Done():
			return s.abandon(ctx)
		case <-s.life.fresh:
		case <-timer.C:
			s.report(false)
		case <-strays.C:
			s.offerStrays()
		case <-s.stopped:
			s.stopped, s.ended = nil, true
			if s.deliver(ctx, false) {
				s.life.advance(s.number, stageStopped)
			}
		case answer := <-s.asked:
			s.asked = nil
			raw, _ := json.Marshal(answer)
			s.life.update(func(b *beat) { b.Resolved = raw })
			if s.deliver(ctx, false) {
				s.life.advance(s.number, stageResolved)
			}
		}
	}
}

// follow does what the plan says; done: it is over.
func (s *session) follow(ctx context.Context, p *plan) (done bool) {
	if !s.begun && p.Stage >= stageRunning {
		s.begin(p)
	}
	if s.begun && p.Stage == stageRunning && s.stopped == nil && !s.ended {
		if i := p.member(s.life.id); i >= 0 {
			s.Part.Follow(s.share(p, i))
			s.life.advance(s.number, stageRunning)
		}
	}
	if p.Stage >= stageStopped && s.stopped == nil && !s.ended {
		s.stopped = s.Part.Stop()
	}
	if p.Abort {
		s.Part.Abort()
	}
	if !s.ended {
		return false
	}
	stage := s.life.stage()
	switch {
	case p.Stage == stageResolved && stage < stageResolved && s.asked == nil:
		s.resolve(ctx)
	case p.Stage == stageFinished && stage < stageFinished:
		return s.finish(ctx)
	}
	return false
}

func (l *life) stage() stage {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status.Stage
}

// begin puts the part on the master's axis of time.
func (s *session) begin(p *plan) {
	s.begun = true
	s.start = s.life.skew.local(p.Start)
	s.cut = int(time.Since(s.start) / reportEvery)
	if p.Saved != nil && s.Adopt != nil {
		s.Adopt(p.Saved)
	}
	s.Part.Begin(s.start)
	s.life.mu.Lock()
	s.life.part = s.Part
	s.life.mu.Unlock()
}

// share is this worker's, the i-th member's.
func (s *session) share(p *plan, i int) load.Share {
	n := len(p.Members)
	if s.dealer == nil || s.dealt != n {
		s.dealer, s.dealt = load.NewDealer(s.Classes, n), n
	}
	if s.place != [2]int{i, n} && s.Session.Share != nil {
		s.Session.Share(i, n)
	}
	s.place = [2]int{i, n}
	out := load.Share{
		Users: s.dealer.Share(i, p.Users), Index: i, Of: n, From: p.From, Rate: p.Rate, Base: p.Base, Iterations: math.MaxUint64,
	}
	if p.Quotas != nil {
		out.Iterations = p.Quotas[s.life.id]
	}
	return out
}

// untilReport is the time to the next report: just ahead of the master's tick while the
// load is on, often when it is over.
func (s *session) untilReport() time.Duration {
	if !s.begun {
		return reportEvery
	}
	if s.ended {
		return max(time.Until(s.told.Add(drainEvery)), 0)
	}
	next := s.start.Add(time.Duration(s.cut+1)*reportEvery - reportAhead)
	return max(time.Until(next), 0)
}

// encode makes the report of now.
func (s *session) encode(all bool) []byte {
	s.buf = frame(s.buf[:0], s.life.id, s.number)
	s.buf = s.reporter.Append(s.buf, s.life.skew.best().wall, all)
	return s.buf
}

// report sends what was measured so far; if it is lost, the next one says it, too.
func (s *session) report(all bool) {
	if !s.begun {
		return
	}
	s.cut, s.told = int((time.Since(s.start)+reportAhead)/reportEvery), time.Now()
	if err := s.life.conn.Publish(subjectReport, s.encode(all)); err != nil {
		s.life.worker.opts.Logger.Warn("report to the master", "error", err)
	}
}

// deliver sends a report until the master has it; false: ctx came first.
func (s *session) deliver(ctx context.Context, all bool) bool {
	if !s.begun {
		return true
	}
	for {
		once, cancel := context.WithTimeout(ctx, askTimeout)
		_, err := s.life.conn.RequestWithContext(once, subjectReport, s.encode(all))
		cancel()
		if err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *session) resolve(ctx context.Context) {
	s.asked = make(chan any, 1)
	go func() { s.asked <- s.Resolve(ctx) }()
}

// finish sends the last figures.
func (s *session) finish(ctx context.Context) (done bool) {
	if !s.deliver(ctx, true) {
		return false
	}
	raw, _ := json.Marshal(s.Last())
	s.life.update(func(b *beat) { b.Last = raw })
	s.life.advance(s.number, stageFinished)
	return true
}

// abandon stops the users at once: the master has gone, or has given their share away.
// What they measured by then is still reported, under the old number.
func (s *session) abandon(ctx context.Context) error {
	s.Part.Abort()
	if s.stopped == nil && !s.ended {
		s.stopped = s.Part.Stop()
	}
	if s.stopped != nil {
		<-s.stopped
	}
	s.stopped, s.ended = nil, true
	if errors.Is(context.Cause(ctx), errBye) {
		return context.Cause(ctx)
	}
	s.offerLast()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	s.deliver(last, true)
	return context.Cause(ctx)
}

// close ends the part, unless it has ended, and the rest.
func (s *session) close() {
	if s.stopped == nil && !s.ended {
		s.stopped = s.Part.Stop()
	}
	if s.stopped != nil {
		s.Part.Abort()
		<-s.stopped
	}
	if s.asked != nil {
		<-s.asked
	}
	s.Part.Close()
	s.listening.Lock()
	s.closed = true
	s.listening.Unlock()
	s.Close()
}

// listen answers what the master asks this worker alone.
func (s *session) listen(ctx context.Context) (subs []*nats.Subscription, err error) {
	on := func(subject string, handle func(*nats.Msg)) {
		if err != nil {
			return
		}
		var sub *nats.Subscription
		if sub, err = s.life.conn.Subscribe(subject, func(msg *nats.Msg) { s.hear(msg, handle) }); err == nil {
			subs = append(subs, sub)
		}
	}
	one := fmt.Sprint(subjectOne, s.life.id)
	on(one+verbCanary, func(msg *nats.Msg) { s.canary(ctx, msg) })
	on(one+verbReceipts, s.receipts)
	on(subjectStrays+"*", s.placeStrays)
	on(fmt.Sprint(subjectTaken, s.life.id), s.strayTaken)
	if err != nil {
		return subs, fmt.Errorf("listen to the master: %w", err)
	}
	return subs, s.life.conn.FlushTimeout(askTimeout)
}

// hear handles a message unless the session is closed, which waits for it.
func (s *session) hear(msg *nats.Msg, handle func(*nats.Msg)) {
	s.listening.RLock()
	defer s.listening.RUnlock()
	if !s.closed {
		handle(msg)
	}
}

func (s *session) canary(ctx context.Context, msg *nats.Msg) {
	var a canaryAnswer
	saved, err := s.Canary(ctx)
	if a.Saved = saved; err != nil {
		a.Error = err.Error()
	}
	b, err := json.Marshal(a)
	if err == nil {
		_ = msg.Respond(b)
	}
}

// receipts takes those that came to the master.
func (s *session) receipts(msg *nats.Msg) {
	var list [][3]string
	if json.Unmarshal(msg.Data, &list) != nil {
		return
	}
	for _, r := range list {
		s.Receipt(r[0], r[1], r[2])
	}
	_ = msg.Respond(nil)
}
