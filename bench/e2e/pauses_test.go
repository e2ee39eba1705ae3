package main

import (
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/metrics"
)

// TestGCStops reads those of this process.
func TestGCStops(t *testing.T) {
	page, err := metrics.New(metrics.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(page)
	defer srv.Close()
	look := func() stops {
		t.Helper()
		s, err := gcStops(strings.TrimPrefix(srv.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := look()
	const cycles = 50
	for range cycles {
		runtime.GC()
	}
	s := look().since(before)
	if n := s[len(s)-1].n; n < 2*cycles || n > 6*cycles { // the collector runs by itself, too
		t.Errorf("%d stops in %d cycles", n, cycles)
	}
	for i := 1; i < len(s); i++ {
		if s[i].n < s[i-1].n || s[i].upTo <= s[i-1].upTo {
			t.Errorf("%v after %v", s[i], s[i-1])
		}
	}
	if half, most := s.within(500), s.within(990); half <= 0 || most < half {
		t.Errorf("half within %v, 99 %% within %v", half, most)
	}
}

func TestStopsWithin(t *testing.T) {
	s := stops{{.001, 500}, {.0018, 989}, {.003, 990}, {.005, 999}, {1e9, 1000}}
	for mille, want := range map[int64]time.Duration{500: time.Millisecond, 501: 1800 * time.Microsecond, 990: 3 * time.Millisecond, 1000: 0} {
		if got := s.within(mille); got != want {
			t.Errorf("%d of 1000 within %v, want %v", mille, got, want)
		}
	}
}
