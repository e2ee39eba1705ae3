package stats

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var start = time.Unix(1_700_000_000, 0)

// play runs seconds of a made-up run through a collector; at(i) says what happens in second i.
func play(t testing.TB, o CollectorOptions, seconds int, at func(i int, s *Shard, e []Entry) Tick) *Collector {
	t.Helper()
	if o.Recorder == nil {
		o.Recorder = NewRecorder(RecorderOptions{Shards: 1})
	}
	o.Start = start
	c := NewCollector(o)
	entries := []Entry{o.Recorder.Entry("POST", "/messages"), o.Recorder.Entry("GET", "/messages")}
	for i := range seconds {
		tick := at(i, o.Recorder.Shard(0), entries)
		tick.At = start.Add(time.Duration(i+1) * time.Second)
		c.Tick(tick)
	}
	return c
}

func TestJoinedRowsLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and many numbers: nothing to race")
	}
	const seconds = 2*3600 + 600
	rng := rand.New(rand.NewPCG(1, 1))
	var want Histogram
	var messages uint64
	c := play(t, CollectorOptions{}, seconds, func(i int, s *Shard, e []Entry) Tick {
		for range 5 {
			d := time.Duration(rng.ExpFloat64() * float64(20*time.Millisecond))
			s.Record(e[i&1], Sample{Service: d, Response: d, Messages: 1, Segments: 2})
			want.Record(d)
			messages++
			s.Late(0)
		}
		return Tick{Users: 10, Gauges: NoGauges()}
	})
	whole := c.Summary(c.Whole())
	if diff := cmp.Diff(want.Buckets(), whole.Total.Response.Buckets()); diff != "" {
		t.Errorf("response times (-want +got):\n%s", diff)
	}
	if whole.Total.Messages != messages || whole.Total.Segments != 2*messages || whole.Seconds != seconds ||
		whole.Iterations != messages || whole.Covered != seconds*time.Second {
		t.Errorf("messages %d, segments %d, seconds %d, iterations %d, covered %v", whole.Total.Messages,
			whole.Total.Segments, whole.Seconds, whole.Iterations, whole.Covered)
	}
	points := c.Points()
	var end time.Duration
	widths := make(map[time.Duration]int)
	for _, p := range points {
		if p.At != end {
			t.Fatalf("point at %v, the one before ends at %v", p.At, end)
		}
		end = p.At + p.Width
		widths[p.Width]++
		if math.Abs(p.Requests-5) > 1e-9 {
			t.Fatalf("point at %v has %v requests/s, want 5", p.At, p.Requests)
		}
	}
	if n := len(points); n > secondsKept+tensKept+600/60+2*rowsInTen {
		t.Errorf("%d points for 130 minutes", n)
	}
	if widths[time.Second] < secondsKept || widths[10*time.Second] < tensKept || widths[time.Minute] < 9 {
		t.Errorf("points by width: %v", widths)
	}
}

func TestTimelineStaysWithinItsBytes(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and many numbers: nothing to race")
	}
	const limit = 300_000
	rng := rand.New(rand.NewPCG(1, 1))
	c := play(t, CollectorOptions{MaxBytes: limit}, 1500, func(_ int, s *Shard, e []Entry) Tick {
		for range 100 {
			d := time.Duration(rng.ExpFloat64() * float64(200*time.Millisecond))
			s.Record(e[0], Sample{Service: d, Response: d})
		}
		return Tick{Users: 10, Gauges: NoGauges()}
	})
	real := 0
	c.timeline.each(func(r *row) { real += r.size() })
	if real != c.timeline.bytes {
		t.Errorf("counted %d bytes, rows have %d", c.timeline.bytes, real)
	}
	if real > limit {
		t.Errorf("%d bytes, want ≤ %d", real, limit)
	}
	if n := c.Summary(c.Whole()).Total.Requests; n != 150_000 {
		t.Errorf("%d requests, want 150,000: joining must lose nothing", n)
	}
}

