package dispatch_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

// ordered makes n ordered messages to each of dests, with the numbers from on as texts.
func (r *rig) ordered(dests, from, n int) []*message.Message {
	var msgs []*message.Message
	for i := from; i < from+n; i++ {
		for d := range dests {
			m := r.message(d, strconv.Itoa(i))
			m.Flags |= message.Ordered
			m.Priority = message.Priority(i % int(message.NumPriorities)) // lanes do not matter
			msgs = append(msgs, m)
		}
	}
	return msgs
}

// taken notes what an SMSC took, by destination.
type taken struct {
	mu sync.Mutex
	by map[string][]string
}

func (k *taken) take(p *smpp.SubmitSM) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.by == nil {
		k.by = map[string][]string{}
	}
	k.by[string(p.Dest.Addr)] = append(k.by[string(p.Dest.Addr)], string(p.ShortMessage))
}

// check looks for the numbers below n in their order at each of dests; one that came twice
// in a row is one.
func (k *taken) check(t *testing.T, dests, n int) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.by) != dests {
		t.Errorf("%d destinations", len(k.by))
	}
	for dest, texts := range k.by {
		next := 0
		for i, text := range texts {
			if i > 0 && text == texts[i-1] {
				continue // after a crash, or a lost answer
			}
			if text != strconv.Itoa(next) {
				t.Fatalf("%s: %s where %d was expected: %v", dest, text, next, texts)
			}
			next++
		}
		if next != n {
			t.Errorf("%s got %d of %d", dest, next, n)
		}
	}
}

// TestOrder: ordered messages to one destination reach the SMSC in the order of their
// acceptance, over several binds, refusals for now, throttling and retries; others do not
// wait for them.
func TestOrder(t *testing.T) {
	const dests, n = 7, 40
	m := newSMSC(t, 50)
	var took taken
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, p *smpp.SubmitSM) {
		switch rand.IntN(20) {
		case 0:
			s.Respond(r.Seq, r.ID, smpp.RSYSERR, nil)
		case 1:
			s.Respond(r.Seq, r.ID, smpp.RTHROTTLED, nil)
		default:
			took.take(p)
			m.accept(s, r)
		}
	})
	r := newRig(t, m, settings{url: "binds=4&window=50", dispatch: dispatch.Options{RetryMin: 5 * time.Millisecond, RetryMax: 20 * time.Millisecond}})
	msgs := r.ordered(dests, 0, n)
	for len(msgs) > 0 { // in groups, while sending goes on
		k := min(len(msgs), 13)
		r.accept(msgs[:k]...)
		msgs = msgs[k:]
	}
	r.expect(message.Sent, dests*n)
	took.check(t, dests, n)
	if r.lanes.OrderFull() {
		t.Error("nothing waits, and it is full")
	}
}

// TestOrderAfterCrashes: the order holds when processes die in the midst of it.
func TestOrderAfterCrashes(t *testing.T) {
	const dests, n, rounds = 5, 30, 4
	m := newSMSC(t, 50)
	var took taken
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, p *smpp.SubmitSM) {
		if rand.IntN(5) == 0 {
			s.Respond(r.Seq, r.ID, smpp.RSYSERR, nil)
			return
		}
		took.take(p)
		m.accept(s, r)
	})
	opts := settings{url: "binds=3&window=50", memory: 64, dispatch: dispatch.Options{RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond}}
	r := newRig(t, m, opts)
	for round := range rounds {
		r.accept(r.ordered(dests, round*n, n)...)
		eventually(t, "some are sent", func() bool { return r.store.Count()[message.Sent] >= round*n*dests+n })
		if round < rounds-1 {
			ids := r.ids
			opts.store = r.crash()
			r = newRig(t, m, opts)
			r.ids = ids
		}
	}
	r.expect(message.Sent, dests*n*rounds)
	took.check(t, dests, n*rounds)
}

// TestOrderHoldsOnlyItsOwn: a destination that the SMSC does not take holds nobody else up,
// and its messages leave when the first of them has ended.
func TestOrderHoldsOnlyItsOwn(t *testing.T) {
	m := newSMSC(t, 50)
	var took taken
	m.onSubmit(func(s *smpp.Session, r *smpp.Request, p *smpp.SubmitSM) {
		if string(p.ShortMessage) == "0" && string(p.Dest.Addr) == "99361000000" {
			s.Respond(r.Seq, r.ID, smpp.RSYSERR, nil)
			return
		}
		took.take(p)
		m.accept(s, r)
	})
	r := newRig(t, m, settings{url: "binds=2&window=10", dispatch: dispatch.Options{RetryMin: 50 * time.Millisecond, RetryMax: time.Second, MaxAttempts: 4}})
	msgs := r.ordered(2, 0, 5)
	plain := r.message(0, "plain")
	r.accept(append(msgs, plain)...)
	eventually(t, "the others are sent", func() bool { return r.store.Count()[message.Sent] >= 6 })
	r.expect(message.Sent, 10)
	r.expect(message.Failed, 1)
	took.mu.Lock()
	defer took.mu.Unlock()
	held := took.by["99361000000"]
	if fmt.Sprint(held) != "[plain 1 2 3 4]" {
		t.Errorf("behind the one that failed: %v", held)
	}
}
