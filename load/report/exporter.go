package report

import (
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"protei-bulk/load/stats"
)

// Exporter shows a run while it goes on as a page of Prometheus metrics. It starts no goroutine. The zero value is not
// ready: use [NewExporter].
type Exporter struct {
	live    atomic.Pointer[stats.Live]
	handler http.Handler
}

// exported are the metrics that are one number, by name and labels.
type exported struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*stats.Live) float64
}

// NewExporter makes an exporter; a nil logger is silent.
func NewExporter(logger *slog.Logger) *Exporter {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	x := &Exporter{}
	registry := prometheus.NewRegistry()
	registry.MustRegister(&runCollector{exporter: x, plain: plainMetrics()})
	x.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4,
	})
	return x
}

// Update takes the state of the run after a tick.
func (x *Exporter) Update(live stats.Live) { x.live.Store(&live) }

// ServeHTTP answers with the metrics.
func (x *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) { x.handler.ServeHTTP(w, r) }

const exportPrefix = "protei_bulk_load_"

var requestLabels = []string{"method", "name"}

// The metrics that have a value for each request name.
func requestDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(exportPrefix+name, help, requestLabels, nil)
}

// runCollector reads the last state at each scrape: names appear as the run meets them.
type runCollector struct {
	exporter *Exporter
	plain    []exported
}

// Describe sends nothing: the collector is unchecked, as its request names are not known beforehand.
func (*runCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *runCollector) Collect(ch chan<- prometheus.Metric) {
	live := c.exporter.live.Load()
	if live == nil {
		return
	}
	for _, m := range c.plain {
		if v := m.value(live); !math.IsNaN(v) {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, v)
		}
	}
	requests := requestDesc("requests_total", "Requests that were answered or failed.")
	failures := requestDesc("failures_total", "Requests that failed.")
	throttled := requestDesc("throttled_total", "Requests that the target throttled.")
	response := requestDesc("response_seconds", "Response time from the intended start, throttled answers left out.")
	for i := range live.Entries {
		e := &live.Entries[i]
		counter := func(d *prometheus.Desc, n uint64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), e.Method, e.Name)
		}
		counter(requests, e.Requests)
		counter(failures, e.Failures)
		counter(throttled, e.Throttled)
		ch <- constHistogram(response, e.Response, e.Method, e.Name)
	}
	ch <- constHistogram(prometheus.NewDesc(exportPrefix+"submit_to_dlr_seconds", "From the request to the delivery receipt.", nil, nil), live.DLRLatency)
	phase := prometheus.NewDesc(exportPrefix+"phase", "1 for the part of the run that goes on.", []string{"phase"}, nil)
	for _, p := range []stats.Phase{stats.PhaseRamp, stats.PhaseSteady, stats.PhaseDrain} {
		v := 0.0
		if p == live.Phase {
			v = 1
		}
		ch <- prometheus.MustNewConstMetric(phase, prometheus.GaugeValue, v, p.String())
	}
	collectLedger(ch, &live.Ledger)
	collectSeries(ch, live)
}

// collectSeries shows what is watched of the target system; what is not measured now is left out.
func collectSeries(ch chan<- prometheus.Metric, live *stats.Live) {
	desc := prometheus.NewDesc(exportPrefix+"target_series", "What is watched of the target system, in the last second.", []string{"series", "unit", "source"}, nil)
	for i, info := range live.SeriesInfo {
		if i < len(live.Last.Series) && !math.IsNaN(live.Last.Series[i]) {
			source := strings.ToValidUTF8(info.Source, "?") // as it was typed
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, live.Last.Series[i], info.Name, info.Unit, source)
		}
	}
}

func collectLedger(ch chan<- prometheus.Metric, c *stats.Counts) {
	messages := prometheus.NewDesc(exportPrefix+"messages", "Messages of the run by what became of them.", []string{"state"}, nil)
	for _, s := range []struct {
		state string
		n     uint64
	}{
		{"sent", c.Issued},
		{"accepted", c.Accepted},
		{"rejected", c.Rejected},
		{"unanswered", c.Unanswered},
		{"awaiting", c.Awaiting},
		{"delivered", c.Delivered},
		{"failed", c.Failed},
		{"open", c.Open},
		{"pending", c.Pending},
		{"lost", c.Lost},
	} {
		ch <- prometheus.MustNewConstMetric(messages, prometheus.GaugeValue, float64(s.n), s.state)
	}
}

func plainMetrics() []exported {
	gauge := func(name, help string, value func(*stats.Live) float64) exported {
		return exported{prometheus.NewDesc(exportPrefix+name, help, nil, nil), prometheus.GaugeValue, value}
	}
	counter := func(name, help string, value func(*stats.Live) uint64) exported {
		d := prometheus.NewDesc(exportPrefix+name, help, nil, nil)
		return exported{d, prometheus.CounterValue, func(l *stats.Live) float64 { return float64(value(l)) }}
	}
	return []exported{
		gauge("users", "Users that run.", func(l *stats.Live) float64 { return float64(l.Users) }),
		gauge("elapsed_seconds", "Time since the start of the run.", func(l *stats.Live) float64 { return l.Elapsed.Seconds() }),
		gauge("lateness_p95_seconds", "p95 of actual minus intended start in the last second.", func(l *stats.Live) float64 { return l.Last.LateP95.Seconds() }),
		gauge("generator_cpu", "CPU of the load tester as a share of the machine, 0 to 1.", func(l *stats.Live) float64 { return l.Last.Gauges.GeneratorCPU }),
		gauge("generator_memory_bytes", "Resident memory of the load tester.", func(l *stats.Live) float64 { return l.Last.Gauges.GeneratorRSS }),
		gauge("target_cpu", "CPU of the target as a share of the cores that it may use, 0 to 1.", func(l *stats.Live) float64 { return l.Last.Gauges.TargetCPU }),
		gauge("target_memory", "Memory of the target as a share of its limit, 0 to 1.", func(l *stats.Live) float64 { return l.Last.Gauges.TargetMemory }),
		counter("receipts_total", "Delivery receipts that came.", func(l *stats.Live) uint64 { return l.Ledger.Receipts }),
		counter("duplicate_receipts_total", "Receipts for messages that were settled before.", func(l *stats.Live) uint64 { return l.Ledger.Duplicates }),
		counter("unknown_receipts_total", "Receipts without a submit.", func(l *stats.Live) uint64 { return l.Ledger.UnknownReceipts }),
	}
}

// exportBounds are the buckets that a histogram is shown in, in seconds.
func exportBounds() []time.Duration {
	return []time.Duration{
		time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	}
}

func constHistogram(desc *prometheus.Desc, h *stats.Histogram, labels ...string) prometheus.Metric {
	bounds := exportBounds()
	counts := make(map[float64]uint64, len(bounds))
	buckets := h.Buckets()
	var seen uint64
	for _, bound := range bounds {
		for len(buckets) > 0 && buckets[0].Low <= bound {
			seen += buckets[0].Count
			buckets = buckets[1:]
		}
		counts[bound.Seconds()] = seen
	}
	return prometheus.MustNewConstHistogram(desc, h.Count(), h.Sum().Seconds(), counts, labels...)
}
