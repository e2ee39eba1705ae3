package storetest

import (
	"context"
	"fmt"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

func receiptFor(m *message.Message, smscID string) message.Receipt {
	return message.Receipt{
		Key: message.ReceiptKey{Group: m.Connector, SMSCID: smscID}, Dest: m.Dest.Addr,
		Status: message.Delivered, At: time.Now().UnixMilli(),
	}
}

func (s *suite) park(r message.Receipt) {
	s.Helper()
	s.must(s.wait(func(done func(error)) { s.ParkReceipt(r, done) }))
}

func (s *suite) look(r message.Receipt) store.ReceiptMatch {
	s.Helper()
	var out [1]store.ReceiptMatch
	s.must(s.LookupReceipts(context.Background(), []message.ReceiptKey{r.Key}, []string{r.Dest}, out[:]))
	return out[0]
}

// becomes waits until a message is stored in a state.
func (s *suite) becomes(m *message.Message, want message.Status) {
	s.Helper()
	s.until(func() string { return fmt.Sprintf("message %s is %v, not %v", m.ID, s.stored(m.ID).Status, want) },
		func() bool { return s.stored(m.ID).Status == want })
}

// receiptAfterResponse: a receipt finds its part, in memory and after a start.
func receiptAfterResponse(s *suite) {
	m := s.message(1, parts(3))
	s.accept(m)
	s.record(submitted(m, "p0"), ofPart(1, submitted(m, "p1")), ofPart(2, submitted(m, "p2")))
	for _, when := range []string{"at once", "where it stays", "after a start"} {
		if got := s.look(receiptFor(m, "p1")); !got.Found || got.Msg.ID != m.ID || got.Part != 1 {
			s.Errorf("%s: the receipt finds %+v", when, got)
		}
		if got := s.look(receiptFor(m, "p3")); got.Found {
			s.Errorf("%s: a receipt of nothing finds %+v", when, got)
		}
		if when == "at once" {
			s.flush()
		} else {
			s.reopen()
		}
	}
}

// receiptBeforeResponse: it is kept, over a start too, and settles the part once that is known.
func receiptBeforeResponse(s *suite) {
	early, missed := s.message(1), s.message(2)
	s.accept(early, missed)
	s.park(receiptFor(early, "early"))
	s.reopen()
	if n := s.Stats().Parked; n != 1 {
		s.Errorf("%d receipts are parked after the start, want 1", n)
	}
	s.record(submitted(early, "early"))
	s.becomes(early, message.Delivered)
	// The receipt of this one was looked for just before the part became known.
	live, err := s.Load(context.Background(), missed.ID)
	s.must(err)
	s.NoteSubmitted(receiptFor(missed, "late").Key, live, 0)
	s.record(submitted(missed, "late"))
	s.park(receiptFor(missed, "late"))
	s.becomes(missed, message.Delivered)
	s.until(func() string { return fmt.Sprintf("%d receipts are parked, not 0", s.Stats().Parked) }, func() bool { return s.Stats().Parked == 0 })
}

// receiptAgain: an SMSC gives its ids again; the newest message that still waits for its
// receipt is meant.
func receiptAgain(s *suite) {
	older, newer := s.message(1), s.message(1)
	s.accept(older, newer)
	s.record(submitted(older, "same"), settled(older, message.Delivered), submitted(newer, "same"))
	for range 2 {
		if got := s.look(receiptFor(newer, "same")); !got.Found || got.Msg.ID != newer.ID {
			s.Errorf("the receipt finds %+v, want %s", got, newer.ID)
		}
		s.flush()
	}
	s.record(settled(newer, message.Delivered), settled(newer, message.Failed))
	if got := s.stored(newer.ID); got.Status != message.Delivered {
		s.Errorf("a second receipt makes it %v", got.Status)
	}
}

// receiptOfAnother: the id alone does not make a receipt that of a message.
func receiptOfAnother(s *suite) {
	m := s.message(1)
	s.accept(m)
	s.record(submitted(m, "a"))
	other := receiptFor(m, "a")
	other.Dest = "491799999999"
	elsewhere := receiptFor(m, "a")
	elsewhere.Key.Group = Second
	for range 2 {
		if s.look(other).Found || s.look(elsewhere).Found {
			s.Error("the receipt of another receiver or connector finds the message")
		}
		s.flush()
	}
}
