package store_test

import (
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

func park(t *testing.T, s *store.Embedded, r message.Receipt) {
	t.Helper()
	done := make(chan error, 1)
	s.ParkReceipt(r, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func receiptFor(m *message.Message, id string) message.Receipt {
	return message.Receipt{
		Key: message.ReceiptKey{Group: m.Connector, SMSCID: id}, Dest: m.Dest.Addr,
		Status: message.Delivered, At: time.Now().UnixMilli(),
	}
}

// settledBy waits until the store has recorded the Settle of a parked receipt: that is
// in front of whatever is recorded now.
func settledBy(t *testing.T, s *store.Embedded, id message.ID) message.Status {
	t.Helper()
	done := make(chan error, 1)
	s.RecordHorizon(message.Lane{}, 1, func(_ uint64, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	m, err := s.Message(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return m.Status
}

func TestReceiptBeforeItsResponse(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	m := newMessage(s, 1)
	accept(t, s, m)
	park(t, s, receiptFor(m, "early"))
	stop(t, s)
	s = open(t, store.Options{Dir: dir})
	if n := s.Stats().Parked; n != 1 {
		t.Fatalf("%d receipts are parked after the restart, want 1", n)
	}
	m, err := s.Load(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	record(t, s, submitted(m, "early"))
	if got := settledBy(t, s, m.ID); got != message.Delivered {
		t.Errorf("status %v, want DELIVERED", got)
	}
	if n := s.Stats().Parked; n != 0 {
		t.Errorf("%d receipts are still parked", n)
	}
}

func TestReceiptThatMissedItsResponse(t *testing.T) {
	s := open(t, store.Options{})
	m := newMessage(s, 1)
	accept(t, s, m)
	record(t, s, submitted(m, "late"))
	park(t, s, receiptFor(m, "late"))
	if got := settledBy(t, s, m.ID); got != message.Delivered {
		t.Errorf("status %v, want DELIVERED", got)
	}
}

func TestReceiptWhileMessageIsNeitherIndexedNorStored(t *testing.T) {
	s := open(t, store.Options{ReceiptCache: 1})
	var msgs []*message.Message
	for n := range 500 {
		m := newMessage(s, n)
		msgs = append(msgs, m)
		accept(t, s, m)
		record(t, s, submitted(m, smscID(m.ID)))
	}
	for _, m := range msgs {
		park(t, s, receiptFor(m, smscID(m.ID)))
	}
	flush(t, s)
	for _, m := range msgs {
		settlesBy(t, s, m.ID)
	}
}

// TestReceiptParkedBehindItsRow parks receipts of messages that nothing but the database
// knows any more: they were looked for before the row was there.
func TestReceiptParkedBehindItsRow(t *testing.T) {
	s := open(t, store.Options{ReceiptCache: 1, Settle: quick})
	var msgs []*message.Message
	for n := range 300 {
		m := newMessage(s, n)
		msgs = append(msgs, m)
		accept(t, s, m)
		record(t, s, submitted(m, smscID(m.ID)))
	}
	flush(t, s)
	for _, m := range msgs {
		park(t, s, receiptFor(m, smscID(m.ID)))
	}
	for _, m := range msgs {
		settlesBy(t, s, m.ID)
	}
	if n := s.Stats().Parked; n != 0 {
		t.Errorf("%d receipts are still parked", n)
	}
}

// settlesBy waits for a message to be delivered.
func settlesBy(t *testing.T, s *store.Embedded, id message.ID) {
	t.Helper()
	got := message.Status(0)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got = settledBy(t, s, id); got == message.Delivered {
			return
		}
	}
	t.Fatalf("status %v, want DELIVERED", got)
}

func TestSMSCIDIsGivenAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	old, other, young := newMessage(s, 1), newMessage(s, 2), newMessage(s, 1)
	for _, m := range []*message.Message{old, other, young} {
		accept(t, s, m)
		record(t, s, submitted(m, "7"))
	}
	find := func(dest string) *message.Message {
		t.Helper()
		out := make([]store.ReceiptMatch, 1)
		if err := s.LookupReceipts(t.Context(), []message.ReceiptKey{{Group: 1, SMSCID: "7"}}, []string{dest}, out); err != nil {
			t.Fatal(err)
		}
		return out[0].Msg
	}
	for _, place := range []string{"memory", "database"} {
		if m := find("+" + young.Dest.Addr); m == nil || m.ID != young.ID {
			t.Errorf("%s: the newest was not found: %v", place, m)
		}
		if m := find(other.Dest.Addr); m == nil || m.ID != other.ID {
			t.Errorf("%s: the one for the destination was not found: %v", place, m)
		}
		if m := find("4917555555"); m != nil {
			t.Errorf("%s: a message to another destination was found", place)
		}
		if place == "memory" {
			stop(t, s)
			s = open(t, store.Options{Dir: dir})
		}
	}
	record(t, s, settled(find(young.Dest.Addr), message.Delivered))
	if m := find(young.Dest.Addr); m == nil || m.ID != old.ID {
		t.Errorf("the older one, still without a final state, was not found: %v", m)
	}
}

func TestReceiptsAfterRestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir, Settle: quick, TableRows: 300})
	keys := make([]message.ReceiptKey, 0, 1000)
	ids := make([]message.ID, 0, 1000)
	for n := range 1000 {
		m := newMessage(s, n)
		accept(t, s, m)
		record(t, s, submitted(m, smscID(m.ID)))
		keys = append(keys, message.ReceiptKey{Group: 1, SMSCID: smscID(m.ID)})
		ids = append(ids, m.ID)
		if n%50 == 0 {
			flush(t, s)
		}
	}
	stop(t, s)
	s = open(t, store.Options{Dir: dir, Settle: quick})
	if live := s.Stats().Live; live != 0 {
		t.Errorf("%d messages are in memory after a clean stop", live)
	}
	out := make([]store.ReceiptMatch, len(keys))
	dests := make([]string, len(keys))
	if found := s.FindReceipts(keys, dests, out); found != 0 {
		t.Errorf("%d receipts were found in an empty memory", found)
	}
	if err := s.LookupReceipts(t.Context(), keys, dests, out); err != nil {
		t.Fatal(err)
	}
	for i, r := range out {
		if !r.Found || r.Msg.ID != ids[i] {
			t.Fatalf("receipt %d: %+v", i, r)
		}
		record(t, s, settled(r.Msg, message.Delivered))
	}
	flush(t, s)
	if st := s.Stats(); st.Live != 0 {
		t.Errorf("%d settled messages stay in memory", st.Live)
	}
	if l := s.Ledgers()[7]; l[message.Delivered] != 1000 || l.Sum() != 1000 {
		t.Errorf("ledger %v", l)
	}
}
