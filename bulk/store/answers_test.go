package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// request makes a stamped request of n messages; its answer names them.
func request(s *store.Embedded, name string, n int) ([]*message.Message, *message.Answer) {
	batch := s.IDs().Next()
	msgs := make([]*message.Message, n)
	var ids []string
	for i := range msgs {
		msgs[i] = newMessage(s, i, func(m *message.Message) { m.Batch = batch })
		ids = append(ids, msgs[i].ID.String())
	}
	return msgs, &message.Answer{
		Account: 7, Key: sha256.Sum256([]byte(name)), Body: [32]byte{1}, At: time.Now().UnixMilli(), Status: 201,
		Location: "/x", Text: []byte(strings.Join(ids, " ")),
	}
}

func TestAnswersGoAfterADay(t *testing.T) {
	var clock atomic.Int64
	clock.Store(time.Now().UnixMilli())
	s := open(t, store.Options{Now: func() time.Time { return time.UnixMilli(clock.Load()) }})
	ask := func(name string) *message.Answer {
		msgs, a := request(s, name, 1)
		a.At = clock.Load()
		if err := s.Accept(t.Context(), msgs, store.AcceptExtra{Answer: a}); err != nil {
			t.Fatal(err)
		}
		return a
	}
	rows := func(want int64) { // each step is a look of the housekeeping
		for tries := 0; store.AnswerRows(s) != want; tries++ {
			if tries == 100 {
				t.Fatalf("%d answers are stored, want %d", store.AnswerRows(s), want)
			}
			clock.Add(1100)
			if err := s.PutObject(t.Context(), "test", "pace", nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	old := ask("old")
	rows(1)
	clock.Add((store.AnswerAge - 5*time.Minute).Milliseconds())
	young := ask("young")
	rows(2)
	clock.Add((6 * time.Minute).Milliseconds())
	if _, err := s.Answer(t.Context(), 7, old.Key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an old answer: %v", err)
	}
	rows(1)
	if _, err := s.Answer(t.Context(), 7, young.Key); err != nil {
		t.Error(err)
	}
}

// TestRequestTooLargeForOneCommit: its messages and its answer could not be durable together.
func TestRequestTooLargeForOneCommit(t *testing.T) {
	m := newMachine(t, store.Options{}) // segments of 256 KiB
	msgs, answer := request(m.s, "large", 1000)
	if err := m.s.Accept(t.Context(), msgs, store.AcceptExtra{Answer: answer}); !errors.Is(err, store.ErrTooLarge) {
		t.Fatalf("error %v", err)
	}
	if _, err := m.s.Message(t.Context(), msgs[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a message of it: %v", err)
	}
}

// TestAnswersAndMessagesCrashTogether: whatever a crash leaves of the journal, an answer is
// there with all of its messages, or none of them is.
func TestAnswersAndMessagesCrashTogether(t *testing.T) {
	m := newMachine(t, store.Options{Settle: 20 * time.Millisecond})
	type sent struct {
		msgs   []*message.Message
		answer *message.Answer
		acked  bool
	}
	var mu sync.Mutex
	var all []*sent
	whole, none := 0, 0
	for round := range crashRounds() {
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				for n := range 300 {
					r := &sent{}
					r.msgs, r.answer = request(m.s, fmt.Sprintf("%d-%d-%d", round, worker, n), 1+n%40)
					err := m.s.Accept(context.Background(), r.msgs, store.AcceptExtra{Answer: r.answer})
					r.acked = err == nil
					mu.Lock()
					all = append(all, r)
					mu.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
		err := m.crashAt([]string{"begin", "committed", "released"}[round%3])
		wg.Wait()
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for _, r := range all {
			there := 0
			for _, msg := range r.msgs {
				if _, err := m.s.Message(t.Context(), msg.ID); err == nil {
					there++
				}
			}
			got, err := m.s.Answer(t.Context(), 7, r.answer.Key)
			switch {
			case err == nil && there == len(r.msgs) && string(got.Text) == string(r.answer.Text):
				whole++
			case errors.Is(err, store.ErrNotFound) && there == 0 && !r.acked:
				none++
			default:
				t.Fatalf("round %d: %d of %d messages, answer %v, acknowledged %v", round, there, len(r.msgs), err, r.acked)
			}
		}
		all = all[:0]
		checkLedger(t, m.s)
	}
	if !testing.Short() && (whole < 100 || none == 0) {
		t.Errorf("%d requests came through a crash and %d did not: too few of a kind to show anything", whole, none)
	}
}
