package user

import (
	"net/netip"
	"sync"
	"time"
)

// Wrong tries to sign in: so many at once, and then one each limitRefill. Those that were right count as none.
const (
	limitBurst   = 10
	limitRefill  = 10 * time.Second
	maxLimitKeys = 10_000
)

// limits are token buckets by name and by address.
type limits struct {
	mu      sync.Mutex
	buckets map[string]bucket // guarded by mu; at most maxLimitKeys
}

type bucket struct {
	tokens float64
	at     time.Time
}

func (b bucket) filled(now time.Time) bucket {
	b.tokens = min(limitBurst, b.tokens+float64(now.Sub(b.at))/float64(limitRefill))
	b.at = now
	return b
}

// take takes one token of each key, or of none; then it says how long to wait.
func (l *limits) take(now time.Time, keys ...string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		if b := l.get(k, now); b.tokens < 1 {
			wait = max(wait, time.Duration((1-b.tokens)*float64(limitRefill)))
		}
	}
	if wait > 0 {
		return wait
	}
	for _, k := range keys {
		b := l.get(k, now)
		b.tokens--
		l.put(k, b, now)
	}
	return 0
}

// giveBack undoes take: the try was right.
func (l *limits) giveBack(now time.Time, keys ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		if b, ok := l.buckets[k]; ok {
			b = b.filled(now)
			b.tokens = min(limitBurst, b.tokens+1)
			l.put(k, b, now)
		}
	}
}

func (l *limits) get(key string, now time.Time) bucket {
	if b, ok := l.buckets[key]; ok {
		return b.filled(now)
	}
	return bucket{limitBurst, now}
}

func (l *limits) put(key string, b bucket, now time.Time) {
	if l.buckets == nil {
		l.buckets = make(map[string]bucket)
	}
	if _, ok := l.buckets[key]; !ok && len(l.buckets) >= maxLimitKeys {
		l.sweep(now)
	}
	l.buckets[key] = b
}

// sweep forgets those that are full again, or any one.
func (l *limits) sweep(now time.Time) {
	for k, b := range l.buckets {
		if b.filled(now).tokens >= limitBurst {
			delete(l.buckets, k)
		}
	}
	for k := range l.buckets {
		if len(l.buckets) < maxLimitKeys {
			return
		}
		delete(l.buckets, k)
	}
}

// addressKey is the address, or the network of an IPv6 address, that a caller can choose within.
func addressKey(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "address " + address
	}
	ip = ip.Unmap()
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return "address " + p.String()
		}
	}
	return "address " + ip.String()
}
