package load

import (
	"errors"
	"math"
	"time"

	"protei-bulk/load/stats"
)

// FindMax searches the highest rate of the open model that keeps targets: it doubles the
// rate until a step misses them, then halves the interval until it is narrow enough.
// Each step starts when nothing is open, settles, is measured and drains. A step that
// misses is repeated: two of three decide.
type FindMax struct {
	// Start is the rate of the first step; 0: 100 a second.
	Start float64
	// Limit is the highest rate tried; 0: 1,000,000 a second.
	Limit float64
	// Settle and Measure are the parts of a step; 0: 5 s and 20 s.
	Settle, Measure time.Duration
	// Drain is how long a step's receipts may take; 0: Options.DrainTimeout.
	Drain time.Duration
	// Precision is how narrow the interval must get; 0: 0.05.
	Precision float64
	// Missed says which targets a step missed, "" when it kept them all. Dropped
	// iterations and a generator that started late are judged before it.
	Missed func(*Step) string
}

// Step is one try of a rate, the evidence of a search.
type Step struct {
	Rate float64 // starts a second
	Try  int     // of this rate, from 1
	// Window is the measured part. From and To of Summary are the seconds wholly in it.
	Window  stats.Window
	Summary stats.Summary
	// Ledger is what the step added, from its begin to the end of its drain.
	Ledger stats.Counts
	// Drained is how long its receipts took after the last start.
	Drained time.Duration
	// Missed says why the step failed; "" is a step that kept everything.
	Missed string
	// Generator says that the load tester missed, not the target.
	Generator bool
}

// MaxRate is what a search found.
type MaxRate struct {
	// Rate is the highest rate that kept the targets, 0 when none did.
	Rate float64
	// Above is the lowest rate that missed them, 0 when none did.
	Above float64
	// Best is the measured window of the best step.
	Best stats.Window
	// Limited says what stopped the search when not the target did: the limit, the
	// generator, the end of the run. "" otherwise.
	Limited string
	Steps   []Step // in their order
}

func (f *FindMax) check(o *Options) error {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&f.Settle, 5*time.Second)
	def(&f.Measure, 20*time.Second)
	def(&f.Drain, o.DrainTimeout)
	if f.Start <= 0 {
		f.Start = 100
	}
	if f.Limit <= 0 {
		f.Limit = 1_000_000
	}
	if f.Precision <= 0 {
		f.Precision = 0.05
	}
	switch {
	case f.Missed == nil:
		return errors.New("find the highest rate: no targets to keep")
	case f.Start > f.Limit || f.Limit > maxRate || math.IsNaN(f.Start+f.Limit+f.Precision):
		return errors.New("find the highest rate: the first rate is above the limit")
	case o.Rate != nil:
		return errors.New("find the highest rate: it chooses the rate itself")
	}
	return nil
}

// slowest is the rate below which a search gives up.
const slowest = 0.1

// bisection decides which rate is tried next.
type bisection struct {
	limit, precision float64

	rate         float64 // of the next step
	low, high    float64 // the highest that passed, the lowest that failed; 0 = none yet
	passed, lost int     // tries of rate
	done         bool
}

// tell takes the outcome of a try of rate; decided says that it settled the rate.
func (b *bisection) tell(ok bool) (decided bool) {
	if ok {
		b.passed++
	} else {
		b.lost++
	}
	switch {
	case b.passed == 1 && b.lost == 0, b.passed == 2:
		b.low = b.rate
	case b.lost == 2:
		b.high = b.rate
	default:
		return false
	}
	b.passed, b.lost = 0, 0
	b.advance()
	return true
}

func (b *bisection) advance() {
	switch {
	case b.high == 0 && b.low >= b.limit:
		b.done = true
	case b.high == 0:
		b.rate = min(2*b.low, b.limit)
	case b.low == 0 && b.high/2 < slowest:
		b.done = true
	case b.low == 0:
		b.rate = b.high / 2
	case b.high <= b.low*(1+b.precision):
		b.done = true
	default:
		b.rate = round3(math.Sqrt(b.low * b.high))
		b.done = b.rate <= b.low || b.rate >= b.high
	}
}

// round3 keeps three digits, so that rates read well.
func round3(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v))-2)
	return math.Round(v/unit) * unit
}
