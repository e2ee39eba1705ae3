package postgres

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// BenchmarkMessages takes messages through their life in bulks of 100, sixteen at a time, and
// reports what each step costs PostgreSQL:
//
//	go test ./bulk/store/postgres -run '^$' -bench Messages -benchtime 100000x
func BenchmarkMessages(b *testing.B) {
	n := open(b, database(b), 1)
	n.own(1)
	n.looked(1)
	const bulk, ahead = 100, 16
	all := make([][]*message.Message, (b.N+bulk-1)/bulk)
	for i := range all {
		all[i] = n.make(bulk, 1)
	}
	b.ResetTimer()
	step := func(name string, do func(msgs []*message.Message, done func(error))) {
		before := n.cpu(b)
		room := make(chan struct{}, ahead)
		errs := make(chan error, len(all))
		for _, msgs := range all {
			room <- struct{}{}
			do(msgs, func(err error) { errs <- err; <-room })
		}
		for range all {
			if err := <-errs; err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((n.cpu(b)-before)*1e6/float64(len(all)*bulk), "pg-us/"+name)
	}
	step("accept", func(msgs []*message.Message, done func(error)) {
		if err := n.AcceptAsync(msgs, store.AcceptExtra{}, done); err != nil {
			b.Fatal(err)
		}
	})
	step("deliver", func(msgs []*message.Message, done func(error)) {
		evs := make([]message.Event, 0, 2*len(msgs))
		for _, m := range msgs {
			n.NoteSubmitted(message.ReceiptKey{Group: 1, SMSCID: m.ID.String()}, m, 0)
			evs = append(evs, submitted(m, m.ID.String()), delivered(m))
		}
		n.RecordMany(evs, done)
	})
	step("tell", func(msgs []*message.Message, done func(error)) {
		evs := make([]message.Event, 0, len(msgs))
		for _, m := range msgs {
			evs = append(evs, message.Event{Kind: message.Notified, Msg: m})
		}
		n.RecordMany(evs, done)
	})
}

// BenchmarkQuota accepts messages of ten accounts one by one, sixteen at a time, without a quota, with
// a daily one, and with a monthly one besides, and reports what that costs PostgreSQL:
//
//	go test ./bulk/store/postgres -run '^$' -bench Quota -benchtime 50000x
func BenchmarkQuota(b *testing.B) {
	for _, c := range []struct {
		name       string
		day, month int64
	}{{"none", 0, 0}, {"day", 1 << 40, 0}, {"day+month", 1 << 40, 1 << 40}} {
		b.Run(c.name, func(b *testing.B) {
			var l limits
			l.day.Store(c.day)
			l.month.Store(c.month)
			n := open(b, database(b), 1, l.set)
			all := n.make(b.N, 1)
			for i, m := range all {
				m.Account = uint32(i % 10)
			}
			room := make(chan struct{}, 16)
			errs := make(chan error, b.N)
			before := n.cpu(b)
			b.ResetTimer()
			for _, m := range all {
				room <- struct{}{}
				if err := n.AcceptAsync([]*message.Message{m}, store.AcceptExtra{}, func(err error) { errs <- err; <-room }); err != nil {
					b.Fatal(err)
				}
			}
			for range all {
				if err := <-errs; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((n.cpu(b)-before)*1e6/float64(b.N), "pg-us/accept")
		})
	}
}

// cpu is the processor time of PostgreSQL and its children, in seconds.
func (n *node) cpu(b *testing.B) (seconds float64) {
	b.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended
		}
		f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if f[1] != strconv.Itoa(server.PID()) {
			continue
		}
		for _, ticks := range f[11:13] {
			v, err := strconv.ParseFloat(ticks, 64)
			if err != nil {
				b.Fatal(err)
			}
			seconds += v / 100
		}
	}
	return seconds
}
