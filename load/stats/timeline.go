package stats

import (
	"math"
	"time"
)

const (
	lateAfter = 25 * time.Millisecond // a second is late when the p95 of its lateness is above
	hostSteal = 0.10                  // a second is the host's when more than this share was stolen

	shortRow     = 300 * time.Millisecond // a row below it is joined with the one before
	secondsKept  = 600                    // rows of one second: 10 min
	tensKept     = 110 * 6                // then rows of ten: up to 2 h
	rowsInTen    = 10                     // seconds joined into a row of ten
	tensInMinute = 6                      // rows of ten joined into a row of sixty
	defaultBytes = 64 << 20               // bound of the timeline
	rowOverhead  = 656                    // bytes of a row and its point besides its histograms
	entryCost    = 120                    // bytes of an entry in a row besides its histograms
)

// Gauges are what was sampled beside the requests in one second. NaN means not measured.
type Gauges struct {
	TargetCPU    float64 // share of the cores the target may use, 0..1
	TargetMemory float64 // (RSS − mapped files) ÷ limit or RAM, 0..1
	TargetRSS    float64 // bytes, mapped files left out
	GeneratorCPU float64 // share of the machine's cores, 0..1
	GeneratorRSS float64 // bytes
	Steal        float64 // share of the second stolen by the hypervisor, 0..1
}

// NoGauges is the value of a second in which nothing was sampled.
func NoGauges() Gauges {
	n := math.NaN()
	return Gauges{n, n, n, n, n, n}
}

func (g *Gauges) each(o *Gauges, fn func(dst, src *float64)) {
	fn(&g.TargetCPU, &o.TargetCPU)
	fn(&g.TargetMemory, &o.TargetMemory)
	fn(&g.TargetRSS, &o.TargetRSS)
	fn(&g.GeneratorCPU, &o.GeneratorCPU)
	fn(&g.GeneratorRSS, &o.GeneratorRSS)
	fn(&g.Steal, &o.Steal)
}

// gaugeMean averages gauges by time, each over the seconds that measured it.
type gaugeMean struct{ sum, weight, peak Gauges }

func newGaugeMean() gaugeMean { return gaugeMean{peak: NoGauges()} }

func (m *gaugeMean) add(mean, peak Gauges, width time.Duration) {
	w := width.Seconds()
	m.sum.each(&mean, func(dst, src *float64) {
		if !math.IsNaN(*src) {
			*dst += *src * w
		}
	})
	m.weight.each(&mean, func(dst, src *float64) {
		if !math.IsNaN(*src) {
			*dst += w
		}
	})
	m.peak.each(&peak, func(dst, src *float64) {
		if !math.IsNaN(*src) && (math.IsNaN(*dst) || *src > *dst) {
			*dst = *src
		}
	})
}

func (m *gaugeMean) mean() Gauges {
	out := m.sum
	out.each(&m.weight, func(dst, weight *float64) {
		if *weight == 0 {
			*dst = math.NaN()
		} else {
			*dst /= *weight
		}
	})
	return out
}

// Phase of a run.
type Phase uint8

// Phases in their order.
const (
	PhaseRamp   Phase = iota // load is changing
	PhaseSteady              // load is at what the shape asks for
	PhaseDrain               // users stopped, receipts still come in
)

func (p Phase) String() string {
	switch p {
	case PhaseRamp:
		return "ramp"
	case PhaseSteady:
		return "steady"
	default:
		return "drain"
	}
}

// Point is one point of the charts: a second at first, 10 s or more in the older part of a long run.
type Point struct {
	At, Width                     time.Duration // start since the run's start
	Users                         int           // at the end of the point
	Rate                          float64       // intended iterations a second
	Requests, Failures, Throttled float64       // a second
	Messages, Segments, Receipts  float64       // a second
	P50, P95, P99, Max            time.Duration // response time, 0 when nothing was measured
	Samples                       uint64        // behind the percentiles
	Quantiles                     Quantiles     // of the response time, likewise
	Open                          uint64        // messages that wait for a receipt at the end of the point
	LateP95                       time.Duration // p95 of actual − intended start
	Dropped                       uint64        // iterations that found no free user
	Late, Host                    int           // seconds with LateP95 > 25 ms; with steal > 10 %
	Phase                         Phase
	Gauges                        Gauges    // means
	Series                        []float64 // means of Live.SeriesInfo, NaN = not measured; shared, must not be changed
}

