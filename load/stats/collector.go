package stats

import (
	"math"
	"sync"
	"time"
)

// Tick is what the engine knows when a second ends.
type Tick struct {
	At     time.Time // end of the second; need not be exact
	Users  int       // users running
	Rate   float64   // iterations a second the open model intends, 0 = none
	Phase  Phase
	Gauges Gauges // NoGauges() when nothing was sampled
	// Series are the values of CollectorOptions.Series, in their order; those that are missing are not measured.
	Series []SeriesValue
}

// CollectorOptions configure a [Collector].
type CollectorOptions struct {
	Start    time.Time // of the run, with a monotonic reading
	Recorder *Recorder
	Ledger   *Ledger // nil: no receipts
	Source   Source  // instead of Recorder and Ledger
	MaxBytes int     // of the timeline, default 64 MiB
	// Series that the ticks bring values of, MaxSeries at most; more are left out.
	Series []SeriesInfo
}

// Collector drains its source, recorder and ledger, into the timeline, and answers questions about it. All methods are
// safe for concurrent use; [Collector.Tick] is called once a second by the owner of the run, [Collector.Finish] at its end.
type Collector struct {
	start  time.Time
	source Source
	series []SeriesInfo

	mu         sync.Mutex // guards all below
	timeline   timeline
	peak       peakTracker
	last       Tick
	elapsed    time.Duration // end of the last row
	loaded     time.Duration // of it, what was not drain
	from       time.Duration // of the figures: the last reset
	cumulative map[Entry]*EntryStats
	total      *EntryStats
	dlr        *Histogram
	receipts   uint64    // of the ledger, at the last tick
	follow     *follower // nil: nobody follows
}

// NewCollector makes a collector.
func NewCollector(o CollectorOptions) *Collector {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultBytes
	}
	if o.Source == nil {
		o.Source = NewSource(o.Recorder, o.Ledger)
	}
	return &Collector{
		start: o.Start, source: o.Source, series: o.Series[:min(len(o.Series), MaxSeries)],
		timeline:   timeline{maxBytes: o.MaxBytes},
		cumulative: make(map[Entry]*EntryStats),
		total:      &EntryStats{Name: Aggregated, Service: NewHistogram(), Response: NewHistogram()},
		dlr:        NewHistogram(),
	}
}

// Tick ends a second: what was recorded since the last one becomes a row of the timeline.
func (c *Collector) Tick(t Tick) { c.tick(t, false) }

// Finish is the last tick: it also takes what the current second has. Call it when users and receipt handlers are done.
func (c *Collector) Finish(t Tick) { c.tick(t, true) }

func (c *Collector) tick(t Tick, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, to := c.elapsed, t.At.Sub(c.start)
	if to <= from {
		to = from + time.Millisecond // a tick that came twice: keep the rows in order
	}
	sec := c.source.Take(all)
	r := c.row(c.merge(&sec), t, from, to)
	c.timeline.add(r)
	c.peak.add(t.Users, t.Rate, t.Phase, from, to)
	c.last, c.elapsed = t, to
}

// merge makes a merger of a second and adds it to the cumulative figures.
func (c *Collector) merge(sec *Second) *merger {
	m := newMerger()
	m.entries, m.lateness, m.dlr, m.dropped = sec.Entries, sec.Lateness, sec.DLR, sec.Dropped
	for e, s := range m.entries {
		c.accumulate(e, s)
	}
	if len(m.entries) > 0 {
		total := m.total()
		c.total = joined(c.total, &total)
	}
	return m
}

// key returns what e was registered as.
func (c *Collector) key(e Entry) entryKey {
	method, name := c.source.Name(e)
	return entryKey{method, name}
}

// accumulate adds a second to an entry's figures since the start. What was handed out by Live is never changed: the sum
// is a new value.
func (c *Collector) accumulate(e Entry, s *EntryStats) {
	old := c.cumulative[e]
	if old == nil {
		k := c.key(e)
		old = &EntryStats{Method: k.method, Name: k.name}
	}
	c.cumulative[e] = joined(old, s)
}

// joined returns a + b under a's name, as a new value.
func joined(a, b *EntryStats) *EntryStats {
	sum := &EntryStats{Method: a.Method, Name: a.Name, Service: NewHistogram(), Response: NewHistogram()}
	sum.addCounts(a)
	sum.addCounts(b)
	return sum
}

func (s *EntryStats) addCounts(o *EntryStats) {
	if o.Service == nil {
		return
	}
	s.add(o)
}

