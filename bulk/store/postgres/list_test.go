package postgres

import (
	"slices"
	"testing"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// TestListOfWhatWaits: what is PENDING is listed wherever it waits, claimed by its owner or by no
// connector's, newest first, by the page.
func TestListOfWhatWaits(t *testing.T) {
	n := open(t, database(t), 1)
	n.own(1)
	n.looked(1)
	var want []message.ID
	for i, connector := range []uint16{1, 2, 1, 2} { // 1: claimed; 2: nobody's
		msgs := n.make(3, connector, func(m *message.Message) { m.Account = uint32(7 + i%2) })
		n.accept(msgs)
		for _, m := range msgs {
			if m.Account == 7 {
				want = append(want, m.ID)
			}
		}
		if i == 0 {
			n.must(submitted(msgs[1], "sent"))
			want = slices.Delete(want, 1, 2)
		}
	}
	others := n.make(2, 2)
	n.accept(others)
	want = append(want, idsOf(others)...)
	slices.Reverse(want)
	if n.count("SELECT count(*) FROM claims") == 0 || n.count("SELECT count(*) FROM waiting_lists") == 0 {
		t.Fatal("nothing is claimed, or nothing waits")
	}
	var got []message.ID
	for cursor := message.ID(0); ; {
		page, next, _, err := n.List(t.Context(), store.Query{Account: 7, Status: message.Pending, Limit: 3, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, idsOf(page)...)
		if next == 0 {
			break
		}
		cursor = next
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed are %v, want %v", got, want)
	}
	page, _, _, err := n.List(t.Context(), store.Query{Account: 7, Status: message.Pending, Limit: 3, Page: 2})
	if err != nil || !slices.Equal(idsOf(page), want[3:6]) {
		t.Errorf("page 2: %v (%v), want %v", idsOf(page), err, want[3:6])
	}
	if page, _, _, err := n.List(t.Context(), store.Query{Account: 7, Status: message.Pending, To: n.row(want[1]).Dest.Addr}); err != nil || !slices.Contains(idsOf(page), want[1]) {
		t.Errorf("by recipient: %v (%v)", idsOf(page), err)
	}
}
