package account

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// limiter is a token bucket of one second's messages, over all doors and binds.
type limiter struct {
	unlimited atomic.Bool
	bucket    *rate.Limiter
}

func newLimiter(tps float64) *limiter {
	l := &limiter{bucket: rate.NewLimiter(rate.Limit(tps), burst(tps))} // full
	l.unlimited.Store(tps <= 0)
	return l
}

func (l *limiter) set(tps float64) {
	l.unlimited.Store(tps <= 0)
	if tps > 0 && l.bucket.Limit() != rate.Limit(tps) {
		l.bucket.SetLimit(rate.Limit(tps))
		l.bucket.SetBurst(burst(tps))
	}
}

// burst is one second's messages.
func burst(tps float64) int { return max(1, int(tps)) }

// Wait returns how long the account has to wait before its next message is let in:
// 0 when it need not. It takes nothing.
func (a *Account) Wait(now time.Time) time.Duration {
	if a.limit == nil || a.limit.unlimited.Load() {
		return 0
	}
	tokens := a.limit.bucket.TokensAt(now)
	if tokens >= 1 {
		return 0
	}
	return time.Duration((1 - tokens) / float64(a.limit.bucket.Limit()) * float64(time.Second))
}

// Take takes n messages from the account's rate and returns 0, or takes nothing and
// returns how long to wait. A request of many messages is let in whole while one
// message would be: it leaves a debt that the following ones wait for, so the rate
// holds on average and a bulk larger than the burst can still be sent.
func (a *Account) Take(now time.Time, n int) time.Duration {
	if n <= 0 || a.limit == nil || a.limit.unlimited.Load() {
		return 0
	}
	bucket := a.limit.bucket
	if !bucket.AllowN(now, 1) {
		return max(a.Wait(now), time.Millisecond)
	}
	most := bucket.Burst()
	for n--; n > 0; n -= most {
		bucket.ReserveN(now, min(n, most))
	}
	return 0
}
