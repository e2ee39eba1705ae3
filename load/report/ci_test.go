package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"protei-bulk/load/stats"
)

func TestJUnitAndMarkdown(t *testing.T) {
	for name, tt := range map[string]struct {
		scene   scene
		targets []Target
		strict  bool
	}{
		"pass":       {small(passing()), []Target{{Metric: MetricP95, Op: Below, Limit: 0.1, Acceptable: 0.2}, {Metric: MetricLost, Op: AtMost, Limit: 0, Acceptable: 0}}, false},
		"fail":       {small(failing()), []Target{{Metric: MetricP95, Op: Below, Limit: 0.1, Acceptable: 0.2}, {Metric: MetricTPS, Op: AtLeast, Limit: 100, Acceptable: 50}, {Metric: MetricLost, Op: AtMost, Limit: 0, Acceptable: 0}}, true},
		"saturated":  {small(saturated()), []Target{{Metric: MetricP95, Op: Below, Limit: 0.05, Acceptable: 0.06}}, false},
		"untargeted": {small(failing()), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			run := play(t, tt.scene)
			run.Profile = "nightly"
			if name == "pass" {
				run.Target.Off = "GET /metrics: 404 Not Found"
			}
			Judge(run, tt.targets)
			var junit, markdown bytes.Buffer
			if err := WriteJUnit(&junit, run, tt.strict); err != nil {
				t.Fatal(err)
			}
			if err := WriteMarkdown(&markdown, run); err != nil {
				t.Fatal(err)
			}
			golden(t, "junit-"+name+".xml", junit.Bytes())
			golden(t, "summary-"+name+".md", markdown.Bytes())
			var doc junitSuites
			if err := xml.Unmarshal(junit.Bytes(), &doc); err != nil {
				t.Fatal(err)
			}
			if bad := doc.Failures+doc.Errors > 0; bad != (run.Verdict.ExitCode(tt.strict) != 0) {
				t.Errorf("%d failures and %d errors, but exit code %d", doc.Failures, doc.Errors, run.Verdict.ExitCode(tt.strict))
			}
		})
	}
}

func TestHostileTextStaysText(t *testing.T) {
	const evil = "a|b\n# c <script>\x1b[31m]]> `&`\x00"
	run := play(t, small(passing()))
	run.Title, run.Host, run.Command, run.Stopped, run.Profile = evil, evil, evil, evil, evil
	run.Failures = []stats.Failure{{Method: evil, Name: evil, Error: evil, Occurrences: 1}}
	for i := range run.Whole.Entries {
		run.Whole.Entries[i].Name, run.Whole.Entries[i].Failures = evil, 1
	}
	for i := range run.Measured.Entries {
		run.Measured.Entries[i].Name = evil
	}
	Judge(run, nil)
	var junit, markdown bytes.Buffer
	if err := WriteJUnit(&junit, run, false); err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(junit.Bytes(), &junitSuites{}); err != nil {
		t.Errorf("the JUnit file is no XML: %v", err)
	}
	if err := WriteMarkdown(&markdown, run); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(markdown.String()) {
		if strings.HasPrefix(line, "    ") {
			continue // the command, a block of code
		}
		if strings.Contains(line, "<script>") && !strings.Contains(line, `\<script\>`) || strings.Contains(line, "\x1b") || strings.HasPrefix(line, "# c") {
			t.Errorf("text became markup: %q", line)
		}
	}
}

