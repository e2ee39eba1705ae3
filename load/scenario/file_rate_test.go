package scenario_test

import (
	"testing"
	"time"

	"protei-bulk/load"
)

// TestRates: load: rate: as text and as a list, and a class's own, start what they say;
// a class with a rate takes no user of the shape.
func TestRates(t *testing.T) {
	e := newEcho(t, nil)
	f := parse(t, `
load:
  run_time: 2s
  max_users: 20
  rate:
    - {at: 0s, rate: 100/s}
    - {at: 1s, rate: 100}
    - {at: 2s, rate: 100/s}
users:
  Shared:
    tasks: [{get: /shared}]
  Own:
    rate: 40/s
    max_users: 3
    tasks: [{get: /own}]
  Burst:
    rate: "0s:0,1s:20,2s:0/s"
    tasks: [{get: /burst}]
`)
	if f.Rate != "0s:100/s,1s:100,2s:100/s" || f.MaxUsers != 20 || !f.HasRates() {
		t.Fatalf("rate %q, %d users", f.Rate, f.MaxUsers)
	}
	b := openFile(t, f, e.srv.URL, "", nil)
	classes, err := b.Classes()
	if err != nil {
		t.Fatal(err)
	}
	rate, err := load.ParseRate(f.Rate, f.RunTime)
	if err != nil {
		t.Fatal(err)
	}
	b.result, err = load.Run(t.Context(), load.Options{
		Classes: classes, Rate: rate, MaxUsers: f.MaxUsers, RunTime: f.RunTime, Recorder: b.opts.Recorder, Ledger: b.opts.Ledger,
		Clock: b.opts.Clock, Seed: 7, StopTimeout: 10 * time.Second, NoDrain: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	// The first start is at 0, none is at the end. A busy machine drops some for want of a
	// user, and may miss the last ones.
	sum := b.result.Collector.Summary(b.result.Collector.Whole())
	done := map[string]uint64{}
	for _, e := range sum.Entries {
		done[e.Name] = e.Requests
	}
	if total := done["/shared"] + done["/own"] + done["/burst"] + sum.Dropped; total < 240 || total > 303 {
		t.Errorf("%d starts, want 200 + 80 + 20: %v, %d dropped", total, done, sum.Dropped)
	}
	if sum.Dropped == 0 && (done["/own"] < 60 || done["/own"] > 81 || done["/burst"] < 10 || done["/burst"] > 21) {
		t.Errorf("%v", done)
	}
	if b.result.PeakUsers > 20+3+100 {
		t.Errorf("%d users", b.result.PeakUsers)
	}
}
