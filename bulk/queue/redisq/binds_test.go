package redisq_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/queue/redisq"
	"protei-bulk/internal/servers"
)

// bindsOf opens one node's end of a Redis.
func bindsOf(t *testing.T, r *servers.Redis, name string, ttl time.Duration) *redisq.Binds {
	t.Helper()
	q, err := redisq.Open(t.Context(), redisq.Options{URL: r.URL(), Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Stop)
	b := q.Binds(ttl)
	if forgotten, err := b.Renew(t.Context()); err != nil || !forgotten {
		t.Fatalf("the first Renew: %v, %v", forgotten, err)
	}
	return b
}

func set(t *testing.T, b *redisq.Binds, account uint32, binds, most int) bool {
	t.Helper()
	ok, err := b.Set(t.Context(), account, binds, most)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// TestBindsOverNodes: three nodes take as many binds as they can get, all at once.
func TestBindsOverNodes(t *testing.T) {
	r := servers.TestRedis(t)
	const most = 100
	var took atomic.Int64
	var nodes sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		b := bindsOf(t, r, name, time.Minute)
		nodes.Go(func() {
			for binds := 1; ; binds++ {
				ok, err := b.Set(t.Context(), 7, binds, most)
				if err != nil {
					t.Error(err)
				}
				if !ok {
					return
				}
				took.Add(1)
			}
		})
	}
	nodes.Wait()
	if took.Load() != most {
		t.Errorf("%d binds, want %d", took.Load(), most)
	}
}

func TestBindsOfADeadNode(t *testing.T) {
	r := servers.TestRedis(t)
	const ttl = 300 * time.Millisecond
	a, b := bindsOf(t, r, "a", ttl), bindsOf(t, r, "b", time.Minute)
	if !set(t, a, 7, 2, 2) || set(t, b, 7, 1, 2) || !set(t, b, 8, 2, 2) {
		t.Error("two binds of two are not all")
	}
	if !set(t, a, 7, 1, -1) || !set(t, b, 7, 1, 2) {
		t.Error("the place of a bind that ended is not free")
	}
	for deadline := time.Now().Add(20 * ttl); !set(t, b, 7, 2, 2); { // a is not renewed
		if time.Now().After(deadline) {
			t.Fatal("a dead node keeps its binds")
		}
	}
	if forgotten, err := a.Renew(t.Context()); err != nil || !forgotten {
		t.Errorf("the node that is back: %v, %v", forgotten, err)
	}
	if forgotten, err := b.Renew(t.Context()); err != nil || forgotten {
		t.Errorf("the node that was not away: %v, %v", forgotten, err)
	}
	if err := b.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !set(t, a, 7, 2, 2) || !set(t, a, 8, 2, 2) {
		t.Error("a node that has left keeps its binds")
	}
}

func TestBindsWithoutRedis(t *testing.T) {
	r := servers.TestRedis(t)
	b := bindsOf(t, r, "a", time.Minute)
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Set(t.Context(), 7, 1, 2); err == nil {
		t.Error("a dead Redis counts")
	}
	began := time.Now()
	if _, err := b.Set(t.Context(), 7, 1, 2); err == nil || time.Since(began) > 10*time.Millisecond {
		t.Errorf("asked again at once: %v after %v", err, time.Since(began))
	}
}
