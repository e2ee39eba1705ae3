package stats_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"protei-bulk/load/stats"
)

// process is one that measures: a worker, or the one process that a fleet is compared with.
type process struct {
	recorder *stats.Recorder
	ledger   *stats.Ledger
}

func newProcess(worker int) process {
	return process{
		stats.NewRecorder(stats.RecorderOptions{Shards: 2}),
		stats.NewLedger(stats.LedgerOptions{Run: 7, Worker: uint16(worker), Stripes: 2}),
	}
}

// deed is one thing that users do; both sides of the comparison do it.
type deed struct {
	name    string
	sample  stats.Sample
	late    time.Duration
	fate    int // of its message
	failure string
	at      time.Time
}

func (p process) do(d deed) {
	e := p.recorder.Entry("POST", d.name)
	shard := p.recorder.Shard(0)
	shard.Late(d.late)
	shard.Record(e, d.sample)
	if d.failure != "" {
		p.recorder.Fail(e, d.failure, d.at)
		p.recorder.Exception(d.failure, "trace")
		p.recorder.Drop(1)
	}
	seq := p.ledger.Issue(1, 0)
	if d.fate == 0 {
		return
	}
	if d.fate == 1 {
		p.ledger.Reject(seq)
		return
	}
	p.ledger.Accept(seq, nil)
	if d.fate == 3 {
		p.ledger.Receipt(seq, stats.FinalDelivered, d.sample.Service)
	}
}

func drawDeed(t *rapid.T, at time.Time) deed {
	d := deed{
		name: rapid.SampledFrom([]string{"/a", "/b", "/c"}).Draw(t, "name"),
		sample: stats.Sample{
			Service:  time.Duration(rapid.IntRange(0, 3_000_000).Draw(t, "service")) * time.Microsecond,
			Response: time.Duration(rapid.IntRange(0, 3_000_000).Draw(t, "response")) * time.Microsecond,
			Bytes:    rapid.IntRange(0, 500).Draw(t, "bytes"), Messages: rapid.IntRange(0, 3).Draw(t, "messages"),
			Outcome: stats.Outcome(rapid.IntRange(0, 2).Draw(t, "outcome")),
		},
		late: time.Duration(rapid.IntRange(0, 50_000).Draw(t, "late")) * time.Microsecond,
		fate: rapid.IntRange(0, 3).Draw(t, "fate"),
		at:   at,
	}
	if d.sample.Outcome == stats.Failed {
		d.failure = rapid.SampledFrom([]string{"refused", "timed out", "HTTP 500"}).Draw(t, "failure")
	}
	return d
}

// whole is everything that reports show of a run.
type whole struct {
	Total, DLR   []stats.Bucket
	Lateness     []stats.Bucket
	Entries      []string
	Counts       stats.Counts
	Dropped      uint64
	Failures     []stats.Failure
	Exceptions   []stats.Exception
	Sum, Service time.Duration
}

func wholeOf(c *stats.Collector) whole {
	s, l := c.Summary(c.Whole()), c.Live()
	for i := range l.Failures { // their monotonic reading does not travel
		l.Failures[i].FirstSeen, l.Failures[i].LastSeen = l.Failures[i].FirstSeen.Round(0), l.Failures[i].LastSeen.Round(0)
	}
	w := whole{
		Total: s.Total.Response.Buckets(), DLR: c.DLRLatency().Buckets(), Lateness: s.Lateness.Buckets(), Counts: l.Ledger,
		Dropped: s.Dropped, Failures: l.Failures, Exceptions: l.Exceptions, Sum: s.Total.Response.Sum(), Service: s.Total.Service.Sum(),
	}
	for _, e := range s.Entries {
		w.Entries = append(w.Entries, fmt.Sprint(e.Method, e.Name, e.Requests, e.Failures, e.Throttled, e.Messages, e.Bytes, e.Response.Buckets()))
	}
	return w
}

