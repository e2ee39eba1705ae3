package smppload

import (
	"math/rand/v2"
	"time"
)

// Backoff is the pause between attempts to bind: Least, then twice as long each time up
// to Most, less up to a half by chance, so that many binds lost at once do not come back
// at once. The zero value is 1 to 30 s.
type Backoff struct {
	Least, Most time.Duration
	last        time.Duration
}

// Next is the pause before the next attempt.
func (b *Backoff) Next() time.Duration {
	if b.Least <= 0 {
		b.Least = time.Second
	}
	if b.Most <= 0 {
		b.Most = 30 * time.Second
	}
	b.last = min(max(2*b.last, b.Least), max(b.Most, b.Least))
	return b.last/2 + rand.N(b.last/2+1)
}

// Reset begins again: the peer takes binds and keeps them.
func (b *Backoff) Reset() { b.last = 0 }
