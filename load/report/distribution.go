package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"protei-bulk/load/stats"
)

// distributionBars is how many bars a distribution has.
const distributionBars = 48

// labelGap is the distance in percent below which two labels are joined.
const labelGap = 9

// distribution is a histogram drawn over a logarithmic time axis.
type distribution struct {
	Path   string // bars, in the same square as the charts
	XTicks []tick
	Marks  []tick // percentiles
	Label  string // for those who can not see it
}

// newDistribution draws h, nil when there is nothing to draw.
func newDistribution(h *stats.Histogram) *distribution {
	buckets := h.Buckets()
	if len(buckets) == 0 {
		return nil
	}
	low := max(float64(buckets[0].Low), float64(time.Microsecond))
	high := max(float64(buckets[len(buckets)-1].High), low*2)
	place := func(ns float64) float64 { return math.Log(max(ns, low)/low) / math.Log(high/low) }
	d := &distribution{Path: bars(buckets, place)}
	for _, v := range logScale(low/1e6, high/1e6).ticks {
		if x := place(v * 1e6); v*1e6 >= low && x <= 1 {
			d.XTicks = append(d.XTicks, tick{x * 100, axisLabel(msUnit, v)})
		}
	}
	for _, p := range []struct {
		label string
		q     float64
	}{{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}} {
		at := min(place(float64(h.Quantile(p.q))), 1) * 100
		if n := len(d.Marks); n > 0 && at-d.Marks[n-1].At < labelGap {
			p.label, d.Marks[n-1].Label = d.Marks[n-1].Label+" "+p.label, ""
		}
		d.Marks = append(d.Marks, tick{at, p.label})
	}
	d.Label = fmt.Sprintf("Distribution from %s to %s, half of them below %s",
		formatLatency(time.Duration(low)), formatLatency(time.Duration(high)), formatLatency(h.Quantile(0.5)))
	return d
}

// bars sorts the buckets into distributionBars and draws those. A bucket wider than a bar is spread over the bars that
// it covers.
func bars(buckets []stats.Bucket, place func(float64) float64) string {
	var heights [distributionBars]float64
	highest := 0.0
	for _, b := range buckets {
		from, to := place(float64(b.Low))*distributionBars, place(float64(b.High)+1000)*distributionBars
		first, last := min(int(from), distributionBars-1), min(int(to), distributionBars-1)
		for i := first; i <= last; i++ {
			heights[i] += float64(b.Count) / float64(last-first+1)
			highest = max(highest, heights[i])
		}
	}
	var path strings.Builder
	const width = float64(chartSide) / distributionBars
	for i, n := range heights {
		if n == 0 {
			continue
		}
		h := max(n/highest*chartSide, 4)
		fmt.Fprintf(&path, "M%s %dh%sv-%sh-%sz", coordinate(float64(i)*width+0.06*width), chartSide,
			coordinate(0.88*width), coordinate(h), coordinate(0.88*width))
	}
	return path.String()
}
