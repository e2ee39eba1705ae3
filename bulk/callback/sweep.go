package callback

import (
	"sync/atomic"
	"time"

	"protei-bulk/bulk/message"
)

const (
	sweepPage = 10_000 // a page costs the store a walk over all that is open in memory
	// A sweep waits so long, for one endpoint and for all, for room at endpoints that
	// work, rather than to start again.
	endpointPatience = 5 * time.Second
	sweepPatience    = 10 * time.Second
	// sweepShare bounds the time spent on sweeps that find endpoints which do not work:
	// a pause is at least so many times as long as the sweep before it.
	sweepShare = 10
)

// sweep reads the outbox at the start, each Options.Sweep, and when there is room for
// what was refused before.
func (s *Sender) sweep() {
	timer := time.NewTimer(s.opts.Sweep)
	defer timer.Stop()
	for {
		start := time.Now()
		s.mu.Lock()
		s.missed = false
		s.mu.Unlock()
		r := outboxReader{s: s, waits: map[endpointKey]time.Duration{}}
		if err := r.read(); err != nil && s.ctx.Err() == nil {
			s.opts.Logger.Warn("read the webhook outbox", "error", err)
		}
		pause := max(sweepShare*(time.Since(start)-r.waited), 100*time.Millisecond)
		timer.Reset(max(s.opts.Sweep, pause))
		select {
		case <-s.quit:
			return
		case <-timer.C:
		case <-s.roomy:
			timer.Reset(pause)
			select {
			case <-s.quit:
				return
			case <-timer.C:
			}
		}
	}
}

// outboxReader is one sweep.
type outboxReader struct {
	s      *Sender
	waits  map[endpointKey]time.Duration // time spent waiting for room
	waited time.Duration                 // sum of waits
}

// read offers every open notice once.
func (r *outboxReader) read() error {
	defer r.s.remember(false)
	for after := message.ID(0); ; {
		r.s.remember(true)
		page, err := r.s.opts.Outbox.Open(r.s.ctx, after, sweepPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			r.offer(&page[i])
			select {
			case <-r.s.quit:
				return nil
			default:
			}
		}
		after = page[len(page)-1].MessageID
	}
}

// remember begins, or ends, to note the notices whose outbox entries end: a page that was
// read before must not bring them again.
func (s *Sender) remember(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = nil
	if on {
		s.told = map[message.ID]message.Status{}
	}
}

// offer pushes n and waits a little for room if its endpoint works.
func (r *outboxReader) offer(n *Notice) {
	s, key := r.s, keyOf(n)
	for {
		s.mu.Lock()
		v := taken
		if status, told := s.told[n.MessageID]; !told || status != n.Status {
			v = s.push(*n)
		}
		s.mu.Unlock()
		patience := min(endpointPatience-r.waits[key], sweepPatience-r.waited)
		if v != full || patience <= 0 {
			return
		}
		start := time.Now()
		wait := time.NewTimer(patience)
		select {
		case <-s.roomy:
		case <-wait.C:
		case <-s.quit:
			wait.Stop()
			return
		}
		wait.Stop()
		spent := time.Since(start)
		r.waits[key] += spent
		r.waited += spent
	}
}

type counters struct {
	pushed, refused, delivered, requests, failures, givenUp atomic.Uint64
}

// Stats are counters since New, in notices unless said otherwise.
type Stats struct {
	Pushed    uint64 // taken by Push or from the outbox
	Refused   uint64 // left in the outbox for lack of room; one can count many times
	Delivered uint64 // confirmed by the endpoint
	GivenUp   uint64 // too old
	Requests  uint64 // HTTP requests
	Failures  uint64 // of them without a 2xx answer
	Pending   int    // in memory now
	Endpoints int    // endpoints with something to tell now
	Failing   int    // of them with an open breaker
}

// Stats returns the counters.
func (s *Sender) Stats() Stats {
	st := Stats{
		Pushed: s.stats.pushed.Load(), Refused: s.stats.refused.Load(), Delivered: s.stats.delivered.Load(),
		GivenUp: s.stats.givenUp.Load(), Requests: s.stats.requests.Load(), Failures: s.stats.failures.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Pending, st.Endpoints = len(s.held), len(s.endpoints)
	for _, e := range s.endpoints {
		if e.failures > 0 {
			st.Failing++
		}
	}
	return st
}
