package report

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/load/stats"
)

// judged is a hand-made measured window: everything meets the guide's targets unless change says otherwise.
func judged(change func(*Run), decisive []Target) *Run {
	h := stats.NewHistogram()
	for range 1000 {
		h.Record(20 * time.Millisecond)
	}
	window := stats.Summary{
		Window: stats.Window{To: 60 * time.Second}, Covered: 60 * time.Second, Loaded: 60 * time.Second,
		Total:   stats.EntryStats{Requests: 660_000, Response: h, Service: h},
		Seconds: 60, Iterations: 600_000,
		Mean: stats.Gauges{TargetCPU: 0.5, TargetMemory: 0.1}, Peak: stats.Gauges{TargetCPU: 0.6, TargetMemory: 0.2},
	}
	run := &Run{Whole: window, Measured: window, Ledger: stats.Counts{Issued: 1000, Accepted: 1000, Delivered: 1000}}
	if change != nil {
		change(run)
	}
	Judge(run, decisive)
	return run
}

// slow replaces the response times.
func slow(d time.Duration) func(*Run) {
	return func(r *Run) {
		h := stats.NewHistogram()
		h.Record(d)
		r.Measured.Total.Response = h
	}
}

func TestVerdict(t *testing.T) {
	late := func(r *Run) { r.Measured.LateSeconds = 7 }
	both := func(fns ...func(*Run)) func(*Run) {
		return func(r *Run) {
			for _, fn := range fns {
				fn(r)
			}
		}
	}
	p95 := []Target{{Metric: MetricP95, Op: Below, Limit: 0.1, Acceptable: 0.2}}
	tests := map[string]struct {
		change  func(*Run)
		targets []Target
		word    string
		exit    int
		strict  int
	}{
		"everything met":                       {nil, GuideTargets(), "PASS", 0, 0},
		"one row only acceptable":              {slow(150 * time.Millisecond), p95, "ACCEPTABLE", 0, 3},
		"one row missed":                       {slow(250 * time.Millisecond), p95, "FAIL", 3, 3},
		"a limit itself is not below":          {func(r *Run) { r.Measured.Mean.TargetCPU = 0.85 }, GuideTargets(), "FAIL", 3, 3},
		"at least includes the limit":          {func(r *Run) { r.Measured.Total.Requests = 600_000 }, GuideTargets(), "PASS", 0, 0},
		"a missed row that does not decide":    {func(r *Run) { r.Ledger.Lost = 3 }, p95, "PASS", 0, 0},
		"missed latency while saturated":       {both(slow(250*time.Millisecond), late), p95, "INVALID", 4, 4},
		"met while saturated stays met":        {late, GuideTargets(), "PASS", 0, 0},
		"acceptable while saturated stays so":  {both(slow(150*time.Millisecond), late), p95, "ACCEPTABLE", 0, 3},
		"saturation hides no loss":             {both(late, func(r *Run) { r.Ledger.Lost = 1 }), GuideTargets(), "FAIL", 3, 3},
		"saturation hides no errors":           {both(late, func(r *Run) { r.Measured.Total.Failures = 66_000 }), GuideTargets(), "FAIL", 3, 3},
		"a failure outranks an invalid row":    {both(late, slow(2*time.Second), func(r *Run) { r.Ledger.Lost = 1 }), GuideTargets(), "FAIL", 3, 3},
		"dropped iterations saturate":          {both(slow(250*time.Millisecond), func(r *Run) { r.Measured.Dropped = 7000 }), p95, "INVALID", 4, 4},
		"one per cent dropped does not":        {both(slow(250*time.Millisecond), func(r *Run) { r.Measured.Dropped = 6000 }), p95, "FAIL", 3, 3},
		"six late seconds of sixty do not":     {both(slow(250*time.Millisecond), func(r *Run) { r.Measured.LateSeconds = 6 }), p95, "FAIL", 3, 3},
		"no measured window":                   {func(r *Run) { r.Measured = stats.Summary{} }, p95, "INVALID", 4, 4},
		"no requests":                          {func(r *Run) { r.Measured.Total = stats.EntryStats{} }, p95, "INVALID", 4, 4},
		"without receipts the rest decides":    {func(r *Run) { r.Receipts.Off = "--no-receipts" }, GuideTargets(), "PASS", 0, 0},
		"only what was not measured was asked": {func(r *Run) { r.Receipts.Off = "--no-receipts" }, []Target{{Metric: MetricLost, Op: AtMost, Limit: 0, Acceptable: 0}}, "INVALID", 4, 4},
		"target without metrics":               {func(r *Run) { r.Measured.Mean.TargetCPU = math.NaN() }, GuideTargets(), "PASS", 0, 0},
		"pending after the drain":              {func(r *Run) { r.Ledger.Open = 1 }, GuideTargets(), "FAIL", 3, 3},
		"no targets, no failures":              {slow(time.Minute), nil, "DONE", 0, 0},
		"no targets, a failed request":         {func(r *Run) { r.Whole.Total.Failures = 1 }, nil, "FAILURES", 1, 1},
		"scaled down":                          {func(r *Run) { r.Scaled = "1 core" }, GuideTargets(), "PASS (SCALED)", 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := judged(tt.change, tt.targets).Verdict
			if v.Word() != tt.word || v.ExitCode(false) != tt.exit || v.ExitCode(true) != tt.strict {
				t.Errorf("%s, exit %d, strict %d; want %s, %d, %d\nreasons: %s", v.Word(), v.ExitCode(false), v.ExitCode(true),
					tt.word, tt.exit, tt.strict, strings.Join(v.Reasons(), " "))
			}
		})
	}
}

