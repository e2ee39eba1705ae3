package store_test

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"protei-bulk/bulk/journal/faultfs"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

func TestBacklogIsBounded(t *testing.T) {
	s := open(t, store.Options{MaxBacklog: 3})
	msgs := []*message.Message{newMessage(s, 1), newMessage(s, 2), newMessage(s, 3), newMessage(s, 4)}
	if err := s.Accept(t.Context(), msgs, store.AcceptExtra{}); !errors.Is(err, store.ErrBusy) {
		t.Fatalf("4 messages above a bound of 3: %v", err)
	}
	accept(t, s, msgs[:3]...)
}

func TestFullDiskRefuses(t *testing.T) {
	s, err := store.OpenEmbedded(store.Options{Dir: t.TempDir(), MinFreeDisk: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	if err := s.Accept(t.Context(), []*message.Message{newMessage(s, 1)}, store.AcceptExtra{}); !errors.Is(err, store.ErrDiskFull) {
		t.Fatalf("error %v", err)
	}
	blocks := []store.BlockRow{{Owner: 1, Kind: 1, First: 1, Count: 1, Data: []byte("x")}}
	if err := s.Write(t.Context(), &store.Change{Blocks: blocks}); !errors.Is(err, store.ErrDiskFull) {
		t.Errorf("blocks: %v", err)
	}
	if err := s.Write(t.Context(), &store.Change{Campaign: &store.CampaignRow{ID: 1}, Blocks: blocks}); err != nil {
		t.Errorf("the progress of a campaign: %v", err)
	}
}

func TestFailedSyncEndsTheStore(t *testing.T) {
	fs := faultfs.New()
	failed := make(chan error, 1)
	s, err := store.OpenEmbedded(store.Options{
		Dir: t.TempDir(), MinFreeDisk: -1, FS: fs, SegmentBytes: 1 << 20,
		Failed: func(err error) { failed <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(t.Context())
	m := newMessage(s, 1)
	accept(t, s, m)
	fs.SetHook(faultfs.FailNth(faultfs.OpDatasync, 1, syscall.EIO, false))
	for range 3 { // the disk works again after the first
		if err := s.Accept(t.Context(), []*message.Message{newMessage(s, 2)}, store.AcceptExtra{}); !errors.Is(err, store.ErrFailed) {
			t.Fatalf("error %v", err)
		}
	}
	result := make(chan error, 1)
	s.Record(submitted(m, "x"), func(err error) { result <- err })
	if err := <-result; !errors.Is(err, store.ErrFailed) {
		t.Errorf("record: %v", err)
	}
	if err := <-failed; !errors.Is(err, syscall.EIO) {
		t.Errorf("the hook got %v", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	stop(t, open(t, store.Options{Dir: dir}))
	conn, err := sqlite.OpenConn(filepath.Join(dir, "messages.db"), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sqlitex.ExecuteTransient(conn, "PRAGMA user_version = 99", nil), conn.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err = store.OpenEmbedded(store.Options{Dir: dir}); !errors.Is(err, store.ErrNewerSchema) {
		t.Fatalf("error %v", err)
	}
	if _, err := store.OpenEmbedded(store.Options{Dir: dir}); errors.Is(err, store.ErrLocked) {
		t.Error("the refused opening kept the lock")
	}
}

func TestRetentionDropsSettledTables(t *testing.T) {
	var ahead atomic.Int64 // of the clock
	s := open(t, store.Options{
		Settle: quick, TableRows: 10, Retention: 30 * 24 * time.Hour,
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	var first, pending *message.Message
	for day := range 5 {
		for n := range 10 {
			m := newMessage(s, n)
			accept(t, s, m)
			switch {
			case day == 0 && n == 0:
				first = m
			case day == 3 && n == 0:
				pending = m
				continue
			}
			record(t, s, settled(m, message.Delivered))
		}
		flush(t, s)
		ahead.Add(int64(24 * time.Hour))
	}
	ahead.Add(int64(40 * 24 * time.Hour))
	accept(t, s, newMessage(s, 99))
	flush(t, s)
	for s.Stats().Tables > 3 {
		if err := s.PutObject(t.Context(), "test", "wait", nil); err != nil {
			t.Fatal(err)
		}
		ahead.Add(int64(time.Second))
	}
	if _, err := s.Message(t.Context(), first.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a message past retention: %v", err)
	}
	if _, err := s.Message(t.Context(), pending.ID); err != nil {
		t.Errorf("an unsettled message past retention: %v", err)
	}
	if got := walk(t, s, store.Query{Account: 7}, 1000); got != 21 {
		t.Errorf("%d messages are listed, want 21", got)
	}
	if l := s.Ledgers()[7]; l.Sum() != 51 {
		t.Errorf("the ledger forgot dropped messages: %v", l)
	}
}

// A lane that is too long for memory keeps the oldest and gives the rest by LoadLane.
func TestLongLaneWaitsOnDisk(t *testing.T) {
	dir := t.TempDir()
	opts := store.Options{Dir: dir, Settle: quick, LaneCache: 100, TableRows: 1500}
	s := open(t, opts)
	const total = 5000
	lane := message.Lane{Connector: 1, Priority: message.Normal}
	objects := make(map[message.ID]*message.Message)
	for n := 0; n < total; n += 100 {
		msgs := make([]*message.Message, 100)
		for i := range msgs {
			msgs[i] = newMessage(s, n+i)
			objects[msgs[i].ID] = msgs[i]
		}
		accept(t, s, msgs...)
		if n%1000 == 0 {
			flush(t, s)
		}
	}
	flush(t, s)
	if live := s.Stats().Live; live > 1200 {
		t.Errorf("%d messages are in memory, the lane may keep about 100", live)
	}
	for _, m := range objects { // through objects that were evicted long ago
		record(t, s, message.Event{Kind: message.Settle, Msg: m, Status: message.Cancelled, At: m.SubmittedAt + 1})
		delete(objects, m.ID)
		break
	}
	stop(t, s)
	s = open(t, opts)
	seen, after, last := 0, uint64(0), uint64(0)
	for {
		msgs, complete, err := s.LoadLane(t.Context(), lane, after, 700)
		if err != nil {
			t.Fatal(err)
		}
		if len(msgs) == 0 && complete == after {
			break
		}
		after = complete
		for _, m := range msgs {
			if m.LaneSeq <= last || objects[m.ID] == nil {
				t.Fatalf("message %s with sequence %d after %d", m.ID, m.LaneSeq, last)
			}
			last = m.LaneSeq
			seen++
		}
	}
	if seen != total-1 {
		t.Errorf("%d messages were loaded, want %d", seen, total-1)
	}
	if next := s.Recovery()[0].Next; next != total+1 {
		t.Errorf("next sequence %d, want %d", next, total+1)
	}
}