func (c *Collector) row(m *merger, t Tick, from, to time.Duration) row {
	width := to - from
	m.from, m.to, m.covered = from, to, width
	if t.Phase != PhaseDrain {
		m.loaded = width
		c.loaded += width
	}
	m.iterations = m.lateness.Count()
	if m.iterations > 0 {
		m.seconds = 1
	}
	if m.lateness.Quantile(0.95) > lateAfter {
		m.late = 1
	}
	if s := t.Gauges.Steal; !math.IsNaN(s) && s > hostSteal {
		m.host = 1
	}
	m.gauges.add(t.Gauges, t.Gauges, width)
	m.series.add(seriesValues(t.Series, len(c.series)), nil, width)
	last := row{point: Point{Users: t.Users, Rate: t.Rate, Phase: t.Phase}}
	counts := c.source.Counts()
	last.point.Open = counts.Open
	m.receipts, c.receipts = sub(counts.Receipts, c.receipts), max(c.receipts, counts.Receipts)
	if m.dlr.Count() > 0 {
		sum := c.dlr.Clone()
		sum.Merge(m.dlr)
		c.dlr = sum
	}
	return m.row(&last)
}

// Live is the state of a run after a tick.
type Live struct {
	At         time.Time
	Elapsed    time.Duration
	Loaded     time.Duration // of it, what was not drain
	Users      int
	Rate       float64 // intended iterations a second, 0 = closed model
	Phase      Phase
	Total      EntryStats   // since the start of the run
	Entries    []EntryStats // likewise, by name, then method
	Last       Point        // the last second
	Recent     Summary      // the last 10 s
	Ledger     Counts       // zero without a ledger
	DLRLatency *Histogram   // since the start of the run
	Failures   []Failure
	Exceptions []Exception
	SeriesInfo []SeriesInfo // what Last.Series and the Series of Points are, with what is not measured now
}

// recentWindow is what "current" figures are taken over.
const recentWindow = 10 * time.Second

// Live returns the state after the last tick.
func (c *Collector) Live() Live {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := Live{
		At: c.last.At, Elapsed: c.elapsed, Loaded: c.loaded, Users: c.last.Users, Rate: c.last.Rate, Phase: c.last.Phase,
		Total: *c.total, DLRLatency: c.dlr, Recent: c.recent(),
		Failures: c.source.Failures(), Exceptions: c.source.Exceptions(), Ledger: c.source.Counts(),
		SeriesInfo: c.seriesState(),
	}
	if rows := c.timeline.seconds; len(rows) > 0 {
		l.Last = rows[len(rows)-1].point
	}
	l.Entries = make([]EntryStats, 0, len(c.cumulative))
	for _, s := range c.cumulative {
		l.Entries = append(l.Entries, *s)
	}
	sortEntries(l.Entries)
	return l
}

// recent is the summary of the last rows that make up 10 s, without a look at older ones.
func (c *Collector) recent() Summary {
	rows := c.timeline.seconds
	from := max(c.elapsed-recentWindow-200*time.Millisecond, 0)
	for len(rows) > 0 && rows[0].point.At < from {
		rows = rows[1:]
	}
	if len(rows) > 0 {
		from = rows[0].point.At
	}
	t := timeline{seconds: rows}
	return t.summary(Window{From: from, To: c.elapsed}, c.key)
}

// Points returns the chart points so far, in order of time.
func (c *Collector) Points() []Point {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Point
	c.timeline.each(func(r *row) { out = append(out, r.point) })
	return out
}

// Measured finds the measured window: the longest period at peak users (peak rate, when the run has one), less warmup
// (at most half of the period), without ramp and drain. ok is false when the load never stood still for two ticks.
func (c *Collector) Measured(warmup time.Duration) (w Window, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peak.window(warmup)
}

// Summary recombines a window from the timeline's rows that lie wholly inside it.
func (c *Collector) Summary(w Window) Summary {
	t := timeline{seconds: c.snapshot(w)}
	return t.summary(w, c.key)
}

// snapshot are the rows that lie wholly inside w. A row is never changed once it is in the timeline, so they may be
// read without the lock: recombining hours takes longer than a tick may wait.
func (c *Collector) snapshot(w Window) []row {
	c.mu.Lock()
	defer c.mu.Unlock()
	var rows []row
	c.timeline.each(func(r *row) {
		if r.point.At >= w.From && r.end() <= w.To {
			rows = append(rows, *r)
		}
	})
	return rows
}

// DLRLatency is submit → DLR since the start of the run.
func (c *Collector) DLRLatency() *Histogram {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dlr
}
