package store_test

import (
	"errors"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// TestALogEntryGoesWithItsChange: both or none.
func TestALogEntryGoesWithItsChange(t *testing.T) {
	s := open(t, store.Options{})
	entry := store.LogEntry{Key: "01", Value: []byte("first")}
	ctx := store.Alongside(t.Context(), store.AuditLog, func() store.LogEntry { return entry })
	count := func() int {
		t.Helper()
		entries, err := s.Log(t.Context(), store.AuditLog, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if err := s.PutAccount(ctx, &store.AccountRow{Name: "a", SystemID: "x", Settings: []byte("{}")}); err != nil || count() != 1 {
		t.Fatal(err, count())
	}
	entry.Key = "02"
	if err := s.PutAccount(ctx, &store.AccountRow{Name: "b", SystemID: "x", Settings: []byte("{}")}); !errors.Is(err, store.ErrTaken) || count() != 1 {
		t.Errorf("%v, %d entries: a change that failed is in the log", err, count())
	}
	if err := s.DeleteObject(ctx, "nothing", "here"); !errors.Is(err, store.ErrNotFound) || count() != 1 {
		t.Errorf("%v, %d entries", err, count())
	}
	if err := s.PutObject(t.Context(), "a", "b", nil); err != nil || count() != 1 {
		t.Errorf("%v, %d entries: a change that nobody asked for is in the log", err, count())
	}
}

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