// recorded writes a run and reads it back.
func recorded(t *testing.T, name string, s scene, change func(*Run)) *Recorded {
	t.Helper()
	f := newFixture(s)
	for i := range f.ramp + f.steady + f.drain {
		f.second(i, nil)
	}
	run := f.run()
	if w, ok := f.collector.Measured(0); ok {
		run.Measured = f.collector.Summary(w)
		run.Intervals = f.collector.Intervals(w)
	}
	if change != nil {
		change(run)
	}
	Judge(run, GuideTargets())
	var b bytes.Buffer
	if err := WriteJSON(&b, run); err != nil {
		t.Fatal(err)
	}
	r, err := ReadJSON(&b, name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func comparable(s scene) scene {
	s.users, s.ramp, s.steady, s.drain = 40, 3, 40, 2
	return s
}

func TestCompare(t *testing.T) {
	a := recorded(t, "a.json", comparable(passing()), nil)
	slower := comparable(passing())
	slower.slow, slower.failing = 1.4, 0.02
	b := recorded(t, "b.json", slower, func(r *Run) { r.Machine.Cores, r.Profile = 4, "branch" })
	c, err := Compare(a, b)
	if err != nil {
		t.Fatal(err)
	}
	var text, markdown bytes.Buffer
	if err := WriteComparison(&text, c); err != nil {
		t.Fatal(err)
	}
	if err := WriteComparisonMarkdown(&markdown, c); err != nil {
		t.Fatal(err)
	}
	golden(t, "compare.txt", text.Bytes())
	golden(t, "compare.md", markdown.Bytes())
	want := map[string]Change{"requests/s": Same, "p50": Worse, "p95": Worse, "error rate": Worse}
	for _, r := range c.Rows {
		if w, ok := want[r.Figure]; ok && r.Request == "Aggregated" && r.Change != w {
			t.Errorf("%s: %v, want %v (%+v)", r.Figure, r.Change, w, r)
		}
	}
	if !c.Worse() {
		t.Error("the slower run is not worse")
	}
	back, err := Compare(b, a)
	if err != nil || back.Worse() {
		t.Errorf("the other way round it is worse too, %v", err)
	}
	same, err := Compare(a, a)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range same.Rows {
		if r.Change != Same && (r.Change != Unknown || r.Request == "Aggregated") {
			t.Errorf("a run and itself: %s %s %v", r.Request, r.Figure, r.Change)
		}
	}
}

func TestCompareRunsThatLackThings(t *testing.T) {
	full := recorded(t, "full.json", comparable(passing()), nil)
	short := recorded(t, "short.json", small(passing()), func(r *Run) {
		r.Intervals, r.Measured = nil, stats.Summary{}
		r.Whole.Entries = r.Whole.Entries[:2]
	})
	c, err := Compare(full, short)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range c.Rows {
		if r.Change != Unknown && r.Change != Untested {
			t.Errorf("%s %s is judged %v without seconds", r.Request, r.Figure, r.Change)
		}
	}
	if !strings.Contains(strings.Join(c.Note, "\n"), "short.json has no measured window") {
		t.Errorf("the notes do not say it: %q", c.Note)
	}
	for name, text := range map[string]string{
		"empty": "", "no JSON": "Type,Name", "another JSON": `{"a":1}`, "an array": `[1]`,
		"another version": `{"format_version":2,"whole":{"entries":[]}}`,
		"columns":         `{"format_version":1,"whole":{"entries":[]},"measured_intervals":[{"name":"x","width_s":[1,1],"requests":[1]}]}`,
	} {
		if _, err := ReadJSON(strings.NewReader(text), "x.json"); err == nil || !strings.Contains(err.Error(), "x.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty := &Recorded{Name: "empty.json"}
	if _, err := Compare(full, empty); err == nil {
		t.Error("a run without requests was compared")
	}
}

// TestDifferIsSound: series from one source differ rarely, though their seconds resemble their neighbours; a fifth more
// is found.
func TestDifferIsSound(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and many numbers: nothing to race")
	}
	rng := rand.New(rand.NewPCG(3, 4))
	draw := func(n int, mean, phi float64) []second {
		out, x := make([]second, n), 0.0
		for i := range out {
			x = phi*x + rng.NormFloat64()*math.Sqrt(1-phi*phi)
			out[i] = second{mean * math.Exp(0.2*x), 1}
		}
		return out
	}
	const trials = 150
	for _, tt := range []struct {
		n            int
		phi, shift   float64
		atMost, from int
	}{
		{60, 0, 1, 8, 0},
		{60, 0.5, 1, 12, 0},
		{300, 0.5, 1, 8, 0},
		{60, 0, 1.2, trials, 130},
		{300, 0.5, 1.2, trials, 140},
	} {
		found := 0
		for range trials {
			if differ(draw(tt.n, 10, tt.phi), draw(tt.n, 10*tt.shift, tt.phi)).certain() {
				found++
			}
		}
		if found > tt.atMost || found < tt.from {
			t.Errorf("%d seconds, likeness %v, factor %v: a difference in %d of %d", tt.n, tt.phi, tt.shift, found, trials)
		}
	}
}

func TestExporter(t *testing.T) {
	x := NewExporter(nil)
	get := func() string {
		w := httptest.NewRecorder()
		x.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		if w.Code != 200 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		return w.Body.String()
	}
	if page := get(); strings.Contains(page, "protei") {
		t.Errorf("before the run: %s", page)
	}
	f := newFixture(small(passing()))
	var last stats.Live
	for i := range 10 {
		f.second(i, func(l stats.Live) {
			last = l
			x.Update(l)
		})
	}
	page := get()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("%v\n%s", err, page)
	}
	var requests float64
	for _, m := range families["protei_bulk_load_requests_total"].GetMetric() {
		requests += m.GetCounter().GetValue()
	}
	if uint64(requests) != last.Total.Requests || requests == 0 {
		t.Errorf("%v requests on the page, %d in the run", requests, last.Total.Requests)
	}
	for _, m := range families["protei_bulk_load_response_seconds"].GetMetric() {
		h := m.GetHistogram()
		var before uint64
		for _, b := range h.GetBucket() {
			if b.GetCumulativeCount() < before {
				t.Errorf("the buckets of %v fall", m.GetLabel())
			}
			before = b.GetCumulativeCount()
		}
		if h.GetSampleCount() < before || before == 0 {
			t.Errorf("%v: %d samples, %d in the buckets", m.GetLabel(), h.GetSampleCount(), before)
		}
	}
	for _, want := range []string{"protei_bulk_load_users 19", `protei_bulk_load_messages{state="accepted"}`, `protei_bulk_load_phase{phase="steady"} 1`} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in:\n%s", want, page)
		}
	}
}

func TestJSONNumbersComeBack(t *testing.T) {
	for _, v := range []float64{0, 1.5, 123456, math.NaN(), 0.00012} {
		b, err := json.Marshal(jsNumber(v))
		if err != nil {
			t.Fatal(err)
		}
		var back jsNumber
		if err := json.Unmarshal(b, &back); err != nil || math.Abs(float64(back)-v) > v*1e-4 || math.IsNaN(v) != math.IsNaN(float64(back)) {
			t.Errorf("%v became %v, %v", v, back, err)
		}
	}
	var n jsNumber
	if err := json.Unmarshal([]byte(`"x"`), &n); err == nil {
		t.Error("a text was taken for a number")
	}
}
