package bulk

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/store"
)

// startIdle starts a platform without a connector, and a queue that the test takes from.
func startIdle(t *testing.T) (*Platform, *queue.Queue) {
	t.Helper()
	return startIdleWith(t, DefaultConfig().Limits.LaneMemory)
}

// startIdleWith bounds what the lanes hold in memory.
func startIdleWith(t *testing.T, memory int) (*Platform, *queue.Queue) {
	t.Helper()
	c := DefaultConfig()
	c.Limits.LaneMemory = memory
	c.Data, c.HTTP, c.SMPP, c.Durability, c.MinFreeDisk = t.TempDir(), "127.0.0.1:0", "off", "none", 0
	p, err := New(Options{Config: c, Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p, p.lanes.Connector(1)
}

// acceptParts puts a message of n parts into the store.
func acceptParts(t *testing.T, p *Platform, n int) *message.Message {
	t.Helper()
	m := &message.Message{
		ID: p.store.IDs().Next(), Account: 1, Connector: 1, Priority: message.Normal, Status: message.Pending,
		Flags: message.WantReceipt, SubmittedAt: time.Now().UnixMilli(), Payload: []byte("hello"),
	}
	m.SetParts(n)
	for i := range m.Parts {
		m.Parts[i].End = uint32(i + 1)
	}
	if err := p.store.Accept(t.Context(), []*message.Message{m}, store.AcceptExtra{}); err != nil {
		t.Fatal(err)
	}
	return m
}

func takeOne(t *testing.T, q *queue.Queue) queue.Item {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	items := make([]queue.Item, 4)
	n, err := q.Take(ctx, items, nil)
	if n != 1 || err != nil {
		t.Fatalf("took %d messages, %v", n, err)
	}
	return items[0]
}

func TestHeldMessageIsReleasedOnce(t *testing.T) {
	p, q := startIdle(t)
	r := reader{p}
	m := acceptParts(t, p, 1)
	first := takeOne(t, q)
	if err := r.Release(t.Context(), m.ID); !errors.Is(err, api.ErrNotHeld) {
		t.Fatalf("released while it was sent: %v", err)
	}
	if err := r.record(t.Context(), m.ID, message.Event{Kind: message.Hold, Part: message.AllParts}); err != nil {
		t.Fatal(err)
	}
	var released atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			switch err := r.Release(context.Background(), m.ID); {
			case err == nil:
				released.Add(1)
			case !errors.Is(err, api.ErrNotHeld):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if released.Load() != 1 {
		t.Fatalf("%d releases worked, want one", released.Load())
	}
	again := takeOne(t, q)
	if again.Msg.ID != m.ID || !again.Dup || again.Suspect || again.Seq <= first.Seq {
		t.Errorf("sent again as %+v, want the same message, marked, at the end of its lane", again)
	}
	if now, err := r.Message(t.Context(), m.ID); err != nil || now.Status != message.Pending || !now.PossibleDuplicate {
		t.Errorf("%+v, %v", now, err)
	}
}

func TestHeldMessageIsCancelled(t *testing.T) {
	p, q := startIdle(t)
	r := reader{p}
	m := acceptParts(t, p, 2)
	takeOne(t, q)
	err := r.record(t.Context(), m.ID,
		message.Event{Kind: message.Submitted, Part: 0, SMSCID: "a"}, message.Event{Kind: message.Hold, Part: 1})
	if err != nil {
		t.Fatal(err)
	}
	if now, _ := r.Message(t.Context(), m.ID); now.Status != message.Held {
		t.Fatalf("%v with one part held, want HELD", now.Status)
	}
	if err := r.Cancel(t.Context(), m.ID); err != nil {
		t.Fatal(err)
	}
	now, err := r.Message(t.Context(), m.ID)
	if err != nil || now.Status != message.Sent || now.Parts[0].Status != message.Sent || now.Parts[1].Status != message.Cancelled {
		t.Errorf("%+v, %v: the part that the SMSC has goes its way", now, err)
	}
	if err := r.Release(t.Context(), m.ID); !errors.Is(err, api.ErrNotHeld) {
		t.Errorf("released after the cancel: %v", err)
	}
	if err := r.Cancel(t.Context(), m.ID); !errors.Is(err, api.ErrTooLate) {
		t.Errorf("cancelled twice: %v", err)
	}
}
