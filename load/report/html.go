package report

import (
	"bufio"
	_ "embed" // the page's template, styles and script
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"protei-bulk/load/stats"
)

//go:embed assets/report.html
var pageTemplate string

//go:embed assets/report.css
var pageStyles string

//go:embed assets/report.js
var pageScript string

// WriteHTML writes the report as one self-contained page: it opens offline, prints, and asks no other host for
// anything. Call [Judge] first.
func WriteHTML(w io.Writer, run *Run) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"latency": formatLatency, "count": formatCount, "rate": formatRate, "share": formatShare, "ms": millis,
		"bytes": formatBytes, "span": formatSpan,
	}).Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("report template: %w", err)
	}
	b := bufio.NewWriter(w)
	if err := t.Execute(b, newPage(run)); err != nil {
		return fmt.Errorf("write HTML report: %w", err)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write HTML report: %w", err)
	}
	return nil
}

// page is what the template shows.
type page struct {
	*Run
	CSS         template.CSS
	JS          template.JS
	Word        string
	Sign        string
	Class       string // of the verdict
	Sentence    string
	Reasons     []string
	Window      string
	Tiles       []tile
	Deciding    []verdictRow
	Reference   []verdictRow
	Charts      []chart
	Events      []Fact   // markers: time and text
	Times       []string // of the cursor's points
	Cursor      []jsNumber
	Tables      []requestTable
	Ledger      []ledgerLine
	Closing     string // does the ledger close?
	Closed      bool
	Parts       []part // of what was accepted
	DLR         []Fact
	DLRBars     *distribution
	SearchText  string // what the search for the highest rate found, "" = there was none
	SearchHead  [7]string
	SearchRows  [][7]string
	Responses   *distribution // of all requests
	ResponsesOf string        // what they are taken from
	TargetInfo  []Fact
	Watched     []seriesRow
	Health      []Fact
	Setup       []Fact
	Failures    []failureRow
	MoreErrors  int
	Answers     []answerRow
	MoreAnswers int
}

type tile struct {
	Label, Value, Unit, Note, Class string
	Spark                           string
}

type verdictRow struct {
	Label, Target, Acceptable, Measured, Whole, Grade, Sign, Class, Why string
}

type requestTable struct {
	Title, Note string
	Open        bool
	Rows        []requestRow
	Total       requestRow
	Labels      []string // of the percentiles
}

type requestRow struct {
	Method, Name                  string
	Requests, Failures, Throttled string
	ErrorShare                    string
	Failing                       bool
	Rate, FailRate                string
	Average, Min, Max, Size       string
	Percentiles                   []string
}

type part struct {
	Label, Value, Share, Class string
	Percent                    float64
}

type failureRow struct {
	Count, Share, Method, Name, Error, First, Last string
}

// failuresShown bounds the failure table of the page.
const failuresShown = 200

// requestsShown bounds the request tables of the page.
const requestsShown = 300

func newPage(run *Run) *page {
	v := &run.Verdict
	p := &page{
		Run: run, CSS: template.CSS(pageStyles), JS: template.JS(pageScript),
		Word: v.Word(), Sign: v.grade().sign(), Class: gradeClass(v.grade()), Sentence: sentence(run), Reasons: v.Reasons(),
		Window: windowText(&run.Measured), Charts: charts(run), Ledger: ledgerLines(run),
	}
	if run.Search != nil {
		p.SearchText, p.SearchHead = run.Search.sentence(), searchHeads()
		for i := range run.Search.Steps {
			p.SearchRows = append(p.SearchRows, run.Search.Steps[i].cells())
		}
	}
	p.Title = orElse(run.Title, "Protei_Bulk Load Test")
	for _, r := range v.Rows {
		if r.Decides || !v.Named {
			p.Deciding = append(p.Deciding, newVerdictRow(r))
		} else {
			p.Reference = append(p.Reference, newVerdictRow(r))
		}
	}
	axis := newTimeAxis(run)
	for _, i := range axis.hovered {
		p.Times = append(p.Times, clock(axis.points[i].At))
		p.Cursor = append(p.Cursor, jsNumber(axis.xs[i]/chartSide*100))
	}
	for _, m := range run.Markers {
		p.Events = append(p.Events, Fact{clock(m.At), m.Text})
	}
	p.Tiles = tiles(run, axis)
	p.Closing, p.Closed = closing(&run.Ledger)
	p.Tables = requestTables(run)
	p.Parts = acceptedParts(run)
	p.DLR, p.DLRBars = dlrFacts(run), newDistribution(run.DLRLatency)
	p.Responses, p.ResponsesOf = newDistribution(run.Measured.Total.Response), "measured window"
	if run.Measured.Covered <= 0 {
		p.Responses, p.ResponsesOf = newDistribution(run.Whole.Total.Response), "whole run"
	}
	p.Watched = seriesRows(run)
	p.TargetInfo, p.Health, p.Setup = targetFacts(run), healthFacts(run), setupFacts(run)
	p.Answers, p.MoreAnswers = answerRows(run)
	for i, f := range run.Failures {
		if i == failuresShown {
			p.MoreErrors = len(run.Failures) - i
			break
		}
		p.Failures = append(p.Failures, failureRow{
			formatCount(f.Occurrences), formatShare(ratio(f.Occurrences, run.Whole.Total.Failures)), f.Method, f.Name, f.Error,
			f.FirstSeen.In(run.Started.Location()).Format("15:04:05"), f.LastSeen.In(run.Started.Location()).Format("15:04:05"),
		})
	}
	return p
}

func gradeClass(g Grade) string {
	return [...]string{"none", "pass", "acceptable", "invalid", "fail"}[g]
}

