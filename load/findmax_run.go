package load

import (
	"fmt"
	"strings"
	"time"

	"protei-bulk/load/stats"
)

// maxSearch drives the open model through the steps of a search. Its goroutine is run;
// result is called after it.
type maxSearch struct {
	engine    *Engine
	collector *stats.Collector
	max       MaxRate
}

// Limits of a step that the load tester's own fault does not decide, as in the verdict.
const (
	maxLateShare    = 0.10 // of the seconds
	maxDroppedShare = 0.01 // of the iterations
)

func (m *maxSearch) run() {
	f := m.engine.opts.FindMax
	b := &bisection{limit: f.Limit, precision: f.Precision, rate: f.Start}
	var generator bool // the last failure of the current rate was our own
	for try := 1; !b.done; try++ {
		step, ok := m.step(b.rate, try)
		if !ok {
			m.max.Limited = "the run ended before the search"
			m.max.Rate, m.max.Above = b.low, b.high
			return
		}
		m.max.Steps = append(m.max.Steps, step)
		m.note("find-max: %s", step.String())
		if step.Missed == "" {
			m.max.Best = step.Window
		} else {
			generator = step.Generator
		}
		if b.tell(step.Missed == "") {
			try = 0
		}
	}
	m.max.Rate, m.max.Above = b.low, b.high
	switch {
	case b.high == 0:
		m.max.Limited = "the limit of the search"
	case generator:
		m.max.Limited = "the load tester"
	}
	close(m.engine.found)
}

// result is what the search found, its best window that of the rate found.
func (m *maxSearch) result() *MaxRate {
	m.max.Best = stats.Window{}
	for i := range m.max.Steps {
		if s := &m.max.Steps[i]; s.Rate == m.max.Rate && s.Missed == "" {
			m.max.Best = s.Window
		}
	}
	return &m.max
}

// step runs one try; false: the run ended.
func (m *maxSearch) step(rate float64, try int) (s Step, ok bool) {
	f := m.engine.opts.FindMax
	clock := m.engine.clock
	m.note("find-max: trying %s/s", trim(rate))
	s = Step{Rate: rate, Try: try}
	before := m.counts()
	m.engine.SetRate(ConstantRate(rate))
	if !m.sleep(f.Settle) {
		return s, false
	}
	s.Window.From = clock.Now()
	if !m.sleep(f.Measure) {
		return s, false
	}
	s.Window.To = clock.Now()
	m.engine.SetRate(nil)
	drained, ok := m.drain(f.Drain)
	if !ok {
		return s, false
	}
	s.Drained = drained
	s.Summary = m.collector.Summary(s.Window)
	s.Ledger = minus(m.counts(), before)
	m.judge(&s)
	return s, true
}

// judge says why a step failed.
func (m *maxSearch) judge(s *Step) {
	sum := &s.Summary
	missed := m.engine.opts.FindMax.Missed(s)
	all := float64(sum.Iterations + sum.Dropped)
	switch late := float64(sum.LateSeconds); {
	case missed != "":
		s.Missed = missed
	case float64(sum.Dropped) > maxDroppedShare*all:
		s.Missed = fmt.Sprintf("%.1f %% of iterations found no free user", 100*float64(sum.Dropped)/all)
	case late > maxLateShare*float64(sum.Seconds):
		s.Missed = fmt.Sprintf("%d of %d seconds started late", sum.LateSeconds, sum.Seconds)
	}
	s.Generator = s.Missed != "" && float64(sum.LateSeconds) > maxLateShare*float64(sum.Seconds)
}

// drain waits until no iteration runs and no message is open; false: the run ended.
func (m *maxSearch) drain(most time.Duration) (spent time.Duration, ok bool) {
	start := m.engine.clock.Now()
	tick := lastTick
	if m.engine.opts.Remote != nil {
		tick += remoteAge
		if !m.sleep(remoteAge) { // what is known by now is of after the last start
			return 0, false
		}
	}
	for {
		c := m.counts()
		spent = m.engine.clock.Now() - start
		if m.busy() == 0 && c.Open == 0 && c.Awaiting == 0 || spent >= most {
			break
		}
		if !m.sleep(drainPoll) {
			return spent, false
		}
	}
	return spent, m.sleep(tick) // the seconds of the window are in the timeline then
}

// busy is the number of users at work.
func (m *maxSearch) busy() int {
	if r := m.engine.opts.Remote; r != nil {
		return r.Load().Busy
	}
	return m.engine.arrivals[0].busy()
}

// lastTick is the time after which a second that has ended is in the timeline.
const lastTick = 1100 * time.Millisecond

func (m *maxSearch) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-m.engine.quit:
		return false
	case <-timer.C:
		return true
	}
}

// counts is the ledger, empty without one.
func (m *maxSearch) counts() stats.Counts {
	c := m.engine.counts()
	if m.engine.opts.NoDrain {
		c.Open = 0
	}
	return c
}

// note hands a phase to Run's goroutine.
func (m *maxSearch) note(format string, args ...any) {
	select {
	case m.engine.notes <- fmt.Sprintf(format, args...):
	default:
	}
}

// minus is what came to a ledger since before.
func minus(c, before stats.Counts) stats.Counts {
	c.Issued -= before.Issued
	c.Accepted -= before.Accepted
	c.Rejected -= before.Rejected
	c.Unanswered -= min(before.Unanswered, c.Unanswered)
	c.Awaiting -= min(before.Awaiting, c.Awaiting)
	c.Delivered -= before.Delivered
	c.Failed -= before.Failed
	c.Open -= min(before.Open, c.Open)
	c.Pending -= min(before.Pending, c.Pending)
	c.Lost -= min(before.Lost, c.Lost)
	c.Receipts -= before.Receipts
	c.Duplicates -= before.Duplicates
	c.UnknownReceipts -= before.UnknownReceipts
	c.EarlyReceipts -= before.EarlyReceipts
	c.IDsRefused -= before.IDsRefused
	return c
}

// String says what a step found, in a line.
func (s *Step) String() string {
	text := fmt.Sprintf("%s/s, try %d: ", trim(s.Rate), s.Try)
	if s.Missed != "" {
		return text + "missed, " + s.Missed
	}
	return text + "kept"
}

// trim writes a rate without needless digits.
func trim(v float64) string {
	text := fmt.Sprintf("%.3f", v)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}
