package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// answers: the answer to a request is kept with its messages.
func answers(s *suite) {
	m := s.message(1)
	want := &message.Answer{
		Account: 7, Key: sha256.Sum256([]byte("a")), Body: [32]byte{1}, At: time.Now().UnixMilli(), Status: 201,
		Location: "/x", Text: []byte(m.ID.String()),
	}
	s.must(s.Accept(context.Background(), []*message.Message{m}, store.AcceptExtra{Answer: want}))
	for _, when := range []string{"at once", "where it stays", "after a start"} {
		got, err := s.Answer(context.Background(), 7, want.Key)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			s.Errorf("%s: %v (-want +got):\n%s", when, err, diff)
		}
		if when == "at once" {
			s.flush()
		} else {
			s.reopen()
		}
	}
	if _, err := s.Answer(context.Background(), 8, want.Key); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("another account's answer: %v", err)
	}
}

func partsByQuarter(s *suite) {
	day := time.Now().UTC().Truncate(24 * time.Hour)
	at := func(d time.Duration, n int) func(*message.Message) {
		return func(m *message.Message) { m.SubmittedAt = day.Add(d).UnixMilli(); m.SetParts(n) }
	}
	s.accept(s.message(1, at(-time.Millisecond, 1)), s.message(2, at(0, 2)), s.message(3, at(23*time.Hour, 3)),
		s.message(4, at(24*time.Hour, 5)), s.message(5, at(0, 255), func(m *message.Message) { m.Account = 8 }))
	for _, when := range []string{"at once", "where they stay", "after a start"} {
		for _, c := range []struct {
			account  uint32
			from, to time.Duration
			want     int64
		}{
			{7, 0, 24 * time.Hour, 2 + 3},
			{7, -15 * time.Minute, 24 * time.Hour, 1 + 2 + 3},
			{7, -24 * time.Hour, 0, 1},
			{7, 0, 15 * time.Minute, 2},
			{7, 15 * time.Minute, 24 * time.Hour, 3},
			{7, 24 * time.Hour, 48 * time.Hour, 5},
			{8, 0, 48 * time.Hour, 255},
			{9, 0, 48 * time.Hour, 0},
			{7, -400 * 24 * time.Hour, 400 * 24 * time.Hour, 11},
		} {
			if got := s.Parts(c.account, day.Add(c.from).UnixMilli(), day.Add(c.to).UnixMilli()); got != c.want {
				s.Errorf("%s, account %d from %s to %s: %d parts, want %d", when, c.account, c.from, c.to, got, c.want)
			}
		}
		if when == "at once" {
			s.flush()
		} else {
			s.reopen()
		}
	}
}

// ledgerCloses: at every moment the messages by status are those that were accepted.
func ledgerCloses(s *suite) {
	msgs := make([]*message.Message, 8)
	for i := range msgs {
		msgs[i] = s.message(i)
	}
	msgs[5].Flags &^= message.WantReceipt
	scheduled(time.Now().Add(time.Hour).UnixMilli())(msgs[6])
	s.accept(msgs...)
	s.record(submitted(msgs[0], "0"), settled(msgs[0], message.Delivered), submitted(msgs[1], "1"), settled(msgs[2], message.Rejected),
		message.Event{Kind: message.Hold, Msg: msgs[3], Part: message.AllParts, At: 1}, settled(msgs[4], message.Expired), submitted(msgs[5], "5"))
	var want store.Ledger
	for _, status := range []message.Status{message.Delivered, message.Sent, message.Rejected, message.Held, message.Expired, message.Scheduled, message.Pending} {
		want[status]++
	}
	want[store.SentDone]++
	for _, when := range []string{"at once", "where they stay", "after a start"} {
		if diff := cmp.Diff(map[uint32]store.Ledger{7: want}, s.Ledgers()); diff != "" {
			s.Errorf("%s: ledgers (-want +got):\n%s", when, diff)
		}
		if got := s.Accepted()[7]; got != want.Sum() {
			s.Errorf("%s: %d accepted, %d in the ledger", when, got, want.Sum())
		}
		if when == "at once" {
			s.flush()
		} else {
			s.reopen()
		}
	}
}