// TestUnionIsOneProcess is the promise of the reports: whatever becomes of them on the way (lost, doubled, out of order),
// once the last one of each worker has come everything is as if one process had done it all.
func TestUnionIsOneProcess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := time.Now()
		n := rapid.IntRange(1, 4).Draw(t, "workers")
		one := newProcess(0)
		union := stats.NewUnion(stats.RecorderOptions{})
		fleet := stats.NewCollector(stats.CollectorOptions{Start: base, Source: union})
		single := stats.NewCollector(stats.CollectorOptions{Start: base, Recorder: one.recorder, Ledger: one.ledger})
		var workers []process
		var reporters []*stats.Reporter
		for i := range n {
			workers = append(workers, newProcess(i+1))
			reporters = append(reporters, stats.NewReporter(stats.NewSource(workers[i].recorder, workers[i].ledger)))
		}
		type letter struct {
			from int
			body []byte
		}
		var wire []letter
		deliver := func(l letter) {
			if err := union.Report(l.from, l.body); err != nil {
				t.Fatalf("report of worker %d: %v", l.from, err)
			}
		}
		seconds := 0
		tick := func(finish bool) {
			seconds++
			at := stats.Tick{At: base.Add(time.Duration(seconds) * time.Second), Phase: stats.PhaseSteady, Gauges: stats.NoGauges()}
			if finish {
				fleet.Finish(at)
				single.Finish(at)
				return
			}
			fleet.Tick(at)
			single.Tick(at)
		}
		for step := range rapid.IntRange(0, 60).Draw(t, "steps") {
			w := rapid.IntRange(0, n-1).Draw(t, "worker")
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				d := drawDeed(t, base.Add(time.Duration(step)*time.Millisecond))
				workers[w].do(d)
				one.do(d)
			case 2:
				wire = append(wire, letter{w + 1, reporters[w].Append(nil, 0, false)})
			case 3: // one of those under way arrives, and may arrive again
				if len(wire) > 0 {
					deliver(wire[rapid.IntRange(0, len(wire)-1).Draw(t, "letter")])
				}
			case 4: // one is lost
				if len(wire) > 0 {
					wire = wire[:len(wire)-1]
				}
			case 5:
				tick(false)
			}
		}
		for i := range workers {
			wire = append(wire, letter{i + 1, reporters[i].Append(nil, 0, true)})
		}
		for _, l := range rapid.Permutation(append(wire, wire...)).Draw(t, "arrival") {
			deliver(l)
		}
		tick(true)
		if diff := cmp.Diff(wholeOf(single), wholeOf(fleet)); diff != "" {
			t.Fatalf("one process (-) and the fleet (+) differ:\n%s", diff)
		}
	})
}

func TestUnionLosesAWorker(t *testing.T) {
	union := stats.NewUnion(stats.RecorderOptions{})
	for i := 1; i <= 2; i++ {
		p := newProcess(i)
		for fate := range 4 {
			p.do(deed{name: "/a", fate: fate, sample: stats.Sample{Service: time.Millisecond, Response: time.Millisecond}})
		}
		if err := union.Report(i, stats.NewReporter(stats.NewSource(p.recorder, p.ledger)).Append(nil, 0, true)); err != nil {
			t.Fatal(err)
		}
	}
	union.Lose(2)
	c := union.Counts()
	want := stats.Counts{
		Issued: 8, Accepted: 4, Rejected: 2, Awaiting: 1, Unanswered: 1, Delivered: 2, Open: 1, Unverified: 1, Receipts: 2,
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("ledger with a lost worker (-want +got):\n%s", diff)
	}
	if c.Accepted != c.Delivered+c.Failed+c.Open+c.Pending+c.Lost+c.Unverified {
		t.Errorf("the ledger does not close: %+v", c)
	}
}

func TestUnionForgets(t *testing.T) {
	union, p := stats.NewUnion(stats.RecorderOptions{}), newProcess(1)
	reporter := stats.NewReporter(stats.NewSource(p.recorder, p.ledger))
	fail := func() {
		p.do(deed{name: "/a", failure: "refused", at: time.Unix(1, 0), sample: stats.Sample{Outcome: stats.Failed}})
		if err := union.Report(1, reporter.Append(nil, 0, true)); err != nil {
			t.Fatal(err)
		}
	}
	fail()
	fail()
	union.Forget()
	if got := union.Failures(); len(got) != 0 {
		t.Errorf("failures after Forget: %v", got)
	}
	fail()
	if got := union.Failures(); len(got) != 1 || got[0].Occurrences != 1 {
		t.Errorf("failures since Forget: %+v, want one", got)
	}
	if got := union.Exceptions(); len(got) != 1 || got[0].Count != 1 {
		t.Errorf("exceptions since Forget: %+v, want one", got)
	}
}

