package store_test

import (
	"testing"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// TestEachWaiting: what waits is found in memory and in SQLite, also after a start, and what
// waits no more is not.
func TestEachWaiting(t *testing.T) {
	dir := t.TempDir()
	opts := store.Options{Dir: dir, MinFreeDisk: -1}
	s := open(t, opts)
	ordered := func(m *message.Message) { m.Flags |= message.Ordered }
	var want []message.ID
	add := func(n int) (msgs []*message.Message) {
		for i := range n {
			msgs = append(msgs, newMessage(s, i, ordered))
		}
		accept(t, s, append(msgs, newMessage(s, 100))...)
		for _, m := range msgs {
			want = append(want, m.ID)
		}
		return msgs
	}
	check := func(when string) {
		t.Helper()
		found := map[message.ID]bool{}
		err := s.EachWaiting(t.Context(), func(m *message.Message) bool { return m.Flags&message.Ordered != 0 }, func(m *message.Message) { found[m.ID] = true })
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != len(want) {
			t.Errorf("%s: %d found, %d wait", when, len(found), len(want))
		}
		for _, id := range want {
			if !found[id] {
				t.Errorf("%s: %s is missing", when, id)
			}
		}
	}
	check("nothing")
	msgs := add(3)
	check("fresh")
	flush(t, s)
	check("written")
	add(2)
	record(t, s, message.Event{Kind: message.Submitted, Msg: msgs[0], SMSCID: "1", At: 1})
	record(t, s, message.Event{Kind: message.Settle, Part: message.AllParts, Status: message.Cancelled, Msg: msgs[1], At: 1})
	want = append(want[2:3:3], want[3:]...)
	check("one sent, one cancelled")
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = open(t, opts)
	check("after a start")
}
