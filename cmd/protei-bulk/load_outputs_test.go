package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"protei-bulk/load/scenario/scenariotest"
)

// loadDoc is what tests read of a JSON report.
type loadDoc struct {
	Profile string `json:"profile"`
	Verdict struct {
		Word string `json:"word"`
	} `json:"verdict"`
	Whole struct {
		From      float64 `json:"from_s"`
		To        float64 `json:"to_s"`
		PeakUsers int     `json:"peak_users"`
		Dropped   uint64  `json:"dropped_iterations"`
		Aggregate struct {
			Requests uint64 `json:"requests"`
		} `json:"aggregate"`
		Entries []struct {
			Method string `json:"method"`
			Name   string `json:"name"`
		} `json:"entries"`
	} `json:"whole"`
	Intervals []struct {
		Name     string    `json:"name"`
		Requests []uint64  `json:"requests"`
		P95      []float64 `json:"p95_ms"`
	} `json:"measured_intervals"`
	Series []json.RawMessage `json:"series"`
}

// runJSON runs a load command with --json, whose stdout must be the document alone.
func runJSON(t *testing.T, p *scenariotest.Platform, want int, args ...string) (loadDoc, string) {
	t.Helper()
	code, stdout, stderr := loadCLI(t.Context(), nil, short(p, append(args, "--json")...)...)
	var doc loadDoc
	d := json.NewDecoder(strings.NewReader(stdout))
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Errorf("something stands behind the document: %v", err)
	}
	if code != want {
		t.Errorf("exit code %d, want %d\n%s", code, want, stderr)
	}
	return doc, stderr
}

func TestLoadWritesForCI(t *testing.T) {
	t.Parallel()
	p := scenariotest.Start(t, scenariotest.Faults{})
	dir := t.TempDir()
	junit, markdown, log := filepath.Join(dir, "a", "junit.xml"), filepath.Join(dir, "b", "summary-{u}.md"), filepath.Join(dir, "load.log")
	doc, stderr := runJSON(t, p, 0, "--junit", junit, "--markdown", markdown, "--profile", "nightly",
		"--check-fail-ratio", "0", "--check-avg-response-time", "10000", "--logfile", log, "-L", "DEBUG", "--processes", "2", "--otel")
	if doc.Profile != "nightly" || doc.Verdict.Word != "PASS" || doc.Whole.Aggregate.Requests == 0 {
		t.Errorf("the document has %+v", doc)
	}
	if len(doc.Intervals) < 2 || doc.Intervals[0].Name != "Aggregated" || len(doc.Intervals[0].Requests) == 0 {
		t.Errorf("the seconds of the measured window are missing: %+v", doc.Intervals)
	}
	for _, want := range []string{"Verdict", "--otel has no effect", "Protei_Bulk Load Test Complete"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is missing on stderr:\n%s", want, stderr)
		}
	}
	b, err := os.ReadFile(junit)
	if err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
	}
	if err := xml.Unmarshal(b, &suites); err != nil || suites.Tests < 4 || suites.Failures != 0 {
		t.Errorf("%+v, %v", suites, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "b", "summary-8.md")); err != nil || !bytes.Contains(b, []byte(": PASS")) {
		t.Errorf("%v\n%s", err, b)
	}
	if _, err := os.Stat(log); err != nil {
		t.Errorf("the log: %v", err)
	}
}

// TestLoadModels: what ends a run, what starts its iterations, and which tasks take part.
func TestLoadModels(t *testing.T) {
	t.Parallel()
	p := scenariotest.Start(t, scenariotest.Faults{})
	for name, tc := range map[string]struct {
		args  []string
		check func(d loadDoc, stderr string) string
	}{
		"iterations": {[]string{"-i", "60", "-t", "10m", "MessagingUser"}, func(d loadDoc, _ string) string {
			return unless(d.Whole.Aggregate.Requests == 60, "%d requests, want 60", d.Whole.Aggregate.Requests)
		}},
		"tags": {[]string{"-T", "single", "list", "--set", "smpp_users=0", "--no-receipts"}, func(d loadDoc, _ string) string {
			return unless(len(d.Whole.Entries) == 2, "the requests are %v", d.Whole.Entries)
		}},
		"run time after the ramp": {[]string{"-r", "5", "-t", "1s", "--run-time-after-ramp", "MessagingUser", "--no-receipts"}, func(d loadDoc, _ string) string {
			return unless(d.Whole.To >= 2.3, "it ended after %v s", d.Whole.To)
		}},
		"reset": {[]string{"-r", "8", "-t", "4s", "--reset-stats", "MessagingUser", "--no-receipts"}, func(d loadDoc, _ string) string {
			return unless(d.Whole.From >= 0.9 && d.Whole.From < 3, "the figures begin at %v s", d.Whole.From)
		}},
		"open model": {[]string{"--rate", "60/s", "-t", "2s", "--no-receipts", "MessagingUser"}, func(d loadDoc, stderr string) string {
			n := d.Whole.Aggregate.Requests + d.Whole.Dropped
			return unless(n >= 118 && n <= 122, "%d iterations in two seconds, want 120", n)
		}},
		"equal weights": {[]string{"--equal-weights", "-E", "send", "smpp", "-t", "3s", "--no-receipts", "--set", "wait=0.01-0.02"}, func(d loadDoc, _ string) string {
			return unless(len(d.Whole.Entries) >= 2, "the requests are %v", d.Whole.Entries)
		}},
		"config of users": {[]string{"--config-users", `{"user_class_name":"SMPPUser","fixed_count":3}`, "--set", "smpp_rate=5", "-t", "1s", "MessagingUser", "SMPPUser"}, func(_ loadDoc, stderr string) string {
			return unless(strings.Contains(stderr, "3 SMPP binds"), "the plan is\n%s", stderr)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := tc.args
			if name == "open model" {
				// the users of `short` would run beside the rate
				args = append([]string{"-u", "0", "--set", "smpp_users=0"}, args...)
			}
			doc, stderr := runJSON(t, p, 0, args...)
			if text := tc.check(doc, stderr); text != "" {
				t.Error(text)
			}
		})
	}
}

