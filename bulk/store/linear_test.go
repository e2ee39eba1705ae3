package store_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/journal/faultfs"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/store/storetest"
)

// playAtOnce lets callers use the balances of a history at the same time.
func playAtOnce(h *storetest.PurseHistory, s store.Store, seed uint64, callers, calls int) (wait func()) {
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() { h.Play(i, s, rand.New(rand.NewPCG(seed, uint64(h.Account)<<8|uint64(i))), calls) })
	}
	return all.Wait
}

// TestBalancesAreLinearizable: whoever looks at balances, and whatever is refused, while many pay
// in, move, buy and are refunded at once, sees them as if all that had happened one after the other.
func TestBalancesAreLinearizable(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := open(t, store.Options{Settle: quick})
	for n := range storetest.Histories(t, 10) {
		h := storetest.NewPurseHistory(t, uint32(100+2*n))
		playAtOnce(h, s, seed, 6, 12)()
		h.Look(6, s)
		if h.Check(); t.Failed() {
			return
		}
	}
}

// TestBalancesAreLinearizableAcrossCrashes: after a crash the balances are what everything that was
// answered makes of them, and maybe some of what was not.
func TestBalancesAreLinearizableAcrossCrashes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	answered, lost := 0, 0
	m := newMachine(t, store.Options{Settle: quick, LaneCache: 3, OutboxCache: 2, ReceiptCache: 4096})
	for n := range storetest.Histories(t, 10) {
		h := storetest.NewPurseHistory(t, uint32(100+2*n))
		h.Lost = func(err error) bool {
			return errors.Is(err, store.ErrFailed) || errors.Is(err, store.ErrStopped) || errors.Is(err, faultfs.ErrCrashed)
		}
		wait := playAtOnce(h, m.s, seed, 6, 40)
		point := []string{"begin", "copied", "committed", "released"}[n%4]
		if err := m.crashWhile(point, wait); err != nil {
			t.Fatal(err)
		}
		h.Look(6, m.s)
		if h.Check(); t.Failed() {
			return
		}
		a, l := h.Size()
		answered, lost = answered+a, lost+l
	}
	t.Logf("%d calls were answered before the crashes, %d that take money were not", answered, lost)
	if answered == 0 {
		t.Error("nothing was answered before a crash: the test tests nothing")
	}
	if err := m.s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}
