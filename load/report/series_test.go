package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/load/stats"
)

func watchedScene() scene {
	s := small(passing())
	s.watched = true
	return s
}

// targetsOf parses and resolves targets about the fixture's series.
func targetsOf(t *testing.T, values ...string) []Target {
	t.Helper()
	targets, err := ParseTargets(values)
	if err == nil {
		err = ResolveTargets(targets, watchedSeries())
	}
	if err != nil {
		t.Fatal(err)
	}
	return targets
}

func TestSeriesTargets(t *testing.T) {
	for in, want := range map[string]string{
		"postgres.connections=80:95":         "< 80, < 95, peak",
		"postgres.connections=90:80":         "≥ 90, ≥ 80, mean",
		"queue.depth=1,000":                  "< 1,000, < 1,000, peak",
		"queue.depth=0":                      "0, 0, peak",
		"queue.depth<=10":                    "≤ 10, ≤ 10, peak",
		"mean(queue.depth)=10":               "< 10, < 10, mean",
		"postgres.cache_hits>=0.99:0.95":     "≥ 99 %, ≥ 95 %, mean",
		"postgres.cache_hits=99%":            "≥ 99 %, ≥ 99 %, mean",
		"postgres.cache_hits<50%":            "< 50 %, < 50 %, mean",
		"peak(postgres.longest_query)<200ms": "< 200 ms, < 200 ms, peak",
		"postgres.longest_query=2":           "< 2 s, < 2 s, peak",
		"postgres.size=1.5GiB":               "< 1.50 GiB, < 1.50 GiB, peak",
		"postgres.transactions=100":          "≥ 100/s, ≥ 100/s, mean",
		" app.cpu = 1.5 : 2 ":                "< 1.5 cores, < 2 cores, mean",
	} {
		got := targetsOf(t, in)[0]
		if text := got.limitText(got.Limit) + ", " + got.limitText(got.Acceptable) + ", " + got.Series.Stat; text != want {
			t.Errorf("%s: %s, want %s", in, text, want)
		}
	}
}

