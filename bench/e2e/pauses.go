package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// gcPauses asks a process for how many garbage collections it has had and how long all goroutines stood
// still in each of the last 256 of them, newest first.
func gcPauses(pprof string) (cycles int, pauses []time.Duration, err error) {
	resp, err := http.Get("http://" + pprof + "/debug/pprof/heap?debug=1")
	if err != nil {
		return 0, nil, fmt.Errorf("ask for the pauses of the garbage collector: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("read the pauses of the garbage collector: %w", err)
	}
	var ring []string
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "# "), " = ")
		switch name {
		case "PauseNs":
			ring = strings.Fields(strings.Trim(value, "[]"))
		case "NumGC":
			if cycles, err = strconv.Atoi(value); err != nil {
				return 0, nil, fmt.Errorf("number of garbage collections: %w", err)
			}
		}
	}
	// The last is at (NumGC+255) % 256: runtime.MemStats.
	for i := range min(len(ring), cycles) {
		ns, err := strconv.ParseInt(ring[(cycles-1-i+len(ring))%len(ring)], 10, 64)
		if err != nil {
			return 0, nil, fmt.Errorf("pause of a garbage collection: %w", err)
		}
		pauses = append(pauses, time.Duration(ns))
	}
	return cycles, pauses, nil
}

// printPauses prints the pauses of the measured time's last cycles, of so many.
func printPauses(pauses []time.Duration, cycles int) {
	n := len(pauses)
	if n == 0 {
		return
	}
	slices.Sort(pauses)
	fmt.Printf("  GC pauses    p50 %v  p99 %v  max %v in %d of %d cycles\n", round(pauses[n/2]), round(pauses[n*99/100]), round(pauses[n-1]), n, cycles)
}
