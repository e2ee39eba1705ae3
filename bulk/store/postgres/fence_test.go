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
		a.looked(connector)
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

// TestRefusedChangeLeavesNoTrace: a change that runs in memory and is refused by the fence is undone
// there, too, and what happens to the message later is counted from what its row says.
func TestRefusedChangeLeavesNoTrace(t *testing.T) {
	a := open(t, database(t), 1)
	a.own(1)
	a.looked(1)
	m := a.make(1, 1)[0]
	a.accept([]*message.Message{m})
	a.until("it is in its lane", func() bool { return len(a.lane) == 1 })
	a.lease(1) // as another node would while this one is cut off
	if err := a.record(submitted(m, "x")); !errors.Is(err, store.ErrFenced) {
		t.Fatalf("a change under an old epoch: %v", err)
	}
	if m.Status != message.Pending || m.Parts[0].Status != message.Pending || m.Parts[0].SMSCID != "" {
		t.Errorf("in memory it is %v, its part %+v", m.Status, m.Parts[0])
	}
	if err := a.Disown(t.Context(), 1, false); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Own(t.Context(), 1, a.lease(1)); err != nil {
		t.Fatal(err)
	}
	suspects, _, err := a.LoadLane(t.Context(), m.Lane(), 0, 100)
	if err != nil || len(suspects) != 1 || suspects[0].ID != m.ID {
		t.Fatalf("after the return %v stand in the lane (%v)", idsOf(suspects), err)
	}
	a.must(submitted(suspects[0], "y"), delivered(suspects[0]))
	if got := a.Ledgers()[7]; got[message.Delivered] != 1 || got[message.Pending] != 0 || got[message.Sent] != 0 {
		t.Errorf("the books say %v", got)
	}
}
