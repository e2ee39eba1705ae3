package redisq_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/queue/redisq"
	"protei-bulk/internal/servers"
)

// TestRateOverNodes: three nodes that take as much as they can get no more than the rate together,
// a debt is waited for, and FLUSHALL costs a burst at most.
func TestRateOverNodes(t *testing.T) {
	r := servers.TestRedis(t)
	const tps, burst = 400, 50
	var took atomic.Int64
	began := time.Now()
	var nodes sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		q, err := redisq.Open(t.Context(), redisq.Options{URL: r.URL(), Name: name})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Stop()
		rates := q.Rates()
		nodes.Go(func() {
			for time.Since(began) < time.Second {
				n, wait, err := rates.Draw(1, tps, burst, 1, 20)
				if err != nil {
					t.Error(err)
					return
				}
				took.Add(int64(n))
				time.Sleep(wait)
			}
		})
	}
	nodes.Wait()
	most := burst + tps*time.Since(began).Seconds() + 3*20
	if got := float64(took.Load()); got > most || got < 0.8*tps {
		t.Errorf("took %.0f in %v at %d/s: more than %.0f or too few", got, time.Since(began), tps, most)
	}
}

func TestRateGivesDebt(t *testing.T) {
	r := servers.TestRedis(t)
	q, err := redisq.Open(t.Context(), redisq.Options{URL: r.URL(), Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Stop()
	rates := q.Rates()
	if n, _, err := rates.Draw(2, 10, 5, 100, 0); n != 100 || err != nil {
		t.Errorf("100 at once with 5 there: took %d, %v", n, err)
	}
	if n, wait, err := rates.Draw(2, 10, 5, 1, 0); n != 0 || err != nil || wait < 9*time.Second || wait > 10*time.Second {
		t.Errorf("in debt by 95: took %d, wait %v, %v", n, wait, err)
	}
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := rates.Draw(2, 10, 5, 1, 0); err == nil {
		t.Error("a dead Redis gave tokens")
	}
	began := time.Now()
	if _, _, err := rates.Draw(2, 10, 5, 1, 0); err == nil || time.Since(began) > 10*time.Millisecond {
		t.Errorf("asked again at once: %v after %v", err, time.Since(began))
	}
}
