package stats

import (
	"cmp"
	"slices"
	"time"
)

// Aggregated is the name of the total row, as Locust has it.
const Aggregated = "Aggregated"

// EntryStats are the figures of one request name, or of all of them. The histograms are not nil; they are shared with
// the collector and must not be changed.
type EntryStats struct {
	Method, Name                  string
	Requests, Failures, Throttled uint64
	Messages, Segments, Bytes     uint64
	Service, Response             *Histogram // throttled answers left out
}

func (s *EntryStats) add(o *EntryStats) {
	s.Requests += o.Requests
	s.Failures += o.Failures
	s.Throttled += o.Throttled
	s.Messages += o.Messages
	s.Segments += o.Segments
	s.Bytes += o.Bytes
	s.Service.Merge(o.Service)
	s.Response.Merge(o.Response)
}

// Successful requests: neither failed nor throttled.
func (s *EntryStats) Successful() uint64 { return sub(s.Requests, s.Failures+s.Throttled) }

// ErrorRate is the share of requests that failed, 0 without requests.
func (s *EntryStats) ErrorRate() float64 { return share(s.Failures, s.Requests) }

// ThrottledRate is the share of requests that were throttled, 0 without requests.
func (s *EntryStats) ThrottledRate() float64 { return share(s.Throttled, s.Requests) }

// MeanBytes is the average size of an answer.
func (s *EntryStats) MeanBytes() float64 { return share(s.Bytes, s.Requests) }

func share(n, of uint64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// sortEntries sorts as Locust does: by name, then by method.
func sortEntries(entries []EntryStats) {
	slices.SortFunc(entries, func(a, b EntryStats) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Method, b.Method))
	})
}

// Window is a stretch of the run.
type Window struct {
	From, To time.Duration // since the run's start
	Warmup   time.Duration // what was cut off before From
}

// Duration of the window.
func (w Window) Duration() time.Duration { return w.To - w.From }

// Summary is a window recombined.
type Summary struct {
	Window
	Covered     time.Duration // what the timeline rows wholly inside the window cover
	Loaded      time.Duration // of it, what is not drain; rates are over it
	Total       EntryStats
	Entries     []EntryStats // by name, then method
	Receipts    uint64
	DLRLatency  *Histogram // submit → DLR of the receipts that came in the window
	Lateness    *Histogram // actual − intended start
	Iterations  uint64     // started
	Dropped     uint64     // found no free user
	Seconds     int        // seconds with iterations
	LateSeconds int        // p95 of lateness > 25 ms
	HostSeconds int        // steal > 10 %
	PeakUsers   int
	PeakRate    float64
	Mean, Peak  Gauges // NaN = never measured
	// SeriesMean and SeriesPeak are those of Live.SeriesInfo, in its order; NaN = never measured.
	SeriesMean, SeriesPeak []float64
}

// PerSecond is n divided by what the window covers, the drain left out.
func (s *Summary) PerSecond(n uint64) float64 { return perSecond(n, s.Loaded) }

// TPS is the rate of successful requests.
func (s *Summary) TPS() float64 { return s.PerSecond(s.Total.Successful()) }

// summary of the rows wholly inside w.
func (t *timeline) summary(w Window, key func(Entry) entryKey) Summary {
	m := newMerger()
	t.each(func(r *row) {
		if r.point.At >= w.From && r.end() <= w.To {
			m.add(r)
		}
	})
	s := Summary{
		Window: w, Covered: m.covered, Loaded: m.loaded, Total: m.total(), Receipts: m.receipts, DLRLatency: m.dlr, Lateness: m.lateness,
		Iterations: m.iterations, Dropped: m.dropped, Seconds: m.seconds, LateSeconds: m.late, HostSeconds: m.host,
		PeakUsers: m.peakUsers, PeakRate: m.peakRate, Mean: m.gauges.mean(), Peak: m.gauges.peak,
		SeriesMean: m.series.mean(), SeriesPeak: m.series.peak(),
	}
	if m.rows > 0 {
		s.From, s.To = m.from, m.to // a window that cuts rows is shown as what is counted
	}
	for e, stats := range m.entries {
		k := key(e)
		stats.Method, stats.Name = k.method, k.name
		s.Entries = append(s.Entries, *stats)
	}
	sortEntries(s.Entries)
	return s
}
