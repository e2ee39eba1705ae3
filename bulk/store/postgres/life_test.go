package postgres

import (
	"errors"
	"slices"
	"testing"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// TestLifeOfAMessage: accepted into the lane of its owner, sent, delivered, told; what is
// stored of it at each step, and nothing is left in memory nor in the tables beside it.
func TestLifeOfAMessage(t *testing.T) {
	n := open(t, database(t), 3)
	n.own(1)
	n.looked(1)
	msgs := n.make(3, 1)
	n.accept(msgs)
	n.until("all are in the lane", func() bool { return len(n.lane) == 3 })
	if got := n.arrived(); !slices.Equal(got, idsOf(msgs)) {
		t.Errorf("in the lane are %v, accepted were %v", got, idsOf(msgs))
	}
	for i, ev := range n.lane {
		if ev.Seq != uint64(i+1) || ev.Kind != message.Accept {
			t.Errorf("place %d, kind %d", ev.Seq, ev.Kind)
		}
	}
	if claimed := n.count("SELECT cardinality(ids) FROM claims"); claimed != 3 {
		t.Errorf("%d messages are claimed", claimed)
	}
	m := msgs[0]
	n.must(submitted(m, "smsc-1"))
	if got := n.row(m.ID); got.Status != message.Sent || got.Parts[0].SMSCID != "smsc-1" {
		t.Errorf("after submit_sm_resp: %v", got)
	}
	if n.count("SELECT count(*) FROM receipts WHERE smsc_id = 'smsc-1' AND id = $1", int64(m.ID)) != 1 {
		t.Error("a receipt would not find it")
	}
	n.must(delivered(m))
	if got := n.row(m.ID); got.Status != message.Delivered || got.Notify != message.NotifyOpen {
		t.Errorf("after the receipt: %v %v", got.Status, got.Notify)
	}
	open, err := n.LoadNotify(t.Context(), 0, 10)
	if err != nil || len(open) != 1 || open[0].ID != m.ID {
		t.Errorf("the outbox has %v (%v)", open, err)
	}
	n.must(message.Event{Kind: message.Notified, Msg: m})
	if got := n.row(m.ID); got.Notify != message.NotifyDone {
		t.Errorf("told, and yet %v", got.Notify)
	}
	// The others in one go: one change of each row.
	var evs []message.Event
	for _, m := range msgs[1:] {
		evs = append(evs, submitted(m, m.ID.String()), delivered(m), message.Event{Kind: message.Notified, Msg: m})
	}
	n.must(evs...)
	if changes := n.count("SELECT version FROM messages WHERE id = $1", int64(msgs[1].ID)); changes != 1 {
		t.Errorf("the row was changed %d times", changes)
	}
	n.until("nothing is held", func() bool { return n.live.size.Load() == 0 })
	n.must(message.Event{Kind: message.Notified, Part: message.Reopen, Msg: n.row(m.ID)}) // takes the claims along
	for _, table := range []string{"claims"} {
		if left := n.count("SELECT count(*) FROM " + table); left != 0 {
			t.Errorf("%d rows are left in %s", left, table)
		}
	}
	if got := n.row(m.ID); got.Notify != message.NotifyOpen {
		t.Errorf("reopened: %v", got.Notify)
	}
}

// TestTakeover: what the owner before claimed and did not settle is suspect and comes first;
// what it did not claim is not; what it says afterwards is refused.
func TestTakeover(t *testing.T) {
	url := database(t)
	a := open(t, url, 1)
	a.own(1)
	a.looked(1)
	claimed := a.make(4, 1)
	a.accept(claimed)
	a.until("all are in the lane", func() bool { return len(a.lane) == 4 })
	a.must(submitted(claimed[0], "x"), delivered(claimed[0]))
	b := open(t, url, 2)
	waiting := b.make(5, 1)
	b.accept(waiting)
	b.until("the owner is hinted at them", func() bool { return len(b.hints) == 5 })

	states := b.own(1)
	for _, st := range states {
		want := store.LaneState{Lane: st.Lane, Horizon: 0, Next: 1}
		if st.Lane.Priority == message.Normal {
			want.Horizon, want.Next = 3, 4
		}
		if st != want {
			t.Errorf("state %+v, want %+v", st, want)
		}
	}
	suspects, _, err := b.LoadLane(t.Context(), claimed[0].Lane(), 0, 100)
	if err != nil || len(suspects) < 3 || !slices.Equal(idsOf(suspects[:3]), idsOf(claimed[1:])) {
		t.Errorf("suspects %v (%v), want %v", idsOf(suspects), err, idsOf(claimed[1:]))
	}
	b.until("the rest came too", func() bool { return len(b.lane) == 5 })
	if got := b.arrived(); !slices.Equal(got, idsOf(waiting)) {
		t.Errorf("came %v, want %v", got, idsOf(waiting))
	}
	if err := a.record(submitted(claimed[1], "y")); !errors.Is(err, store.ErrFenced) {
		t.Errorf("the owner before may still settle: %v", err)
	}
	if got := b.row(claimed[1].ID); got.Status != message.Pending {
		t.Errorf("and did: %v", got.Status)
	}
	b.must(submitted(suspects[0], "z"), delivered(suspects[0]))
	// The owner before still accepts, into the database.
	more := a.make(2, 1)
	a.accept(more)
	b.until("what it accepts comes here", func() bool { return len(b.lane) == 7 })
}

// TestHorizon: what waits is claimed before it may be sent, as far as it is there.
func TestHorizon(t *testing.T) {
	n := open(t, database(t), 1)
	n.own(1)
	n.looked(1)
	msgs := n.make(claimAhead+500, 1)
	n.accept(msgs)
	n.until("all are in the lane", func() bool { return len(n.lane) == len(msgs) })
	claimed := func() int { return n.count("SELECT coalesce(sum(cardinality(ids)), 0) FROM claims") }
	if got := claimed(); got != claimAhead {
		t.Errorf("%d were claimed as they came, not %d", got, claimAhead)
	}
	grant := func(to uint64) uint64 {
		t.Helper()
		type answer struct {
			granted uint64
			err     error
		}
		done := make(chan answer, 1)
		n.RecordHorizon(msgs[0].Lane(), to, func(granted uint64, err error) { done <- answer{granted, err} })
		a := <-done
		if a.err != nil {
			t.Fatal(a.err)
		}
		return a.granted
	}
	if got := grant(500); got != 500 || claimed() != claimAhead {
		t.Errorf("granted %d, claimed %d", got, claimed())
	}
	if got := grant(claimAhead + 200); got != claimAhead+200 || claimed() != claimAhead+200 {
		t.Errorf("granted %d, claimed %d", got, claimed())
	}
	if got := grant(2 * claimAhead); got != uint64(len(msgs)) || claimed() != len(msgs) {
		t.Errorf("granted %d, claimed %d", got, claimed())
	}
}

// TestLaneForgetsWhoLeft: places of messages that ended do not add up, so that those that come
// are claimed at once.
func TestLaneForgetsWhoLeft(t *testing.T) {
	n := open(t, database(t), 1)
	n.own(1)
	o := n.owners.of(1)
	n.looked(1)
	const bulk, rounds = 500, 20
	for i := range rounds {
		msgs := n.make(bulk, 1)
		n.accept(msgs)
		n.until("all are in the lane", func() bool { return len(n.lane) == (i+1)*bulk })
		var evs []message.Event
		for _, m := range msgs {
			evs = append(evs, submitted(m, m.ID.String()), delivered(m))
		}
		n.must(evs...)
	}
	o.mu.Lock()
	places := len(o.lanes[message.Normal].places)
	o.mu.Unlock()
	if places > bulk+trimEvery {
		t.Errorf("%d places are kept for %d messages", places, bulk)
	}
	if late := n.count("SELECT count(*) FROM waiting_lists"); late != 0 {
		t.Errorf("%d messages wait", late)
	}
}

// TestAcceptOfOneWhoLeft: who gives up waiting may use his slice again.
func TestAcceptOfOneWhoLeft(t *testing.T) {
	n := open(t, database(t), 1)
	msgs := n.make(3, 1)
	ids := idsOf(msgs)
	done := make(chan error, 1)
	if err := n.AcceptAsync(msgs, store.AcceptExtra{}, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	clear(msgs)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if got := n.row(id); got.Status != message.Pending {
			t.Errorf("%v is %v", id, got.Status)
		}
	}
}
