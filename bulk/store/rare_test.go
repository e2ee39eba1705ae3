package store_test

import (
	"slices"
	"testing"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// TestListOfAStatusOfAllAccounts: what few messages have is found among many of several accounts,
// in each status, and what none has is not.
func TestListOfAStatusOfAllAccounts(t *testing.T) {
	s := open(t, store.Options{Settle: quick, TableRows: 700})
	want := map[message.Status][]message.ID{}
	for batch := range 5 {
		var msgs []*message.Message
		var evs []message.Event
		for i := range 1000 {
			m := newMessage(s, i, func(m *message.Message) {
				if m.Account = uint32(7 + i%3); batch == 0 && i < 30 && i%10 == 4 {
					m.Flags = 0 // SENT is its last one
				}
			})
			msgs = append(msgs, m)
			if batch == 0 && i < 30 { // the oldest: none of the newest rows is an answer
				switch st := []message.Status{message.Failed, message.Expired, message.Rejected, message.Sent, message.Sent}[i%5]; st {
				case message.Sent:
					evs = append(evs, submitted(m, smscID(m.ID)))
					want[st] = append(want[st], m.ID)
				default:
					evs = append(evs, submitted(m, smscID(m.ID)), settled(m, st))
					want[st] = append(want[st], m.ID)
				}
				continue
			}
			evs = append(evs, submitted(m, smscID(m.ID)), settled(m, message.Delivered))
		}
		accept(t, s, msgs...)
		record(t, s, evs...)
	}
	flush(t, s)
	for _, st := range []message.Status{message.Failed, message.Expired, message.Rejected, message.Sent, message.Unknown, message.Pending} {
		for _, limit := range []int{1, 4, 100} {
			var got []message.ID
			q := store.Query{Status: st, Limit: limit}
			for {
				msgs, next, _, err := s.List(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range msgs {
					got = append(got, m.ID)
				}
				if q.Cursor = next; next == 0 {
					break
				}
			}
			slices.Reverse(got)
			if !slices.Equal(got, want[st]) {
				t.Errorf("%s, %d at once: %d messages, want %d", st, limit, len(got), len(want[st]))
			}
		}
	}
	if n := walk(t, s, store.Query{Status: message.Delivered}, 1000); n != 5000-30 {
		t.Errorf("%d delivered", n)
	}
}
