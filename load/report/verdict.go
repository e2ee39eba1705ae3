package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"protei-bulk/load/stats"
)

// Grade of a row and of a run. The order is the order of severity: the worst row decides.
type Grade uint8

// Grades.
const (
	NotMeasured Grade = iota
	Pass
	Acceptable
	Invalid // missed, but the generator was saturated: it says nothing about the target
	Fail
)

func (g Grade) String() string {
	return [...]string{"not measured", "PASS", "ACCEPTABLE", "INVALID", "FAIL"}[g]
}

// sign repeats a grade without colour.
func (g Grade) sign() string { return [...]string{none, "✓", "~", "?", "✗"}[g] }

// Row is one target and what was measured.
type Row struct {
	Target   Target
	Measured float64 // NaN = not measured
	Whole    float64 // the same figure over the whole run; NaN = not measured
	Grade    Grade
	Why      string // of NotMeasured and Invalid
	Decides  bool   // counts for the exit code
	Request  string // of [RequestTargets], "" = all requests
}

// Label is the row's name.
func (r Row) Label() string {
	if r.Request != "" {
		return r.Target.Label() + " of " + r.Request
	}
	return r.Target.Label()
}

// Verdict is the judgement on a run.
type Verdict struct {
	Rows      []Row  // the targets named for the run first, then the rest of the guide's set
	Overall   Grade  // the worst of the rows that decide; of the guide's set when none was named
	Named     bool   // targets were named for this run
	Saturated string // why the generator counts as saturated, "" = it was not
	Host      string // note on steal, "" = none
	Degraded  string // what went wrong with the workers of the run, "" = nothing
	Scaled    string // why the load was scaled down, "" = it was not
	Failures  uint64 // failed requests of the whole run
	Aborted   string // the target that ended the run, "" = none: the verdict is FAIL then
}

// Limits of a generator that can be trusted.
const (
	maxLateShare    = 0.10 // of the measured seconds
	maxDroppedShare = 0.01 // of the iterations
)

// Judge sets run.Verdict. decisive are the targets that decide the exit code (nil: none was named); the guide's set is
// always judged and shown.
func Judge(run *Run, decisive []Target) {
	v := Verdict{Named: len(decisive) > 0, Scaled: run.Scaled, Degraded: run.Degraded, Failures: run.Whole.Total.Failures, Aborted: run.Aborted}
	v.Saturated = saturation(&run.Measured)
	v.Host = hostNote(&run.Measured)
	for _, t := range decisive {
		v.Rows = append(v.Rows, judge(run, t, v.Saturated, true))
	}
	for _, t := range GuideTargets() {
		if !slices.Contains(decisive, t) {
			v.Rows = append(v.Rows, judge(run, t, v.Saturated, false))
		}
	}
	v.Overall = v.worst()
	run.Verdict = v
}

// saturation says why the generator was not fast enough, "" when it was.
func saturation(s *stats.Summary) string {
	var why []string
	if late := float64(s.LateSeconds); s.Seconds > 0 && late > maxLateShare*float64(s.Seconds) {
		text := fmt.Sprintf("%d of %d measured seconds started late (p95 of lateness > 25 ms)", s.LateSeconds, s.Seconds)
		if s.HostSeconds > 0 {
			text += fmt.Sprintf(", %d with > 10 %% steal", s.HostSeconds)
		}
		why = append(why, text)
	}
	if all := s.Iterations + s.Dropped; all > 0 && float64(s.Dropped) > maxDroppedShare*float64(all) {
		why = append(why, fmt.Sprintf("%s of iterations dropped: no free user", formatShare(float64(s.Dropped)/float64(all))))
	}
	return strings.Join(why, "; ")
}

func hostNote(s *stats.Summary) string {
	if s.HostSeconds == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d measured seconds lost more than 10 %% to the host (steal)", s.HostSeconds, max(s.Seconds, s.HostSeconds))
}

func judge(run *Run, t Target, saturated string, decides bool) Row {
	r := Row{Target: t, Decides: decides, Whole: math.NaN(), Measured: math.NaN()}
	info := t.info()
	switch {
	case t.Series.Text != "":
		r.Whole, _ = seriesFigure(run, &run.Whole, &t)
		r.Measured, r.Why = seriesFigure(run, &run.Measured, &t)
	case info.group == groupDelivery:
		r.Measured, r.Why = delivery(run, t.Metric)
		r.Whole = r.Measured
	default:
		r.Whole, _ = figure(&run.Whole, t.Metric)
		r.Measured, r.Why = figure(&run.Measured, t.Metric)
		if run.Target.Off != "" && info.group == groupTarget && math.IsNaN(r.Measured) {
			r.Why = run.Target.Off
		}
	}
	switch {
	case math.IsNaN(r.Measured):
		r.Grade = NotMeasured
	case t.Op.met(r.Measured, t.Limit):
		r.Grade = Pass
	case t.Op.met(r.Measured, t.Acceptable):
		r.Grade = Acceptable
	case saturated != "" && info.group == groupSpeed:
		r.Grade, r.Why = Invalid, "the generator was saturated"
	default:
		r.Grade = Fail
	}
	return r
}

