package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Emit gives one value of a family to the page, with its labels' values in their order.
type Emit func(value float64, labels ...string)

// family is a metric whose values somebody else keeps.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(Emit)
}

// Counters registers a family of counters that read emits at each scrape. The name
// gets the namespace and, if missing, "_total". The same labels must not come twice.
func (m *Metrics) Counters(name, help string, labels []string, read func(Emit)) error {
	return m.family(counterName(name), help, labels, prometheus.CounterValue, read)
}

// Gauges registers a family of gauges that read emits at each scrape.
func (m *Metrics) Gauges(name, help string, labels []string, read func(Emit)) error {
	return m.family(name, help, labels, prometheus.GaugeValue, read)
}

func (m *Metrics) family(name, help string, labels []string, kind prometheus.ValueType, read func(Emit)) error {
	return m.register(&family{
		desc: prometheus.NewDesc(prometheus.BuildFQName(Namespace, "", name), help, labels, nil),
		kind: kind, read: read,
	})
}

// Describe implements prometheus.Collector.
func (f *family) Describe(ch chan<- *prometheus.Desc) { ch <- f.desc }

// Collect implements prometheus.Collector.
func (f *family) Collect(ch chan<- prometheus.Metric) {
	f.read(func(value float64, labels ...string) {
		metric, err := prometheus.NewConstMetric(f.desc, f.kind, value, labels...)
		if err != nil {
			metric = prometheus.NewInvalidMetric(f.desc, err)
		}
		ch <- metric
	})
}
