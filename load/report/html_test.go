package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"protei-bulk/load/stats"
)

func render(t *testing.T, run *Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHTML(&b, run); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// outside finds what would make the page ask another host, or run what it should not.
var outside = regexp.MustCompile(`(?i)<link|<img|<iframe|<object|@import|url\(|\bsrc=|\bhref=|https?://[^1"'<\s]|<script[^>]`)

func TestPageIsSelfContained(t *testing.T) {
	run := play(t, small(failing()))
	Judge(run, GuideTargets())
	page := render(t, run)
	if m := outside.FindString(page); m != "" {
		t.Errorf("the page has %q", m)
	}
	for _, want := range []string{
		"FAIL", "Missed: ", "p95 &lt; 100 ms", "submit_sm", "/api/v1/messages/bulk", "timeout after 10 s", "messages sent",
		"Failing answers", "store_full", "No answer came.", "X-API-Key: HIDDEN", "Requests a second", "Response time", "Distribution of response times", "bench-1", "protei-bulk load -H", "lateness p50",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if i, j := strings.Index(page, `class="word"`), strings.Index(page, "What was run"); i > 20_000 || j < strings.Index(page, "Failures <") {
		t.Error("the verdict is not first, or what was run is not last")
	}
}

func TestHostileTextIsEscaped(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'</style>`
	run := play(t, small(passing()))
	run.Title, run.Host, run.Command, run.Scenario, run.Stopped, run.Scaled = evil, evil, evil, evil, evil, evil
	run.Machine.Hostname, run.Target.Name, run.Target.Off, run.Receipts.Off = evil, evil, evil, evil
	run.Notes, run.Markers = []string{evil}, []Marker{{time.Second, evil}}
	run.Failures = []stats.Failure{{Method: evil, Name: evil, Error: evil, Occurrences: 1}}
	run.Exceptions = []stats.Exception{{Count: 1, Message: evil, Traceback: evil}}
	run.Target.Facts = []Fact{{evil, evil}}
	run.Answers = []FailingAnswer{{Method: evil, Name: evil, Error: evil, Sent: evil, Answer: evil}}
	for i := range run.Measured.Entries {
		run.Measured.Entries[i].Name, run.Measured.Entries[i].Method = evil, evil
	}
	Judge(run, nil)
	page := render(t, run)
	for _, bad := range []string{"<script>alert", "<img", "'</style>"} {
		if strings.Contains(page, bad) {
			t.Errorf("%s came through", bad)
		}
	}
}

// numbersOf reads back what the page's script gets.
func numbersOf(t *testing.T, page, variable string) []any {
	t.Helper()
	_, rest, ok := strings.Cut(page, variable+" = ")
	if !ok {
		t.Fatalf("no %s", variable)
	}
	var out []any
	if err := json.NewDecoder(strings.NewReader(rest)).Decode(&out); err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return out
}

func TestCursorHasAPlaceAndATimeForEachPoint(t *testing.T) {
	run := play(t, small(passing()))
	Judge(run, nil)
	page := render(t, run)
	places, times := numbersOf(t, page, "cursorAt"), numbersOf(t, page, "cursorTime")
	if len(places) != 25 || len(times) != 25 || times[24] != "0:24" {
		t.Errorf("%d places, %d times: %v", len(places), len(times), times)
	}
}

func TestEmptyRunMakesAPage(t *testing.T) {
	for name, run := range map[string]*Run{"zero": {}, "no seconds": {Whole: emptySummary(), Measured: emptySummary()}} {
		Judge(run, GuideTargets())
		page := strings.ReplaceAll(render(t, run), "isNaN", "")
		for _, bad := range []string{"NaN", "+Inf", "%!", "&lt;nil&gt;", "ZgotmplZ"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s: %s in the page", name, bad)
			}
		}
	}
}

func TestPageOfALongRunStaysBelowAMegabyte(t *testing.T) {
	run := play(t, small(failing()))
	run.Points = nil
	for i := range 600 + 660 + 24*60*7 { // a week
		width := time.Minute
		at := time.Duration(i) * width
		v := 1e4 * (1.5 + math.Sin(float64(i)/50) + 0.1*math.Sin(float64(i)*7))
		d := time.Duration(v*1013) * time.Nanosecond
		run.Points = append(run.Points, stats.Point{
			At: at, Width: width, Users: int(v), Requests: v, Failures: v / 1000, Messages: 2 * v, Segments: 2.2 * v, Receipts: 2 * v,
			P50: d, P95: 4 * d, P99: 20 * d, Samples: 1, Open: uint64(v), LateP95: d / 100,
			Gauges: stats.Gauges{TargetCPU: 0.5 + 0.1*math.Sin(v), TargetMemory: 0.3, GeneratorCPU: 0.2 + 0.01*math.Cos(v), Steal: 0.001},
		})
	}
	for i := range 2000 {
		e := run.Measured.Entries[i%len(fixtureMix)]
		e.Name = fmt.Sprintf("/api/v1/messages/%016x", i)
		run.Measured.Entries, run.Whole.Entries = append(run.Measured.Entries, e), append(run.Whole.Entries, e)
		run.Failures = append(run.Failures, stats.Failure{Method: "POST", Name: e.Name, Error: strings.Repeat("reason ", 40), Occurrences: 1})
	}
	run.Answers = nil
	for range 20 {
		run.Answers = append(run.Answers, FailingAnswer{Error: "HTTP 500", Sent: strings.Repeat("<", 2048), Answer: strings.Repeat("&", 2048)})
	}
	Judge(run, GuideTargets())
	page := render(t, run)
	if len(page) > 970_000 {
		t.Errorf("%d bytes, want < 1 MB with room to spare", len(page))
	}
	if !strings.Contains(page, "logarithmic axis") {
		t.Error("p99 is 20 times p50: no logarithmic axis")
	}
	if !strings.Contains(page, "more are in the JSON report") {
		t.Error("the page does not say that answers were left out")
	}
	if m := strings.Count(page, "further kinds of error"); m != 1 {
		t.Error("the page does not say that failures were left out")
	}
}

func TestJSONIsWhole(t *testing.T) {
	for name, run := range map[string]*Run{"run": play(t, small(failing())), "empty": {}} {
		Judge(run, GuideTargets())
		var b bytes.Buffer
		if err := WriteJSON(&b, run); err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Verdict struct {
				Word string
				Rows []struct {
					Metric   string
					Measured *float64
				}
			}
			Measured *struct {
				Aggregate struct {
					Requests uint64
					Response struct {
						Percentiles map[string]float64
					} `json:"response_ms"`
				}
			}
			Series  []struct{ Requests float64 }
			Answers []struct {
				Method, Name, Error, Request, Answer string
				At                                   float64 `json:"at_s"`
			} `json:"failing_answers"`
		}
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if doc.Verdict.Word != run.Verdict.Word() || len(doc.Verdict.Rows) != len(GuideTargets()) || len(doc.Series) != len(run.Points) {
			t.Errorf("%s: verdict %+v, %d points", name, doc.Verdict, len(doc.Series))
		}
		if name == "empty" {
			if doc.Measured != nil || doc.Verdict.Rows[0].Measured != nil {
				t.Error("figures of an empty run are not null")
			}
			continue
		}
		if a := doc.Answers; len(a) != len(run.Answers) || a[0].At != 4 || a[0].Error != run.Answers[0].Error || a[0].Answer != run.Answers[0].Answer || a[0].Request != run.Answers[0].Sent {
			t.Errorf("failing answers %+v", a)
		}
		total := run.Measured.Total
		if m := doc.Measured; m.Aggregate.Requests != total.Requests ||
			m.Aggregate.Response.Percentiles["95%"] != inMillis(total.Response.Quantile(0.95)) {
			t.Errorf("aggregate %+v", m.Aggregate)
		}
	}
}

// TestHTMLSamples writes the fixture runs to look at: PROTEI_BULK_REPORTS=DIR go test -run HTMLSamples ./load/report
func TestHTMLSamples(t *testing.T) {
	dir := os.Getenv("PROTEI_BULK_REPORTS")
	if dir == "" {
		t.Skip("PROTEI_BULK_REPORTS names no directory")
	}
	for name, s := range map[string]scene{"pass": passing(), "fail": failing(), "saturated": saturated()} {
		run := play(t, s)
		targets := GuideTargets()
		if name == "fail" {
			targets = []Target{{Metric: MetricP95, Op: Below, Limit: 0.1, Acceptable: 0.2}, {Metric: MetricErrors, Op: Below, Limit: 0.001, Acceptable: 0.01}, {Metric: MetricLost, Op: AtMost, Limit: 0, Acceptable: 0}}
		}
		Judge(run, targets)
		if err := os.WriteFile(filepath.Join(dir, name+".html"), []byte(render(t, run)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
