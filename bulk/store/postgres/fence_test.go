package postgres

import (
	"errors"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// TestFencedClaimHoldsUpNobody: a claim for a lane that another node has taken over is refused, and
// what came with it is stored.
func TestFencedClaimHoldsUpNobody(t *testing.T) {
	url := database(t)
	a := open(t, url, 1)
	a.own(1)
	a.own(2)
	for _, connector := range []uint16{1, 2} {
		a.until("the feeder has looked", func() bool { return !a.owners.of(connector).behind(int(message.Normal)) })
	}
	waiting := a.make(claimAhead+10, 1) // the last ten are not claimed as they come
	a.accept(waiting)
	other := a.make(1, 2)
	a.accept(other)
	a.until("all are in their lanes", func() bool { return len(a.lane) == len(waiting)+1 })
	b := open(t, url, 2)
	b.lease(1) // the lease alone: a does not know yet

	done := make(chan error, 1)
	a.RecordHorizon(waiting[0].Lane(), uint64(len(waiting)), func(_ uint64, err error) { done <- err })
	select {
	case err := <-done:
		if !errors.Is(err, store.ErrFenced) {
			t.Errorf("the claim: %v", err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("the claim is neither taken nor refused")
	}
	a.must(submitted(other[0], "x"), delivered(other[0]))
	if claimed := a.count("SELECT coalesce(sum(cardinality(ids)), 0) FROM claims WHERE connector = 1"); claimed != claimAhead {
		t.Errorf("%d are claimed, of which %d were before", claimed, claimAhead)
	}
}