// row is a point with what is needed to recombine it.
type row struct {
	point      Point
	peak       Gauges
	seriesPeak []float64     // nil: those of the point
	loaded     time.Duration // of its width: not in the drain
	receipts   uint64
	seconds    int // that started iterations
	iterations uint64
	lateness   []byte // encoded histograms
	dlr        []byte
	entries    []entryRow
}

type entryRow struct {
	entry                       Entry
	requests, failed, throttled uint64
	messages, segments, bytes   uint64
	service, response           []byte
}

func (r *row) end() time.Duration { return r.point.At + r.point.Width }

func (r *row) size() int {
	n := rowOverhead + len(r.lateness) + len(r.dlr) + 8*(len(r.point.Series)+len(r.seriesPeak))
	for i := range r.entries {
		n += entryCost + len(r.entries[i].service) + len(r.entries[i].response)
	}
	return n
}

// timeline keeps rows of one second for 10 minutes, of ten up to 2 hours, of sixty beyond. When even so its bytes pass
// the bound, neighbours in the oldest part are joined until they do not: a long run loses resolution, never data.
type timeline struct {
	coarse, tens, seconds []row // in this order of time
	bytes, maxBytes       int
}

func (t *timeline) add(r row) {
	if n := len(t.seconds); n > 0 && r.point.Width < shortRow && t.seconds[n-1].point.Phase == r.point.Phase {
		t.bytes -= t.seconds[n-1].size()
		r = joinRows([]row{t.seconds[n-1], r}) // the end of a run: rates of so short a row would be noise
		t.seconds = t.seconds[:n-1]
	}
	t.seconds = append(t.seconds, r)
	t.bytes += r.size()
	if len(t.seconds) >= secondsKept+rowsInTen {
		t.seconds, t.tens = t.join(t.seconds, t.tens, rowsInTen)
	}
	if len(t.tens) >= tensKept+tensInMinute {
		t.tens, t.coarse = t.join(t.tens, t.coarse, tensInMinute)
	}
	for t.bytes > t.maxBytes && t.halve() {
		continue
	}
}

// join takes the n oldest rows of from, joins them into one and appends it to to.
func (t *timeline) join(from, to []row, n int) (rest, joined []row) {
	for i := range n {
		t.bytes -= from[i].size()
	}
	r := joinRows(from[:n])
	t.bytes += r.size()
	left := copy(from, from[n:])
	clear(from[left:])
	return from[:left], append(to, r)
}

// halve joins neighbours in the oldest part that has any.
func (t *timeline) halve() bool {
	for _, part := range []*[]row{&t.coarse, &t.tens, &t.seconds} {
		old := *part
		if len(old) < 4 {
			continue
		}
		half := make([]row, 0, len(old)/2+1)
		for i := 0; i < len(old); i += 2 {
			n := min(2, len(old)-i)
			for j := range n {
				t.bytes -= old[i+j].size()
			}
			half = append(half, joinRows(old[i:i+n]))
			t.bytes += half[len(half)-1].size()
		}
		*part = half
		return true
	}
	return false
}

// each calls fn for every row in order of time.
func (t *timeline) each(fn func(*row)) {
	for _, part := range [][]row{t.coarse, t.tens, t.seconds} {
		for i := range part {
			fn(&part[i])
		}
	}
}

// joinRows recombines neighbouring rows into one.
func joinRows(rows []row) row {
	if len(rows) == 1 {
		return rows[0]
	}
	m := newMerger()
	for i := range rows {
		m.add(&rows[i])
	}
	return m.row(&rows[len(rows)-1])
}
