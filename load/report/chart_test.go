package report

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/load/stats"
)

func TestThinKeepsPeaksAndEnds(t *testing.T) {
	const n = 10_000
	xs, ys := make([]float64, n), make([]float64, n)
	for i := range xs {
		xs[i], ys[i] = float64(i), math.Sin(float64(i)/300)
	}
	ys[4321], ys[7777] = 50, -40
	got := thin(xs, ys, 300)
	if len(got) != 300 || got[0] != [2]float64{0, ys[0]} || got[299] != [2]float64{n - 1, ys[n-1]} {
		t.Fatalf("%d points from %v to %v", len(got), got[0], got[len(got)-1])
	}
	low, high := 0.0, 0.0
	for i, p := range got {
		low, high = min(low, p[1]), max(high, p[1])
		if i > 0 && p[0] <= got[i-1][0] {
			t.Fatalf("points %v and %v are out of order", got[i-1], p)
		}
	}
	if low != -40 || high != 50 {
		t.Errorf("extremes %v and %v, want -40 and 50", low, high)
	}
}

func TestGapsAreGaps(t *testing.T) {
	nan := math.NaN()
	a := &timeAxis{xs: []float64{0, 100, 200, 300, 400, 500}, drawn: maxDrawn}
	path, area := a.path([]float64{nan, 1, 2, nan, 3, nan}, linearScale(4))
	if n := strings.Count(path, "M"); n != 2 {
		t.Errorf("%d strokes in %s, want 2", n, path)
	}
	if !strings.Contains(path, "h.1") {
		t.Errorf("the lonely point in %s is no dot", path)
	}
	if n := strings.Count(area, "Z"); n != 2 {
		t.Errorf("%d areas in %s, want 2", n, area)
	}
}

func TestAxesHaveRoundTicks(t *testing.T) {
	tests := map[string]struct {
		scale scale
		unit  unitName
		want  []string
	}{
		"requests":    {newScale(false, 1, 11_200, nil), perSecondUnit, []string{"0", "5,000", "10 k"}},
		"few":         {newScale(false, 1, 3, nil), countUnit, []string{"0", "1", "2", "3"}},
		"nothing":     {newScale(false, math.NaN(), 0, nil), perSecondUnit, []string{"0", "0.25", "0.5", "0.75", "1"}},
		"limit above": {newScale(false, 1, 80, []limitLine{{100, "", ""}}), msUnit, []string{"0 ms", "25 ms", "50 ms", "75 ms", "100 ms"}},
		"limit far":   {newScale(false, 1, 8, []limitLine{{100, "", ""}}), msUnit, []string{"0 ms", "2 ms", "4 ms", "6 ms", "8 ms"}},
		"log":         {newScale(true, 7, 90, nil), msUnit, []string{"5 ms", "10 ms", "20 ms", "50 ms", "100 ms"}},
		"log, wide":   {newScale(true, 0.3, 2000, nil), msUnit, []string{"300 µs", "1 ms", "3 ms", "10 ms", "30 ms", "100 ms", "300 ms", "1 s"}},
		"log, wider":  {newScale(true, 0.03, 9000, nil), msUnit, []string{"100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, v := range tt.scale.ticks {
				got = append(got, axisLabel(tt.unit, v))
				if y := tt.scale.y(v); y < -1e-6 || y > chartSide+1e-6 {
					t.Errorf("tick %v is drawn at %v", v, y)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCursorStandsOnTheWorstOfAGroup(t *testing.T) {
	points := make([]stats.Point, 2500)
	for i := range points {
		points[i].P99 = time.Millisecond
	}
	points[1234].P99 = time.Second
	got := worstOfGroups(points, 1000)
	if len(got) > 1000 {
		t.Errorf("%d points", len(got))
	}
	found := false
	for _, i := range got {
		found = found || i == 1234
	}
	if !found {
		t.Error("the worst second can not be read")
	}
}

func TestTimeAxisOfAnyLength(t *testing.T) {
	for _, span := range []time.Duration{time.Second, 20 * time.Second, 80 * time.Second, time.Hour, 26 * time.Hour, 30 * 24 * time.Hour} {
		a := newTimeAxis(&Run{Points: []stats.Point{{At: 0, Width: span}}})
		if n := len(a.ticks); n < 2 || n > 7 {
			t.Errorf("%v: %d ticks", span, n)
		}
	}
}

func TestDistributionFitsItsFrame(t *testing.T) {
	for name, values := range map[string][]time.Duration{
		"one":  {time.Millisecond},
		"zero": {0, 0},
		"wide": {3 * time.Microsecond, time.Millisecond, 20 * time.Second, time.Hour},
	} {
		h := stats.NewHistogram()
		for _, v := range values {
			h.Record(v)
		}
		d := newDistribution(h)
		for _, at := range append(d.Marks, d.XTicks...) {
			if !(at.At >= 0 && at.At <= 100) {
				t.Errorf("%s: %s stands at %v %%", name, at.Label, at.At)
			}
		}
		if d.Path == "" || strings.Contains(d.Path, "NaN") {
			t.Errorf("%s: path %q", name, d.Path)
		}
	}
	if newDistribution(stats.NewHistogram()) != nil || newDistribution(nil) != nil {
		t.Error("an empty histogram has a drawing")
	}
}
