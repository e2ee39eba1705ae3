package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"protei-bulk/load/stats"
)

func TestMissedNamesWhatAStepMisses(t *testing.T) {
	good, bad := play(t, small(passing())), play(t, small(failing()))
	targets := append(SearchTargets(), Target{Metric: MetricTPS, Op: AtLeast, Limit: 1e9, Acceptable: 1e9})
	if why := Missed(targets, &good.Measured, &good.Ledger, Measurement{}); why != "" {
		t.Errorf("a good step misses %s", why)
	}
	why := Missed(targets, &bad.Measured, &bad.Ledger, Measurement{})
	for _, want := range []string{"P95 ", "wanted < 100 ms", "Error rate ", "Messages lost 17, wanted 0"} {
		if !strings.Contains(why, want) {
			t.Errorf("%q is missing in %q", want, why)
		}
	}
	if strings.Contains(why, "TPS") {
		t.Errorf("the rate is no target of a search: %q", why)
	}
	if why := Missed(targets, &good.Measured, &stats.Counts{}, Measurement{Off: "--no-receipts"}); why != "" {
		t.Errorf("receipts that are not measured are missed: %s", why)
	}
	if why := Missed(targets, &stats.Summary{}, &stats.Counts{}, Measurement{}); why != "" {
		t.Errorf("an empty step misses %s", why)
	}
}

func TestNoErrorsMeansNone(t *testing.T) {
	target, err := ParseTarget("errors=0")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		scene scene
		want  Grade
	}{"none": {small(passing()), Pass}, "some": {small(failing()), Fail}} {
		run := play(t, tt.scene)
		Judge(run, []Target{target})
		if g := run.Verdict.Rows[0].Grade; g != tt.want {
			t.Errorf("%s: %v, want %v", name, g, tt.want)
		}
	}
}

// TestSearchIsInEveryReport: each step with what it missed, and the sentence.
func TestSearchIsInEveryReport(t *testing.T) {
	run := play(t, small(passing()))
	run.Judged = &run.Ledger
	run.Search = &Search{Rate: 1200, Above: 1250, Steps: []SearchStep{
		{Rate: 1200, Try: 1, Summary: run.Measured},
		{Rate: 1250, Try: 1, Summary: run.Measured, Missed: "P95 | 120 ms, wanted < 100 ms"},
		{Rate: 1250, Try: 2, Summary: run.Measured, Missed: "3 of 20 seconds started late", Generator: true},
	}}
	Judge(run, SearchTargets())
	var text, markdown, doc, page bytes.Buffer
	term := NewTerminal(TerminalOptions{Out: &text, Width: 100})
	term.Final(run)
	for _, err := range []error{WriteMarkdown(&markdown, run), WriteJSON(&doc, run), WriteHTML(&page, run)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range map[string]string{"terminal": text.String(), "Markdown": markdown.String(), "page": page.String()} {
		for _, want := range []string{"The highest rate that keeps the targets is 1200/s; 1250/s misses them.", "1250/s", "missed by the load tester: 3 of 20"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is missing", name, want)
			}
		}
	}
	var back struct {
		Search struct {
			Rate  float64 `json:"rate_per_second"`
			Steps []struct {
				Kept bool `json:"kept"`
			} `json:"steps"`
		} `json:"find_max"`
	}
	if err := json.Unmarshal(doc.Bytes(), &back); err != nil || back.Search.Rate != 1200 || len(back.Search.Steps) != 3 || !back.Search.Steps[0].Kept {
		t.Errorf("%+v, %v", back, err)
	}
	for want, s := range map[string]Search{
		"No rate keeps the targets: already 5/s": {Above: 5},
		"The highest rate tried, 5/s":            {Rate: 5},
		"No rate was decided. The search was ended by something else than the target: Ctrl-C.": {Limited: "Ctrl-C"},
	} {
		if got := s.sentence(); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
