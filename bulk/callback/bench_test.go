package callback_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/message"
)

// counting is an outbox that only counts.
type counting struct{ n atomic.Int64 }

func (c *counting) Open(context.Context, message.ID, int) ([]callback.Notice, error) { return nil, nil }

func (c *counting) GaveUp(ns []callback.Notice, _ string, done func(error)) { c.Notified(ns, done) }

func (c *counting) Notified(ns []callback.Notice, done func(error)) {
	c.n.Add(int64(len(ns)))
	done(nil)
}

// BenchmarkDeliver tells events to one endpoint over loopback, server included.
func BenchmarkDeliver(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer srv.Close()
	o := &counting{}
	s := start(b, options(o))
	n := notice(1, srv.URL)
	b.ReportAllocs()
	total, cpu := int64(0), cpuTime(b)
	for b.Loop() {
		n.MessageID++
		for !s.Push(n) {
			runtime.Gosched()
		}
		total++
	}
	for o.n.Load() < total {
		runtime.Gosched()
	}
	b.ReportMetric(float64(cpuTime(b)-cpu)/float64(total), "cpu-ns/event")
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "events/s")
}

// cpuTime is the CPU time of the process, of user and system; the server and the wait
// for room are in it.
func cpuTime(b *testing.B) time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
