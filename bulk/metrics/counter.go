package metrics

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Counter only goes up. The zero value counts, but is on no page.
type Counter struct {
	n atomic.Uint64
	_ [56]byte // its own cache line
}

// Inc adds one.
func (c *Counter) Inc() { c.n.Add(1) }

// Add adds n.
func (c *Counter) Add(n int) { c.n.Add(uint64(n)) }

// Value returns the count.
func (c *Counter) Value() uint64 { return c.n.Load() }

// maxHandles bounds the label values of one metric. What comes beyond it is counted
// under the value "other".
const maxHandles = 1000

// CounterVec is counters that share a name and differ in their labels.
type CounterVec struct{ vec[Counter] }

// Counter registers a counter. Its name gets the namespace and, if missing, "_total".
func (m *Metrics) Counter(name, help string, labels ...string) (*CounterVec, error) {
	v := &CounterVec{}
	v.init(counterName(name), help, labels)
	v.send = func(ch chan<- prometheus.Metric, c *Counter, values []string) {
		ch <- prometheus.MustNewConstMetric(v.desc, prometheus.CounterValue, float64(c.Value()), values...)
	}
	return v, m.register(v)
}

// With returns the handle for the labels' values, in their order. Keep it.
func (v *CounterVec) With(values ...string) *Counter {
	return v.with(values, func() *Counter { return &Counter{} })
}

func (m *Metrics) register(c prometheus.Collector) error {
	if err := m.registry.Register(c); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

func counterName(name string) string {
	if !strings.HasSuffix(name, "_total") {
		name += "_total"
	}
	return name
}

// vec is the handles of one metric by their labels' values.
type vec[T any] struct {
	desc   *prometheus.Desc
	labels int
	send   func(ch chan<- prometheus.Metric, h *T, values []string)

	mu      sync.RWMutex // guards handles
	handles map[string]handle[T]
}

type handle[T any] struct {
	values []string
	it     *T
}

func (v *vec[T]) init(name, help string, labels []string) {
	v.desc = prometheus.NewDesc(prometheus.BuildFQName(Namespace, "", name), help, labels, nil)
	v.labels, v.handles = len(labels), make(map[string]handle[T])
}

// with finds or makes a handle. A wrong number of values is a bug of the caller.
func (v *vec[T]) with(values []string, fresh func() *T) *T {
	if len(values) != v.labels {
		panic(fmt.Sprintf("metrics: %v with %d label values", v.desc, len(values)))
	}
	key := strings.Join(values, "\xff")
	v.mu.RLock()
	h, ok := v.handles[key]
	v.mu.RUnlock()
	if ok {
		return h.it
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if h, ok := v.handles[key]; ok {
		return h.it
	}
	if len(v.handles) >= maxHandles {
		values = make([]string, v.labels)
		for i := range values {
			values[i] = "other"
		}
		key = strings.Join(values, "\xff")
		if h, ok := v.handles[key]; ok {
			return h.it
		}
	}
	h = handle[T]{values: append([]string(nil), values...), it: fresh()}
	v.handles[key] = h
	return h.it
}

// Describe implements prometheus.Collector.
func (v *vec[T]) Describe(ch chan<- *prometheus.Desc) { ch <- v.desc }

// Collect implements prometheus.Collector.
func (v *vec[T]) Collect(ch chan<- prometheus.Metric) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, h := range v.handles {
		v.send(ch, h.it, h.values)
	}
}
