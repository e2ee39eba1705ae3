package main

import (
	"net/http/httptest"
	"net/http/pprof"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestGCPauses reads those of this process.
func TestGCPauses(t *testing.T) {
	srv := httptest.NewServer(pprof.Handler("heap"))
	defer srv.Close()
	runtime.GC()
	cycles, pauses, err := gcPauses(strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	if cycles == 0 || uint32(cycles) > s.NumGC {
		t.Fatalf("%d cycles, the runtime says %d", cycles, s.NumGC)
	}
	if want := time.Duration(s.PauseNs[(cycles+255)%256]); len(pauses) != min(cycles, 256) || pauses[0] != want || want == 0 {
		t.Errorf("%d pauses, the last %v, want %d and %v", len(pauses), pauses[0], min(cycles, 256), want)
	}
}
