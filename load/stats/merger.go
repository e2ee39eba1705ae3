package stats

import (
	"slices"
	"time"
)

// merger recombines rows: into a wider row, or into a summary.
type merger struct {
	from, to          time.Duration
	covered, loaded   time.Duration
	rows              int
	entries           map[Entry]*EntryStats
	receipts, dropped uint64
	iterations        uint64
	seconds           int
	late, host        int
	peakUsers         int
	peakRate          float64
	dlr, lateness     *Histogram
	gauges            gaugeMean
	series            seriesMean
}

func newMerger() *merger {
	return &merger{
		entries: make(map[Entry]*EntryStats), dlr: NewHistogram(), lateness: NewHistogram(), gauges: newGaugeMean(),
	}
}

func (m *merger) add(r *row) {
	m.addFrame(r)
	for i := range r.entries {
		m.addEntry(&r.entries[i])
	}
}

// addFrame adds all of a row but its entries.
func (m *merger) addFrame(r *row) {
	p := &r.point
	if m.rows == 0 {
		m.from = p.At
	}
	m.rows++
	m.to = r.end()
	m.covered += p.Width
	m.loaded += r.loaded
	m.receipts += r.receipts
	m.dropped += p.Dropped
	m.iterations += r.iterations
	m.seconds += r.seconds
	m.late += p.Late
	m.host += p.Host
	m.peakUsers = max(m.peakUsers, p.Users)
	m.peakRate = max(m.peakRate, p.Rate)
	m.gauges.add(p.Gauges, r.peak, p.Width)
	m.series.add(p.Series, r.seriesPeak, p.Width)
	mustMerge(m.dlr, r.dlr)
	mustMerge(m.lateness, r.lateness)
}

func (m *merger) addEntry(e *entryRow) {
	s := m.entries[e.entry]
	if s == nil {
		s = &EntryStats{Service: NewHistogram(), Response: NewHistogram()}
		m.entries[e.entry] = s
	}
	s.Requests += e.requests
	s.Failures += e.failed
	s.Throttled += e.throttled
	s.Messages += e.messages
	s.Segments += e.segments
	s.Bytes += e.bytes
	mustMerge(s.Service, e.service)
	mustMerge(s.Response, e.response)
}

// mustMerge adds a histogram that this package encoded itself.
func mustMerge(dst *Histogram, encoded []byte) {
	if err := dst.mergeEncoded(encoded); err != nil {
		panic("stats: timeline row: " + err.Error())
	}
}

func encode(h *Histogram) []byte {
	if h.Count() == 0 {
		return nil
	}
	b, _ := h.AppendBinary(make([]byte, 0, 256)) // it has no error to return
	return slices.Clip(b)
}

// total adds all entries up.
func (m *merger) total() EntryStats {
	t := EntryStats{Name: Aggregated, Service: NewHistogram(), Response: NewHistogram()}
	for _, s := range m.entries {
		t.add(s)
	}
	return t
}

// row makes one row of what was added; state at its end (users, open messages) comes from last.
func (m *merger) row(last *row) row {
	r := row{
		loaded: m.loaded, peak: m.gauges.peak, receipts: m.receipts, seconds: m.seconds, iterations: m.iterations,
		lateness: encode(m.lateness), dlr: encode(m.dlr),
	}
	for e, s := range m.entries {
		r.entries = append(r.entries, entryRow{
			entry: e, requests: s.Requests, failed: s.Failures, throttled: s.Throttled,
			messages: s.Messages, segments: s.Segments, bytes: s.Bytes,
			service: encode(s.Service), response: encode(s.Response),
		})
	}
	total := m.total()
	r.point = newPoint(m.from, m.covered, &total)
	r.point.Users, r.point.Rate, r.point.Phase = last.point.Users, last.point.Rate, last.point.Phase
	r.point.Open = last.point.Open
	r.point.Receipts = perSecond(m.receipts, m.covered)
	r.point.LateP95 = m.lateness.Quantile(0.95)
	r.point.Dropped, r.point.Late, r.point.Host = m.dropped, m.late, m.host
	r.point.Gauges = m.gauges.mean()
	r.point.Series = m.series.mean()
	if m.rows > 0 { // of more than one second
		r.seriesPeak = m.series.peak()
	}
	return r
}

// newPoint fills the figures that come from the entries' total.
func newPoint(at, width time.Duration, t *EntryStats) Point {
	q := t.Response.Quantiles()
	return Point{
		At: at, Width: width,
		Requests: perSecond(t.Requests, width), Failures: perSecond(t.Failures, width),
		Throttled: perSecond(t.Throttled, width),
		Messages:  perSecond(t.Messages, width), Segments: perSecond(t.Segments, width),
		P50: q[0], P95: q[5], P99: q[7], Max: q[10], Samples: t.Response.Count(), Quantiles: q,
	}
}

func perSecond(n uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}
