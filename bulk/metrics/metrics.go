// Package metrics holds the platform's counters and its /metrics page in Prometheus'
// text format: Metrics is the registry, Counter and Histogram are for hot paths, and
// families read at each scrape what other packages count themselves.
//
// A Counter costs one atomic addition and a Histogram three, without labels to resolve:
// With returns a handle that is kept. Everything is safe for concurrent use. The package
// starts no goroutine.
package metrics

import (
	"log/slog"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Namespace begins the name of every metric of ours.
const Namespace = "protei_bulk"

// Options configure a registry. The zero value is useful.
type Options struct {
	Version string       // shown as label of protei_bulk_build_info
	Logger  *slog.Logger // gets the faults of a scrape; nil: silent
	// Root is the folder that holds proc and sys; "" is /. Tests set it.
	Root string
}

// Metrics is a registry with its page.
type Metrics struct {
	registry *prometheus.Registry
	page     http.Handler
	http     *HistogramVec
}

// New returns a registry that has the figures of the process and of the Go runtime.
func New(opts Options) (*Metrics, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Metrics{registry: prometheus.NewRegistry()}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: Namespace, Name: "build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": opts.Version, "go": runtime.Version()},
	})
	build.Set(1)
	for _, c := range []prometheus.Collector{
		build, newProcess(opts.Root), newGCPauses(),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	m.page = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: faults{opts.Logger}, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4,
	})
	var err error
	m.http, err = m.Histogram("http_request_duration_seconds", "Time from the request's head to the end of the answer.",
		[]float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}, "route", "method", "code")
	return m, err
}

// ServeHTTP answers with the page.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.page.ServeHTTP(w, r) }

// faults gives what goes wrong in a scrape to the log.
type faults struct{ log *slog.Logger }

// Println is promhttp's way to log.
func (f faults) Println(v ...any) { f.log.Warn("metrics scrape", "fault", v) }
