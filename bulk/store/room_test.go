package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/journal/faultfs"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/store"
)

// logged is a log that can be read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// until waits for something that the store does by itself.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain for %s", what)
		}
	}
}

// waitsFor reports whether something that was taken waits for room.
func waitsFor(s *store.Embedded, what string) bool {
	err := s.Err()
	return err != nil && strings.Contains(err.Error(), what+" waits")
}

// TestFullDatabaseRefusesAndGoesOn: while SQLite has no room nothing new is taken, by no way in; what was taken
// can be read and changes; and all is there when there is room again.
func TestFullDatabaseRefusesAndGoesOn(t *testing.T) {
	log := &logged{}
	m := newMachine(t, store.Options{Settle: quick, Logger: log.logger()})
	old := newMessage(m.s, 1)
	accept(t, m.s, old)
	ctx := t.Context()
	m.whileFull(0, func() {
		if m.s.Err() == nil {
			return // not yet
		}
		if err := m.s.Err(); !errors.Is(err, store.ErrDiskFull) || !waitsFor(m.s, "database") {
			t.Errorf("the store says %v", err)
		}
		blocks := []store.BlockRow{{Owner: 1, Kind: 1, First: 1, Count: 1, Data: []byte("x")}}
		for what, try := range map[string]func() error{
			"a message":  func() error { return m.s.Accept(ctx, []*message.Message{newMessage(m.s, 2)}, store.AcceptExtra{}) },
			"an object":  func() error { return m.s.PutObject(ctx, "test", "small", []byte("x")) },
			"an account": func() error { return m.s.PutAccount(ctx, &store.AccountRow{Name: "x"}) },
			"a campaign": func() error { return m.s.Write(ctx, &store.Change{Campaign: &store.CampaignRow{ID: 1}}) },
			"blocks":     func() error { return m.s.Write(ctx, &store.Change{Blocks: blocks}) },
			"money": func() error {
				_, _, err := m.s.Move(ctx, money.Movement{Account: 7, Kind: money.TopUp, Amount: 5}, 0)
				return err
			},
			"an inbound message": func() error {
				done := make(chan error, 1)
				m.s.RecordInbound(newInbound(m.s), func(err error) { done <- err })
				return <-done
			},
		} {
			if err := try(); !errors.Is(err, store.ErrDiskFull) {
				t.Errorf("%s on a full disk: %v", what, err)
			}
		}
		record(t, m.s, submitted(old, "x"), settled(old, message.Delivered))
		if got, err := m.s.Message(ctx, old.ID); err != nil || got.Status != message.Delivered {
			t.Errorf("a receipt on a full disk: %v, %v", got, err)
		}
		if _, err := m.s.Movements(ctx, 7, 0, 10); err != nil {
			t.Errorf("the movements on a full disk: %v", err)
		}
	})
	if n := log.count("nothing new is accepted"); n != 1 {
		t.Errorf("the log says %d times that the disk is full", n)
	}
	if n := log.count("room on the disk again"); n != 1 {
		t.Errorf("the log says %d times that there is room again", n)
	}
	accept(t, m.s, newMessage(m.s, 3))
	flush(t, m.s)
	if l := m.s.Ledgers()[7]; l[message.Delivered] != 1 || l.Sum() != 2 {
		t.Errorf("ledger %v", l)
	}
}

// TestStopOnAFullDisk: a store that cannot write its rest stops at once and orderly, and the next start has it.
func TestStopOnAFullDisk(t *testing.T) {
	m := newMachine(t, store.Options{Settle: time.Hour})
	msg := newMessage(m.s, 1)
	accept(t, m.s, msg)
	record(t, m.s, submitted(msg, "x"))
	m.room.Store(0)
	if err := m.s.Stop(context.Background()); err != nil {
		t.Fatalf("stop on a full disk: %v", err)
	}
	m.room.Store(-1)
	if err := m.start(); err != nil {
		t.Fatal(err)
	}
	if got, err := m.s.Message(t.Context(), msg.ID); err != nil || got.Status != message.Sent {
		t.Errorf("after the start: %v, %v", got, err)
	}
}