func TestRowsThatWereNotMeasuredSayWhy(t *testing.T) {
	run := judged(func(r *Run) {
		r.Receipts.Off = "--no-receipts"
		r.Target.Off = "GET /metrics: 404 Not Found"
		r.Measured.Mean.TargetCPU, r.Measured.Peak.TargetMemory = math.NaN(), math.NaN()
	}, GuideTargets())
	got := make(map[Metric]string)
	for _, r := range run.Verdict.Rows {
		if r.Grade == NotMeasured {
			got[r.Target.Metric] = r.Why
		}
	}
	want := map[Metric]string{
		MetricCPU: "GET /metrics: 404 Not Found", MetricMemory: "GET /metrics: 404 Not Found",
		MetricDelivered: "--no-receipts", MetricLost: "--no-receipts", MetricPending: "--no-receipts",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows not measured (-want +got):\n%s", diff)
	}
}

func TestVerdictTableOfARealRun(t *testing.T) {
	for name, s := range map[string]scene{"fail": small(failing()), "saturated": small(saturated())} {
		run := play(t, s)
		Judge(run, GuideTargets())
		var b strings.Builder
		NewTerminal(TerminalOptions{Out: &b}).verdict(run)
		golden(t, "verdict-"+name+".txt", []byte(b.String()))
	}
}

func TestLedgerOfTheFixtureCloses(t *testing.T) {
	run := play(t, small(failing()))
	if text, ok := closing(&run.Ledger); !ok || run.Ledger.Lost == 0 || run.Ledger.Unanswered == 0 {
		t.Errorf("%s %+v", text, run.Ledger)
	}
}

func TestALedgerThatDoesNotCloseSaysSo(t *testing.T) {
	for want, c := range map[string]stats.Counts{
		"sent ≠":            {Issued: 10, Accepted: 9, Delivered: 9},
		"accepted ≠":        {Issued: 10, Accepted: 10, Delivered: 9},
		"closes":            {Issued: 10, Accepted: 8, Delivered: 4, Failed: 1, Pending: 1, Open: 1, Lost: 1, Rejected: 1, Unanswered: 1},
		"Nothing was sent.": {},
	} {
		text, ok := closing(&c)
		if !strings.Contains(text, want) || ok == strings.Contains(want, "≠") {
			t.Errorf("%+v: %v %q, want %q", c, ok, text, want)
		}
	}
}

// TestDegraded: what was open at a lost worker is neither delivered nor lost, and the verdict says that one was lost.
func TestDegraded(t *testing.T) {
	run := &Run{
		Degraded: "a worker was lost",
		Ledger:   stats.Counts{Issued: 120, Accepted: 110, Unanswered: 10, Delivered: 100, Unverified: 10, Receipts: 100},
	}
	targets, err := ParseTargets([]string{"delivered=1", "lost=0"})
	if err != nil {
		t.Fatal(err)
	}
	Judge(run, targets)
	if got := run.Verdict.Word(); got != "PASS (DEGRADED)" {
		t.Errorf("verdict %q", got)
	}
	if !slices.Contains(run.Verdict.Reasons(), "Degraded: a worker was lost.") {
		t.Errorf("reasons %q", run.Verdict.Reasons())
	}
	var b strings.Builder
	if err := WriteHTML(&b, run); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"unverified", "open when their worker was lost", "The ledger closes", "DEGRADED"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report does not say %q", want)
		}
	}
}
