package metrics

import (
	"math"
	"runtime/metrics"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// gcPauses tells for how long the garbage collector stopped all goroutines: two stops, rarely more, in
// each of its cycles. The rest of a cycle is done beside them.
type gcPauses struct{ all, stopping runtimeHistogram }

func newGCPauses() *gcPauses {
	return &gcPauses{
		all: newRuntimeHistogram("/sched/pauses/total/gc:seconds", "gc_pause_seconds",
			"Time that the garbage collector stopped all goroutines for, each stop."),
		stopping: newRuntimeHistogram("/sched/pauses/stopping/gc:seconds", "gc_stopping_seconds",
			"Of protei_bulk_gc_pause_seconds, the time until all were stopped: long when other processes have the cores."),
	}
}

// Describe implements prometheus.Collector.
func (p *gcPauses) Describe(ch chan<- *prometheus.Desc) {
	ch <- p.all.desc
	ch <- p.stopping.desc
}

// Collect implements prometheus.Collector.
func (p *gcPauses) Collect(ch chan<- prometheus.Metric) {
	samples := []metrics.Sample{{Name: p.all.source}, {Name: p.stopping.source}}
	metrics.Read(samples)
	for i, h := range []*runtimeHistogram{&p.all, &p.stopping} {
		if samples[i].Value.Kind() == metrics.KindFloat64Histogram { // a later Go may not have it
			ch <- h.metric(samples[i].Value.Float64Histogram())
		}
	}
}

// runtimeHistogram shows a histogram of the runtime's with fewer buckets.
type runtimeHistogram struct {
	source string
	desc   *prometheus.Desc
}

func newRuntimeHistogram(source, name, help string) runtimeHistogram {
	return runtimeHistogram{source, prometheus.NewDesc(prometheus.BuildFQName(Namespace, "", name), help, nil, nil)}
}

// pauseBounds are bounds in seconds. Buckets cannot be cut: one is shown that ends at the runtime's next bound
// below each, and so has nothing that is longer.
var pauseBounds = []float64{50e-6, 100e-6, 200e-6, 500e-6, .001, .0015, .002, .003, .005, .01, .02, .05, .1, .2, .5}

func (h *runtimeHistogram) metric(from *metrics.Float64Histogram) prometheus.Metric {
	buckets := make(map[float64]uint64, len(pauseBounds))
	count, sum, bounds := uint64(0), 0.0, pauseBounds
	for i, n := range from.Counts {
		low, high := from.Buckets[i], from.Buckets[i+1]
		if count += n; n > 0 {
			sum += float64(n) * middle(low, high)
		}
		next, _ := slices.BinarySearch(bounds, high)
		if bounds = bounds[next:]; len(bounds) > 0 && i+2 < len(from.Buckets) && from.Buckets[i+2] > bounds[0] {
			buckets[high] = count
			bounds = bounds[1:]
		}
	}
	return prometheus.MustNewConstHistogram(h.desc, count, sum, buckets)
}

// middle is what the runtime's histograms have instead of a sum.
func middle(low, high float64) float64 {
	switch {
	case math.IsInf(low, -1):
		return max(0, high)
	case math.IsInf(high, 1):
		return low
	}
	return (low + high) / 2
}
