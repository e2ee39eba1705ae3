package metrics

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Histogram counts observations by size.
type Histogram struct {
	bounds []float64 // upper bounds in ascending order, shared
	counts []atomic.Uint64
	nanos  atomic.Int64 // sum, in billionths
}

// HistogramVec is histograms that share a name and differ in their labels.
type HistogramVec struct {
	vec[Histogram]
	bounds []float64
}

// Histogram registers a histogram with the buckets' upper bounds; a last one without
// bound is added.
func (m *Metrics) Histogram(name, help string, bounds []float64, labels ...string) (*HistogramVec, error) {
	if len(bounds) == 0 || !slices.IsSorted(bounds) {
		return nil, errors.New("metrics: " + name + ": bounds must rise")
	}
	v := &HistogramVec{bounds: slices.Clone(bounds)}
	v.init(name, help, labels)
	v.send = func(ch chan<- prometheus.Metric, h *Histogram, values []string) {
		count, sum, buckets := h.snapshot()
		ch <- prometheus.MustNewConstHistogram(v.desc, count, sum, buckets, values...)
	}
	return v, m.register(v)
}

// With returns the handle for the labels' values, in their order. Keep it.
func (v *HistogramVec) With(values ...string) *Histogram {
	return v.with(values, func() *Histogram {
		return &Histogram{bounds: v.bounds, counts: make([]atomic.Uint64, len(v.bounds)+1)}
	})
}

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	s := d.Seconds()
	i := 0
	for i < len(h.bounds) && s > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.nanos.Add(int64(d))
}

// snapshot returns the histogram with cumulated buckets. Under load the sum may be an
// observation ahead or behind.
func (h *Histogram) snapshot() (count uint64, sum float64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(h.bounds))
	for i := range h.counts {
		count += h.counts[i].Load()
		if i < len(h.bounds) {
			buckets[h.bounds[i]] = count
		}
	}
	return count, float64(h.nanos.Load()) / 1e9, buckets
}
