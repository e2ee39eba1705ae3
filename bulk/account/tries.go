package account

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

const maxTriesKeys = 10_000

// Tries bounds wrong tries to sign in, by name, address or both: Burst at once, and then one each Refill. It is safe for
// concurrent use; with more than 10,000 keys it forgets any of them.
type Tries struct {
	Burst  int
	Refill time.Duration

	mu      sync.Mutex
	buckets map[string]bucket // guarded by mu; at most maxTriesKeys
}

// LimitedError says that too many tries to sign in were wrong.
type LimitedError struct{ Retry time.Duration }

// Error implements error.
func (e *LimitedError) Error() string { return "too many wrong tries to sign in" }

type bucket struct {
	tokens float64
	at     time.Time
}

func (l *Tries) filled(b bucket, now time.Time) bucket {
	b.tokens = min(float64(l.Burst), b.tokens+float64(now.Sub(b.at))/float64(l.Refill))
	b.at = now
	return b
}

// Take takes one try of each key, or none and says how long to wait.
func (l *Tries) Take(now time.Time, keys ...string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait = l.wait(now, keys); wait == 0 {
		l.spend(now, keys)
	}
	return wait
}

// Wait is Take that takes nothing.
func (l *Tries) Wait(now time.Time, keys ...string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wait(now, keys)
}

// Spend takes one try of each key that has one.
func (l *Tries) Spend(now time.Time, keys ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spend(now, keys)
}

// wait needs mu.
func (l *Tries) wait(now time.Time, keys []string) (wait time.Duration) {
	for _, k := range keys {
		if b := l.get(k, now); b.tokens < 1 {
			wait = max(wait, time.Duration((1-b.tokens)*float64(l.Refill)))
		}
	}
	return wait
}

// spend needs mu.
func (l *Tries) spend(now time.Time, keys []string) {
	for _, k := range keys {
		b := l.get(k, now)
		b.tokens = max(0, b.tokens-1)
		l.put(k, b, now)
	}
}

// GiveBack undoes Take: the try was right.
func (l *Tries) GiveBack(now time.Time, keys ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		if b, ok := l.buckets[k]; ok {
			b = l.filled(b, now)
			b.tokens = min(float64(l.Burst), b.tokens+1)
			l.put(k, b, now)
		}
	}
}

func (l *Tries) get(key string, now time.Time) bucket {
	if b, ok := l.buckets[key]; ok {
		return l.filled(b, now)
	}
	return bucket{float64(l.Burst), now}
}

func (l *Tries) put(key string, b bucket, now time.Time) {
	if l.buckets == nil {
		l.buckets = make(map[string]bucket)
	}
	if _, ok := l.buckets[key]; !ok && len(l.buckets) >= maxTriesKeys {
		l.sweep(now)
	}
	l.buckets[key] = b
}

// sweep forgets those that are full again, or any one.
func (l *Tries) sweep(now time.Time) {
	for k, b := range l.buckets {
		if l.filled(b, now).tokens >= float64(l.Burst) {
			delete(l.buckets, k)
		}
	}
	for k := range l.buckets {
		if len(l.buckets) < maxTriesKeys {
			return
		}
		delete(l.buckets, k)
	}
}

// AddressKey is the key of an address, with or without a port: for IPv6 that of the /64, within which a caller can choose.
func AddressKey(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
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
