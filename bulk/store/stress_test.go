package store_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// Writers, readers and loaders at once, with caches so small that messages leave and
// come back all the time; every message must end up delivered exactly once.
func TestEvictionUnderLoad(t *testing.T) {
	s := open(t, store.Options{Durability: store.DurabilityNone, Settle: quick, TableRows: 700, LaneCache: 10, OutboxCache: 5, ReceiptCache: 64})
	ctx, cancel := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	for _, read := range []func(*rand.Rand) error{
		func(*rand.Rand) error {
			_, _, err := s.LoadLane(ctx, message.Lane{Connector: 1, Priority: message.Normal}, 0, 50)
			return err
		},
		func(*rand.Rand) error { _, err := s.LoadNotify(ctx, 0, 20); return err },
		func(*rand.Rand) error {
			_, _, err := s.LoadOpen(ctx, message.Sent, message.Place{}, 20, func(*message.Message) bool { return true })
			return err
		},
		func(r *rand.Rand) error {
			_, _, _, err := s.List(ctx, store.Query{Account: 7, Status: message.Statuses()[r.IntN(10)]})
			return err
		},
		func(*rand.Rand) error { return s.PutObject(ctx, "test", "pace", nil) },
	} {
		readers.Go(func() {
			random := rand.New(rand.NewPCG(1, 2))
			for ctx.Err() == nil {
				if err := read(random); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
					return
				}
			}
		})
	}
	const workers, rounds = 4, 15
	for w := range workers {
		writers.Go(func() {
			for n := range rounds {
				carry(t, s, w<<16+n<<4)
			}
		})
	}
	writers.Wait()
	cancel()
	readers.Wait()
	checkLedger(t, s)
	if l := s.Ledgers()[7]; l[message.Delivered] != workers*rounds*10 {
		t.Errorf("ledger %v", l)
	}
	st := s.Stats()
	if st.Redirected == 0 {
		t.Error("no message left the live table while it was in use: the test proves little")
	}
	if st.Live != 0 {
		t.Errorf("%d messages stay in memory", st.Live)
	}
}

// carry brings ten messages to their end, through objects that may be out of date.
func carry(t *testing.T, s *store.Embedded, from int) {
	msgs := make([]*message.Message, 10)
	for i := range msgs {
		msgs[i] = newMessage(s, from+i, func(m *message.Message) { m.Flags |= message.NotifyFinal })
	}
	steps := []func(*message.Message) message.Event{
		func(m *message.Message) message.Event { return submitted(m, smscID(m.ID)) },
		func(m *message.Message) message.Event { return settled(m, message.Delivered) },
		func(m *message.Message) message.Event {
			return message.Event{Kind: message.Notified, Msg: m, At: time.Now().UnixMilli()}
		},
	}
	if err := s.Accept(t.Context(), msgs, store.AcceptExtra{}); err != nil {
		t.Error(err)
		return
	}
	for _, step := range steps {
		if err := s.PutObject(t.Context(), "test", "pace", nil); err != nil {
			t.Error(err)
		}
		for _, m := range msgs {
			done := make(chan error, 1)
			s.Record(step(m), func(err error) { done <- err })
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
}

// Between the copy of a row and its commit SQLite has the old row: a message that lost
// its place in the receipt index just then must not be read back from there.
func TestPushedOutWhileBeingWritten(t *testing.T) {
	var s *store.Embedded
	var m *message.Message
	armed, states := make(chan struct{}, 1), make(chan message.Status, 1)
	opts := store.Options{Settle: quick, ReceiptCache: 1}
	s = open(t, store.Probed(opts, func(point string) {
		select {
		case <-armed:
		default:
			return
		}
		if point != "copied" {
			armed <- struct{}{}
			return
		}
		other := newMessage(s, 2)
		for n := range 5000 {
			s.NoteSubmitted(message.ReceiptKey{Group: 1, SMSCID: smscID(message.ID(n))}, other, 0)
		}
		current, err := s.Load(t.Context(), m.ID)
		if err != nil {
			t.Error(err)
			states <- 0
			return
		}
		states <- current.Status
	}))
	m = newMessage(s, 1)
	accept(t, s, m)
	flush(t, s)
	armed <- struct{}{}
	record(t, s, submitted(m, "x"))
	flush(t, s)
	if got := <-states; got != message.Sent {
		t.Errorf("status %v, want SENT", got)
	}
}
