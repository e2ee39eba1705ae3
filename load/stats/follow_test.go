package stats_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/load/stats"
)

// rollout plays seconds of a run: a ramp, a plateau, a higher plateau and a drain.
func rollout(t *testing.T, seconds int, each func(c *stats.Collector)) *stats.Collector {
	t.Helper()
	start := time.Now()
	rec := stats.NewRecorder(stats.RecorderOptions{Shards: 1})
	c := stats.NewCollector(stats.CollectorOptions{Start: start, Recorder: rec})
	r := rand.New(rand.NewPCG(1, 2))
	entries := []stats.Entry{rec.Entry("GET", "/a"), rec.Entry("POST", "/b")}
	for s := 1; s <= seconds; s++ {
		users := min(s, 10)
		if s > seconds/2 {
			users = 20
		}
		for range 40 {
			rec.Shard(0).Record(entries[r.IntN(2)], stats.Sample{
				Service: time.Duration(r.IntN(1e6)), Response: time.Duration(r.IntN(90e6)), Bytes: 10, Messages: 1,
			})
			rec.Shard(0).Late(time.Duration(r.IntN(5e6)))
		}
		phase := stats.PhaseSteady
		if s > seconds-5 {
			phase = stats.PhaseDrain
		}
		c.Tick(stats.Tick{At: start.Add(time.Duration(s) * time.Second), Users: users, Phase: phase, Gauges: stats.NoGauges()})
		each(c)
	}
	return c
}

// TestFollowedIsTheSummary: what was followed second by second is what the timeline says, over the joining of rows.
func TestFollowedIsTheSummary(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and many numbers: nothing to race")
	}
	const warmup = 3 * time.Second
	seconds := 0
	rollout(t, 1400, func(c *stats.Collector) {
		seconds++
		c.Follow(warmup)
		if seconds%97 != 0 && seconds != 1400 {
			return
		}
		whole, measured := c.Followed(true)
		if want := c.Summary(c.Whole()); whole.Total.Requests != want.Total.Requests || whole.Covered != want.Covered ||
			whole.Seconds != want.Seconds || whole.Loaded != want.Loaded || whole.Lateness.Quantile(0.95) != want.Lateness.Quantile(0.95) {
			t.Fatalf("second %d: followed %d requests in %v, the timeline has %d in %v", seconds, whole.Total.Requests, whole.Covered, want.Total.Requests, want.Covered)
		}
		w, ok := c.Measured(warmup)
		if !ok {
			t.Fatalf("second %d: no measured window", seconds)
		}
		if w.Duration() > 600*time.Second {
			return // its begin has become a row of ten seconds that Summary cuts off
		}
		want := c.Summary(w)
		if measured.Total.Requests != want.Total.Requests || measured.Covered != want.Covered || measured.Window.To != want.Window.To {
			t.Fatalf("second %d: followed %d requests in %v of %v, the timeline has %d in %v of %v", seconds,
				measured.Total.Requests, measured.Covered, measured.Window, want.Total.Requests, want.Covered, want.Window)
		}
		if diff := cmp.Diff(want.Total.Response.Quantiles(), measured.Total.Response.Quantiles()); diff != "" {
			t.Fatalf("second %d: %s", seconds, diff)
		}
		for i, e := range want.Entries {
			if m := measured.Entries[i]; m.Name != e.Name || m.Requests != e.Requests || m.Response.Quantile(0.99) != e.Response.Quantile(0.99) {
				t.Fatalf("second %d: entry %s has %d requests, want %s with %d", seconds, m.Name, m.Requests, e.Name, e.Requests)
			}
		}
	})
}

// TestFollowedBeforeAPlateau: without a measured window it covers nothing, and a reset forgets.
func TestFollowedBeforeAPlateau(t *testing.T) {
	c := rollout(t, 20, func(c *stats.Collector) { c.Follow(time.Second) })
	c.Reset()
	whole, measured := c.Followed(false)
	if whole.Covered != 0 || measured.Covered != 0 || whole.Total.Requests != 0 {
		t.Errorf("after the reset %v and %v are covered, %d requests", whole.Covered, measured.Covered, whole.Total.Requests)
	}
}

// TestQuantilesAreEachQuantile: one walk gives what eleven give.
func TestQuantilesAreEachQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 2, 3, 10, 1000, 12345} {
		h := stats.NewHistogram()
		for range n {
			h.Record(time.Duration(r.ExpFloat64() * 30e6))
		}
		got := h.Quantiles()
		for i, level := range stats.QuantileLevels() {
			if want := h.Quantile(level); got[i] != want {
				t.Errorf("of %d values, quantile %v is %v, want %v", n, level, got[i], want)
			}
		}
	}
	if got := stats.NewHistogram().Quantiles(); got != (stats.Quantiles{}) {
		t.Errorf("an empty histogram has quantiles %v", got)
	}
}

// TestSeriesOfOneName adds up to the total, over the joining of rows.
func TestSeriesOfOneName(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and many numbers: nothing to race")
	}
	c := rollout(t, 900, func(*stats.Collector) {})
	var sum float64
	for _, name := range [][2]string{{"GET", "/a"}, {"POST", "/b"}} {
		points, ok := c.Series(name[0], name[1])
		if !ok || len(points) != len(c.Points()) {
			t.Fatalf("%s %s: %d points, %v", name[0], name[1], len(points), ok)
		}
		for _, p := range points {
			sum += p.Requests * p.Width.Seconds()
			if p.Samples > 0 && (p.Quantiles[0] == 0 || p.Quantiles[0] > p.Quantiles[10]) {
				t.Fatalf("%s: quantiles %v of %d samples", name[1], p.Quantiles, p.Samples)
			}
		}
	}
	if want := float64(900 * 40); sum < want-0.5 || sum > want+0.5 {
		t.Errorf("the series of both names have %v requests, want %v", sum, want)
	}
	if _, ok := c.Series("GET", "/nothing"); ok {
		t.Error("a name that was never recorded has a series")
	}
}
