package account

import (
	"sync"
	"time"
)

// Pool is the token buckets of accounts that several nodes share.
type Pool interface {
	// Draw takes n tokens of an account's bucket and up to more beyond them, as far as they are
	// there, and returns how many it took. With one token there, n are taken whole: the others
	// wait for the debt. Without one it takes none, and wait is how long until there is. It
	// returns soon; after an error each node keeps to its part of the rate.
	Draw(account uint32, rate Rate, n, more int) (taken int, wait time.Duration, err error)
	// Nodes is how many nodes share the rates.
	Nodes() int
}

// Rate is how a bucket fills.
type Rate struct {
	TPS   float64
	Burst int
}

const (
	// blocks is how often in a second a busy account asks the pool.
	blocks = 20
	// blockFor is how long tokens that were taken ahead may be used: the account may have gone
	// to another node.
	blockFor = time.Second
)

// share is this node's part of a rate.
type share struct {
	pool    Pool
	account uint32

	mu      sync.Mutex // held while the pool is asked
	rate    Rate
	tokens  int       // taken ahead; negative: a debt that the next draw pays
	until   time.Time // when they are void
	blocked time.Time // there is none before
	away    bool      // the pool could not be asked
}

func (s *share) set(spec *Spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate = Rate{TPS: spec.TPS, Burst: spec.burst()}
}

// part returns what this node lets in by itself.
func (s *share) part() (tps float64, burst int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	nodes := max(1, s.pool.Nodes())
	return s.rate.TPS / float64(nodes), max(1, s.rate.Burst/nodes)
}

// take is Account.Take over all nodes; it is not ok when the pool cannot be asked.
func (s *share) take(now time.Time, n int) (wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens > 0 && now.After(s.until) {
		s.tokens = 0
	}
	if s.tokens >= n {
		s.tokens -= n
		return 0, true
	}
	if wait := s.blocked.Sub(now); wait > 0 && s.tokens < 1 {
		return wait, true
	}
	taken, wait, err := s.pool.Draw(s.account, s.rate, n-s.tokens, int(s.rate.TPS/blocks))
	if s.away = err != nil; s.away {
		return 0, false
	}
	if taken == 0 && s.tokens < 1 {
		s.blocked = now.Add(wait)
		return max(wait, time.Millisecond), true
	}
	s.tokens += taken - n
	s.until = now.Add(blockFor)
	return 0, true
}

// wait is Account.Wait over all nodes, by what the pool said last.
func (s *share) wait(now time.Time) (wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens > 0 && !now.After(s.until) {
		return 0, !s.away
	}
	return max(0, s.blocked.Sub(now)), !s.away
}
