package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/bulk/journal/faultfs"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// machine is a store on a disk that forgets what was not synced: the journal on a
// fault layer, the database in a folder that is copied at points where its file does
// not change.
type machine struct {
	t    testing.TB
	opts store.Options
	fs   *faultfs.FS
	s    *store.Embedded
	room atomic.Int64 // pages that the database may grow by in a transaction, -1: any number
	// undone is told of transactions that the disk had no room for.
	undone chan struct{}

	mu    sync.Mutex // guards what follows
	crash string     // point of the transaction to crash at, "": none
	image string     // folder with the database as the crash left it
	next  *faultfs.FS
	down  chan struct{}
}

func newMachine(t testing.TB, opts store.Options) *machine {
	opts.Dir, opts.MinFreeDisk, opts.SegmentBytes = t.TempDir(), -1, 256<<10
	m := &machine{t: t, fs: faultfs.New(), undone: make(chan struct{}, 1)}
	m.room.Store(-1)
	m.opts = store.Bounded(store.Probed(opts, m.probe), m.room.Load)
	if err := m.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.s.Stop(context.Background()) })
	return m
}

func (m *machine) start() error {
	m.opts.FS = m.fs
	s, err := store.OpenEmbedded(m.opts)
	if err == nil {
		m.s = s
	}
	return err
}

