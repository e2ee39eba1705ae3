package store_test

import (
	"slices"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

func newInbound(s *store.Embedded, change ...func(*message.Inbound)) *message.Inbound {
	m := &message.Inbound{
		ID: s.IDs().Next(), Connector: 1, Source: message.Address{TON: 1, NPI: 1, Addr: "79161234567"},
		Dest: message.Address{Addr: "1000"}, Octets: []byte("JOIN now"), ReceivedAt: time.Now().UnixMilli(), Parts: 1,
		InboundState: message.InboundState{Status: message.InboundOpen, Account: 7, URL: "http://127.0.0.1/mo"},
	}
	for _, f := range change {
		f(m)
	}
	return m
}

func recordInbound(t testing.TB, s *store.Embedded, msgs ...*message.Inbound) {
	t.Helper()
	for _, m := range msgs {
		done := make(chan error, 1)
		s.RecordInbound(m, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func changeInbound(t testing.TB, s *store.Embedded, id message.ID, st message.InboundState) {
	t.Helper()
	done := make(chan error, 1)
	s.ChangeInbound([]message.InboundChange{{ID: id, InboundState: st}}, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func waiting(t testing.TB, s *store.Embedded, st message.InboundStatus) (ids []message.ID) {
	t.Helper()
	for after := message.ID(0); ; {
		page, err := s.InboundWaiting(t.Context(), st, 0, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return ids
		}
		for _, m := range page {
			ids = append(ids, m.ID)
		}
		after = ids[len(ids)-1]
	}
}

func part(seq uint8) func(*message.Inbound) {
	return func(m *message.Inbound) {
		m.Status, m.Account, m.URL, m.Ref, m.Total, m.Seq, m.Parts = message.InboundPart, 0, "", 9, 2, seq, 0
	}
}

// TestInboundSurvivesCrashes: whatever moment the machine stops at, a message that was
// acknowledged is there in its last state, and parts that were joined do not come back.
func TestInboundSurvivesCrashes(t *testing.T) {
	for _, point := range []string{"begin", "copied", "committed", "released"} {
		t.Run(point, func(t *testing.T) {
			m := newMachine(t, store.Options{})
			open, told := newInbound(m.s), newInbound(m.s)
			parts := []*message.Inbound{newInbound(m.s, part(1)), newInbound(m.s, part(2)), newInbound(m.s, part(1))}
			recordInbound(t, m.s, open, told, parts[0], parts[1], parts[2])
			delivered := told.InboundState
			delivered.Status, delivered.DoneAt = message.InboundDelivered, 5
			changeInbound(t, m.s, told.ID, delivered)
			joined := newInbound(m.s, func(j *message.Inbound) { j.Parts, j.Consumed = 2, []message.ID{parts[0].ID, parts[1].ID} })
			recordInbound(t, m.s, joined)
			for range 2 { // the second time the journal is replayed over what the first left
				if err := m.crashAt(point); err != nil {
					t.Fatal(err)
				}
				if got := waiting(t, m.s, message.InboundOpen); !slices.Equal(got, []message.ID{open.ID, joined.ID}) {
					t.Errorf("to deliver are %v, want %v", got, []message.ID{open.ID, joined.ID})
				}
				if got := waiting(t, m.s, message.InboundPart); !slices.Equal(got, []message.ID{parts[2].ID}) {
					t.Errorf("parts that wait are %v, want %v", got, parts[2].ID)
				}
				got, err := m.s.Inbound(t.Context(), told.ID)
				if err != nil || got.InboundState != delivered || string(got.Octets) != "JOIN now" {
					t.Errorf("%+v, %v: want it delivered", got, err)
				}
				if next := m.s.IDs().Next(); next <= joined.ID {
					t.Errorf("the next id %s is not above %s", next, joined.ID)
				}
			}
		})
	}
}

func TestLongInboundMessagesTakeSeveralGroups(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir, SegmentBytes: 256 << 10})
	const n = 40
	done := make(chan error, n)
	for range n {
		s.RecordInbound(newInbound(s, func(m *message.Inbound) { m.Octets = make([]byte, 60_000) }), func(err error) { done <- err })
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if got := len(waiting(t, s, message.InboundOpen)); got != n {
		t.Errorf("%d messages, want %d", got, n)
	}
}