// TestTimelineCountsItsHeap holds the bytes that the timeline counts (and bounds) against the heap: ten names, wide
// latencies, rows of a second and of ten.
func TestTimelineCountsItsHeap(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and many numbers: nothing to race")
	}
	r := NewRecorder(RecorderOptions{Shards: 1})
	names := make([]Entry, 10)
	for i := range names {
		names[i] = r.Entry("POST", string(rune('a'+i)))
	}
	c := NewCollector(CollectorOptions{Start: start, Recorder: r})
	tl := &c.timeline
	before := heap()
	rng := rand.New(rand.NewPCG(1, 1))
	second := func(i int) row { // a row as Tick makes it, without the cost of recording
		m := newMerger()
		for _, e := range names {
			s := &EntryStats{Requests: 60, Service: NewHistogram(), Response: NewHistogram()}
			for range 60 {
				d := time.Duration(rng.ExpFloat64() * float64(30*time.Millisecond))
				s.Service.Record(d)
				s.Response.Record(d)
			}
			m.entries[e] = s
		}
		m.from, m.covered = time.Duration(i)*time.Second, time.Second
		return m.row(&row{})
	}
	const seconds = 1500
	for i := range seconds {
		tl.add(second(i))
	}
	grown := heap() - before
	if grown > tl.bytes*3/2+1<<20 {
		t.Errorf("the heap grew by %d, the timeline counts %d", grown, tl.bytes)
	}
}

func TestTheShortLastSecondJoinsTheOneBefore(t *testing.T) {
	r := NewRecorder(RecorderOptions{Shards: 1})
	c := play(t, CollectorOptions{Recorder: r}, 3, func(_ int, s *Shard, e []Entry) Tick {
		s.Record(e[0], Sample{Response: time.Millisecond})
		return Tick{Users: 1, Gauges: NoGauges()}
	})
	r.Shard(0).Record(r.Entry("POST", "/messages"), Sample{Response: time.Millisecond})
	c.Finish(Tick{At: start.Add(3*time.Second + 10*time.Millisecond), Users: 1, Gauges: NoGauges()})
	points := c.Points()
	if len(points) != 3 || points[2].Width != 1010*time.Millisecond || points[2].Samples != 2 {
		t.Errorf("points %+v", points)
	}
	c.Finish(Tick{At: start.Add(3*time.Second + 20*time.Millisecond), Phase: PhaseDrain, Gauges: NoGauges()})
	if n := len(c.Points()); n != 4 {
		t.Errorf("%d points: the drain must not join the run", n)
	}
	if n := c.Summary(c.Whole()).Total.Requests; n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
}

