package stats

import (
	"math"
	"slices"
	"time"
)

// MaxSeries bounds the series of a run: each costs 8 to 16 bytes a row of the timeline.
const MaxSeries = 64

// Units of a series. A reader may meet others: they are shown as they are written.
const (
	UnitCount   = ""      // a number of things
	UnitRate    = "/s"    // things a second
	UnitShare   = "share" // 0..1
	UnitBytes   = "bytes"
	UnitSeconds = "s"
	UnitBytesPS = "bytes/s"
)

// SeriesInfo names a series that is sampled beside the requests: something that the target or what stands behind it says
// about itself. It does not change during a run, but for Off.
type SeriesInfo struct {
	Name   string // unique in the run: "postgres.connections"
	Unit   string // one of the units, or any other text
	Label  string // for people: "connections"
	Source string // what is asked, for grouping; secrets masked: "postgres://app@db:5432/bulk"
	Level  bool   // a level, of which the peak counts, and not a rate or a share, of which the mean does
	More   bool   // more is better: a target that names no direction asks for at least
	Off    string // why it was not measured in the last second, "" = it was; set in Live only
}

// SeriesValue is what a series says at the end of a second.
type SeriesValue struct {
	Value float64 // NaN = not measured
	Off   string  // then the reason, in a sentence's part: "connection refused"
}

// NotMeasured is a value that could not be had.
func NotMeasured(why string) SeriesValue { return SeriesValue{math.NaN(), why} }

// seriesMean averages series by time, each over the seconds that measured it.
type seriesMean struct{ sum, weight, top []float64 }

// grow makes room for n series.
func (m *seriesMean) grow(n int) {
	for len(m.sum) < n {
		m.sum, m.weight, m.top = append(m.sum, 0), append(m.weight, 0), append(m.top, math.NaN())
	}
}

// add takes a row's means and, when they differ, its peaks.
func (m *seriesMean) add(mean, peak []float64, width time.Duration) {
	m.grow(len(mean))
	w := width.Seconds()
	for i, v := range mean {
		if math.IsNaN(v) {
			continue
		}
		m.sum[i] += v * w
		m.weight[i] += w
		if peak != nil {
			v = peak[i]
		}
		if !(v <= m.top[i]) {
			m.top[i] = v
		}
	}
}

// mean and peak of what was added, NaN where nothing was measured; nil without series.
func (m *seriesMean) mean() []float64 {
	if len(m.sum) == 0 {
		return nil
	}
	out := make([]float64, len(m.sum))
	for i := range out {
		out[i] = math.NaN()
		if m.weight[i] > 0 {
			out[i] = m.sum[i] / m.weight[i]
		}
	}
	return out
}

func (m *seriesMean) peak() []float64 { return slices.Clone(m.top) }

// seriesValues are the values of a tick for n series; what it does not have is not measured.
func seriesValues(values []SeriesValue, n int) []float64 {
	if n == 0 {
		return nil
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
		if i < len(values) && !math.IsInf(values[i].Value, 0) {
			out[i] = values[i].Value
		}
	}
	return out
}

// seriesState are the infos with the reasons of the last tick.
func (c *Collector) seriesState() []SeriesInfo {
	if len(c.series) == 0 {
		return nil
	}
	out := slices.Clone(c.series)
	for i := range out {
		out[i].Off = "not sampled yet"
		if i < len(c.last.Series) {
			out[i].Off = c.last.Series[i].Off
		}
	}
	return out
}