func unless(ok bool, format string, args ...any) string {
	if ok {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func TestLoadChecksDecide(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		faults scenariotest.Faults
		args   []string
		code   int
	}{
		"rate missed":           {scenariotest.Faults{}, []string{"--check-rps", "1000000"}, 3},
		"failures":              {scenariotest.Faults{RejectEvery: 5}, []string{"--check-fail-ratio", "0.001"}, 3},
		"failures allowed":      {scenariotest.Faults{RejectEvery: 5}, []string{"--check-fail-ratio", "0.9"}, 0},
		"another code on error": {scenariotest.Faults{RejectEvery: 5}, []string{"--exit-code-on-error", "0"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := measured(t, tc.faults, tc.args...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d\n%s%s", code, tc.code, stdout, stderr)
			}
		})
	}
}

// TestLoadMetricsPage: the page is there while the run goes on, and gone after it.
func TestLoadMetricsPage(t *testing.T) {
	t.Parallel()
	p := scenariotest.Start(t, scenariotest.Faults{})
	var out notifier
	url := make(chan string, 1)
	out.on("Aggregated", func() { // the first table: two ticks are over
		url <- regexp.MustCompile(`http://127[^ \n]*/metrics`).FindString(out.buf.String())
	})
	env := &environment{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }}
	ended := make(chan int, 1)
	go func() {
		ended <- run(t.Context(), env, append([]string{"load"}, short(p, "-t", "4s", "--metrics-listen", ":0", "--only-summary=false", "--console-stats-interval", "1")...))
	}()
	var page string
	select {
	case at := <-url:
		page = fetch(t, at)
		defer func() {
			if _, err := http.Get(at); err == nil {
				t.Error("the page is still there after the run")
			}
		}()
	case code := <-ended:
		t.Fatalf("it ended with %d\n%s", code, out.buf.String())
	}
	for _, want := range []string{"protei_bulk_load_users 8", `protei_bulk_load_requests_total{method="SMPP",name="submit_sm"}`, "protei_bulk_load_response_seconds_bucket"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in\n%s", want, page)
		}
	}
	<-ended
	if code, _, stderr := loadCLI(t.Context(), nil, short(p, "--metrics-listen", "9646")...); code != 2 || !strings.Contains(stderr, "127.0.0.1:9646") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v\n%s", r.Status, err, b)
	}
	return string(b)
}

func TestLoadCompareCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	quick, slow := filepath.Join(dir, "quick.json"), filepath.Join(dir, "slow.json")
	writeRun := func(name string, factor float64) {
		var entries [6][]string
		for i := range 40 {
			for k, v := range [6]float64{1, 100, 0, 0, factor * (5 + float64(i%3)), factor * (20 + float64(i%5))} {
				entries[k] = append(entries[k], fmt.Sprint(v))
			}
		}
		list := func(k int) string { return "[" + strings.Join(entries[k], ",") + "]" }
		aggregate := fmt.Sprintf(`{"name":"Aggregated","requests":4000,"response_ms":{"count":4000,"percentiles":{"50%%":%v,"95%%":%v,"99%%":%v}}}`, 6*factor, 22*factor, 22*factor)
		window := fmt.Sprintf(`{"from_s":0,"to_s":40,"requests_per_second":100,"aggregate":%s,"entries":[]}`, aggregate)
		doc := fmt.Sprintf(`{"format_version":1,"host":"http://127.0.0.1:8080","started":"2026-03-14T09:26:53Z","verdict":{"word":"DONE"},"measured":%s,"whole":%s,"measured_intervals":[{"name":"Aggregated","width_s":%s,"requests":%s,"failures":%s,"throttled":%s,"p50_ms":%s,"p95_ms":%s,"p99_ms":%s}]}`,
			window, window, list(0), list(1), list(2), list(3), list(4), list(5), list(5))
		if err := os.WriteFile(name, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writeRun(quick, 1)
	writeRun(slow, 1.3)
	markdown := filepath.Join(dir, "md", "compare.md")
	code, stdout, stderr := loadCLI(t.Context(), nil, "compare", quick, slow, "--markdown", markdown)
	if code != 0 || strings.Count(stdout, "worse") != 3 || !strings.Contains(stdout, "+30.0 %") {
		t.Errorf("exit code %d, %s\n%s", code, stderr, stdout)
	}
	if b, err := os.ReadFile(markdown); err != nil || !bytes.Contains(b, []byte("| Aggregated | p95 |")) {
		t.Errorf("%v\n%s", err, b)
	}
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{quick, slow, "--strict"}, 3, ""},
		{[]string{slow, quick, "--strict"}, 0, ""},
		{[]string{quick}, 2, "B.json is missing"},
		{[]string{quick, filepath.Join(dir, "none.json")}, 2, "none.json"},
		{[]string{quick, markdown}, 2, "no JSON report"},
	} {
		code, _, stderr := loadCLI(t.Context(), nil, append([]string{"compare"}, tc.args...)...)
		if code != tc.code || !strings.Contains(stderr, tc.want) {
			t.Errorf("%q: exit code %d, want %d; %s", tc.args, code, tc.code, stderr)
		}
	}
}