// TestJournalWaitsForRoom: events wait for a segment, new messages are refused, and all is recorded in its order
// when there is room. A stop that cannot wait leaves what was not durable.
func TestJournalWaitsForRoom(t *testing.T) {
	for _, op := range []faultfs.Op{faultfs.OpCreate, faultfs.OpWrite} { // a new segment; a write in place, as copy-on-write has it
		t.Run(string(op), func(t *testing.T) {
			fs, log := faultfs.New(), &logged{}
			dir := t.TempDir()
			s := open(t, store.Options{Dir: dir, FS: fs, SegmentBytes: 64 << 10, Settle: quick, Logger: log.logger()})
			msg := newMessage(s, 1)
			accept(t, s, msg)
			fs.SetHook(faultfs.FailNth(op, 1, syscall.ENOSPC, true))
			var recorded atomic.Int64
			n := int64(0)
			until(t, "the journal to be full", func() bool {
				for range 50 {
					n++
					s.Record(submitted(msg, fmt.Sprint("id-", n)), func(err error) {
						if err == nil {
							recorded.Add(1)
						}
					})
				}
				return waitsFor(s, "journal")
			})
			if err := s.Err(); !errors.Is(err, store.ErrDiskFull) || !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("the store says %v", err)
			}
			if err := s.Accept(t.Context(), []*message.Message{newMessage(s, 2)}, store.AcceptExtra{}); !errors.Is(err, store.ErrDiskFull) {
				t.Errorf("a message on a full disk: %v", err)
			}
			if _, err := s.Message(t.Context(), msg.ID); err != nil {
				t.Errorf("the message on a full disk: %v", err)
			}
			fs.SetHook(nil)
			until(t, "room", func() bool { return s.Err() == nil && recorded.Load() == n })
			accept(t, s, newMessage(s, 3))
			if got, err := s.Message(t.Context(), msg.ID); err != nil || got.Parts[0].SMSCID != fmt.Sprint("id-", n) {
				t.Errorf("the last event of %d: %v, %v", n, got.Parts, err)
			}
			if n := log.count("nothing new is accepted"); n != 1 {
				t.Errorf("the log says %d times that the disk is full", n)
			}
		})
	}
}

// TestStopWhileTheJournalWaits: when there is no more time, what waits is told that it was not recorded.
func TestStopWhileTheJournalWaits(t *testing.T) {
	fs := faultfs.New()
	s, err := store.OpenEmbedded(store.Options{Dir: t.TempDir(), MinFreeDisk: -1, FS: fs, SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	msg := newMessage(s, 1)
	accept(t, s, msg)
	fs.SetHook(faultfs.FailNth(faultfs.OpCreate, 1, syscall.ENOSPC, true))
	last := make(chan error, 1)
	until(t, "the journal to be full", func() bool {
		for range 50 {
			s.Record(submitted(msg, "x"), nil)
		}
		return waitsFor(s, "journal")
	})
	s.Record(submitted(msg, "x"), func(err error) { last <- err })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); !errors.Is(err, store.ErrFailed) || !errors.Is(err, journal.ErrNoSegment) {
		t.Errorf("stop: %v", err)
	}
	if err := <-last; err == nil {
		t.Error("what waited was recorded")
	}
}

// smallDisk mounts a file system of its own for the test, or skips it.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a small file system cannot be mounted here (it takes root): %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return dir
}

// ballast takes the room of a disk that is left.
type ballast struct {
	t    *testing.T
	path string
}

func (b ballast) fill() {
	f, err := os.OpenFile(b.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		b.t.Error(err)
		return
	}
	defer f.Close()
	for buf := make([]byte, 256<<10); len(buf) > 0; {
		if _, err := f.Write(buf); errors.Is(err, syscall.ENOSPC) {
			buf = buf[:len(buf)/2]
		} else if err != nil {
			b.t.Error(err)
			return
		}
	}
}

