package fleet

import (
	"sync"
	"time"
)

// skew is what a worker knows about the master's clocks: of its last pings that with the
// shortest way counts. Its monotonic part puts the worker on the master's axis of time.
type skew struct {
	base time.Time // of the worker's monotonic clock

	mu   sync.Mutex
	last []ping // guarded by mu: the newest last, at most pings
}

type ping struct {
	rtt  time.Duration
	mono time.Duration // master's monotonic − ours
	wall time.Duration // master's wall − ours
}

// add takes a ping that went out at sent and was answered at got.
func (s *skew) add(sent, got time.Time, p pong) {
	half := got.Sub(sent) / 2
	one := ping{
		rtt:  got.Sub(sent),
		mono: time.Duration(p.Mono) - sent.Sub(s.base) - half,
		wall: time.Duration(p.Wall-sent.UnixNano()) - half,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = append(s.last, one)
	if len(s.last) > pings {
		s.last = s.last[1:]
	}
}

// best is the ping with the shortest way.
func (s *skew) best() ping {
	s.mu.Lock()
	defer s.mu.Unlock()
	var best ping
	for i, p := range s.last {
		if i == 0 || p.rtt < best.rtt {
			best = p
		}
	}
	return best
}

// local is a time of the master's monotonic clock as ours shows it.
func (s *skew) local(mono int64) time.Time {
	return s.base.Add(time.Duration(mono) - s.best().mono)
}
