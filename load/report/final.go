package report

import (
	"strings"
	"time"
)

// Final prints the three tables, the guide's summary, the ledger, the verdict table and the verdict's word.
func (t *Terminal) Final(run *Run) {
	shown, title := &run.Whole, "Whole run, "+formatSpan(run.Whole.Covered)
	if run.Measured.Covered > 0 {
		shown, title = &run.Measured, "Measured window, "+windowText(&run.Measured)
	}
	t.heading(title)
	t.printLines(statsTable(shown.Entries, shown.Total, wholeRate(shown), t.opts.Width))
	t.heading("Response time percentiles")
	t.printLines(percentileTable(shown.Entries, shown.Total, t.opts.Width))
	if lines := errorTable(run.Failures, errorsShown, t.opts.Width); lines != nil {
		t.heading("Error report, whole run")
		t.printLines(lines)
	}
	if n := len(run.Answers); n > 0 {
		t.println(wrap("The first failing answer of each kind ("+formatCount(uint64(n))+") is in the reports of --html and --json-file, with its request.", t.opts.Width))
	}
	if len(run.Exceptions) > 0 {
		t.heading("Broken tasks")
		for _, e := range run.Exceptions {
			t.println(padLeft(formatCount(e.Count), 14) + "  " + shorten(printable(e.Message), t.opts.Width-16))
		}
	}
	if run.Search != nil {
		t.search(run.Search)
	}
	t.series(run)
	t.println("")
	t.summary(run)
	t.println("")
	t.ledger(run)
	t.println("")
	t.verdict(run)
}

func (t *Terminal) heading(s string) {
	t.println("")
	t.println(t.paint.bold(s))
}

// summary is the block that the guide shows, over the whole run.
func (t *Terminal) summary(run *Run) {
	rule := strings.Repeat("=", 60)
	h := run.Whole.Total.Response
	ms := func(d time.Duration) string {
		if h.Count() == 0 {
			return none
		}
		return formatFloat(float64(d)/float64(time.Millisecond), 2) + "ms"
	}
	t.printLines([]string{
		rule,
		printable(orElse(run.Title, "Protei_Bulk Load Test")) + " Complete",
		rule,
		"Total Requests: " + formatCount(run.Whole.Total.Requests),
		"Total Failures: " + formatCount(run.Whole.Total.Failures),
		"Average Response Time: " + ms(h.Mean()),
		"Median Response Time: " + ms(h.Quantile(0.5)),
		"95th Percentile: " + ms(h.Quantile(0.95)),
		"99th Percentile: " + ms(h.Quantile(0.99)),
		"Requests/sec: " + formatFloat(run.Whole.PerSecond(run.Whole.Total.Requests), 2),
		rule,
	})
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (t *Terminal) ledger(run *Run) {
	t.println(t.paint.bold("Delivery ledger, whole run"))
	for _, l := range ledgerLines(run) {
		label := strings.Repeat("  ", l.Depth+1) + l.Label
		line := pad(label, 38) + padLeft(l.Value, 14)
		if l.Note != "" {
			line += "  " + l.Note
		}
		if l.Bad {
			line = t.paint.red(line)
		}
		t.println(line)
	}
	if text, ok := closing(&run.Ledger); ok {
		t.println("  " + text)
	} else {
		t.println(t.paint.red("  " + text))
	}
	if h := run.DLRLatency; h.Count() > 0 {
		t.println(pad("  submit → DLR", 20) + "p50 " + formatLatency(h.Quantile(0.5)) + " · p95 " + formatLatency(h.Quantile(0.95)) +
			" · p99 " + formatLatency(h.Quantile(0.99)) + " · max " + formatLatency(h.Max()))
	}
}

// verdict prints the table and the word.
func (t *Terminal) verdict(run *Run) {
	v := &run.Verdict
	widths := [...]int{23, 11, 11, 11, 11}
	line := func(cells ...string) string {
		b := pad(cells[0], widths[0])
		for i, c := range cells[1:] {
			b += padLeft(c, widths[i+1])
		}
		return b
	}
	t.println(t.paint.bold("Targets, measured over " + windowText(&run.Measured)))
	t.println(t.paint.dim(line("", "target", "acceptable", "measured", "whole run")))
	decided := true
	for _, r := range v.Rows {
		if v.Named && decided && !r.Decides {
			t.println(t.paint.dim("the guide's other targets, for reference:"))
		}
		decided = r.Decides
		text := line(r.Grade.sign()+" "+r.Label(), r.Target.limitText(r.Target.Limit), r.Target.limitText(r.Target.Acceptable),
			r.Target.Format(r.Measured), r.Target.Format(r.Whole))
		t.println(text + " " + t.paint.grade(r.Grade, r.Grade.String()))
	}
	t.println("")
	if run.Stopped != "" {
		t.println(wrap("Stopped early: "+printable(run.Stopped)+".", t.opts.Width))
	}
	for _, why := range v.Reasons() {
		t.println(wrap(printable(why), t.opts.Width))
	}
	t.println(t.paint.bold("Verdict: ") + t.paint.grade(v.grade(), v.Word()))
}
