package journal_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"protei-bulk/bulk/journal"
)

// BenchmarkAppend writes groups of 250-byte records below TMPDIR (which should not be
// tmpfs), with fdatasync and without.
func BenchmarkAppend(b *testing.B) {
	for _, sync := range []bool{true, false} {
		for _, size := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("sync=%v/group=%d", sync, size), func(b *testing.B) {
				benchAppend(b, sync, size)
			})
		}
	}
}

func benchAppend(b *testing.B, sync bool, size int) {
	opts := journal.Options{Dir: b.TempDir(), StoreUUID: store, Sync: sync}
	l, _ := mustOpen(b, opts, journal.Pos{})
	payload := make([]byte, 250)
	g := &journal.Group{}
	b.ReportAllocs()
	cpu := cpuTime(b)
	for b.Loop() {
		g.Reset()
		for range size {
			g.Add(1, payload)
		}
		end, err := l.Append(g)
		if err != nil {
			b.Fatal(err)
		}
		l.Release(end)
	}
	records := float64(b.N) * float64(size)
	b.ReportMetric(float64(cpuTime(b)-cpu)/records, "cpu-ns/record")
	b.ReportMetric(records/b.Elapsed().Seconds(), "records/s")
}

// cpuTime is the CPU time of the process, of user and system.
func cpuTime(b *testing.B) time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func BenchmarkReplay(b *testing.B) {
	opts := journal.Options{Dir: b.TempDir(), StoreUUID: store}
	l, _ := mustOpen(b, opts, journal.Pos{})
	g := &journal.Group{}
	payload := make([]byte, 250)
	for range 1000 {
		g.Add(1, payload)
	}
	for range 200 {
		if _, err := l.Append(g); err != nil {
			b.Fatal(err)
		}
	}
	l.Close()
	n := 0
	for b.Loop() {
		l, err := journal.Open(opts)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := l.Replay(journal.Pos{}, func(journal.Pos, byte, []byte) error { n++; return nil }); err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
}
