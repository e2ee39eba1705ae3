package stats

import "time"

// quantileCount is the number of Locust's percentiles.
const quantileCount = 11

// Quantiles are a distribution at the levels of [QuantileLevels]; zeros when it is empty.
type Quantiles [quantileCount]time.Duration

// QuantileLevels are the percentiles of Locust's files: 50, 66, 75, 80, 90, 95, 98, 99, 99.9, 99.99 and 100 %.
func QuantileLevels() [quantileCount]float64 {
	return [quantileCount]float64{0.5, 0.66, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 0.9999, 1}
}

// Quantiles returns all of them in one walk, each as [Histogram.Quantile] does.
func (h *Histogram) Quantiles() (q Quantiles) {
	if h.Count() == 0 {
		return q
	}
	levels := QuantileLevels()
	next, seen := 0, uint64(0)
	rank := h.rank(levels[0])
	for i, c := range h.chunks {
		if c == nil {
			continue
		}
		for j, n := range c {
			if n == 0 {
				continue
			}
			for seen += n; seen >= rank; {
				_, high := bucketRange(i<<chunkBits + j)
				q[next] = time.Duration(high) * time.Microsecond
				if next++; next == quantileCount {
					return q
				}
				rank = h.rank(levels[next])
			}
		}
	}
	return q
}

// EntryPoint is what one row of the timeline holds about one request name.
type EntryPoint struct {
	At, Width                     time.Duration // start since the run's start
	Requests, Failures, Throttled float64       // a second
	Quantiles                     Quantiles     // of the response time
	Samples                       uint64        // behind them
}

// Series returns the points of one request name, in order of time: one for every row, with zeros in those without a
// request of that name. ok is false when there is no such name.
func (c *Collector) Series(method, name string) (points []EntryPoint, ok bool) {
	rows := c.snapshot(c.Whole())
	points = make([]EntryPoint, 0, len(rows))
	e, ok := c.source.Lookup(method, name)
	for i := range rows {
		p := EntryPoint{At: rows[i].point.At, Width: rows[i].point.Width}
		for j := range rows[i].entries {
			if r := &rows[i].entries[j]; r.entry == e {
				p.take(r)
				break
			}
		}
		points = append(points, p)
	}
	return points, ok
}

func (p *EntryPoint) take(r *entryRow) {
	h := NewHistogram()
	mustMerge(h, r.response)
	p.Requests, p.Failures, p.Throttled = perSecond(r.requests, p.Width), perSecond(r.failed, p.Width), perSecond(r.throttled, p.Width)
	p.Quantiles, p.Samples = h.Quantiles(), h.Count()
}
