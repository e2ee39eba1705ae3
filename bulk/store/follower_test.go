package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// follower has kept what it was told of.
type follower struct {
	mu     sync.Mutex
	told   *sync.Cond
	record uint64 // guarded by mu
}

func newFollower() *follower {
	f := &follower{}
	f.told = sync.NewCond(&f.mu)
	return f
}

func (f *follower) Follow(_ []message.Event, record uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.record = max(f.record, record)
	f.told.Broadcast()
}

func (f *follower) Keep(ctx context.Context, record uint64) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.told.Broadcast()
	})()
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.record < record {
		if ctx.Err() != nil {
			return fmt.Errorf("told of %d records, asked to keep %d", f.record, record)
		}
		f.told.Wait()
	}
	return nil
}

// TestFollowerIsToldOfTheWholeReplay: when the last records of the journal are no events, the
// follower has come as far as they do after a start, and SQLite does not wait for it until
// somebody sends a message.
func TestFollowerIsToldOfTheWholeReplay(t *testing.T) {
	m := newMachine(t, store.Options{Follower: newFollower()})
	accept(t, m.s, newMessage(m.s, 1))
	flush(t, m.s)
	done := make(chan error, 1)
	m.s.ParkReceipt(message.Receipt{Key: message.ReceiptKey{Group: 3, SMSCID: "early"}, Dest: "491701", Status: message.Delivered, At: time.Now().UnixMilli()},
		func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	again := newFollower()
	m.opts.Follower = again
	if err := m.crashAt("begin"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := m.s.PutObject(ctx, "test", "after", nil); err != nil {
		t.Errorf("a write after the start: %v", err)
	}
	if again.record == 0 {
		t.Error("nothing was replayed: this shows nothing")
	}
}
