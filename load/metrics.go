package load

import (
	"math"
	"sync"
	"sync/atomic"
)

// Metrics are a scenario's own figures beside the requests: counters and gauges. The zero
// Metrics is empty and ready; all methods are safe for concurrent use. A time of one's own
// is a request under a method of one's own, as Entry("RENDER", "invoice"): so it has
// percentiles, a row in every table and a place in the charts.
type Metrics struct {
	mu   sync.Mutex
	list []*metric // guarded by mu
}

type metric struct {
	name, unit string
	counter    *Counter
	gauge      *Gauge
}

// Counter counts something; get it once from [Metrics.Counter].
type Counter struct{ n atomic.Int64 }

// Add adds n.
func (c *Counter) Add(n int64) { c.n.Add(n) }

// Gauge is a value that goes up and down; get it once from [Metrics.Gauge].
type Gauge struct{ bits atomic.Uint64 }

// Set sets the value.
func (g *Gauge) Set(v float64) { g.bits.Store(math.Float64bits(v)) }

// Metric is the state of a metric.
type Metric struct {
	Name, Unit string
	Counter    bool
	Value      float64
}

// Counter makes a counter, or finds the one of this name.
func (m *Metrics) Counter(name, unit string) *Counter {
	found := m.find(name, unit, func(x *metric) bool { return x.counter != nil }, func() *metric { return &metric{counter: &Counter{}} })
	return found.counter
}

// Gauge makes a gauge, or finds the one of this name.
func (m *Metrics) Gauge(name, unit string) *Gauge {
	found := m.find(name, unit, func(x *metric) bool { return x.gauge != nil }, func() *metric { return &metric{gauge: &Gauge{}} })
	return found.gauge
}

func (m *Metrics) find(name, unit string, same func(*metric) bool, create func() *metric) *metric {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.list {
		if x.name == name && same(x) {
			return x
		}
	}
	x := create()
	x.name, x.unit = name, unit
	m.list = append(m.list, x)
	return x
}

// Values are the metrics in the order in which they were made.
func (m *Metrics) Values() []Metric {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Metric, len(m.list))
	for i, x := range m.list {
		out[i] = Metric{Name: x.name, Unit: x.unit, Counter: x.counter != nil}
		if x.counter != nil {
			out[i].Value = float64(x.counter.n.Load())
		} else {
			out[i].Value = math.Float64frombits(x.gauge.bits.Load())
		}
	}
	return out
}
