package bulk

import (
	"context"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/store"
)

// acceptValid puts n messages of three accounts into the store that are valid until then.
func acceptValid(t *testing.T, p *Platform, n int, until time.Time) map[message.ID]*message.Message {
	t.Helper()
	all := make(map[message.ID]*message.Message, n)
	var list []*message.Message
	for i := range n {
		m := &message.Message{
			ID: p.store.IDs().Next(), Account: uint32(1 + i%3), Connector: 1, Priority: message.Normal, Status: message.Pending,
			Flags: message.WantReceipt, SubmittedAt: time.Now().UnixMilli(), ValidUntil: until.UnixMilli(),
		}
		m.SetParts(1)
		all[m.ID] = m
		list = append(list, m)
	}
	if err := p.store.Accept(t.Context(), list, store.AcceptExtra{}); err != nil {
		t.Fatal(err)
	}
	return all
}

// sweepOften sweeps in tiny steps until the end of the test.
func sweepOften(t *testing.T, p *Platform) {
	t.Helper()
	s, err := dispatch.NewSweeper(dispatch.SweepOptions{Store: p.store, Lanes: p.lanes, Every: time.Millisecond, Batch: 7, Pages: 2})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Stop)
}

func statuses(t *testing.T, p *Platform, ids map[message.ID]*message.Message) map[message.Status]int {
	t.Helper()
	n := make(map[message.Status]int)
	for id := range ids {
		m, err := p.store.Message(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		n[m.Status]++
	}
	return n
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestSweeperReachesThoseBehindTheLongValid has more messages in front that are valid for
// long than a round looks at.
func TestSweeperReachesThoseBehindTheLongValid(t *testing.T) {
	p, _ := startIdle(t)
	send := func(all map[message.ID]*message.Message) {
		evs := make([]message.Event, 0, len(all))
		for _, m := range all {
			evs = append(evs, message.Event{Kind: message.Submitted, Msg: m, SMSCID: m.ID.String(), At: m.SubmittedAt})
		}
		done := make(chan error, 1)
		p.store.RecordMany(evs, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	valid := acceptValid(t, p, 100, time.Now().Add(time.Hour))
	overdue := acceptValid(t, p, 20, time.Now().Add(-25*time.Hour))
	send(valid)
	send(overdue)
	sweepOften(t, p)
	eventually(t, "all overdue ones are UNKNOWN", func() bool { return statuses(t, p, overdue)[message.Unknown] == 20 })
	if n := statuses(t, p, valid); n[message.Sent] != 100 {
		t.Errorf("%v of the valid ones", n)
	}
}

// TestExpiryBehindAFullLane has messages that only the disk holds expire while those in
// front of them are valid and nothing is sent.
func TestExpiryBehindAFullLane(t *testing.T) {
	p, q := startIdleWith(t, 160)
	valid := acceptValid(t, p, 300, time.Now().Add(time.Hour))
	expired := acceptValid(t, p, 50, time.Now().Add(-time.Second))
	disk := false
	for _, d := range q.Depths(nil) {
		disk = disk || d.Disk
	}
	if !disk {
		t.Fatal("the lane is not in disk mode")
	}
	sweepOften(t, p)
	eventually(t, "all are EXPIRED", func() bool { return statuses(t, p, expired)[message.Expired] == 50 })
	if n := statuses(t, p, valid); n[message.Pending] != 300 {
		t.Errorf("%v of the valid ones", n)
	}
	taken := drain(t, q, 300)
	for id := range taken {
		if valid[id] == nil {
			t.Errorf("%s was taken and is EXPIRED", id)
		}
	}
}

// drain takes n messages.
func drain(t *testing.T, q *queue.Queue, n int) map[message.ID]bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	taken := make(map[message.ID]bool)
	items := make([]queue.Item, 16)
	for len(taken) < n {
		k, err := q.Take(ctx, items, nil)
		if err != nil {
			t.Fatalf("after %d: %v", len(taken), err)
		}
		for _, it := range items[:k] {
			if taken[it.Msg.ID] {
				t.Errorf("%s was taken twice", it.Msg.ID)
			}
			taken[it.Msg.ID] = true
		}
	}
	return taken
}

// TestExpiryAndDispatchDoNotBothWin takes messages while the sweeper expires them.
func TestExpiryAndDispatchDoNotBothWin(t *testing.T) {
	p, q := startIdleWith(t, 160)
	all := acceptValid(t, p, 600, time.Now().Add(-time.Second))
	eventually(t, "they are on disk, where the sweeper looks", func() bool {
		rows, _, err := p.store.LoadOpen(t.Context(), message.Pending, message.Place{}, 1000, func(*message.Message) bool { return true })
		return err == nil && len(rows) == len(all)
	})
	sweepOften(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	taken := make(map[message.ID]bool)
	var taker sync.WaitGroup
	taker.Go(func() {
		items := make([]queue.Item, 3)
		for {
			n, err := q.Take(ctx, items, nil)
			if err != nil {
				return
			}
			mu.Lock()
			for _, it := range items[:n] {
				taken[it.Msg.ID] = true
			}
			mu.Unlock()
			time.Sleep(time.Millisecond)
		}
	})
	eventually(t, "each has one end", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return statuses(t, p, all)[message.Expired]+len(taken) == len(all)
	})
	cancel()
	taker.Wait()
	for id := range taken {
		if m, err := p.store.Message(t.Context(), id); err != nil || m.Status != message.Pending {
			t.Errorf("%s was taken and is %v, %v", id, m.Status, err)
		}
	}
	t.Logf("%d taken, %d expired", len(taken), statuses(t, p, all)[message.Expired])
}