// TestUnionRefuses takes nothing of a report that contradicts the last one.
func TestUnionRefuses(t *testing.T) {
	union := stats.NewUnion(stats.RecorderOptions{})
	report := func(n int, seq int) []byte {
		p := newProcess(1)
		r := stats.NewReporter(stats.NewSource(p.recorder, p.ledger))
		for range n {
			p.do(deed{name: "/a", sample: stats.Sample{Service: time.Millisecond, Response: time.Millisecond}})
		}
		var b []byte
		for range seq {
			b = r.Append(nil, 0, true)
		}
		return b
	}
	if err := union.Report(1, report(5, 1)); err != nil {
		t.Fatal(err)
	}
	if err := union.Report(1, report(3, 2)); !errors.Is(err, stats.ErrReport) && !errors.Is(err, stats.ErrHistogram) {
		t.Errorf("a report with less than the last: %v", err)
	}
	sec := union.Take(true)
	var requests uint64
	for _, s := range sec.Entries {
		requests += s.Requests
	}
	if requests != 5 {
		t.Errorf("%d requests counted, want the 5 of the good report", requests)
	}
}

func FuzzReport(f *testing.F) {
	p := newProcess(1)
	r := stats.NewReporter(stats.NewSource(p.recorder, p.ledger))
	f.Add(r.Append(nil, 0, true))
	p.do(deed{name: "/a", failure: "refused", fate: 3, sample: stats.Sample{Service: time.Millisecond, Response: time.Second, Outcome: stats.Failed}})
	good := r.Append(nil, 0, true)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		u := stats.NewUnion(stats.RecorderOptions{})
		if err := u.Report(1, b); err != nil {
			if !errors.Is(err, stats.ErrReport) && !errors.Is(err, stats.ErrHistogram) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		// What is taken must fit into a timeline.
		c := stats.NewCollector(stats.CollectorOptions{Start: time.Now(), Source: u})
		c.Finish(stats.Tick{At: time.Now().Add(time.Second), Gauges: stats.NoGauges()})
		c.Live()
	})
}

// TestStrays has a receipt come to the worker that did not send its message.
func TestStrays(t *testing.T) {
	ledger := func(worker int) *stats.Ledger {
		return stats.NewLedger(stats.LedgerOptions{Worker: uint16(worker), Shared: true})
	}
	a, b := ledger(1), ledger(2)
	id := []byte("smsc-17")
	a.AcceptSMPP(a.Issue(1, 0), id)
	if e := b.ReceiptID(id, stats.FinalDelivered, time.Second); e != stats.Parked {
		t.Fatalf("effect %v at the wrong worker", e)
	}
	if got := b.Strays(time.Second, 10); len(got) != 0 {
		t.Errorf("offered at once, before its response may be here: %v", got)
	}
	offered := b.Strays(2*time.Second, 10)
	if len(offered) != 1 || len(b.Strays(2*time.Second, 10)) != 0 {
		t.Fatalf("offered %v, want one, once", offered)
	}
	if b.TakeStray(offered[0].ID, offered[0].Final, offered[0].At) {
		t.Error("a worker took a receipt of a message that it had not sent")
	}
	if !a.TakeStray(offered[0].ID, offered[0].Final, offered[0].At) {
		t.Error("the sender did not take its receipt")
	}
	b.ForgetStray(offered[0].ID)
	got := []stats.Counts{a.Counts(), b.Counts()}
	want := []stats.Counts{{Issued: 1, Accepted: 1, Delivered: 1}, {Receipts: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledgers (-want +got):\n%s", diff)
	}
	if !a.TakeStray(id, stats.FinalDelivered, time.Second) || a.Counts().Duplicates != 1 {
		t.Error("a second receipt was not counted as duplicate by the sender")
	}
}
