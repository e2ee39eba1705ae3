package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func steady(of func(i int, s *soakSample)) []soakSample {
	samples := make([]soakSample, 100)
	for i := range samples {
		samples[i] = soakSample{at: time.Duration(i) * time.Second, p99: 30 * time.Millisecond, rss: 400 << 20, goroutines: 100, files: 60, perMessage: 150, logs: 300 << 20}
		of(i, &samples[i])
	}
	return samples
}

// TestFlat: what grows is found, what warms up or jumps once is not.
func TestFlat(t *testing.T) {
	for want, of := range map[string]func(int, *soakSample){
		"":           func(i int, s *soakSample) { s.rss = min(400, int64(i)*30) << 20; s.goroutines += (i % 2) * 5 },
		"memory":     func(i int, s *soakSample) { s.rss += int64(i) << 21 },
		"goroutines": func(i int, s *soakSample) { s.goroutines += i },
		"open files": func(i int, s *soakSample) { s.files += i },
		"p99":        func(i int, s *soakSample) { s.p99 += time.Duration(i) * time.Millisecond },
		"disk":       func(i int, s *soakSample) { s.perMessage += float64(i) },
		"journal":    func(i int, s *soakSample) { s.logs += int64(i) << 23 },
	} {
		err := flat(steady(of))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if err := flat(steady(func(i int, s *soakSample) {
		if i == 50 {
			s.p99 = time.Second
		}
	})); err != nil {
		t.Errorf("one jump: %v", err)
	}
}

// TestSoakDrawing is well-formed and has a line for each figure.
func TestSoakDrawing(t *testing.T) {
	text := drawSoak(70_000, steady(func(int, *soakSample) {}))
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(text, "<path "); n != len(vitals) {
		t.Errorf("%d lines, want %d", n, len(vitals))
	}
}

// TestGone: what was accepted longer ago than messages are kept.
func TestGone(t *testing.T) {
	samples := []soakSample{{at: 10 * time.Second, accepted: 100}, {at: 20 * time.Second, accepted: 200}, {at: 30 * time.Second, accepted: 300}}
	for _, c := range []struct {
		at, keep time.Duration
		want     int64
	}{{40 * time.Second, 0, 0}, {40 * time.Second, 35 * time.Second, 0}, {40 * time.Second, 20 * time.Second, 200}, {45 * time.Second, 20 * time.Second, 200}} {
		if n := gone(samples, c.at, c.keep); n != c.want {
			t.Errorf("kept for %v, at %v: %d, want %d", c.keep, c.at, n, c.want)
		}
	}
	if soakRetention(30*time.Minute) != 5*time.Minute || soakRetention(5*time.Minute) != 0 {
		t.Error("a run of half an hour keeps messages for 5 minutes, a short one all")
	}
}
