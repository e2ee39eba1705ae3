package store_test

import (
	"errors"
	"flag"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

var (
	benchRows    = flag.Int("store.rows", 0, "messages stored before BenchmarkMessages measures")
	benchDir     = flag.String("store.dir", "", "folder for the benchmarks' data (not on tmpfs); empty: a temporary one")
	benchReceipt = flag.Duration("store.receipt", 0, "delay of the receipts in BenchmarkMessages")
)

func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// traffic plays dispatch: each accepted message is submitted and delivered.
type traffic struct {
	s     *store.Embedded
	open  atomic.Int64
	total atomic.Int64
	delay time.Duration
	late  chan late
	wg    sync.WaitGroup
}

type late struct {
	due time.Time
	evs []message.Event
}

func (tr *traffic) applied(evs []message.Event) {
	var next, after []message.Event
	for i := range evs {
		ev := &evs[i]
		switch ev.Kind {
		case message.Accept:
			n := tr.total.Add(1)
			next = append(next, message.Event{Kind: message.Submitted, Msg: ev.Msg, SMSCID: strconv.FormatInt(n, 16), At: ev.At + 3})
		case message.Submitted:
			after = append(after, message.Event{Kind: message.Settle, Msg: ev.Msg, Status: message.Delivered, At: ev.At + 3})
		case message.Settle:
			tr.open.Add(-1)
		}
	}
	if len(next) > 0 {
		tr.s.RecordMany(next, nil)
	}
	if len(after) > 0 && tr.delay == 0 {
		tr.s.RecordMany(after, nil)
	} else if len(after) > 0 {
		tr.late <- late{time.Now().Add(tr.delay), after}
	}
}

// receipts settles what was submitted delay ago, finding the part as dispatch would.
func (tr *traffic) receipts() {
	defer tr.wg.Done()
	for l := range tr.late {
		time.Sleep(time.Until(l.due))
		tr.s.RecordMany(l.evs, nil)
	}
}

func (tr *traffic) send(t testing.TB, n, producers int) {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range producers {
		wg.Go(func() {
			for left.Add(-100) >= 0 {
				batch := tr.s.IDs().Next()
				msgs := make([]*message.Message, 100)
				for i := range msgs {
					msgs[i] = newMessage(tr.s, int(batch)+i, func(m *message.Message) { m.Batch = batch })
				}
				tr.open.Add(100)
				for errors.Is(tr.s.Accept(t.Context(), msgs, store.AcceptExtra{}), store.ErrBusy) {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
}

func (tr *traffic) drain() {
	for tr.open.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
}

// BenchmarkMessages carries messages from accept to delivered, in bulks of 100, with
// every journal write synced. ns/op is per message; cpu-µs/msg counts the whole
// process, generator included.
//
//	go test ./bulk/store -run '^$' -bench Messages -benchtime 1000000x -store.dir ~/bench -store.rows 5000000
func BenchmarkMessages(b *testing.B) {
	tr := &traffic{delay: *benchReceipt, late: make(chan late, 1<<16)}
	tr.s = open(b, store.Options{Dir: benchFolder(b), Applied: tr.applied})
	tr.wg.Add(1)
	go tr.receipts()
	defer tr.wg.Wait()
	defer close(tr.late)
	for left := *benchRows; left > 0; left -= 100_000 {
		tr.send(b, min(left, 100_000), 4)
	}
	tr.drain()
	flush(b, tr.s)
	before := tr.s.Stats()
	b.ResetTimer()
	cpu := cpuTime()
	tr.send(b, b.N, 4)
	tr.drain()
	flush(b, tr.s)
	n := float64(b.N)
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/n, "cpu-µs/msg")
	b.ReportMetric(n/b.Elapsed().Seconds(), "msg/s")
	st := tr.s.Stats()
	b.ReportMetric(float64((st.DBTime-before.DBTime).Microseconds())/n, "db-µs/msg")
	b.ReportMetric(float64(st.DBRows-before.DBRows)/n, "rows/msg")
	b.ReportMetric(n*3/float64(st.Groups-before.Groups), "events/group")
	b.ReportMetric(float64((st.SyncTime-before.SyncTime).Microseconds())/float64(st.Groups-before.Groups), "sync-µs/group")
}

// fill stores n messages of one account, sent and waiting for their receipts or
// delivered, and returns their ids.
func fill(b *testing.B, s *store.Embedded, n int, end bool) []message.ID {
	b.Helper()
	var ids []message.ID
	for len(ids) < n {
		msgs := make([]*message.Message, 1000)
		evs := make([]message.Event, 0, 2*len(msgs))
		for i := range msgs {
			msgs[i] = newMessage(s, len(ids))
			ids = append(ids, msgs[i].ID)
			evs = append(evs, submitted(msgs[i], smscID(msgs[i].ID)))
			if end {
				evs = append(evs, settled(msgs[i], message.Delivered))
			}
		}
		accept(b, s, msgs...)
		record(b, s, evs...)
	}
	flush(b, s)
	return ids
}

func smscID(id message.ID) string { return strconv.FormatUint(uint64(id), 36) }

func benchFolder(b *testing.B) string {
	b.Helper()
	if *benchDir == "" {
		return b.TempDir()
	}
	dir, err := os.MkdirTemp(*benchDir, "store")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// BenchmarkReceiptsOnDisk looks up receipts in batches of 500 whose messages are only in
// SQLite, as after a restart, spread over all of -store.rows (300,000) messages.
func BenchmarkReceiptsOnDisk(b *testing.B) {
	rows := max(*benchRows, 300_000)
	dir := benchFolder(b)
	s := open(b, store.Options{Dir: dir, ReceiptCache: 64})
	ids := fill(b, s, rows, false)
	stop(b, s)
	s = open(b, store.Options{Dir: dir})
	const size = 500
	keys, dests, out := make([]message.ReceiptKey, size), make([]string, size), make([]store.ReceiptMatch, size)
	at := 0
	b.ResetTimer()
	cpu := cpuTime()
	for range b.N {
		for i := range keys {
			at = (at + 7919) % len(ids)
			keys[i] = message.ReceiptKey{Group: 1, SMSCID: smscID(ids[at])}
		}
		if err := s.LookupReceipts(b.Context(), keys, dests, out); err != nil {
			b.Fatal(err)
		}
		for i := range out {
			if !out[i].Found {
				b.Fatalf("receipt %v was not found", keys[i])
			}
		}
	}
	n := float64(b.N * size)
	b.ReportMetric(n/b.Elapsed().Seconds(), "receipts/s")
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/n, "cpu-µs/receipt")
}

// BenchmarkList lists 20 messages of a store with -store.rows (200,000) of them, settled
// or not.
func BenchmarkList(b *testing.B) {
	rows := max(*benchRows, 200_000)
	for _, end := range []bool{true, false} {
		s := open(b, store.Options{Dir: benchFolder(b)})
		ids := fill(b, s, rows, end)
		name := "unsettled"
		status := message.Sent
		if end {
			name, status = "settled", message.Delivered
		}
		for _, tc := range []struct {
			name string
			q    store.Query
		}{
			{"newest", store.Query{Account: 7}},
			{"status", store.Query{Account: 7, Status: status}},
			{"none", store.Query{Account: 7, Status: message.Failed}},
			{"none-of-all", store.Query{Status: message.Failed}},
			{"deep", store.Query{Account: 7, Cursor: ids[rows/2]}},
			{"to", store.Query{Account: 7, To: "491700000042"}},
			{"other-account", store.Query{Account: 8}},
		} {
			b.Run(name+"/"+tc.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, _, _, err := s.List(b.Context(), tc.q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		stop(b, s)
	}
}

// BenchmarkMessage reads a message that only SQLite holds.
func BenchmarkMessage(b *testing.B) {
	s := open(b, store.Options{Dir: benchFolder(b)})
	ids := fill(b, s, 100_000, true)
	b.ReportAllocs()
	at := 0
	for b.Loop() {
		at = (at + 7919) % len(ids)
		if _, err := s.Message(b.Context(), ids[at]); err != nil {
			b.Fatal(err)
		}
	}
}
