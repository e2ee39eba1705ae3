package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// open opens a store in dir that ends with the test.
func open(t testing.TB, opts store.Options) *store.Embedded {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	opts.MinFreeDisk = -1
	s, err := store.OpenEmbedded(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t testing.TB, s *store.Embedded) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// newMessage makes a message as intake would.
func newMessage(s *store.Embedded, n int, change ...func(*message.Message)) *message.Message {
	m := &message.Message{
		ID: s.IDs().Next(), Account: 7,
		Source: message.Address{TON: 5, Addr: "Shop"}, Dest: message.Address{TON: 1, NPI: 1, Addr: fmt.Sprintf("4917%08d", n)},
		Priority: message.Normal, Flags: message.WantReceipt, Connector: 1,
		SubmittedAt: time.Now().UnixMilli(), ValidUntil: time.Now().Add(time.Hour).UnixMilli(),
		Payload: []byte("Your order is on its way."), Status: message.Pending,
	}
	m.SetParts(1)
	m.Parts[0].End = uint32(len(m.Payload))
	for _, f := range change {
		f(m)
	}
	return m
}

func accept(t testing.TB, s *store.Embedded, msgs ...*message.Message) {
	t.Helper()
	if err := s.Accept(t.Context(), msgs, store.AcceptExtra{}); err != nil {
		t.Fatal(err)
	}
}

// record makes the events durable and applied before it returns.
func record(t testing.TB, s *store.Embedded, evs ...message.Event) {
	t.Helper()
	done := make(chan error, 1)
	s.RecordMany(evs, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func submitted(m *message.Message, smscID string) message.Event {
	return message.Event{Kind: message.Submitted, Msg: m, SMSCID: smscID, At: m.SubmittedAt + 5}
}

func settled(m *message.Message, s message.Status) message.Event {
	return message.Event{Kind: message.Settle, Msg: m, Status: s, At: m.SubmittedAt + 9}
}

// flush waits until everything applied so far is in SQLite. Its write of an object rides
// in a transaction of its own accord, so it is enough to look at what is released.
func flush(t testing.TB, s *store.Embedded) {
	t.Helper()
	for i := 0; ; i++ {
		if st := s.Stats(); st.Backlog == 0 && st.Released == st.Record {
			return
		}
		if err := s.PutObject(t.Context(), "test", "flush", []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
}
