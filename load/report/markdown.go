package report

import (
	"fmt"
	"io"
	"strings"

	"protei-bulk/load/stats"
)

// errorsInMarkdown bounds the failure table.
const errorsInMarkdown = 10

// WriteMarkdown writes a summary for the page of a CI job: verdict, targets, requests, ledger and errors. Call [Judge]
// first.
func WriteMarkdown(w io.Writer, run *Run) error {
	b := &strings.Builder{}
	v := &run.Verdict
	fmt.Fprintf(b, "## %s %s: %s\n\n%s\n", v.grade().sign(), markdownText(orElse(run.Title, "Load test")), v.Word(), markdownText(sentence(run)))
	for _, why := range v.Reasons() {
		b.WriteString("\n" + markdownText(why) + "\n")
	}
	if run.Stopped != "" {
		b.WriteString("\nStopped early: " + markdownText(run.Stopped) + ".\n")
	}
	markdownTargets(b, run)
	markdownSearch(b, run.Search)
	markdownRequests(b, run)
	markdownLedger(b, run)
	markdownSeries(b, run)
	markdownErrors(b, run)
	markdownAnswers(b, run)
	markdownSetup(b, run)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write Markdown report: %w", err)
	}
	return nil
}

func markdownTargets(b *strings.Builder, run *Run) {
	fmt.Fprintf(b, "\n### Targets, measured over %s\n\n", markdownText(windowText(&run.Measured)))
	b.WriteString("| | target | acceptable | measured | whole run | |\n|---|---:|---:|---:|---:|---|\n")
	for _, r := range run.Verdict.Rows {
		if run.Verdict.Named && !r.Decides {
			continue
		}
		grade := r.Grade.sign() + " " + r.Grade.String()
		if r.Grade == NotMeasured {
			grade = r.Grade.String() + ": " + markdownText(r.Why)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", r.Label(), markdownText(r.Target.limitText(r.Target.Limit)),
			markdownText(r.Target.limitText(r.Target.Acceptable)), r.Target.Format(r.Measured), r.Target.Format(r.Whole), grade)
	}
}

func markdownRequests(b *strings.Builder, run *Run) {
	s, title := &run.Measured, "Requests in the measured window"
	if s.Covered <= 0 {
		s, title = &run.Whole, "Requests of the whole run"
	}
	fmt.Fprintf(b, "\n### %s\n\n| | requests | failed | req/s | average | p50 | p95 | p99 | max |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n", title)
	row := func(e *stats.EntryStats) {
		h := e.Response
		cells := []string{none, none, none, none, none}
		if h.Count() > 0 {
			cells = []string{
				formatLatency(h.Mean()), formatLatency(h.Quantile(0.5)), formatLatency(h.Quantile(0.95)),
				formatLatency(h.Quantile(0.99)), formatLatency(h.Max()),
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", markdownText(strings.TrimSpace(e.Method+" "+e.Name)), formatCount(e.Requests),
			formatCount(e.Failures), formatRate(s.PerSecond(e.Requests)), strings.Join(cells, " | "))
	}
	for i := range s.Entries {
		if i == requestsShown {
			break
		}
		row(&s.Entries[i])
	}
	row(&s.Total)
}

func markdownLedger(b *strings.Builder, run *Run) {
	if run.Ledger.Issued == 0 {
		return
	}
	b.WriteString("\n### Delivery ledger, whole run\n\n| | | |\n|---|---:|---|\n")
	for _, l := range ledgerLines(run) {
		fmt.Fprintf(b, "| %s%s | %s | %s |\n", strings.Repeat("… ", l.Depth), l.Label, l.Value, markdownText(l.Note))
	}
	text, _ := closing(&run.Ledger)
	b.WriteString("\n" + text + "\n")
}

func markdownErrors(b *strings.Builder, run *Run) {
	if len(run.Failures) == 0 {
		return
	}
	b.WriteString("\n### Failures, whole run\n\n| occurrences | request | error |\n|---:|---|---|\n")
	for i, f := range run.Failures {
		if i == errorsInMarkdown {
			fmt.Fprintf(b, "\n%d further kinds of error are left out.\n", len(run.Failures)-i)
			break
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", formatCount(f.Occurrences), markdownText(strings.TrimSpace(f.Method+" "+f.Name)), markdownText(f.Error))
	}
}

func markdownSetup(b *strings.Builder, run *Run) {
	b.WriteString("\n<details><summary>What was run</summary>\n\n")
	if run.Command != "" {
		b.WriteString("    " + printable(run.Command) + "\n\n")
	}
	for _, f := range setupFacts(run) {
		fmt.Fprintf(b, "- %s: %s\n", f.Label, markdownText(f.Value))
	}
	for _, n := range run.Notes {
		fmt.Fprintf(b, "- %s\n", markdownText(n))
	}
	b.WriteString("\n</details>\n")
}
