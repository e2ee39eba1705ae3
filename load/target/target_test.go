package target

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const page = `# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
process_resident_memory_bytes 3.0e+08
protei_bulk_cpu_cores 2
protei_bulk_memory_mapped_bytes 1e8
protei_bulk_memory_limit_bytes 1e9 1700000000000
protei_bulk_build_info{version="0.1.0",durability="fsync",goversion="go1.26"} 1
http_requests_total{path="/a b",code="200"} 7
broken{
broken 1 2 3
`

func TestParse(t *testing.T) {
	s := parse([]byte(page))
	if s.CPUSeconds != 12.5 || s.RSS != 3e8 || s.Cores != 2 || s.Mapped != 1e8 || s.MemoryLimit != 1e9 {
		t.Errorf("%+v", s)
	}
	if s.Labels["version"] != "0.1.0" || s.Labels["durability"] != "fsync" {
		t.Errorf("labels %v", s.Labels)
	}
	if empty := parse([]byte("nothing here")); !math.IsNaN(empty.CPUSeconds) || !math.IsNaN(empty.RSS) {
		t.Errorf("%+v", empty)
	}
}

func TestUsageBetweenSamples(t *testing.T) {
	at := time.Unix(1000, 0)
	a := Sample{At: at, CPUSeconds: 10, Cores: 2, RSS: 300, Mapped: 100, MemoryLimit: 1000}
	b := a
	b.At, b.CPUSeconds = at.Add(2*time.Second), 12
	if u := between(a, b); u.CPU != 0.5 || u.Memory != 0.2 || u.RSS != 200 {
		t.Errorf("%+v", u)
	}
	if u := between(Sample{}, b); !math.IsNaN(u.CPU) || u.Memory != 0.2 {
		t.Errorf("first sample: %+v", u)
	}
	b.CPUSeconds = 1 // the target was restarted
	if u := between(a, b); !math.IsNaN(u.CPU) {
		t.Errorf("after a restart: %+v", u)
	}
	b.Mapped, b.MemoryLimit = math.NaN(), math.NaN()
	if u := between(a, b); u.RSS != 300 || !math.IsNaN(u.Memory) {
		t.Errorf("without limit: %+v", u)
	}
}

func TestSampler(t *testing.T) {
	var cpu, status atomic.Int64
	status.Store(200)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		w.Write([]byte(strings.Replace(page, "12.5", strings.Repeat("9", int(cpu.Add(1))), 1)))
	}))
	defer srv.Close()
	s := New(Options{URL: srv.URL, Every: 5 * time.Millisecond})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	wait(t, func() bool { return s.Usage().CPU > 0 })
	if u := s.Usage(); u.Memory != 0.2 {
		t.Errorf("%+v", u)
	}
	status.Store(500)
	wait(t, func() bool { return s.Err() != nil })
	if u := s.Usage(); !math.IsNaN(u.CPU) || !math.IsNaN(u.Memory) {
		t.Errorf("still measured after an error: %+v", u)
	}
	if last, ok := s.Last(); !ok || last.Cores != 2 {
		t.Errorf("last: %+v, %v", last, ok)
	}
}

func TestNotReachable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	url := srv.URL
	s := New(Options{URL: url})
	err := s.Start(t.Context())
	s.Stop()
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v", err)
	}
	srv.Close()
	s = New(Options{URL: url})
	if err := s.Start(t.Context()); err == nil {
		t.Error("a closed port is measured")
	}
	s.Stop()
	if _, ok := s.Last(); ok {
		t.Error("there is a sample")
	}
}

// wait polls until ok; the sampler's own period is the only clock here.
func wait(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("not within 5 s")
		case <-tick.C:
		}
	}
}
