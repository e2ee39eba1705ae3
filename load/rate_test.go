package load_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"protei-bulk/load"
)

func TestConstantRateDoesNotDrift(t *testing.T) {
	r := load.ConstantRate(300)
	for _, n := range []uint64{0, 1, 2, 3, 299, 300, 1e6, 300 * 3600, 300 * 3600 * 24 * 30} {
		want := time.Duration(math.Round(float64(n) / 300 * 1e9))
		at, ok := r.Due(n)
		if d := (at - want).Abs(); !ok || d > time.Microsecond {
			t.Errorf("start %d at %v, want %v", n, at, want)
		}
	}
}

func TestRampRateIsTheInverseOfItsIntegral(t *testing.T) {
	r, err := load.ParseRate("0s:0,60s:2000/s", 0)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[uint64]time.Duration{
		0:     0,
		15000: 30 * time.Second, // a quarter of the starts in the first half of the time
		59999: 60*time.Second - 500*time.Microsecond,
	} {
		if at, ok := r.Due(n); !ok || (at-want).Abs() > 10*time.Microsecond {
			t.Errorf("start %d at %v, %v, want %v", n, at, ok, want)
		}
	}
	if at, ok := r.Due(60000); ok {
		t.Errorf("start 60000 at %v: a ramp of 60 s to 2000/s has 60000 starts, the last is 59999", at)
	}
	if r.Length() != time.Minute || r.Peak() != 2000 || r.At(30*time.Second) != 1000 {
		t.Errorf("length %v, peak %v, at 30 s %v", r.Length(), r.Peak(), r.At(30*time.Second))
	}
}

func TestNothingStartsWhereTheRateIsZero(t *testing.T) {
	r, err := load.ParseRate("0s:10,1s:0,11s:0,12s:10/s", 0)
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(10) {
		at, ok := r.Due(n)
		if !ok || at > time.Second && at < 11*time.Second {
			t.Errorf("start %d at %v, %v", n, at, ok)
		}
	}
	if at, _ := r.Due(5); at < 11*time.Second {
		t.Errorf("start 5 at %v, want it behind the pause", at)
	}
}

func rates(t *rapid.T) *load.Rate {
	if rapid.Bool().Draw(t, "constant") {
		return load.ConstantRate(rapid.Float64Range(0.01, 100_000).Draw(t, "rate"))
	}
	n := rapid.IntRange(2, 6).Draw(t, "stages")
	var stages []load.RateStage
	at := time.Duration(0)
	for range n {
		rate := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 50_000)).Draw(t, "rate")
		stages = append(stages, load.RateStage{At: at, PerSecond: rate})
		at += time.Duration(rapid.Int64Range(1, int64(2*time.Minute)).Draw(t, "step"))
	}
	r, err := load.RampRate(stages...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestScheduleProperties: start n is where the integral is n, starts come in order, and
// between two times there are as many as the integral says.
func TestScheduleProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rates(t)
		n := rapid.Uint64Range(0, 1_000_000).Draw(t, "n")
		at, ok := r.Due(n)
		if !ok {
			if end := r.Length(); end == 0 || r.Starts(end) > float64(n)+1e-3 {
				t.Fatalf("%v has no start %d, though its integral is %v", r, n, r.Starts(end))
			}
			return
		}
		// A nanosecond of rounding moves the integral by the rate times a nanosecond.
		if got, tolerance := r.Starts(at), 1e-9*float64(n)+r.Peak()*2e-9+1e-6; math.Abs(got-float64(n)) > tolerance {
			t.Fatalf("%v: start %d at %v, where the integral is %v", r, n, at, got)
		}
		if next, ok := r.Due(n + 1); ok && next < at {
			t.Fatalf("%v: start %d at %v, the next at %v", r, n, at, next)
		}
		if end := r.Length(); end > 0 && at > end {
			t.Fatalf("%v: start %d at %v, behind the end", r, n, at)
		}
	})
}

func TestRatesAreRead(t *testing.T) {
	for text, want := range map[string]float64{
		"500": 500, "500/s": 500, " 0.5/s ": 0.5, "30/m": 0.5, "30/min": 0.5, "7200/h": 2,
		"0s:0,60s:2000/s": 2000, "0s:0/s, 10s:5/s": 5, "0:0,60:120/m": 2, "Spike:2000/s": 2000, "gradualrampup:100": 100,
	} {
		r, err := load.ParseRate(text, 0)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if math.Abs(r.Peak()-want) > 1e-9 {
			t.Errorf("%q: peak %v, want %v", text, r.Peak(), want)
		}
		if again, err := load.ParseRate(r.String(), 0); err != nil || again.String() != r.String() {
			t.Errorf("%q is written as %q, read again as %v, %v", text, r, again, err)
		}
	}
	for _, bad := range []string{
		"", "x", "-1", "1e9", "NaN", "Inf/s", "5/fortnight", "Spike:", "Spike:x", "NoShape:5", "0s:1", "0s:0,60s", "10s:5,5s:1/s", "0s:-1,1s:1",
	} {
		if r, err := load.ParseRate(bad, 0); err == nil {
			t.Errorf("%q passed as %v", bad, r)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, seed := range []string{"500/s", "0s:0,60s:2000/s", "Spike:2000/s", "30/m", ":", "0:1,,", "1h:1/h,2h:3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := load.ParseRate(text, 0)
		if err != nil {
			return
		}
		if p := r.Peak(); !(p >= 0 && p <= 10_000_000) {
			t.Errorf("%q: peak %v", text, p)
		}
		if at, ok := r.Due(0); ok && at < 0 {
			t.Errorf("%q: first start at %v", text, at)
		}
	})
}

func TestShapeAsRate(t *testing.T) {
	s, err := load.ParseShape("0s:0,10s:100,20s:100", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Rate()
	if err != nil || r.Starts(20*time.Second) != 1500 {
		t.Errorf("%v, %v", r, err)
	}
}
