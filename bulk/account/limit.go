package account

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// What Spec.TPS counts.
const (
	RateMessages = "messages" // so does ""
	RateParts    = "parts"
)

func (s *Spec) validateLimits(bad func(field, format string, args ...any)) {
	if !(s.TPS >= 0 && s.TPS <= MaxTPS) { // also refuses NaN
		bad("tps", "is between 0 (no limit) and %d", MaxTPS)
	}
	if s.Burst < 0 || s.Burst > MaxTPS {
		bad("burst", "is between 0 (one second's) and %d", MaxTPS)
	}
	switch s.RateBy {
	case "", RateMessages, RateParts:
	default:
		bad("tps_counts", "is one of %s, %s", RateMessages, RateParts)
	}
	if s.DailyQuota < 0 || s.DailyQuota > MaxQuota {
		bad("daily_quota", "is between 0 (no limit) and %d parts", int64(MaxQuota))
	}
	if s.MonthlyQuota < 0 || s.MonthlyQuota > MaxQuota {
		bad("monthly_quota", "is between 0 (no limit) and %d parts", int64(MaxQuota))
	}
	if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
		bad("time_zone", "%.40q is no zone of the IANA database such as Asia/Dubai", s.TimeZone)
	}
	if s.Window < 0 || s.Window > MaxWindow {
		bad("window", "is between 0 (the default) and %d", MaxWindow)
	}
}

// limiter is a token bucket over all doors and binds.
type limiter struct {
	unlimited atomic.Bool
	bucket    *rate.Limiter // of this node alone
	shared    *share        // nil: there are no other nodes
}

func (d *Directory) newLimiter(id uint32, s *Spec) *limiter {
	l := &limiter{bucket: rate.NewLimiter(rate.Limit(s.TPS), s.burst())} // full
	if d.pool != nil {
		l.shared = &share{pool: d.pool, account: id}
	}
	l.set(s)
	return l
}

func (l *limiter) set(s *Spec) {
	l.unlimited.Store(s.TPS <= 0)
	if s.TPS <= 0 {
		return
	}
	if l.shared != nil {
		l.shared.set(s)
	}
	l.fit(s.TPS, s.burst())
}

// fit sets the bucket of this node.
func (l *limiter) fit(tps float64, burst int) {
	if l.bucket.Limit() != rate.Limit(tps) {
		l.bucket.SetLimit(rate.Limit(tps))
	}
	if l.bucket.Burst() != burst {
		l.bucket.SetBurst(burst)
	}
}

// burst is Burst, or one second's messages.
func (s *Spec) burst() int {
	if s.Burst > 0 {
		return s.Burst
	}
	return max(1, int(s.TPS))
}

// RateUnit names what TPS counts.
func (s *Spec) RateUnit() string {
	if s.RateBy == RateParts {
		return RateParts
	}
	return RateMessages
}

// Cost is what a message of so many parts takes from the account's rate.
func (a *Account) Cost(parts int) int {
	if a.RateBy == RateParts {
		return parts
	}
	return 1
}

// Wait returns how long the account has to wait before its next message is let in:
// 0 when it need not. It takes nothing.
func (a *Account) Wait(now time.Time) time.Duration {
	if a.limit == nil || a.limit.unlimited.Load() {
		return 0
	}
	if s := a.limit.shared; s != nil {
		if wait, ok := s.wait(now); ok {
			return wait
		}
	}
	tokens := a.limit.bucket.TokensAt(now)
	if tokens >= 1 {
		return 0
	}
	return time.Duration((1 - tokens) / float64(a.limit.bucket.Limit()) * float64(time.Second))
}

// Take takes a cost of n from the account's rate and returns 0, or takes nothing and
// returns how long to wait. A request of many messages is let in whole while one
// message would be: it leaves a debt that the following ones wait for, so the rate
// holds on average and a bulk larger than the burst can still be sent.
func (a *Account) Take(now time.Time, n int) time.Duration {
	if n <= 0 || a.limit == nil || a.limit.unlimited.Load() {
		return 0
	}
	if s := a.limit.shared; s != nil {
		if wait, ok := s.take(now, n); ok {
			return wait
		}
		a.limit.fit(s.part())
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
