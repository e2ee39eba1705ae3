package stats

import (
	"testing"
	"time"
)

// TestIntervals: every second of the window stands alone, the total first, and adds up to the summary.
func TestIntervals(t *testing.T) {
	start := time.Now()
	r := NewRecorder(RecorderOptions{Shards: 1})
	c := NewCollector(CollectorOptions{Start: start, Recorder: r})
	quick, rare := r.Entry("GET", "/quick"), r.Entry("POST", "/rare")
	for i := range 12 {
		for range 100 {
			r.Shard(0).Record(quick, Sample{Response: time.Duration(i+1) * time.Millisecond})
		}
		if i == 5 {
			r.Shard(0).Record(rare, Sample{Response: 2 * time.Second, Outcome: Failed})
			r.Shard(0).Record(rare, Sample{Response: 3 * time.Second, Outcome: Throttled})
		}
		c.Tick(Tick{At: start.Add(time.Duration(i+1) * time.Second), Users: 1, Phase: PhaseSteady, Gauges: NoGauges()})
	}
	w := Window{From: 2 * time.Second, To: 10 * time.Second}
	got := c.Intervals(w)
	if len(got) != 3 || got[0].Name != Aggregated || got[1].Name != "/quick" || got[2].Name != "/rare" {
		t.Fatalf("got %d entries: %+v", len(got), got)
	}
	sum := c.Summary(w)
	for _, e := range got {
		if len(e.Intervals) != 8 {
			t.Fatalf("%s has %d intervals, want 8", e.Name, len(e.Intervals))
		}
		var requests uint64
		for i, iv := range e.Intervals {
			requests += iv.Requests
			if want := time.Duration(i+2) * time.Second; iv.At != want || iv.Width != time.Second {
				t.Errorf("%s: interval %d is at %v for %v, want %v for 1s", e.Name, i, iv.At, iv.Width, want)
			}
		}
		for _, s := range append(sum.Entries, sum.Total) {
			if s.Name == e.Name && s.Requests != requests {
				t.Errorf("%s: the intervals have %d requests, the summary %d", e.Name, requests, s.Requests)
			}
		}
	}
	if p := got[1].Intervals[0].P95; p < 3*time.Millisecond || p > 3010*time.Microsecond {
		t.Errorf("the third second's p95 is %v, want 3 ms", p)
	}
	at := got[2].Intervals[3] // second 5
	if at.Requests != 2 || at.Failures != 1 || at.Throttled != 1 || at.Samples != 1 {
		t.Errorf("the failed and the throttled answer became %+v", at)
	}
	if other := got[2].Intervals[4]; other.Requests != 0 || other.P99 != 0 {
		t.Errorf("a second without requests is %+v", other)
	}
}