func TestMeasuredWindow(t *testing.T) {
	sec := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	users := func(spans ...[2]int) []Tick { // {seconds, users}
		var ticks []Tick
		for _, s := range spans {
			for range s[0] {
				ticks = append(ticks, Tick{Users: s[1]})
			}
		}
		return ticks
	}
	drain := func(n int) (ticks []Tick) {
		for range n {
			ticks = append(ticks, Tick{Phase: PhaseDrain})
		}
		return ticks
	}
	rate := func(ticks []Tick, r float64) []Tick {
		for i := range ticks {
			ticks[i].Rate = r
		}
		return ticks
	}
	cat := func(parts ...[]Tick) (all []Tick) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	tests := map[string]struct {
		ticks  []Tick
		warmup float64
		want   Window
		ok     bool
	}{
		"ramp, plateau, drain": {
			cat(users([2]int{1, 5}, [2]int{1, 8}, [2]int{61, 10}), drain(5)), 10,
			Window{From: sec(13), To: sec(63), Warmup: sec(10)},
			true,
		},
		"the longest of two plateaus": {
			users([2]int{11, 10}, [2]int{3, 2}, [2]int{31, 10}), 0, Window{From: sec(15), To: sec(45)}, true,
		},
		"a lower, longer plateau does not count": {
			users([2]int{100, 5}, [2]int{21, 10}, [2]int{100, 5}), 5, Window{From: sec(106), To: sec(121), Warmup: sec(5)}, true,
		},
		"a user reconnecting is no ramp": {
			users([2]int{11, 1000}, [2]int{1, 996}, [2]int{10, 1000}), 0, Window{From: sec(1), To: sec(22)}, true,
		},
		"a short run keeps half of it": {
			users([2]int{9, 3}), 10, Window{From: sec(5), To: sec(9), Warmup: sec(4)}, true,
		},
		"by rate when the run has one": {
			cat(rate(users([2]int{10, 50}), 100), rate(users([2]int{21, 7}), 500)), 5,
			Window{From: sec(16), To: sec(31), Warmup: sec(5)},
			true,
		},
		"never still": {users([2]int{1, 1}, [2]int{1, 2}, [2]int{1, 3}), 0, Window{}, false},
		"nothing":     {users([2]int{5, 0}), 0, Window{}, false},
		"drain only":  {drain(5), 0, Window{}, false},
		"single tick": {users([2]int{1, 5}), 0, Window{}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := play(t, CollectorOptions{}, len(tt.ticks), func(i int, _ *Shard, _ []Entry) Tick {
				tick := tt.ticks[i]
				tick.Gauges = NoGauges()
				return tick
			})
			got, ok := c.Measured(sec(tt.warmup))
			if diff := cmp.Diff(tt.want, got); diff != "" || ok != tt.ok {
				t.Errorf("ok %v, window (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestSummaryOfAWindowLeavesTheRestOut(t *testing.T) {
	c := play(t, CollectorOptions{}, 30, func(i int, s *Shard, e []Entry) Tick {
		s.Record(e[0], Sample{Response: time.Duration(i) * time.Millisecond, Outcome: []Outcome{OK, Failed, Throttled}[i%3]})
		s.Late(map[bool]time.Duration{true: 30 * time.Millisecond}[i%10 == 0])
		if i == 15 {
			return Tick{Users: 4, Gauges: Gauges{TargetCPU: 0.9, Steal: 0.2, TargetMemory: math.NaN()}}
		}
		return Tick{Users: 4, Gauges: Gauges{TargetCPU: 0.5, Steal: 0, TargetMemory: math.NaN()}}
	})
	s := c.Summary(Window{From: 10 * time.Second, To: 20 * time.Second})
	type figures struct {
		Requests, Failures, Throttled, Iterations uint64
		Seconds, Late, Host                       int
		Min, Max                                  time.Duration
		CPU, PeakCPU, Memory, TPS                 float64
	}
	got := figures{
		s.Total.Requests, s.Total.Failures, s.Total.Throttled, s.Iterations, s.Seconds, s.LateSeconds, s.HostSeconds,
		s.Total.Response.Min(), s.Total.Response.Max().Truncate(time.Millisecond), s.Mean.TargetCPU, s.Peak.TargetCPU, s.Mean.TargetMemory, s.TPS(),
	}
	want := figures{10, 4, 3, 10, 10, 1, 1, 10 * time.Millisecond, 19 * time.Millisecond, 0.54, 0.9, math.NaN(), 0.3}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLiveKeepsWhatItHandedOut(t *testing.T) {
	r := NewRecorder(RecorderOptions{Shards: 1})
	var first Live
	c := play(t, CollectorOptions{Recorder: r, Ledger: NewLedger(LedgerOptions{})}, 20, func(_ int, s *Shard, e []Entry) Tick {
		for range 10 {
			s.Record(e[0], Sample{Response: time.Millisecond})
		}
		return Tick{Users: 1, Gauges: NoGauges()}
	})
	first = c.Live()
	if first.Total.Requests != 200 || first.Recent.Total.Requests != 100 || first.Recent.Covered != 10*time.Second {
		t.Errorf("total %d, last 10 s %d over %v", first.Total.Requests, first.Recent.Total.Requests, first.Recent.Covered)
	}
	r.Shard(0).Record(r.Entry("POST", "/messages"), Sample{Response: time.Second})
	c.Finish(Tick{At: start.Add(21 * time.Second), Gauges: NoGauges()})
	if n := first.Total.Response.Count(); n != 200 {
		t.Errorf("a later tick changed an older state to %d samples", n)
	}
	if n := c.Live().Total.Requests; n != 201 {
		t.Errorf("%d requests, want 201", n)
	}
}

func TestReceiptsAndOpenMessagesReachTheTimeline(t *testing.T) {
	l := NewLedger(LedgerOptions{})
	c := play(t, CollectorOptions{Ledger: l}, 4, func(i int, _ *Shard, _ []Entry) Tick {
		at := time.Duration(i) * time.Second
		first := l.Issue(10, at)
		for seq := first; seq < first+10; seq++ {
			l.Accept(seq, nil)
			if seq%2 == 0 {
				l.Receipt(seq, FinalDelivered, at+300*time.Millisecond)
			}
		}
		return Tick{Users: 1, Gauges: NoGauges()}
	})
	c.Finish(Tick{At: start.Add(5 * time.Second), Phase: PhaseDrain, Gauges: NoGauges()})
	if whole := c.Summary(c.Whole()); whole.Covered != 5*time.Second || whole.Loaded != 4*time.Second {
		t.Errorf("covered %v, loaded %v: rates are not over the drain", whole.Covered, whole.Loaded)
	}
	for i, p := range c.Points()[:4] {
		if p.Receipts != 5 || p.Open != uint64(5*(i+1)) {
			t.Errorf("second %d: %v receipts/s, %d open", i, p.Receipts, p.Open)
		}
	}
	s := c.Summary(c.Whole())
	if s.Receipts != 20 || s.DLRLatency.Count() != 20 || s.DLRLatency.Quantile(0.5).Round(time.Millisecond) != 300*time.Millisecond {
		t.Errorf("%d receipts, %d latencies, p50 %v", s.Receipts, s.DLRLatency.Count(), s.DLRLatency.Quantile(0.5))
	}
}
