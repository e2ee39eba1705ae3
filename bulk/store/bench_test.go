package store_test

import (
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
				for tr.s.Accept(t.Context(), msgs, store.AcceptExtra{}) == store.ErrBusy {
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
	dir := *benchDir
	if dir == "" {
		dir = b.TempDir()
	} else {
		var err error
		if dir, err = os.MkdirTemp(dir, "store"); err != nil {
			b.Fatal(err)
		}
		defer os.RemoveAll(dir)
	}
	tr.s = open(b, store.Options{Dir: dir, Applied: tr.applied})
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
