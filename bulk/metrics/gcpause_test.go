package metrics

import (
	"math"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
)

// TestRuntimeHistogram: each bucket ends at one of the runtime's bounds, the last that is not above a bound of ours.
func TestRuntimeHistogram(t *testing.T) {
	from := &metrics.Float64Histogram{
		Buckets: []float64{math.Inf(-1), 0, 40e-6, 60e-6, .0016, .0019, .002, .003, .6, math.Inf(1)},
		Counts:  []uint64{0, 1, 2, 4, 8, 16, 32, 64, 128},
	}
	h := newRuntimeHistogram("", "x", "")
	var got dto.Metric
	if err := h.metric(from).Write(&got); err != nil {
		t.Fatal(err)
	}
	buckets := map[float64]uint64{}
	for _, b := range got.Histogram.Bucket {
		buckets[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	want := map[float64]uint64{40e-6: 1, 60e-6: 3, .002: 31, .003: 63}
	if d := cmp.Diff(want, buckets); d != "" || got.Histogram.GetSampleCount() != 255 {
		t.Errorf("of %d: %s", got.Histogram.GetSampleCount(), d)
	}
	if sum := got.Histogram.GetSampleSum(); sum < 64*.3 || sum > 128*.6+64*.3+1 {
		t.Errorf("sum %v", sum)
	}
}

// TestGCPausesAreShown: two stops and more for each cycle.
func TestGCPausesAreShown(t *testing.T) {
	m, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	page := httptest.NewRecorder()
	m.ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	for _, name := range []string{"gc_pause_seconds", "gc_stopping_seconds"} {
		if text := page.Body.String(); !strings.Contains(text, "protei_bulk_"+name+`_bucket{le="0.001`) || strings.Contains(text, "protei_bulk_"+name+"_count 0") {
			t.Errorf("no %s with a bucket near a millisecond", name)
		}
	}
}
