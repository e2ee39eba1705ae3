package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// maxDocument bounds a JSON report that is read back.
const maxDocument = 256 << 20

// Recorded is a run read back from its JSON report.
type Recorded struct {
	Name string // of the file
	doc  document
}

// ReadJSON reads what [WriteJSON] wrote; name is how [Compare] calls it.
func ReadJSON(r io.Reader, name string) (*Recorded, error) {
	limited := &io.LimitedReader{R: r, N: maxDocument + 1}
	rec := &Recorded{Name: name}
	err := json.NewDecoder(limited).Decode(&rec.doc)
	switch {
	case limited.N <= 0:
		return nil, fmt.Errorf("%s: more than %d MB", name, maxDocument>>20)
	case err != nil:
		return nil, fmt.Errorf("%s is no JSON report of protei-bulk load: %w", name, err)
	case rec.doc.Version == 0 || rec.doc.Whole.Entries == nil:
		return nil, fmt.Errorf("%s is no JSON report of protei-bulk load (--json-file)", name)
	case rec.doc.Version != jsonVersion:
		return nil, fmt.Errorf("%s has format_version %d, this program reads %d", name, rec.doc.Version, jsonVersion)
	}
	return rec, rec.check()
}

// check refuses intervals whose columns are not of the same length.
func (r *Recorded) check() error {
	for _, e := range r.doc.Intervals {
		n := len(e.Width)
		if len(e.Requests) != n || len(e.Failures) != n || len(e.Throttled) != n || len(e.P50) != n || len(e.P95) != n || len(e.P99) != n {
			return fmt.Errorf("%s: measured_intervals of %q: columns of different lengths", r.Name, e.Name)
		}
	}
	return nil
}

// window is what is compared: the measured one, or the whole run when there was none.
func (r *Recorded) window() *jsonWindow {
	if r.doc.Measured != nil {
		return r.doc.Measured
	}
	return &r.doc.Whole
}

// Change is the answer to "is B different from A?".
type Change uint8

// Changes.
const (
	Unknown  Change = iota // too few seconds, or too few requests in them, to say
	Same                   // no difference shown
	Better                 // B is better
	Worse                  // B is worse
	Untested               // not a figure that is tested
)

func (c Change) String() string {
	return [...]string{"too few to say", "no difference shown", "better", "worse", ""}[c]
}

// Compared is one figure of both runs.
type Compared struct {
	Request   string  // "Aggregated" or METHOD name
	Figure    string  // "requests/s", "p95"…
	A, B      string  // as shown, a dash when a run has it not
	Delta     float64 // (B − A) ÷ A, of a share B − A; NaN = one run has it not
	Low, High float64 // between which Delta of a typical second lies, at 99 % confidence; NaN = not tested
	Share     bool    // the figure is a share
	Change    Change
}

// Comparison of two runs.
type Comparison struct {
	A, B *Recorded
	Rows []Compared
	Note []string
}

// Compare sets two runs side by side: for the total and each request name the rate, the percentiles and the error rate,
// with a test on the seconds of the measured windows.
func Compare(a, b *Recorded) (*Comparison, error) {
	if a.doc.Whole.Aggregate.Requests == 0 || b.doc.Whole.Aggregate.Requests == 0 {
		return nil, errors.New("nothing to compare: one of the runs has no requests")
	}
	c := &Comparison{A: a, B: b, Note: differences(a, b)}
	wa, wb := a.window(), b.window()
	c.add("Aggregated", "", &wa.Aggregate, &wb.Aggregate)
	for i := range wa.Entries {
		e := &wa.Entries[i]
		c.add(e.Name, e.Method, e, entryOf(wb, e.Method, e.Name))
	}
	for i := range wb.Entries {
		if e := &wb.Entries[i]; entryOf(wa, e.Method, e.Name) == nil {
			c.add(e.Name, e.Method, nil, e)
		}
	}
	return c, nil
}

// Worse says whether a figure of the total is worse in B.
func (c *Comparison) Worse() bool {
	for _, r := range c.Rows {
		if r.Request == "Aggregated" && r.Change == Worse {
			return true
		}
	}
	return false
}

func entryOf(w *jsonWindow, method, name string) *jsonEntry {
	for i := range w.Entries {
		if e := &w.Entries[i]; e.Method == method && e.Name == name {
			return e
		}
	}
	return nil
}

// comparedBy is something that two runs are compared by.
type comparedBy struct {
	name   string
	better float64 // +1: more is better, −1: less is
	share  bool    // compared by difference, not by ratio
	log    bool    // the seconds hold logarithms: one stall must not drown the rest
	value  func(w *jsonWindow, e *jsonEntry) float64
	at     func(e *jsonIntervals, i int) second
	format func(float64) string
}