// probe stops the machine where crashAt asked for it.
func (m *machine) probe(point string) {
	if point == "no room" {
		select {
		case m.undone <- struct{}{}:
		default:
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.crash != point {
		return
	}
	m.crash = ""
	m.next = m.fs.Crash(faultfs.KeepSome(1))
	m.image = m.t.TempDir()
	copyDatabase(m.t, m.opts.Dir, m.image)
	close(m.down)
}

// crashAt stops the machine at the next time it comes to the point, and starts it again
// with what a disk would have kept.
func (m *machine) crashAt(point string) error {
	m.t.Helper()
	return m.crashWhile(point, func() {})
}

// crashWhile is crashAt for a machine that is in use; wait returns when nobody uses it any more.
func (m *machine) crashWhile(point string, wait func()) error {
	m.t.Helper()
	down := make(chan struct{})
	m.mu.Lock()
	m.crash, m.down = point, down
	m.mu.Unlock()
	var value []byte
	if point == "no room" {
		value = make([]byte, tooLarge)
	}
	for crashed := false; !crashed; {
		m.s.PutObject(context.Background(), "test", "crash", value) // makes a transaction
		select {
		case <-down:
			crashed = true
		default:
			if err := m.s.Err(); err != nil && !errors.Is(err, store.ErrDiskFull) {
				m.t.Fatalf("the store failed before the crash: %v", err)
			}
		}
	}
	m.s.Stop(context.Background())
	wait()
	copyDatabase(m.t, m.image, m.opts.Dir)
	m.fs = m.next
	m.room.Store(-1)
	return m.start()
}

// tooLarge are the octets of an object that a full disk has no room for.
const tooLarge = 1 << 20

// whileFull calls f, lets its changes be written while the disk has room for some pages only, calls f again, and
// waits until the store takes changes again.
func (m *machine) whileFull(pages int64, f func()) {
	m.t.Helper()
	m.room.Store(pages)
	defer func() {
		m.room.Store(-1)
		for m.s.PutObject(context.Background(), "test", "room", nil) != nil {
			if err := m.s.Err(); err != nil && !errors.Is(err, store.ErrDiskFull) {
				m.t.Fatalf("the store failed on the full disk: %v", err)
			}
		}
	}()
	f()
	err := m.s.PutObject(context.Background(), "test", "large", make([]byte, tooLarge))
	if !errors.Is(err, store.ErrDiskFull) || !errors.Is(err, syscall.ENOSPC) {
		m.t.Fatalf("a large object on a full disk: %v", err)
	}
	f()
	// The first may be an old one, the second undid the object, and the third all else, if that does not fit
	// into the pages.
	deadline := time.Now().Add(20 * time.Second)
	for n := 0; n < 3 && !m.written(); {
		if time.Now().After(deadline) {
			m.t.Fatalf("on a full disk %d transactions were undone, and not all is written: %+v", n, m.s.Stats())
		}
		select {
		case <-m.undone:
			n++
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// written reports whether the database has all that the journal has.
func (m *machine) written() bool {
	s := m.s.Stats()
	return s.Queued == 0 && s.Backlog == 0 && s.Released == s.Record
}

func copyDatabase(t testing.TB, from, to string) {
	old, _ := filepath.Glob(filepath.Join(to, "messages.db*"))
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
	names, err := filepath.Glob(filepath.Join(from, "messages.db*"))
	if err != nil || len(names) == 0 {
		t.Errorf("no database in %s: %v", from, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "-shm") {
			continue
		}
		if err := copyFile(name, filepath.Join(to, filepath.Base(name))); err != nil {
			t.Error(err)
		}
	}
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	_, err = io.Copy(dst, src)
	return err
}

// acknowledged is how far each message's answers have come: 1 accepted, 2 submitted,
// 3 delivered.
type acknowledged struct {
	mu   sync.Mutex
	rank map[message.ID]int
}

func (a *acknowledged) note(id message.ID, rank int) {
	a.mu.Lock()
	a.rank[id] = max(a.rank[id], rank)
	a.mu.Unlock()
}

func rankOf(m *message.Message) int {
	switch m.Status {
	case message.Sent:
		return 2
	case message.Delivered:
		return 3
	}
	return 1
}

// load carries messages, until the store fails at most, and notes what it was told.
func load(s *store.Embedded, acked *acknowledged, worker int) {
	for n := range 200 {
		msgs := make([]*message.Message, 1+n%7)
		for i := range msgs {
			msgs[i] = newMessage(s, worker<<20+n<<3+i)
			if (n+i)%5 == 0 {
				msgs[i].SetParts(3)
			}
		}
		if s.Accept(context.Background(), msgs, store.AcceptExtra{}) != nil {
			return
		}
		for i, m := range msgs {
			acked.note(m.ID, 1)
			if (n+i)%5 == 0 {
				continue
			}
			s.Record(submitted(m, fmt.Sprintf("%d-%d-%d", worker, n, i)), func(err error) {
				if err == nil {
					acked.note(m.ID, 2)
				}
			})
			if (n+i)%3 == 0 {
				continue
			}
			s.Record(settled(m, message.Delivered), func(err error) {
				if err == nil {
					acked.note(m.ID, 3)
				}
			})
		}
	}
}

// crashRounds is how many times a test crashes its machine; the race detector sees all that it can in three.
func crashRounds() int {
	if testing.Short() {
		return 3
	}
	return 12
}

// lostInCrashes crashes a loaded machine several times and returns how many messages
// were behind what their callers had been told.
func lostInCrashes(t *testing.T, durability string) (lost, total int) {
	m := newMachine(t, store.Options{Durability: durability, Settle: 20 * time.Millisecond, TableRows: 2000})
	acked := &acknowledged{rank: make(map[message.ID]int)}
	random := rand.New(rand.NewPCG(7, 7))
	for round := range crashRounds() {
		var wg sync.WaitGroup
		for worker := range 3 {
			wg.Go(func() { load(m.s, acked, round<<4+worker) })
		}
		for range random.IntN(4) { // some transactions before the one that is hit
			m.s.PutObject(t.Context(), "test", "pace", nil)
		}
		err := m.crashAt([]string{"begin", "committed", "released"}[random.IntN(3)])
		wg.Wait()
		if err != nil { // a log that is not synced is cut at the damage, and never refused
			t.Fatalf("round %d: %v", round, err)
		}
		for id, rank := range acked.rank {
			got, err := m.s.Message(t.Context(), id)
			if err != nil || rankOf(got) < rank {
				lost++
				acked.rank[id] = 0
			}
		}
		checkLedger(t, m.s)
	}
	return lost, len(acked.rank)
}

// checkLedger compares the counts with what the messages say.
func checkLedger(t testing.TB, s *store.Embedded) {
	t.Helper()
	flush(t, s)
	counted := make(map[uint32]store.Ledger)
	parts := make(map[uint32]int64)
	for q := (store.Query{Limit: 1000}); ; {
		msgs, next, _, err := s.List(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range msgs {
			l := counted[m.Account]
			parts[m.Account] += int64(len(m.Parts))
			if m.Status == message.Sent && m.Flags&message.WantReceipt == 0 {
				l[store.SentDone]++
			} else {
				l[m.Status]++
			}
			counted[m.Account] = l
		}
		if q.Cursor = next; next == 0 {
			break
		}
	}
	for id, n := range s.Accepted() {
		if want := counted[id].Sum(); n != want {
			t.Errorf("account %d: %d accepted, %d messages", id, n, want)
		}
	}
	for id, want := range parts {
		now := time.Now().UnixMilli()
		if got := s.Parts(id, now-48*3600_000, now+48*3600_000); got != want {
			t.Errorf("account %d: %d parts are counted, its messages have %d", id, got, want)
		}
	}
	kept := s.Ledgers()
	for account, want := range counted {
		if got := kept[account]; got != want {
			t.Errorf("ledger of account %d is %v, its messages say %v", account, got, want)
		}
	}
}

func TestAcknowledgedSurvivesCrashes(t *testing.T) {
	lost, total := lostInCrashes(t, store.DurabilityFsync)
	if lost != 0 || total < 80*crashRounds() {
		t.Errorf("%d of %d messages are behind what was acknowledged", lost, total)
	}
}

// Without the fdatasync the same test must lose something, or it proves nothing.
func TestCrashesLoseWithoutSync(t *testing.T) {
	if testing.Short() {
		t.Skip("it proves the test above, not the store")
	}
	lost, total := lostInCrashes(t, store.DurabilityNone)
	if lost == 0 {
		t.Errorf("none of %d messages was lost", total)
	}
}

// A row can be ahead of the position it was written with: its message changed again
// while an older change waited. Replay then meets records whose effect the row has.
func TestReplayCountsNothingTwice(t *testing.T) {
	var clock atomic.Int64
	clock.Store(time.Now().UnixMilli())
	m := newMachine(t, store.Options{
		Settle: 10 * time.Second,
		Now:    func() time.Time { return time.UnixMilli(clock.Load()) },
	})
	early := newMessage(m.s, 1, func(m *message.Message) { m.Flags |= message.NotifyFinal })
	accept(t, m.s, early)
	clock.Add(5_000)
	late := newMessage(m.s, 2)
	accept(t, m.s, late) // keeps the position before it
	record(t, m.s, submitted(early, "a"), message.Event{Kind: message.Requeue, Msg: early, Error: 8, At: early.SubmittedAt + 6},
		submitted(early, "b"), settled(early, message.Unknown))
	record(t, m.s, message.Event{Kind: message.Notified, Msg: early, At: early.SubmittedAt + 20}, settled(early, message.Delivered))
	want, err := m.s.Message(t.Context(), early.ID)
	if err != nil {
		t.Fatal(err)
	}
	clock.Add(6_000) // early's change is due, late's is not
	if err := m.crashAt("committed"); err != nil {
		t.Fatal(err)
	}
	got, err := m.s.Message(t.Context(), early.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("message changed in the replay (-before +after):\n%s", diff)
	}
	ledger := m.s.Ledgers()[7]
	if ledger[message.Delivered] != 1 || ledger[message.Pending] != 1 || ledger.Sum() != 2 {
		t.Errorf("ledger %v, want 1 delivered and 1 pending", ledger)
	}
}