func ratio(n, of uint64) float64 {
	if of == 0 {
		return math.NaN()
	}
	return float64(n) / float64(of)
}

// sentence is the run in one line.
func sentence(run *Run) string {
	s := &run.Measured
	if s.Covered <= 0 {
		s = &run.Whole
	}
	parts := []string{formatRate(s.PerSecond(s.Total.Requests)) + " requests/s"}
	if m := s.PerSecond(s.Total.Messages); m > 0 {
		parts = append(parts, formatRate(m)+" messages/s")
	}
	if s.PeakUsers > 0 {
		parts = append(parts, plural(s.PeakUsers, "user"))
	}
	if run.Receipts.Off == "" && run.Ledger.Accepted > 0 {
		parts = append(parts, formatCount(run.Ledger.Lost)+" lost")
	}
	return strings.Join(parts, " · ") + ", " + windowText(&run.Measured)
}

func newVerdictRow(r Row) verdictRow {
	out := verdictRow{
		Label: r.Label(), Target: r.Target.limitText(r.Target.Limit), Acceptable: r.Target.limitText(r.Target.Acceptable),
		Measured: r.Target.Format(r.Measured), Whole: r.Target.Format(r.Whole), Grade: r.Grade.String(), Sign: r.Grade.sign(),
		Class: gradeClass(r.Grade), Why: r.Why,
	}
	return out
}

// tiles are the figures that matter most.
func tiles(run *Run, a *timeAxis) []tile {
	row := func(m Metric) (value, unit, class string) {
		for _, r := range run.Verdict.Rows {
			if r.Target.Metric == m {
				text := r.Target.Format(r.Measured)
				value, unit, _ = strings.Cut(text, " ")
				return value, unit, gradeClass(r.Grade)
			}
		}
		return none, "", "none"
	}
	spark := func(fn func(*stats.Point) float64) string {
		values := a.values(fn)
		_, high := extent([]line{{values: values}})
		if math.IsNaN(high) {
			return ""
		}
		path, _ := a.path(values, linearScale(math.Max(high, 1e-9)))
		return path
	}
	var out []tile
	add := func(label string, m Metric, note string, fn func(*stats.Point) float64) {
		t := tile{Label: label, Note: note}
		t.Value, t.Unit, t.Class = row(m)
		t.Spark = spark(fn)
		out = append(out, t)
	}
	add("Successful requests", MetricTPS, "a second", func(p *stats.Point) float64 { return p.Requests - p.Failures - p.Throttled })
	add("P95 response time", MetricP95, "", func(p *stats.Point) float64 { return toMillis(p.P95, p.Samples) })
	add("P99 response time", MetricP99, "", func(p *stats.Point) float64 { return toMillis(p.P99, p.Samples) })
	add("Error rate", MetricErrors, "of requests", func(p *stats.Point) float64 { return p.Failures })
	add("Messages lost", MetricLost, "of "+formatCount(run.Ledger.Accepted)+" accepted", func(p *stats.Point) float64 { return float64(p.Open) })
	out[len(out)-1].Spark = ""
	return out
}

func requestTables(run *Run) []requestTable {
	var out []requestTable
	if run.Measured.Covered > 0 {
		out = append(out, newRequestTable("Requests in the measured window", &run.Measured, true))
	}
	return append(out, newRequestTable("Requests of the whole run", &run.Whole, len(out) == 0))
}

func newRequestTable(title string, s *stats.Summary, open bool) requestTable {
	t := requestTable{Title: title, Open: open, Labels: percentileLabels()}
	for i := range s.Entries {
		if i == requestsShown {
			t.Note = fmt.Sprintf("The first %d of %d names.", requestsShown, len(s.Entries))
			break
		}
		t.Rows = append(t.Rows, newRequestRow(s, &s.Entries[i]))
	}
	t.Total = newRequestRow(s, &s.Total)
	return t
}

func newRequestRow(s *stats.Summary, e *stats.EntryStats) requestRow {
	r := requestRow{
		Method: e.Method, Name: e.Name, Requests: formatCount(e.Requests), Failures: formatCount(e.Failures),
		Throttled: formatCount(e.Throttled), ErrorShare: formatShare(ratio(e.Failures, e.Requests)), Failing: e.Failures > 0,
		Rate: formatRate(s.PerSecond(e.Requests)), FailRate: formatRate(s.PerSecond(e.Failures)),
		Average: none, Min: none, Max: none, Size: none,
	}
	if e.Requests > 0 {
		r.Size = formatFloat(e.MeanBytes(), 0)
	}
	h := e.Response
	timed := h.Count() > 0
	if timed {
		r.Average, r.Min, r.Max = millis(h.Mean()), millis(h.Min()), millis(h.Max())
	}
	for _, p := range percentiles {
		if timed {
			r.Percentiles = append(r.Percentiles, millis(h.Quantile(p.q)))
		} else {
			r.Percentiles = append(r.Percentiles, none)
		}
	}
	return r
}

// acceptedParts are what became of the accepted messages, as a bar.
func acceptedParts(run *Run) []part {
	c := &run.Ledger
	if c.Accepted == 0 || run.Receipts.Off != "" {
		return nil
	}
	var out []part
	add := func(label, class string, n uint64) {
		if n > 0 {
			out = append(out, part{label, formatCount(n), formatShare(ratio(n, c.Accepted)), class, 100 * ratio(n, c.Accepted)})
		}
	}
	add("delivered", "pass", c.Delivered)
	add("failed by the SMSC", "acceptable", c.Failed)
	add("pending", "invalid", c.Pending+c.Open)
	add("lost", "fail", c.Lost)
	return out
}
