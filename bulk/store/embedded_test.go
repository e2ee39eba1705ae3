package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// same compares messages without the store's bookkeeping.
var same = cmp.Options{
	cmpopts.IgnoreFields(message.Message{}, "Store"),
	cmpopts.IgnoreUnexported(message.Message{}),
}

// quick makes changes reach SQLite at once.
const quick = time.Nanosecond

func TestMessageSurvivesReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	long := newMessage(s, 1, func(m *message.Message) {
		m.Batch, m.Campaign, m.Ordinal = 77, 88, 3
		m.ClientRef, m.DLRURL = "ref-1", "https://example.org/dlr"
		m.Flags |= message.NotifyFinal
		m.Payload = []byte("first second")
		m.SetParts(2)
		m.Parts[0].End, m.Parts[1].End = 6, 12
	})
	accept(t, s, long)
	record(t, s, submitted(long, "a1"))
	record(t, s, settled(long, message.Delivered))
	want, err := s.Message(t.Context(), long.ID)
	if err != nil {
		t.Fatal(err)
	}
	stop(t, s)

	s = open(t, store.Options{Dir: dir})
	got, err := s.Message(t.Context(), long.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("message changed (-before +after):\n%s", diff)
	}
	if got.Status != message.Pending || got.Parts[0].Status != message.Delivered {
		t.Errorf("status %v, first part %v", got.Status, got.Parts[0].Status)
	}
	if id := s.IDs().Next(); id <= long.ID {
		t.Errorf("new id %s is not above %s", id, long.ID)
	}
}

func TestListSeesFilters(t *testing.T) {
	s := open(t, store.Options{Settle: quick, TableRows: 500})
	var ids []message.ID
	for b := range 10 {
		var msgs []*message.Message
		for n := range 200 {
			msgs = append(msgs, newMessage(s, b*200+n, func(m *message.Message) {
				m.Batch = message.ID(b + 1)
				m.Account = uint32(1 + n%2)
				if n == 13 {
					m.Source.Addr = "Rare"
				}
			}))
		}
		accept(t, s, msgs...)
		for n, m := range msgs {
			ids = append(ids, m.ID)
			switch n {
			case 50:
				record(t, s, submitted(m, "x"))
			case 60:
				record(t, s, settled(m, message.Rejected))
			}
		}
		flush(t, s)
	}
	if n := s.Stats().Tables; n < 3 {
		t.Fatalf("%d tables, want several", n)
	}
	tests := map[string]struct {
		q    store.Query
		want int
	}{
		"all":                {store.Query{}, 2000},
		"account":            {store.Query{Account: 1}, 1000},
		"unknown account":    {store.Query{Account: 3}, 0},
		"to":                 {store.Query{To: "491700000042"}, 1},
		"to of another":      {store.Query{To: "491700000042", Account: 2}, 0},
		"from":               {store.Query{From: "Rare"}, 10},
		"batch":              {store.Query{Batch: 4, Account: 1}, 100},
		"sent":               {store.Query{Status: message.Sent, Account: 1}, 10},
		"sent of all":        {store.Query{Status: message.Sent}, 10},
		"rejected":           {store.Query{Status: message.Rejected, Account: 1}, 10},
		"rejected of all":    {store.Query{Status: message.Rejected}, 10},
		"pending":            {store.Query{Status: message.Pending, Account: 2}, 1000},
		"rejected in batch":  {store.Query{Status: message.Rejected, Batch: 2, Account: 1}, 1},
		"nothing of the two": {store.Query{Status: message.Rejected, From: "Rare", Account: 2}, 0},
		"pending from rare":  {store.Query{Status: message.Pending, From: "Rare", Account: 2}, 10},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, limit := range []int{1000, 7} {
				if got := walk(t, s, tc.q, limit); got != tc.want {
					t.Errorf("limit %d: %d messages, want %d", limit, got, tc.want)
				}
			}
		})
	}
	msgs, _, _, err := s.List(t.Context(), store.Query{Page: 3, Limit: 10})
	if err != nil || len(msgs) != 10 || msgs[0].ID != ids[len(ids)-21] {
		t.Errorf("page 3 begins wrong: %v, %v", len(msgs), err)
	}
}

// walk counts all answers by cursor and checks their order.
func walk(t *testing.T, s *store.Embedded, q store.Query, limit int) (n int) {
	t.Helper()
	last := ^message.ID(0)
	for q.Limit = limit; ; {
		msgs, next, _, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range msgs {
			if m.ID >= last {
				t.Fatalf("%s follows %s", m.ID, last)
			}
			last = m.ID
		}
		n += len(msgs)
		if q.Cursor = next; next == 0 {
			return n
		}
	}
}

func TestSecondOpenerIsToldThePid(t *testing.T) {
	dir := t.TempDir()
	open(t, store.Options{Dir: dir})
	_, err := store.OpenEmbedded(store.Options{Dir: dir})
	if !errors.Is(err, store.ErrLocked) {
		t.Fatalf("error %v", err)
	}
	t.Log(err)
}
