package report

import (
	"math"
	"strconv"
	"time"
)

// scale maps values to the y axis: 0 at the top, chartSide at the bottom.
type scale struct {
	log       bool
	low, high float64
	ticks     []float64
}

// newScale spans low to high and the limits that are not far away from the values.
func newScale(log bool, low, high float64, limits []limitLine) scale {
	for _, l := range limits {
		if l.value <= high*3 {
			high = math.Max(high, l.value)
		}
	}
	if log {
		return logScale(low, high)
	}
	return linearScale(high)
}

func linearScale(high float64) scale {
	if high <= 0 {
		high = minRateAxis
	}
	step := niceStep(high / axisTicks)
	s := scale{high: high * headroom}
	if top := math.Ceil(high/step) * step; top <= high*1.25 {
		s.high = top
	}
	for v := 0.0; v <= s.high*1.0001; v += step {
		s.ticks = append(s.ticks, v)
	}
	return s
}

// niceStep rounds up to 1, 2 or 5 times a power of ten.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if v <= m*power*1.0001 {
			return m * power
		}
	}
	return 10 * power
}

// logScale starts at a step of 1, 2, 5. It labels those when it spans at most two decades, 1 and 3 up to four and a half, else the
// decades.
func logScale(low, high float64) scale {
	s := scale{log: true, low: floor125(low), high: high * 1.15}
	mantissas := []float64{1, 2, 5}
	switch decades := math.Log10(s.high / s.low); {
	case decades > 4.5:
		mantissas = []float64{1}
	case decades > 2:
		mantissas = []float64{1, 3}
	}
	for power := math.Pow(10, math.Floor(math.Log10(s.low))); power <= s.high; power *= 10 {
		for _, m := range mantissas {
			if v := m * power; v >= s.low*0.999 && v <= s.high*1.001 {
				s.ticks = append(s.ticks, v)
			}
		}
	}
	return s
}

func floor125(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{5, 2} {
		if v >= m*power {
			return m * power
		}
	}
	return power
}

func (s scale) y(v float64) float64 {
	if s.log {
		v = math.Max(v, s.low)
		return chartSide * (1 - math.Log(v/s.low)/math.Log(s.high/s.low))
	}
	return chartSide * (1 - v/s.high)
}

// axisLabel writes a value of an axis, short.
func axisLabel(u unitName, v float64) string {
	short := func(v float64) string { return groupThousands(strconv.FormatFloat(v, 'g', 6, 64)) }
	switch u {
	case msUnit:
		if v >= 1000 {
			return short(v/1000) + " s"
		}
		if v < 1 && v > 0 {
			return short(v*1000) + " µs"
		}
		return short(v) + " ms"
	case percentUnit:
		return short(v) + " %"
	default:
		if v >= 1e6 {
			return short(v/1e6) + " M"
		}
		if v >= 10_000 {
			return short(v/1000) + " k"
		}
		return short(v)
	}
}

// toMillis is a duration as a chart shows it; NaN when nothing was measured.
func toMillis(d time.Duration, samples uint64) float64 {
	if samples == 0 {
		return math.NaN()
	}
	return float64(d) / float64(time.Millisecond)
}
