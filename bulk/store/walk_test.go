package store_test

import (
	"fmt"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// TestOutboxWalkMeetsStaleRows: rows whose entry has ended, but not in SQLite yet, must
// neither end a walk of the outbox nor make it jump over open ones.
func TestOutboxWalkMeetsStaleRows(t *testing.T) {
	const n, page = 300, 40
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir, Settle: time.Millisecond})
	msgs := make([]*message.Message, n)
	for i := range msgs {
		msgs[i] = newMessage(s, i, func(m *message.Message) { m.Flags |= message.NotifyFinal })
	}
	accept(t, s, msgs...)
	for i, m := range msgs {
		record(t, s, submitted(m, fmt.Sprint("id", i)), settled(m, message.Delivered))
	}
	stop(t, s) // every row is in SQLite, with its entry open

	s = open(t, store.Options{Dir: dir, Settle: time.Hour})
	want := map[message.ID]bool{}
	for i, m := range msgs {
		if i >= 2*page && i < 5*page || i >= 6*page {
			want[m.ID] = true
			continue
		}
		live, err := s.Load(t.Context(), m.ID) // pages full of ended entries
		if err != nil {
			t.Fatal(err)
		}
		record(t, s, message.Event{Kind: message.Notified, Msg: live})
	}
	// The newest one is changed again, so that it comes from memory ahead of its turn.
	last := newMessage(s, n, func(m *message.Message) { m.Flags |= message.NotifyFinal })
	accept(t, s, last)
	record(t, s, submitted(last, "last"), settled(last, message.Delivered))
	want[last.ID] = true

	if len(want) != n-3*page+1 {
		t.Fatalf("%d open entries, the test is wrong", len(want))
	}
	for after := message.ID(0); ; {
		got, err := s.LoadNotify(t.Context(), after, page)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			break
		}
		for _, m := range got {
			if m.ID <= after || !want[m.ID] {
				t.Fatalf("%s after %s: out of order, twice or not open", m.ID, after)
			}
			delete(want, m.ID)
			after = m.ID
		}
	}
	if len(want) != 0 {
		t.Errorf("the walk passed over %d open entries", len(want))
	}
}
