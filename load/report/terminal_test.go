package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/load/stats"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", name, diff)
	}
}

func TestTerminalOfAWholeRun(t *testing.T) {
	tests := map[string]struct {
		scene   scene
		targets []Target
		width   int
	}{
		"pass-80":       {small(passing()), GuideTargets(), 80},
		"pass-140":      {small(passing()), GuideTargets(), 140},
		"fail-80":       {small(failing()), []Target{{Metric: MetricP95, Op: Below, Limit: 0.1, Acceptable: 0.2}, {Metric: MetricLost, Op: AtMost, Limit: 0, Acceptable: 0}}, 80},
		"untargeted-80": {small(passing()), nil, 80},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			term := NewTerminal(TerminalOptions{Out: &out, Width: tt.width})
			term.Plan(Plan{
				Title: "Protei_Bulk Load Test", Host: "http://127.0.0.1:8080", Scenario: "messaging (built in)", Users: tt.scene.users,
				SpawnRate: 7, RunTime: 23 * time.Second, OfferedRequests: 110, OfferedMessages: 230, Connections: 18, Binds: 1,
				Lines: []string{"first line\x1b[31m"},
			})
			f := newFixture(tt.scene)
			for i := range f.ramp + f.steady + f.drain {
				f.second(i, term.Tick)
			}
			term.Note("report: %s", "report.html")
			run := f.run()
			Judge(run, tt.targets)
			term.Final(run)
			for i, line := range strings.Split(out.String(), "\n") {
				if n := utf8.RuneCountInString(line); n > tt.width {
					t.Errorf("line %d has %d columns: %s", i+1, n, line)
				}
			}
			if bytes.ContainsRune(out.Bytes(), 0x1b) {
				t.Error("escape codes without colour")
			}
			golden(t, name+".txt", out.Bytes())
		})
	}
}

func TestOnlySummaryLeavesTheTablesOut(t *testing.T) {
	for only, want := range map[bool]int{true: 0, false: 2} {
		var out bytes.Buffer
		term := NewTerminal(TerminalOptions{Out: &out, OnlySummary: only})
		f := newFixture(small(passing()))
		for i := range 23 {
			f.second(i, term.Tick)
		}
		if n := strings.Count(out.String(), "Aggregated"); n != want {
			t.Errorf("only summary %v: %d tables, want %d", only, n, want)
		}
		if n := strings.Count(out.String(), "\n"); n < 23 {
			t.Errorf("only summary %v: %d lines, the state line comes each second", only, n)
		}
	}
}

func TestColourOnlyWhenAsked(t *testing.T) {
	var out bytes.Buffer
	term := NewTerminal(TerminalOptions{Out: &out, Color: true})
	run := play(t, small(failing()))
	Judge(run, GuideTargets())
	term.Final(run)
	if !strings.Contains(out.String(), "\x1b[1;31mFAIL\x1b[0m") {
		t.Error("FAIL is not red")
	}
	none := func(string) string { return "" }
	if UseColor(&out, none) {
		t.Error("colour for something that is no terminal")
	}
	if UseColor(os.Stdout, func(k string) string { return map[string]string{"NO_COLOR": "1"}[k] }) {
		t.Error("colour against NO_COLOR")
	}
}

func TestEmptyRunHasDashesNotNaN(t *testing.T) {
	run := &Run{Whole: emptySummary(), Measured: emptySummary()}
	Judge(run, GuideTargets())
	var out bytes.Buffer
	NewTerminal(TerminalOptions{Out: &out}).Final(run)
	for _, bad := range []string{"NaN", "Inf", "nil", "%!"} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("%s in:\n%s", bad, out.String())
		}
	}
	if run.Verdict.Word() != "INVALID" || run.Verdict.ExitCode(false) != ExitInvalid {
		t.Errorf("a run without requests is %s, exit %d", run.Verdict.Word(), run.Verdict.ExitCode(false))
	}
}

// emptySummary is what a collector without a second gives.
func emptySummary() stats.Summary {
	c := stats.NewCollector(stats.CollectorOptions{Start: fixtureStart, Recorder: stats.NewRecorder(stats.RecorderOptions{})})
	return c.Summary(c.Whole())
}

func TestNumbersReadWell(t *testing.T) {
	latencies := map[time.Duration]string{
		0: "0 ms", 840 * time.Microsecond: "0.84 ms", 12345 * time.Microsecond: "12.3 ms", 9996 * time.Microsecond: "10.0 ms",
		999600 * time.Microsecond: "1.00 s", 1254 * time.Millisecond: "1.25 s", 125 * time.Second: "125 s", 9994 * time.Microsecond: "9.99 ms",
		4 * time.Microsecond: "0.00 ms", 2000 * time.Second: "2,000 s",
	}
	for d, want := range latencies {
		if d == 4*time.Microsecond {
			want = "0.00 ms"
		}
		if got := formatLatency(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	shares := map[float64]string{0: "0 %", 0.00004: "< 0.01 %", 0.0005: "0.05 %", 0.042: "4.2 %", 0.42: "42 %", 1: "100 %", 0.99996: "99.99 %"}
	for v, want := range shares {
		if got := formatShare(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := formatCount(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for b, want := range map[float64]string{512: "512 B", 1024: "1.00 KiB", 188743680: "180 MiB", 8 << 30: "8.00 GiB"} {
		if got := formatBytes(b); got != want {
			t.Errorf("%v: %q, want %q", b, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0 s", 75 * time.Second: "1 min 15 s", 2*time.Hour + 5*time.Minute: "2 h 5 min", time.Hour: "1 h"} {
		if got := formatSpan(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{5 * time.Second: "0:05", 3723 * time.Second: "1:02:03"} {
		if got := clock(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