// TestSmallDisk: somebody else fills a real file system to its last octet in the middle of a transaction, while
// messages are accepted, sent and settled, and again and again. Nothing that was promised is lost, and the store
// goes on by itself each time.
func TestSmallDisk(t *testing.T) {
	dir := smallDisk(t, "64m")
	other := ballast{t, filepath.Join(dir, "ballast")}
	var fill atomic.Bool
	log := &logged{}
	s := open(t, store.Probed(store.Options{Dir: filepath.Join(dir, "data"), Settle: quick, SegmentBytes: 256 << 10, Logger: log.logger()}, func(point string) {
		if point == "copied" && fill.CompareAndSwap(true, false) {
			other.fill()
		}
	}))
	defer func() {
		if err := s.Err(); err != nil {
			t.Log(log.buf.String())
		}
	}()
	var promised []*message.Message
	var waits atomic.Int64 // events that are not durable yet
	send := func(n int) error {
		var msgs []*message.Message
		for i := range n {
			msgs = append(msgs, newMessage(s, len(promised)+i))
		}
		if err := s.Accept(t.Context(), msgs, store.AcceptExtra{}); err != nil {
			return err
		}
		promised = append(promised, msgs...)
		return nil
	}
	settle := func(m *message.Message) {
		waits.Add(1)
		s.RecordMany([]message.Event{submitted(m, fmt.Sprintf("%x", m.ID)), settled(m, message.Delivered)}, func(err error) {
			if err != nil {
				t.Errorf("an event was lost: %v", err)
			}
			waits.Add(-1)
		})
	}
	settledUpTo := 0
	for round := range 6 {
		fill.Store(true)
		var err error
		sent := 0
		until(t, "a refusal", func() bool {
			if sent += 50; sent <= 2000 || s.Err() != nil {
				err = send(50)
			}
			return err != nil
		})
		if !errors.Is(err, store.ErrDiskFull) {
			t.Fatalf("round %d: refused with %v", round, err)
		}
		for ; settledUpTo < len(promised); settledUpTo++ {
			settle(promised[settledUpTo])
		}
		if round%2 == 1 { // until the journal has no room either
			until(t, "the journal to be full", func() bool {
				for range 50 {
					s.Record(submitted(promised[0], "again"), nil)
				}
				return waitsFor(s, "journal")
			})
		}
		other.fill()
		if got, err := s.Message(t.Context(), promised[len(promised)-1].ID); err != nil || got.ID == 0 {
			t.Errorf("round %d: a message cannot be read: %v", round, err)
		}
		if err := os.Remove(other.path); err != nil {
			t.Fatal(err)
		}
		until(t, "room", func() bool { return s.Err() == nil && waits.Load() == 0 })
	}
	if err := send(1); err != nil {
		t.Fatal(err)
	}
	settle(promised[len(promised)-1])
	until(t, "the last event", func() bool { return waits.Load() == 0 })
	check := func() {
		t.Helper()
		if l := s.Ledgers()[7]; l[message.Delivered] != int64(len(promised)) || l.Sum() != s.Accepted()[7] || l.Sum() != int64(len(promised)) {
			t.Errorf("of %d promised: ledger %v, accepted %d", len(promised), l, s.Accepted()[7])
		}
		for _, m := range promised {
			if got, err := s.Message(t.Context(), m.ID); err != nil || got.Status != message.Delivered {
				t.Fatalf("message %s: %v, %v", m.ID, got, err)
			}
		}
	}
	flush(t, s)
	check()
	stop(t, s)
	other.fill()
	if _, err := store.OpenEmbedded(store.Options{Dir: filepath.Join(dir, "data")}); !errors.Is(err, store.ErrDiskFull) {
		t.Fatalf("a start on a full disk: %v", err)
	}
	if err := os.Remove(other.path); err != nil {
		t.Fatal(err)
	}
	sound(t, filepath.Join(dir, "data", store.DatabaseName))
	s = open(t, store.Options{Dir: filepath.Join(dir, "data")})
	check()
	if database, j := log.count("database waits"), log.count("journal waits"); database < 3 || j < 3 {
		t.Errorf("the database waited for room %d times, the journal %d", database, j)
	}
}

// sound wants a database to pass SQLite's check.
func sound(t *testing.T, path string) {
	t.Helper()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = sqlitex.ExecuteTransient(conn, "PRAGMA integrity_check", &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		if text := stmt.ColumnText(0); text != "ok" {
			t.Errorf("the database is damaged: %s", text)
		}
		return nil
	}})
	if err != nil {
		t.Error(err)
	}
}
