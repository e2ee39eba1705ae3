package store_test

import (
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// TestLogsAreKeptForTheirOwnTime: messages may go sooner than what people did.
func TestLogsAreKeptForTheirOwnTime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	old, young := message.FirstID(time.Now().Add(-2*time.Hour)).String(), message.FirstID(time.Now()).String()
	if err := s.AppendLog(t.Context(), store.AuditLog, []store.LogEntry{{Key: old, Value: []byte("o")}, {Key: young, Value: []byte("y")}}); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	s = open(t, store.Options{Dir: dir, AuditRetention: time.Hour}) // looks at its logs when it starts
	deadline := time.Now().Add(30 * time.Second)
	for {
		entries, err := s.Log(t.Context(), store.AuditLog, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 1 && entries[0].Key == young {
			return
		}
		if len(entries) == 0 || time.Now().After(deadline) {
			t.Fatalf("%d entries are kept", len(entries))
		}
		time.Sleep(10 * time.Millisecond)
	}
}
