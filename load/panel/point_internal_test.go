package panel

import (
	"math"
	"testing"
	"time"

	"protei-bulk/load/stats"
)

// TestThinnedKeepsSumsAndPeaks: fewer points, the same requests, and no percentile that is lower than it was.
func TestThinnedKeepsSumsAndPeaks(t *testing.T) {
	for _, n := range []int{0, 1, 1999, 2000, 2001, 3999, 4001, 12345} {
		points := make([]stats.Point, n)
		var requests float64
		var dropped uint64
		var highest time.Duration
		for i := range points {
			p := &points[i]
			p.At, p.Width = time.Duration(i)*time.Second, time.Second
			p.Requests, p.Dropped, p.Users = float64(i%7), uint64(i%3), i%11
			p.Quantiles[5] = time.Duration(i*7919%1000) * time.Millisecond
			requests, dropped, highest = requests+p.Requests, dropped+p.Dropped, max(highest, p.Quantiles[5])
		}
		got := thinned(points, 2000)
		if len(got) > 2000 || len(got) < min(n, 1000) {
			t.Errorf("%d points became %d", n, len(got))
		}
		for i, p := range got {
			requests -= p.Requests * p.Width.Seconds()
			dropped -= p.Dropped
			if p.Quantiles[5] == highest {
				highest = 0
			}
			if i > 0 && p.At != got[i-1].At+got[i-1].Width {
				t.Fatalf("%d points: a gap before %v", n, p.At)
			}
		}
		if math.Abs(requests) > 1e-6 || dropped != 0 || n > 0 && highest != 0 {
			t.Errorf("%d points: %v requests and %d drops are gone, the highest p95 %v is", n, requests, dropped, highest)
		}
	}
}

// TestEncoderNumbers: what was not measured is null, as JSON has no NaN.
func TestEncoderNumbers(t *testing.T) {
	e := &encoder{}
	e.list(func() {
		for _, v := range []float64{math.NaN(), math.Inf(1), 0, -0.5, 1234567, 0.1, 1e18} {
			e.num(v)
		}
		e.str("a\"<\n")
		e.msOf(1500*time.Microsecond, 1)
		e.msOf(1, 0)
	})
	if want := `[null,null,0,-0.5,1234567,0.1,1000000000000000000,"a\"\u003c\n",1.5,null]`; string(e.b) != want {
		t.Errorf("%s, want %s", e.b, want)
	}
}