func TestSeriesTargetsNameTheMistake(t *testing.T) {
	for in, want := range map[string]string{
		"postgres.connection=8":         "postgres.connections, postgres.cache_hits",
		"mysql.size=8":                  "there are postgres.connections",
		"queue.depth":                   "no limit",
		"queue.depth>5":                 "write queue.depth>=5",
		"queue.depth=many":              "is no limit",
		"queue.depth=99%":               "plain numbers",
		"postgres.cache_hits=99":        "more than 100%",
		"postgres.longest_query=2MB":    "measured in seconds",
		"queue.depth<=5:2":              "stricter",
		"postgres.cache_hits>=0.9:0.95": "stricter",
		"max(queue.depth)=4":            "no name of a series",
		"p95>=100ms":                    "write p95=100ms:200ms",
		"tps<5":                         "write tps=10000:5000",
	} {
		targets, err := ParseTargets([]string{in})
		if err == nil {
			err = ResolveTargets(targets, watchedSeries())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
	targets, err := ParseTargets([]string{"queue.depth=5", "mean(queue.depth)=4", "p95=1s"})
	if err != nil {
		t.Fatal(err)
	}
	if err := ResolveTargets(targets, nil); err == nil || !strings.Contains(err.Error(), "--watch") {
		t.Errorf("nothing is watched: %v", err)
	}
	if _, err := ParseTargets([]string{"queue.depth=5", "queue.depth=4"}); err == nil {
		t.Error("named twice: no error")
	}
}

func TestSeriesAreJudged(t *testing.T) {
	run := play(t, watchedScene())
	Judge(run, targetsOf(t, "postgres.connections=60:70", "mean(queue.depth)=200", "postgres.cache_hits>=0.999:0.998", "app.cpu=1", "p95=1s"))
	var got []string
	for _, r := range run.Verdict.Rows[:5] {
		got = append(got, r.Label()+" "+r.Target.Format(r.Measured)+" "+r.Grade.String()+" "+r.Why)
	}
	want := []string{
		"postgres.connections 64 ACCEPTABLE ", "queue.depth 69.93 PASS ", "postgres.cache_hits 99.23 % FAIL ",
		"app.cpu – not measured there is no process 4711",
	}
	if d := cmp.Diff(want, got[:4]); d != "" {
		t.Error(d)
	}
	if code := run.Verdict.ExitCode(false); code != ExitFail {
		t.Errorf("exit code %d", code)
	}
	Judge(run, targetsOf(t, "app.cpu=1", "p95=1s"))
	if code := run.Verdict.ExitCode(true); code != ExitOK {
		t.Errorf("a series that was not measured decides: exit code %d", code)
	}
}

func TestGuardsSeeSeries(t *testing.T) {
	f := newFixture(watchedScene())
	var live stats.Live
	for i := range 12 {
		f.second(i, func(l stats.Live) { live = l })
	}
	if why := Broken(targetsOf(t, "postgres.connections=10:20"), "", &live); !strings.Contains(why, "postgres.connections 64, wanted < 20") {
		t.Errorf("missed: %q", why)
	}
	if why := Broken(targetsOf(t, "postgres.connections=100", "app.cpu=1"), "", &live); why != "" {
		t.Errorf("kept: %q", why)
	}
}

func TestSeriesInReports(t *testing.T) {
	run := play(t, watchedScene())
	Judge(run, targetsOf(t, "postgres.connections=80:95"))
	var html, md, doc, term bytes.Buffer
	if err := WriteHTML(&html, run); err != nil {
		t.Fatal(err)
	}
	if err := WriteMarkdown(&md, run); err != nil {
		t.Fatal(err)
	}
	if err := WriteJSON(&doc, run); err != nil {
		t.Fatal(err)
	}
	NewTerminal(TerminalOptions{Out: &term, Width: 80}).Final(run)
	for name, text := range map[string]string{"HTML": html.String(), "Markdown": md.String(), "terminal": term.String()} {
		for _, want := range []string{"postgres.connections", "queue.depth", "no answer in time", "there is no process 4711", "99.", "64"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q", name, want)
			}
		}
	}
	for _, line := range strings.Split(term.String(), "\n") {
		if n := len([]rune(line)); n > 80 && strings.Contains(line, ".") && !strings.HasPrefix(line, "GET") && !strings.HasPrefix(line, "POST") {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	var parsed struct {
		Series []json.RawMessage  `json:"series"`
		Target []jsonTargetSeries `json:"target_series"`
	}
	if err := json.Unmarshal(doc.Bytes(), &parsed); err != nil {
		t.Fatal(err)
	}
	if len(parsed.Target) != 7 || len(parsed.Target[0].Values) != len(parsed.Series) || parsed.Target[0].Peak != 64 ||
		!math.IsNaN(float64(parsed.Target[6].Mean)) || parsed.Target[6].Off == "" {
		t.Errorf("%+v", parsed.Target)
	}
}

func TestSeriesInCSVAndMetrics(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "run")
	c, err := OpenCSV(prefix, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WatchSeries(prefix, watchedSeries()); err != nil {
		t.Fatal(err)
	}
	f, x := newFixture(watchedScene()), NewExporter(nil)
	for i := range 10 {
		f.second(i, func(l stats.Live) {
			x.Update(l)
			if err := c.Write(l); err != nil {
				t.Error(err)
			}
		})
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(prefix + "_target.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil || len(rows) != 11 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if rows[0][1] != "postgres.connections" || rows[10][1] != "64" || rows[8][6] != "" || rows[9][6] == "" || rows[5][7] != "" {
		t.Errorf("%q", rows)
	}
	rec := httptest.NewRecorder()
	x.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	page := rec.Body.String()
	if !strings.Contains(page, `protei_bulk_load_target_series{series="postgres.connections",source="postgres://app:HIDDEN@db:5432/bulk",unit=""} 64`) || strings.Contains(page, "app.cpu") {
		t.Errorf("metrics:\n%s", page)
	}
}

// TestReportWithAllSeries holds the page of a long run with as many series as there can be to its size.
func TestReportWithAllSeries(t *testing.T) {
	run := play(t, watchedScene())
	point := run.Points[len(run.Points)/2]
	run.Series, run.Points = nil, nil
	for i := range stats.MaxSeries {
		run.Series = append(run.Series, stats.SeriesInfo{Name: "source" + string(rune('a'+i%7)) + ".series_" + strings.Repeat("x", i), Level: true})
	}
	for i := range 1400 {
		p := point
		p.At, p.Series = time.Duration(i)*time.Second, make([]float64, stats.MaxSeries)
		for j := range p.Series {
			p.Series[j] = 1000 * math.Abs(math.Sin(float64(i*(j+1))))
		}
		run.Points = append(run.Points, p)
	}
	Judge(run, nil)
	var html bytes.Buffer
	if err := WriteHTML(&html, run); err != nil {
		t.Fatal(err)
	}
	if html.Len() > 1<<20 {
		t.Errorf("%d bytes", html.Len())
	}
}