// figures are what runs are compared by. A second counts for a percentile when it has requests enough to have one.
func figures() []comparedBy {
	percentile := func(name, label string, least uint64, column func(*jsonIntervals) []jsNumber) comparedBy {
		return comparedBy{
			name: name, better: -1, log: true, format: func(v float64) string { return formatLatency(time.Duration(v * float64(time.Millisecond))) },
			value: func(_ *jsonWindow, e *jsonEntry) float64 {
				if e.Response == nil {
					return math.NaN()
				}
				return e.Response.Percentiles[label]
			},
			at: func(e *jsonIntervals, i int) second {
				v := float64(column(e)[i])
				if math.IsNaN(v) || e.Requests[i] < least {
					return second{}
				}
				return second{math.Log(math.Max(v, leastMillis)), 1}
			},
		}
	}
	return []comparedBy{
		{
			name: "requests/s", better: 1, format: formatRate,
			value: func(w *jsonWindow, e *jsonEntry) float64 {
				return w.Requests * float64(e.Requests) / math.Max(float64(w.Aggregate.Requests), 1)
			},
			at: func(e *jsonIntervals, i int) second {
				return second{float64(e.Requests[i]), float64(e.Width[i])}
			},
		},
		percentile("p50", "50%", 5, func(e *jsonIntervals) []jsNumber { return e.P50 }),
		percentile("p95", "95%", 20, func(e *jsonIntervals) []jsNumber { return e.P95 }),
		percentile("p99", "99%", 100, func(e *jsonIntervals) []jsNumber { return e.P99 }),
		{
			name: "error rate", better: -1, share: true, format: formatShare,
			value: func(_ *jsonWindow, e *jsonEntry) float64 {
				return float64(e.Failures) / math.Max(float64(e.Requests), 1)
			},
			at: func(e *jsonIntervals, i int) second { return second{float64(e.Failures[i]), float64(e.Requests[i])} },
		},
	}
}

func (c *Comparison) add(name, method string, a, b *jsonEntry) {
	label := strings.TrimSpace(printable(method + " " + name))
	ia, ib := c.A.seconds(method, name), c.B.seconds(method, name)
	for _, f := range figures() {
		row := Compared{Request: label, Figure: f.name, A: none, B: none, Delta: math.NaN(), Low: math.NaN(), High: math.NaN(), Share: f.share, Change: Untested}
		va, vb := math.NaN(), math.NaN()
		if a != nil {
			va = f.value(c.A.window(), a)
		}
		if b != nil {
			vb = f.value(c.B.window(), b)
		}
		row.A, row.B = showFigure(f, va), showFigure(f, vb)
		if !math.IsNaN(va) && !math.IsNaN(vb) {
			row.Delta = f.delta(va, vb)
			row.test(f, ia, ib)
		}
		c.Rows = append(c.Rows, row)
	}
}

// delta is how B stands to A.
func (f *comparedBy) delta(a, b float64) float64 {
	if f.share {
		return b - a
	}
	return b/a - 1
}

// between is delta of the figure of typical seconds: a is that of A, diff the difference of B from it.
func (f *comparedBy) between(a, diff float64) float64 {
	if f.log {
		return math.Expm1(diff)
	}
	return f.delta(a, a+diff)
}

// leastMillis is the least that a logarithm is taken of: the resolution of a histogram.
const leastMillis = 0.001

func showFigure(f comparedBy, v float64) string {
	if math.IsNaN(v) {
		return none
	}
	return f.format(v)
}

// test fills in what the seconds say.
func (r *Compared) test(f comparedBy, a, b *jsonIntervals) {
	sa, sb := eachSecond(f, a), eachSecond(f, b)
	if len(sa) < minSeconds || len(sb) < minSeconds {
		r.Change = Unknown
		return
	}
	d := differ(sa, sb)
	r.Low, r.High = f.between(d.a, d.low), f.between(d.a, d.high)
	same := sameBelow
	if f.share {
		same = sameShare
	}
	switch {
	case !d.certain(), r.Delta*(d.b-d.a) < 0, math.Abs(f.between(d.a, d.b-d.a)) < same:
		r.Change = Same
	case (d.b-d.a)*f.better > 0:
		r.Change = Better
	default:
		r.Change = Worse
	}
}

// widest is the width of a row that still counts as a second: of a run of more than ten minutes the older part is kept
// in rows of ten seconds and more, whose percentiles do not compare with those of a second.
const widest = 1.8

// eachSecond are the seconds of a figure, those without a value left out.
func eachSecond(f comparedBy, e *jsonIntervals) (out []second) {
	if e == nil {
		return nil
	}
	for i, w := range e.Width {
		if w > widest {
			continue
		}
		if v := f.at(e, i); v.whole > 0 {
			out = append(out, v)
		}
	}
	return out
}

func (r *Recorded) seconds(method, name string) *jsonIntervals {
	for i := range r.doc.Intervals {
		if e := &r.doc.Intervals[i]; e.Method == method && e.Name == name {
			return e
		}
	}
	return nil
}

// differences names what was not the same in both runs and may explain what follows.
func differences(a, b *Recorded) (out []string) {
	add := func(what string, a, b any) {
		if a != b {
			out = append(out, fmt.Sprintf("%s: %v and %v", what, orDash(a), orDash(b)))
		}
	}
	x, y := &a.doc, &b.doc
	add("target", x.Host, y.Host)
	add("scenario", x.Scenario, y.Scenario)
	add("shape", x.Shape, y.Shape)
	add("users", a.window().PeakUsers, b.window().PeakUsers)
	add("machine", x.Machine.Hostname, y.Machine.Hostname)
	add("processor", x.Machine.CPU, y.Machine.CPU)
	add("cores", x.Machine.Cores, y.Machine.Cores)
	add("protei-bulk", x.Program, y.Program)
	for _, r := range []*Recorded{a, b} {
		if r.doc.Measured == nil {
			out = append(out, r.Name+" has no measured window: the whole run stands for it, ramp and drain included")
		}
		if why := r.doc.Verdict.Saturated; why != "" {
			out = append(out, r.Name+": the generator was saturated: "+why)
		}
	}
	return out
}

func orDash(v any) any {
	if v == "" {
		return none
	}
	return v
}
