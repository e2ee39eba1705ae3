package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/metrics"
)

func registry(t testing.TB, o metrics.Options) *metrics.Metrics {
	t.Helper()
	m, err := metrics.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func page(t testing.TB, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func has(t testing.TB, page string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+page, "\n"+line+"\n") {
			t.Errorf("the page lacks %q", line)
		}
	}
}

func TestCountersAndFamiliesAreOnThePage(t *testing.T) {
	m := registry(t, metrics.Options{Version: "1.2.3"})
	refused, err := m.Counter("refused", "Messages refused at the door.", "code")
	if err != nil {
		t.Fatal(err)
	}
	busy := refused.With("busy")
	var joined sync.WaitGroup
	for range 4 {
		joined.Go(func() {
			for range 1000 {
				busy.Inc()
			}
		})
	}
	joined.Wait()
	refused.With("invalid_number").Add(7)
	if err := m.Gauges("lane_messages", "Waiting messages.", []string{"connector", "priority"}, func(emit metrics.Emit) {
		emit(12, "default", "HIGH")
		emit(3, `we"ird`, "LOW")
	}); err != nil {
		t.Fatal(err)
	}
	has(t, page(t, m),
		`protei_bulk_refused_total{code="busy"} 4000`,
		`protei_bulk_refused_total{code="invalid_number"} 7`,
		`protei_bulk_lane_messages{connector="default",priority="HIGH"} 12`,
		`protei_bulk_lane_messages{connector="we\"ird",priority="LOW"} 3`,
		fmt.Sprintf(`protei_bulk_build_info{go=%q,version="1.2.3"} 1`, runtime.Version()),
	)
}

func TestNamesAreTakenOnce(t *testing.T) {
	m := registry(t, metrics.Options{})
	if _, err := m.Counter("seen", "x"); err != nil {
		t.Fatal(err)
	}
	if err := m.Counters("seen_total", "x", nil, func(metrics.Emit) {}); err == nil {
		t.Error("the same name was taken twice")
	}
}

func TestAFaultyFamilyDoesNotHideTheOthers(t *testing.T) {
	m := registry(t, metrics.Options{})
	if err := m.Gauges("broken", "x", []string{"a"}, func(emit metrics.Emit) { emit(1, "too", "many") }); err != nil {
		t.Fatal(err)
	}
	if err := m.Gauges("fine", "x", nil, func(emit metrics.Emit) { emit(5) }); err != nil {
		t.Fatal(err)
	}
	has(t, page(t, m), "protei_bulk_fine 5")
}

func TestHistogram(t *testing.T) {
	m := registry(t, metrics.Options{})
	v, err := m.Histogram("fsync_seconds", "x", []float64{.001, .01}, "what")
	if err != nil {
		t.Fatal(err)
	}
	h := v.With("journal")
	for _, d := range []time.Duration{time.Millisecond, 2 * time.Millisecond, time.Second} {
		h.Observe(d)
	}
	has(t, page(t, m),
		`protei_bulk_fsync_seconds_bucket{what="journal",le="0.001"} 1`,
		`protei_bulk_fsync_seconds_bucket{what="journal",le="0.01"} 2`,
		`protei_bulk_fsync_seconds_bucket{what="journal",le="+Inf"} 3`,
		`protei_bulk_fsync_seconds_count{what="journal"} 3`,
		`protei_bulk_fsync_seconds_sum{what="journal"} 1.003`,
	)
	if _, err := m.Histogram("bad", "x", []float64{2, 1}); err == nil {
		t.Error("falling bounds were taken")
	}
}

func TestLabelValuesAreBounded(t *testing.T) {
	m := registry(t, metrics.Options{})
	v, err := m.Counter("hits", "x", "who")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		v.With(fmt.Sprint(i)).Inc()
	}
	text := page(t, m)
	if n := strings.Count(text, "protei_bulk_hits_total{"); n > 1001 {
		t.Errorf("%d label values on the page", n)
	}
	has(t, text, `protei_bulk_hits_total{who="other"} 1000`)
}

func TestHTTPDurations(t *testing.T) {
	m := registry(t, metrics.Options{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })
	mux.HandleFunc("/all", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	h := m.HTTP(mux)
	for _, target := range []string{"GET /things/1", "GET /things/2", "BREW /all", "GET /nothing"} {
		method, path, _ := strings.Cut(target, " ")
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
	}
	has(t, page(t, m),
		`protei_bulk_http_request_duration_seconds_count{code="429",method="GET",route="/things/{id}"} 2`,
		`protei_bulk_http_request_duration_seconds_count{code="2xx",method="other",route="/all"} 1`,
		`protei_bulk_http_request_duration_seconds_count{code="4xx",method="GET",route="none"} 1`,
	)
}

func TestProcessFigures(t *testing.T) {
	text := page(t, registry(t, metrics.Options{}))
	has(t, text, fmt.Sprintf("protei_bulk_cpu_cores %d", runtime.GOMAXPROCS(0)))
	for _, name := range []string{"process_cpu_seconds_total", "process_resident_memory_bytes", "go_goroutines", "protei_bulk_memory_limit_bytes", "protei_bulk_memory_mapped_bytes"} {
		if !regexp.MustCompile(`(?m)^` + name + ` [0-9.e+]+$`).MatchString(text) {
			t.Errorf("the page lacks %s", name)
		}
	}
}

func TestMemoryLimits(t *testing.T) {
	const ram = "MemTotal:        8000 kB\nMemFree: 1 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no cgroup":     {map[string]string{"proc/meminfo": ram}, "8.192e+06"},
		"no limit":      {map[string]string{"proc/meminfo": ram, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, "8.192e+06"},
		"version 2":     {map[string]string{"proc/meminfo": ram, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "4096000\n"}, "4.096e+06"},
		"version 1":     {map[string]string{"proc/meminfo": ram, "proc/self/cgroup": "9:cpu:/x\n4:memory:/job\n0::/\n", "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "2048000\n"}, "2.048e+06"},
		"above the RAM": {map[string]string{"proc/meminfo": ram, "proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, "8.192e+06"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			root := t.TempDir()
			for path, text := range c.files {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			has(t, page(t, registry(t, metrics.Options{Root: root})), "protei_bulk_memory_limit_bytes "+c.want)
		})
	}
}

func TestHandlesDoNotAllocate(t *testing.T) {
	m := registry(t, metrics.Options{})
	c, _ := m.Counter("a", "x", "l")
	h, _ := m.Histogram("b", "x", []float64{.1, 1}, "l")
	counter, histogram := c.With("v"), h.With("v")
	if n := testing.AllocsPerRun(100, func() { counter.Inc(); histogram.Observe(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCounter(b *testing.B) {
	m := registry(b, metrics.Options{})
	v, _ := m.Counter("a", "x", "l")
	c := v.With("v")
	b.ReportAllocs()
	for b.Loop() {
		c.Inc()
	}
}

func BenchmarkHistogram(b *testing.B) {
	m := registry(b, metrics.Options{})
	v, _ := m.Histogram("a", "x", []float64{.0005, .001, .002, .005, .01, .02, .05, .1}, "l")
	h := v.With("v")
	b.ReportAllocs()
	for b.Loop() {
		h.Observe(3 * time.Millisecond)
	}
}
