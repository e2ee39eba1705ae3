package stats

import (
	"cmp"
	"slices"
	"time"
)

// Interval is what one row of the timeline holds about one request name.
type Interval struct {
	At, Width                     time.Duration // start since the run's start
	Requests, Failures, Throttled uint64
	P50, P95, P99                 time.Duration // response time, 0 when nothing was measured
	Samples                       uint64        // behind the percentiles
}

// EntryIntervals are the intervals of one request name, in order of time; a row without requests of that name has an
// interval of zeros.
type EntryIntervals struct {
	Method, Name string
	Intervals    []Interval
}

// Intervals returns, for the total and for every request name, the rows of the timeline that lie wholly inside w: what
// a comparison of two runs is tested on. The total comes first; the rest is sorted as in [Summary].
func (c *Collector) Intervals(w Window) []EntryIntervals {
	rows := c.snapshot(w)
	byEntry := map[Entry]*EntryIntervals{}
	total := EntryIntervals{Name: Aggregated, Intervals: make([]Interval, len(rows))}
	for i := range rows {
		r := &rows[i]
		sum := EntryStats{Service: NewHistogram(), Response: NewHistogram()}
		for j := range r.entries {
			e := &r.entries[j]
			one := e.stats()
			sum.add(&one)
			list := byEntry[e.entry]
			if list == nil {
				k := c.key(e.entry)
				list = &EntryIntervals{Method: k.method, Name: k.name, Intervals: emptyIntervals(rows)}
				byEntry[e.entry] = list
			}
			list.Intervals[i] = newInterval(r, &one)
		}
		total.Intervals[i] = newInterval(r, &sum)
	}
	return append([]EntryIntervals{total}, sortedIntervals(byEntry)...)
}

// stats are the counts and the response times of an entry's row; service times are left out.
func (e *entryRow) stats() EntryStats {
	s := EntryStats{
		Requests: e.requests, Failures: e.failed, Throttled: e.throttled, Service: NewHistogram(), Response: NewHistogram(),
	}
	mustMerge(s.Response, e.response)
	return s
}

func emptyIntervals(rows []row) []Interval {
	out := make([]Interval, len(rows))
	for i := range rows {
		out[i].At, out[i].Width = rows[i].point.At, rows[i].point.Width
	}
	return out
}

func newInterval(r *row, s *EntryStats) Interval {
	h := s.Response
	return Interval{
		At: r.point.At, Width: r.point.Width, Requests: s.Requests, Failures: s.Failures, Throttled: s.Throttled,
		P50: h.Quantile(0.50), P95: h.Quantile(0.95), P99: h.Quantile(0.99), Samples: h.Count(),
	}
}

func sortedIntervals(byEntry map[Entry]*EntryIntervals) []EntryIntervals {
	out := make([]EntryIntervals, 0, len(byEntry))
	for _, e := range byEntry {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b EntryIntervals) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Method, b.Method))
	})
	return out
}
