package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/store"
	"protei-bulk/bulk/store/storetest"
	"protei-bulk/internal/linear"
)

// TestBalancesAreLinearizable: what two nodes accept and move of the same balances at once is what one
// node could have, one after the other. What they tell of balances may be of a moment ago.
func TestBalancesAreLinearizable(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	url := database(t)
	nodes := [2]*node{open(t, url, 1), open(t, url, 2)}
	nodes[0].own(storetest.First)
	for n := range storetest.Histories(t, 5) {
		h := storetest.NewPurseHistory(t, uint32(100+2*n))
		h.Behind = true
		h.Settles = nodes[0] // it has the connector
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() { h.Play(i, nodes[i%2], rand.New(rand.NewPCG(seed, uint64(n<<8|i))), 12) })
		}
		all.Wait()
		for _, node := range nodes {
			if err := node.refreshPurses(context.Background()); err != nil {
				t.Fatal(err)
			}
			h.Look(6, node)
		}
		if h.Check(); t.Failed() {
			return
		}
	}
}

// quotaAnswer is the answer to somebody who wants parts of a quota.
type quotaAnswer struct {
	refused bool
	left    int64 // when refused
}

// TestQuotaIsLinearizable: what two nodes accept and refuse of one quota at once has an order. What a
// refusal says is left may be too little: what was accepted beside it counts in it already.
func TestQuotaIsLinearizable(t *testing.T) {
	const quota = 40
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	url := database(t)
	var l limits
	l.day.Store(quota)
	nodes := [2]*node{open(t, url, 1, l.set), open(t, url, 2, l.set)}
	model := linear.Model[int64, int, quotaAnswer]{Step: func(used int64, parts int, out quotaAnswer) (bool, int64) {
		if fits := used+int64(parts) <= quota; fits == out.refused || out.refused && (out.left > quota-used || out.left < 0) {
			return false, used
		} else if !fits {
			return true, used
		}
		return true, used + int64(parts)
	}}
	for n := range storetest.Histories(t, 5) {
		var h linear.History[int, quotaAnswer]
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(seed, uint64(n<<8|i)))
				for range 8 {
					parts := 1 + random.IntN(4)
					begin := h.Now()
					err := nodes[i%2].try(uint32(100+n), parts)
					var over *store.QuotaError
					switch {
					case err == nil:
						h.Add(i, begin, h.Now(), parts, quotaAnswer{})
					case errors.As(err, &over):
						h.Add(i, begin, h.Now(), parts, quotaAnswer{refused: true, left: over.Quotas[0].Left})
					default:
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		linear.Check(t, model, &h, func(parts int, out quotaAnswer) string { return fmt.Sprintf("%d parts: %+v", parts, out) })
		if t.Failed() {
			return
		}
	}
}
