package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"protei-bulk/load/stats"
)

// Search is the search for the highest rate that keeps the targets, with its evidence.
type Search struct {
	Rate    float64 // the highest that kept them, 0 = none did
	Above   float64 // the lowest that missed them, 0 = none did
	Limited string  // what ended the search when not the target did, "" = nothing
	Steps   []SearchStep
}

// SearchStep is one try of a rate.
type SearchStep struct {
	Rate      float64
	Try       int
	Summary   stats.Summary // of the measured part
	Ledger    stats.Counts  // what the step added
	Drained   time.Duration
	Missed    string // why it failed, "" = it kept the targets
	Generator bool   // the load tester missed, not the target
}

// SearchTargets are those that a search keeps when none are named: the guide's about requests and messages, without
// the rate that is searched.
func SearchTargets() (out []Target) {
	for _, t := range GuideTargets() {
		if info, _ := t.Metric.info(); t.Metric != MetricTPS && info.group != groupTarget {
			out = append(out, t)
		}
	}
	return out
}

// Missed names the targets that a window with this ledger misses, with what was measured; "" when it keeps them. What was
// not measured misses nothing, and a target for the rate is left out: the rate is what is searched.
func Missed(targets []Target, s *stats.Summary, ledger *stats.Counts, receipts Measurement) string {
	run := &Run{Measured: *s, Whole: *s, Ledger: *ledger, Receipts: receipts}
	var out []string
	for _, t := range targets {
		if t.Metric == MetricTPS {
			continue
		}
		if r := judge(run, t, "", true); r.Grade == Fail || r.Grade == Acceptable {
			out = append(out, fmt.Sprintf("%s %s, wanted %s", r.Label(), t.Format(r.Measured), t.limitText(t.Limit)))
		}
	}
	return strings.Join(out, "; ")
}

// sentence says what was found.
func (s *Search) sentence() string {
	rate := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + "/s" }
	var text string
	switch {
	case s.Rate == 0 && s.Above == 0:
		text = "No rate was decided."
	case s.Rate == 0:
		text = "No rate keeps the targets: already " + rate(s.Above) + " misses them."
	case s.Above == 0:
		text = "The highest rate tried, " + rate(s.Rate) + ", keeps the targets."
	default:
		text = "The highest rate that keeps the targets is " + rate(s.Rate) + "; " + rate(s.Above) + " misses them."
	}
	if s.Limited != "" {
		text += " The search was ended by something else than the target: " + s.Limited + "."
	}
	return text
}

// searchColumns are the cells of a step as tables show them.
func (s *SearchStep) cells() [7]string {
	h := s.Summary.Total.Response
	p95, p99 := none, none
	if h.Count() > 0 {
		p95, p99 = formatLatency(h.Quantile(0.95)), formatLatency(h.Quantile(0.99))
	}
	result := "kept"
	switch {
	case s.Missed != "" && s.Generator:
		result = "missed by the load tester: " + s.Missed
	case s.Missed != "":
		result = "missed: " + s.Missed
	}
	return [7]string{
		strconv.FormatFloat(s.Rate, 'f', -1, 64) + "/s", strconv.Itoa(s.Try), formatRate(s.Summary.TPS()), p95, p99,
		formatShare(s.Summary.Total.ErrorRate()), result,
	}
}

func searchHeads() [7]string {
	return [7]string{"rate", "try", "TPS", "p95", "p99", "errors", "result"}
}

func (t *Terminal) search(s *Search) {
	t.heading("Search for the highest rate")
	widths := [...]int{12, 4, 9, 10, 10, 9}
	line := func(cells [7]string) string {
		var b strings.Builder
		for i, w := range widths {
			b.WriteString(padLeft(cells[i], w))
		}
		return b.String() + "  " + printable(cells[6])
	}
	t.println(t.paint.dim(line(searchHeads())))
	for i := range s.Steps {
		t.println(line(s.Steps[i].cells()))
	}
	t.println(t.paint.bold(wrap(printable(s.sentence()), t.opts.Width)))
}

func markdownSearch(b *strings.Builder, s *Search) {
	if s == nil {
		return
	}
	h := searchHeads()
	fmt.Fprintf(b, "\n### Search for the highest rate\n\n%s\n\n| %s |\n|---:|---:|---:|---:|---:|---:|---|\n", markdownText(s.sentence()), strings.Join(h[:], " | "))
	for i := range s.Steps {
		cells := s.Steps[i].cells()
		cells[6] = markdownText(cells[6])
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells[:], " | "))
	}
}

type jsonSearch struct {
	Rate    float64    `json:"rate_per_second"`
	Above   float64    `json:"missed_at_per_second"`
	Limited string     `json:"limited_by,omitempty"`
	Steps   []jsonStep `json:"steps"`
}

type jsonStep struct {
	Rate      float64      `json:"rate_per_second"`
	Try       int          `json:"try"`
	Kept      bool         `json:"kept"`
	Missed    string       `json:"missed,omitempty"`
	Generator bool         `json:"missed_by_generator,omitempty"`
	From      float64      `json:"from_s"`
	To        float64      `json:"to_s"`
	TPS       float64      `json:"successful_requests_per_second"`
	Dropped   uint64       `json:"dropped_iterations"`
	Drained   float64      `json:"drained_s"`
	Aggregate jsonEntry    `json:"aggregate"`
	Ledger    stats.Counts `json:"ledger"`
}

func newJSONSearch(s *Search) *jsonSearch {
	if s == nil {
		return nil
	}
	out := &jsonSearch{Rate: s.Rate, Above: s.Above, Limited: s.Limited, Steps: []jsonStep{}}
	for i := range s.Steps {
		st := &s.Steps[i]
		out.Steps = append(out.Steps, jsonStep{
			Rate: st.Rate, Try: st.Try, Kept: st.Missed == "", Missed: st.Missed, Generator: st.Generator,
			From: st.Summary.From.Seconds(), To: st.Summary.To.Seconds(), TPS: st.Summary.TPS(), Dropped: st.Summary.Dropped,
			Drained: st.Drained.Seconds(), Aggregate: newJSONEntry(&st.Summary.Total), Ledger: st.Ledger,
		})
	}
	return out
}
