package panel

import (
	"math"
	"time"

	"protei-bulk/load/stats"
)

// pointColumns name what a point is, in the order of appendPoint; the browser reads points by them. Eleven percentiles
// follow "late_p95", then the six gauges, then the series that the run samples.
func pointColumns() []string {
	return []string{
		"x", "width", "users", "rate", "requests", "failures", "throttled", "messages", "segments", "receipts", "open",
		"dropped", "late", "host", "drain", "late_p95",
		"p50", "p66", "p75", "p80", "p90", "p95", "p98", "p99", "p999", "p9999", "max",
		"target_cpu", "target_memory", "target_rss", "generator_cpu", "generator_rss", "steal",
	}
}

// appendPoint writes a point as an array; x is its end in seconds since 1970.
func appendPoint(e *encoder, started time.Time, p *stats.Point) {
	e.list(func() {
		e.short(float64(started.Add(p.At+p.Width).UnixMilli()) / 1000)
		e.short(p.Width.Seconds())
		e.num(float64(p.Users))
		for _, v := range []float64{p.Rate, p.Requests, p.Failures, p.Throttled, p.Messages, p.Segments, p.Receipts} {
			e.short(v)
		}
		e.count(p.Open)
		e.count(p.Dropped)
		e.num(float64(p.Late))
		e.num(float64(p.Host))
		drain := 0.0
		if p.Phase == stats.PhaseDrain {
			drain = 1
		}
		e.num(drain)
		e.ms(p.LateP95)
		e.quantiles(&p.Quantiles, p.Samples)
		appendGauges(e, &p.Gauges)
		for _, v := range p.Series {
			e.num(math.Round(v*1e6) / 1e6)
		}
	})
}

func appendGauges(e *encoder, g *stats.Gauges) {
	for _, v := range []float64{g.TargetCPU, g.TargetMemory, g.TargetRSS, g.GeneratorCPU, g.GeneratorRSS, g.Steal} {
		e.num(math.Round(v*1e4) / 1e4)
	}
}

// maxPoints bounds the points of a run that a browser gets.
const maxPoints = 2000

// thinned joins neighbours until at most n points are left: rates are averaged over time, counts added, and of
// percentiles and levels the highest stays, as an average of percentiles would be none.
func thinned(points []stats.Point, n int) []stats.Point {
	if len(points) <= n {
		return points
	}
	group := (len(points) + n - 1) / n
	out := make([]stats.Point, 0, n)
	for len(points) > 0 {
		k := min(group, len(points))
		out = append(out, joinPoints(points[:k]))
		points = points[k:]
	}
	return out
}

func joinPoints(points []stats.Point) stats.Point {
	j := points[len(points)-1] // users, phase and gauges at the end
	j.At, j.Width = points[0].At, 0
	j.Open, j.LateP95, j.Samples, j.Dropped, j.Late, j.Host = 0, 0, 0, 0, 0, 0
	j.Quantiles = stats.Quantiles{}
	rates := [7]float64{}
	for i := range points {
		p := &points[i]
		w := p.Width.Seconds()
		for r, v := range pointRates(p) {
			rates[r] += *v * w
		}
		j.Width += p.Width
		j.Users, j.Open, j.LateP95 = max(j.Users, p.Users), max(j.Open, p.Open), max(j.LateP95, p.LateP95)
		j.Samples, j.Dropped, j.Late, j.Host = j.Samples+p.Samples, j.Dropped+p.Dropped, j.Late+p.Late, j.Host+p.Host
		for q := range j.Quantiles {
			j.Quantiles[q] = max(j.Quantiles[q], p.Quantiles[q])
		}
	}
	for r, v := range pointRates(&j) {
		*v = 0
		if j.Width > 0 {
			*v = rates[r] / j.Width.Seconds()
		}
	}
	return j
}

func pointRates(p *stats.Point) [7]*float64 {
	return [7]*float64{&p.Rate, &p.Requests, &p.Failures, &p.Throttled, &p.Messages, &p.Segments, &p.Receipts}
}

// thinnedSeries does the same for the points of one request name.
func thinnedSeries(points []stats.EntryPoint, n int) []stats.EntryPoint {
	if len(points) <= n {
		return points
	}
	group := (len(points) + n - 1) / n
	out := make([]stats.EntryPoint, 0, n)
	for len(points) > 0 {
		k := min(group, len(points))
		out = append(out, joinEntryPoints(points[:k]))
		points = points[k:]
	}
	return out
}

func joinEntryPoints(points []stats.EntryPoint) stats.EntryPoint {
	j := stats.EntryPoint{At: points[0].At}
	for i := range points {
		p := &points[i]
		w := p.Width.Seconds()
		j.Width += p.Width
		j.Samples += p.Samples
		j.Requests += p.Requests * w
		j.Failures += p.Failures * w
		j.Throttled += p.Throttled * w
		for q := range j.Quantiles {
			j.Quantiles[q] = max(j.Quantiles[q], p.Quantiles[q])
		}
	}
	if w := j.Width.Seconds(); w > 0 {
		j.Requests, j.Failures, j.Throttled = j.Requests/w, j.Failures/w, j.Throttled/w
	}
	return j
}
