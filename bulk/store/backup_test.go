package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// A backup is taken again and again while messages are accepted and settled. Each one,
// opened as a store, holds every message that was acknowledged before it began, in the state
// of then or a later one, and its ledger closes.
func TestBackupWhileItWorks(t *testing.T) {
	s := open(t, store.Options{SegmentBytes: 64 << 10, TableRows: 500, Settle: quick})
	var (
		mu      sync.Mutex
		settles = make(map[message.ID]bool) // acknowledged; value: its final state too
		serial  atomic.Int64
		load    sync.WaitGroup
	)
	ctx, cancel := context.WithCancel(t.Context())
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				m := newMessage(s, int(serial.Add(1)))
				accept(t, s, m)
				mu.Lock()
				settles[m.ID] = false
				mu.Unlock()
				record(t, s, submitted(m, m.ID.String()), settled(m, message.Delivered))
				mu.Lock()
				settles[m.ID] = true
				mu.Unlock()
			}
		})
	}
	defer load.Wait()
	defer cancel()
	for round := range 4 {
		for want := int64(400 * (round + 1)); serial.Load() < want; {
			flush(t, s)
		}
		mu.Lock()
		known := make(map[message.ID]bool, len(settles))
		for id, done := range settles {
			known[id] = done
		}
		mu.Unlock()
		dir := filepath.Join(t.TempDir(), "copy")
		if err := s.Backup(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		checkBackup(t, dir, known)
	}
}

func checkBackup(t *testing.T, dir string, known map[message.ID]bool) {
	t.Helper()
	found, err := store.CheckFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if found.Records < uint64(len(known)) || found.Replay > found.Records {
		t.Errorf("%+v for %d messages", found, len(known))
	}
	s := open(t, store.Options{Dir: dir, SegmentBytes: 64 << 10, TableRows: 500})
	for id, done := range known {
		m, err := s.Message(t.Context(), id)
		if err != nil {
			t.Fatalf("message %s, acknowledged before the backup: %v", id, err)
		}
		if done && m.Status != message.Delivered {
			t.Fatalf("message %s was DELIVERED before the backup and is %v in it", id, m.Status)
		}
	}
	if ledger, accepted := s.Ledgers()[7], s.Accepted()[7]; ledger.Sum() != accepted || accepted < int64(len(known)) {
		t.Errorf("ledger %v of %d accepted, %d were known", ledger, accepted, len(known))
	}
	m := newMessage(s, 1)
	for id := range known {
		if m.ID <= id {
			t.Fatalf("the copy issues %s, at or below %s", m.ID, id)
		}
	}
	accept(t, s, m)
	stop(t, s)
}

func TestBackupNeedsRoom(t *testing.T) {
	dir := t.TempDir()
	s, err := store.OpenEmbedded(store.Options{Dir: dir, MinFreeDisk: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	to := filepath.Join(t.TempDir(), "copy")
	if err := s.Backup(t.Context(), to); err == nil || !strings.Contains(err.Error(), "a backup needs") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(to); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
}

func TestCheckFolderFindsDamage(t *testing.T) {
	s := open(t, store.Options{SegmentBytes: 64 << 10})
	for n := range 2000 {
		accept(t, s, newMessage(s, n))
	}
	copyOf := func() string {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := s.Backup(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	whole := copyOf()
	if _, err := store.CheckFolder(whole); err != nil {
		t.Fatal(err)
	}
	for name, harm := range map[string]func(dir string) error{
		"no database": func(dir string) error { return os.Remove(filepath.Join(dir, store.DatabaseName)) },
		"a page is not": func(dir string) error {
			f, err := os.OpenFile(filepath.Join(dir, store.DatabaseName), os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt(make([]byte, 40_000), 4096)
			return err
		},
		"another store's journal": func(dir string) error {
			other := open(t, store.Options{})
			accept(t, other, newMessage(other, 1))
			from := filepath.Join(t.TempDir(), "other")
			if err := other.Backup(t.Context(), from); err != nil {
				return err
			}
			to := filepath.Join(dir, "journal")
			return firstError(os.RemoveAll(to), os.Rename(filepath.Join(from, "journal"), to))
		},
		"a segment is missing": func(dir string) error {
			// The one of the database's position; how many follow depends on what SQLite holds already.
			names, err := filepath.Glob(filepath.Join(dir, "journal", "*.seg"))
			if err != nil || len(names) == 0 {
				t.Fatalf("%v: %v", names, err)
			}
			return os.Remove(names[0])
		},
	} {
		dir := copyOf()
		if err := harm(dir); err != nil {
			t.Fatal(err)
		}
		if c, err := store.CheckFolder(dir); err == nil {
			t.Errorf("%s: passes with %+v", name, c)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
