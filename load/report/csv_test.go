package report

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"protei-bulk/load/stats"
)

func TestCSVFilesAreLocusts(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "new", "run")
	c, err := OpenCSV(prefix, false)
	if err != nil {
		t.Fatal(err)
	}
	s := small(failing())
	s.failing, s.steady = 0.03, 8
	f := newFixture(s)
	for i := range f.ramp + f.steady + f.drain {
		f.second(i, func(live stats.Live) {
			if err := c.Write(live); err != nil {
				t.Fatal(err)
			}
		})
	}
	f.recorder.Exception("runtime error: index out of range [3]", "goroutine 1:\nmain.task()")
	if err := c.Write(f.collector.Live()); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"stats", "stats_history", "failures", "exceptions", "series"} {
		b, err := os.ReadFile(prefix + "_" + kind + ".csv")
		if err != nil {
			t.Fatal(err)
		}
		if kind != "exceptions" && bytes.Count(b, []byte("\n")) != bytes.Count(b, []byte("\r\n")) {
			t.Errorf("%s: a line does not end in CRLF", kind)
		}
		golden(t, kind+".csv.golden", bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")))
	}
}

func TestCSVBeforeTheFirstRequest(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "run")
	c, err := OpenCSV(prefix, true)
	if err != nil {
		t.Fatal(err)
	}
	collector := stats.NewCollector(stats.CollectorOptions{Start: fixtureStart, Recorder: stats.NewRecorder(stats.RecorderOptions{})})
	collector.Tick(stats.Tick{At: fixtureStart.Add(1e9), Gauges: stats.NoGauges()})
	if err := c.Write(collector.Live()); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b, err := os.ReadFile(prefix + "_stats_history.csv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\r\n")
	if n := strings.Count(lines[1], notAvailable); n != len(percentiles) {
		t.Errorf("%d N/A, want %d: %s", n, len(percentiles), lines[1])
	}
	b, err = os.ReadFile(prefix + "_stats.csv")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), ",Aggregated,0,0,") || strings.Contains(string(b), "NaN") {
		t.Errorf("stats before the first request:\n%s", b)
	}
}

func TestFullHistoryHasARowForEachName(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "run")
	c, err := OpenCSV(prefix, true)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(small(passing()))
	for i := range 5 {
		f.second(i, func(live stats.Live) {
			if err := c.Write(live); err != nil {
				t.Fatal(err)
			}
		})
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(prefix + "_stats_history.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]int)
	for _, r := range rows[1:] {
		names[r[2]+" "+r[3]]++
	}
	if len(names) != len(fixtureMix)+1 || names[" Aggregated"] != 5 || names["SMPP submit_sm"] != 5 {
		t.Errorf("rows by name: %v", names)
	}
}

func TestATableThatShrinksLeavesNothingBehind(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "run")
	c, err := OpenCSV(prefix, false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	long := stats.Live{Failures: []stats.Failure{{Error: strings.Repeat("x", 500)}}}
	for _, live := range []stats.Live{long, {}} {
		if err := c.Write(live); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := os.ReadFile(prefix + "_failures.csv")
	if want := strings.Join(failuresHeader, ",") + "\r\n"; string(b) != want {
		t.Errorf("%q, want %q", b, want)
	}
}

func TestCSVPrefixThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCSV(filepath.Join(file, "run"), false); err == nil || !strings.Contains(err.Error(), "--csv") {
		t.Errorf("error %v", err)
	}
}
