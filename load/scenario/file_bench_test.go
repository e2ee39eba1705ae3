package scenario_test

import (
	"context"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/scenario"
	"protei-bulk/load/stats"
)

// instant is a server that answers each request of a connection at once with the same
// 201, without looking at more than its end.
func instant(b *testing.B) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	const body = `{"message_id":"0123456789abcdef","parts":1,"message_ids":["0123456789abcdef","0123456789abcdef","0123456789abcdef","0123456789abcdef","0123456789abcdef","0123456789abcdef","0123456789abcdef","0123456789abcdef","0123456789abcdef","0123456789abcdef"]}`
	answer := []byte("HTTP/1.1 201 Created\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 4096)
				for {
					if _, err := conn.Read(buf); err != nil {
						return
					}
					if _, err := conn.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}

// runIterations lets one user send b.N messages.
func runIterations(b *testing.B, classes []load.UserClass, rec *stats.Recorder, ledger *stats.Ledger, clock *load.Clock) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	_, err := load.Run(context.Background(), load.Options{
		Classes: classes, Shape: load.Flat{Users: 1, SpawnRate: 1000}, Iterations: uint64(b.N),
		Recorder: rec, Ledger: ledger, Clock: clock, StopTimeout: time.Second, NoDrain: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op") // server included
}

// cpuTime is what the process has used so far.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRequest sends single messages and bulks of ten as the built-in scenario does.
func BenchmarkRequest(b *testing.B) {
	for name, mix := range map[string][5]int{"single": {1, 0, 0, 0, 0}, "bulk": {0, 1, 0, 0, 0}} {
		b.Run(name, func(b *testing.B) {
			opts := benchOptions(instant(b))
			opts.Settings = scenario.DefaultSettings()
			opts.Settings.Mix, opts.Settings.WaitMin, opts.Settings.WaitMax = mix, 0, 0
			opts.Settings.BulkMin, opts.Settings.BulkMax = 10, 10
			opts.Classes = []string{"MessagingUser"}
			r, err := scenario.New(b.Context(), opts)
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			classes, err := r.Classes()
			if err != nil {
				b.Fatal(err)
			}
			runIterations(b, classes, opts.Recorder, opts.Ledger, opts.Clock)
		})
	}
}

func benchOptions(url string) scenario.Options {
	return scenario.Options{
		Host: url, APIKey: "dev-api-key", NoReceipts: true, Timeout: 5 * time.Second,
		Recorder: stats.NewRecorder(stats.RecorderOptions{}),
		Ledger:   stats.NewLedger(stats.LedgerOptions{Run: 1, NoReceipts: true}), Clock: load.NewClock(),
	}
}