// figure reads a metric from a window; NaN and a reason when it was not measured there.
func figure(s *stats.Summary, m Metric) (v float64, why string) {
	if s.Covered <= 0 {
		return math.NaN(), "the load never stood still: no measured window"
	}
	switch m {
	case MetricCPU:
		return gauge(s.Mean.TargetCPU)
	case MetricMemory:
		return gauge(s.Peak.TargetMemory)
	}
	h := s.Total.Response
	switch {
	case s.Total.Requests == 0:
		return math.NaN(), "no requests in the measured window"
	case m == MetricTPS:
		return s.TPS(), ""
	case m == MetricErrors:
		return s.Total.ErrorRate(), ""
	case m == MetricThrottled:
		return s.Total.ThrottledRate(), ""
	case h.Count() == 0:
		return math.NaN(), "every request was throttled"
	case m == MetricAvg:
		return h.Mean().Seconds(), ""
	default:
		return h.Quantile(quantileOf(m)).Seconds(), ""
	}
}

func quantileOf(m Metric) float64 {
	switch m {
	case MetricP50:
		return 0.50
	case MetricP95:
		return 0.95
	default:
		return 0.99
	}
}

func gauge(v float64) (float64, string) {
	if math.IsNaN(v) {
		return v, "the target's /metrics does not say it"
	}
	return v, ""
}

// delivery reads a metric from the ledger.
func delivery(run *Run, m Metric) (v float64, why string) {
	c := &run.Ledger
	if run.Judged != nil {
		c = run.Judged
	}
	switch {
	case run.Receipts.Off != "":
		return math.NaN(), run.Receipts.Off
	case m == MetricLost:
		return float64(c.Lost), ""
	case m == MetricPending:
		return float64(c.Pending + c.Open), ""
	case c.Accepted == c.Unverified: // nobody could ask about those
		return math.NaN(), "nothing was accepted"
	default:
		return float64(c.Delivered) / float64(c.Accepted-c.Unverified), ""
	}
}

// worst is the grade of the run: that of its rows, unless a target ended it.
func (v *Verdict) worst() Grade {
	if v.Aborted != "" {
		return Fail
	}
	return overall(v.Rows, v.Named)
}

// overall is the worst of the rows that decide. What was asked for and could not be measured about requests is no pass:
// it makes the run invalid. Rows about the target's resources and receipts that could not be measured are left out.
func overall(rows []Row, named bool) Grade {
	worst := NotMeasured
	for _, r := range rows {
		if r.Decides != named {
			continue
		}
		g := r.Grade
		if r.voids() {
			g = Invalid
		}
		worst = max(worst, g)
	}
	return worst
}

// voids says that a row makes the run invalid: it was missed by a saturated generator, or is about requests and could
// not be measured.
func (r Row) voids() bool {
	info := r.Target.info()
	return r.Grade == Invalid || r.Grade == NotMeasured && (info.group == groupSpeed || info.group == groupErrors)
}

// Exit codes of a finished run.
const (
	ExitOK       = 0
	ExitFailures = 1 // requests failed and no targets were named
	ExitFail     = 3
	ExitInvalid  = 4
)

// ExitCode of a finished run; strict makes ACCEPTABLE a failure.
func (v Verdict) ExitCode(strict bool) int {
	switch {
	case v.Aborted != "":
		return ExitFail
	case !v.Named && v.Failures > 0:
		return ExitFailures
	case !v.Named, v.Overall == Pass, v.Overall == Acceptable && !strict:
		return ExitOK
	case v.Overall == Fail, v.Overall == Acceptable:
		return ExitFail
	default:
		return ExitInvalid
	}
}

// Word is the verdict in one word, with DEGRADED or SCALED beside it when workers were lost or the load was scaled down.
func (v Verdict) Word() string {
	word := v.Overall.String()
	switch {
	case v.Aborted != "":
	case v.Named && v.Overall == NotMeasured:
		word = Invalid.String()
	case !v.Named && v.Failures > 0:
		word = "FAILURES"
	case !v.Named:
		word = "DONE"
	}
	if v.Degraded != "" {
		word += " (DEGRADED)"
	}
	if v.Scaled != "" {
		word += " (SCALED)"
	}
	return word
}

// grade is the colour of the word.
func (v Verdict) grade() Grade {
	switch {
	case v.Aborted != "":
		return Fail
	case v.Named && v.Overall == NotMeasured:
		return Invalid
	case v.Named:
		return v.Overall
	case v.Failures > 0:
		return Fail
	default:
		return NotMeasured
	}
}

// Reasons are the sentences that stand beside the word: what missed, what was not measured, what to trust less.
func (v Verdict) Reasons() []string {
	var out []string
	by := func(g Grade) (names []string) {
		for _, r := range v.Rows {
			if r.Decides == v.Named && r.Grade == g {
				names = append(names, r.Label())
			}
		}
		return names
	}
	if !v.Named {
		out = append(out, "No targets were named for this run; the guide's set is shown and does not decide.")
	}
	add := func(g Grade, text string) {
		if names := by(g); len(names) > 0 {
			out = append(out, text+": "+strings.Join(names, ", ")+".")
		}
	}
	add(Fail, "Missed")
	add(Invalid, "Missed while the generator was saturated, so it says nothing about the target")
	add(Acceptable, "Only acceptable")
	add(NotMeasured, "Not measured")
	if v.Saturated != "" {
		out = append(out, "Generator saturated: "+v.Saturated+".")
	}
	if v.Host != "" {
		out = append(out, "Host: "+v.Host+".")
	}
	if v.Degraded != "" {
		out = append(out, "Degraded: "+v.Degraded+".")
	}
	if v.Scaled != "" {
		out = append(out, "Scaled down: "+v.Scaled+".")
	}
	return out
}

// windowText describes the measured window.
func windowText(s *stats.Summary) string {
	if s.Covered <= 0 {
		return "no measured window"
	}
	return fmt.Sprintf("%s, %s – %s", formatSpan(s.Covered), clock(s.From), clock(s.From+s.Duration().Round(time.Second)))
}
