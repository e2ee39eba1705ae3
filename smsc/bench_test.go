package smsc_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"protei-bulk/smpp"
	"protei-bulk/smsc"
)

// BenchmarkSubmitAndReceipt sends messages with receipts over 4 binds of window 500, all
// in this process: one op is submit_sm, its answer, deliver_sm and its answer. cpu-µs/op
// is both ends together.
func BenchmarkSubmitAndReceipt(b *testing.B) {
	for _, c := range []struct {
		name      string
		behaviour smsc.Behaviour
	}{
		{"at-once", smsc.Behaviour{}},
		{"after-100ms", smsc.Behaviour{ReceiptDelay: smsc.Fixed(100 * time.Millisecond)}},
		{"latency-10ms", smsc.Behaviour{Latency: smsc.Fixed(10 * time.Millisecond)}},
	} {
		b.Run(c.name, func(b *testing.B) { benchmark(b, c.behaviour) })
	}
}

func benchmark(b *testing.B, behaviour smsc.Behaviour) {
	const binds, window = 4, 500
	sim := start(b, smsc.Options{Behaviour: behaviour})
	l := &load{total: int64(b.N), done: make(chan struct{})}
	var sessions []*smpp.Session
	for range binds {
		s, err := smpp.Dial(b.Context(), smpp.DialOptions{
			Addr: sim.Addr(), SystemID: "bench", Password: "bench", BindType: smpp.Transceiver,
			Session: smpp.SessionOptions{Window: window, Handler: l, ReadBuffer: 64 << 10, WriteBuffer: 256 << 10},
		})
		if err != nil {
			b.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime()
	var wg sync.WaitGroup
	for i, s := range sessions {
		n := b.N / binds
		if i == 0 {
			n += b.N % binds
		}
		wg.Go(func() {
			m := message("79161234567", "Your code is 1234. Do not tell it to anybody.")
			for k := range n {
				m.TLVs = m.TLVs[:0].Append(smsc.TraceTag, fmt.Appendf(nil, "%012x%04x/1", k, i))
				if err := s.Send(b.Context(), m, l); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	<-l.done
	b.StopTimer()
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	c := sim.Counters()
	if c.Unique != uint64(b.N) || c.Duplicates != 0 {
		b.Fatalf("%d messages: %+v", b.N, c)
	}
	for _, s := range sessions {
		s.Close()
		<-s.Done()
	}
}

// load counts answers and receipts.
type load struct {
	total    int64
	finished atomic.Int64
	done     chan struct{}
}

func (l *load) Complete(smpp.Result) {}

func (l *load) HandleRequest(s *smpp.Session, r *smpp.Request) {
	_ = s.Respond(r.Seq, r.ID, smpp.ROK, nil)
	if l.finished.Add(1) == l.total {
		close(l.done)
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A message with its receipt, both ends and their sockets together, allocates nothing;
// the bound leaves room for the set that grows.
func TestMessagesAllocateNothing(t *testing.T) {
	sim := start(t, smsc.Options{})
	const n = 20_000
	l := &load{total: 2 * n, done: make(chan struct{})}
	s, err := smpp.Dial(t.Context(), smpp.DialOptions{
		Addr: sim.Addr(), SystemID: "bench", Password: "bench", BindType: smpp.Transceiver,
		Session: smpp.SessionOptions{Window: 100, Handler: l},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		s.Close()
		<-s.Done()
	}()
	m := message("79161234567", "hello")
	id := []byte("0000000000000000/1")
	send := func() {
		for range n {
			for i := 15; ; i-- { // count in the id's decimal digits
				if id[i]++; id[i] <= '9' {
					break
				}
				id[i] = '0'
			}
			m.TLVs = m.TLVs[:0].Append(smsc.TraceTag, id)
			if err := s.Send(t.Context(), m, l); err != nil {
				t.Fatal(err)
			}
		}
	}
	send() // warms buffers up
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	send()
	<-l.done
	runtime.ReadMemStats(&after)
	if perMessage := float64(after.Mallocs-before.Mallocs) / n; perMessage > 0.05 {
		t.Errorf("%.2f allocations a message", perMessage)
	}
}
