package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// stops counts for how long the garbage collector of a process stopped all goroutines, at each of its
// stops: two in a cycle.
type stops []stopBucket

// stopBucket counts the stops up to a length, those of shorter buckets included.
type stopBucket struct {
	upTo float64 // seconds; +Inf: all
	n    int64
}

const stopMetric = "protei_bulk_gc_pause_seconds_bucket{le=\""

// gcStops asks the platform at an address for all stops since its start. An older one tells none.
func gcStops(address string) (stops, error) {
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return nil, fmt.Errorf("ask for the pauses of the garbage collector: %w", err)
	}
	defer resp.Body.Close()
	var all stops
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), stopMetric)
		if !ok {
			continue
		}
		le, n, _ := strings.Cut(text, "\"} ")
		upTo, err := strconv.ParseFloat(le, 64)
		count, err2 := strconv.ParseFloat(n, 64)
		if err = errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("%s: %w", lines.Text(), err)
		}
		all = append(all, stopBucket{upTo, int64(count)})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the pauses of the garbage collector: %w", err)
	}
	return all, nil
}

// since takes off those of an earlier look.
func (s stops) since(before stops) stops {
	rest := make(stops, len(s))
	for i := range s {
		rest[i] = s[i]
		if i < len(before) {
			rest[i].n -= before[i].n
		}
	}
	return rest
}

// within returns a time that so many of a thousand stops were not longer than: the end of a bucket, or 0
// when it is in the last one.
func (s stops) within(mille int64) time.Duration {
	all := s[len(s)-1].n
	for _, b := range s[:len(s)-1] {
		if b.n*1000 >= all*mille {
			return time.Duration(b.upTo * float64(time.Second))
		}
	}
	return 0
}

// goal is what a stop should not take longer than.
const goal = 2 * time.Millisecond

func (s stops) print() {
	if len(s) == 0 || s[len(s)-1].n == 0 {
		return
	}
	all, short := s[len(s)-1].n, int64(0)
	for _, b := range s {
		if b.upTo <= goal.Seconds() {
			short = b.n
		}
	}
	fmt.Printf("  GC pauses    half ≤ %v, 99 %% ≤ %v, the longest ≤ %v; %.2f %% of %d are shorter than %v\n",
		round(s.within(500)), round(s.within(990)), round(s.within(1000)), 100*float64(short)/float64(all), all, goal)
}
