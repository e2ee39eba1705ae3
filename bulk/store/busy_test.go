package store_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// While messages come faster than the database takes them, a write of an account or a route
// rides in the next transaction: it does not wait until the database has caught up.
func TestWritesDoNotWaitForTheBacklog(t *testing.T) {
	var (
		s            *store.Embedded
		feeding      atomic.Bool
		transactions atomic.Int64
		serial       atomic.Int64
	)
	opts := store.Probed(store.Options{Dir: t.TempDir(), MinFreeDisk: -1, Settle: time.Nanosecond}, func(point string) {
		if point != "begin" || !feeding.Load() {
			return
		}
		transactions.Add(1)
		more := []*message.Message{newMessage(s, int(serial.Add(1)))}                                       // there is always more that is due
		if err := s.Accept(context.Background(), more, store.AcceptExtra{}); err != nil && feeding.Load() { // else the store stops
			t.Error(err)
		}
	})
	var err error
	if s, err = store.OpenEmbedded(opts); err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	feeding.Store(true)
	defer feeding.Store(false)
	accept(t, s, newMessage(s, 0))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for transactions.Load() < 3 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	for range 3 {
		if err := s.PutObject(ctx, "test", "key", []byte("value")); err != nil {
			t.Fatalf("after %d transactions: %v", transactions.Load(), err)
		}
	}
}
