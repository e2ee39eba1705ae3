package load

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rate is the schedule of the open model: how many iterations start a second, in straight
// lines between corners, and from that the exact time of every start. It never changes
// and is safe for concurrent use.
//
// Start n (the first is 0) is due when the integral of the rate is about to pass n, so a
// constant rate of r starts at 0, 1/r, 2/r…, and nothing drifts however long the run is.
// Where the rate is 0 nothing starts.
type Rate struct {
	corners []rateCorner // in order of time; the first is at 0
	endless bool         // the last corner's rate goes on for ever
}

type rateCorner struct {
	at        time.Duration
	perSecond float64
	starts    float64 // integral of the rate up to here
}

// RateStage is a corner of a rate.
type RateStage struct {
	At        time.Duration
	PerSecond float64
}

// maxRate bounds a rate, in starts a second.
const maxRate = 10_000_000

// ConstantRate starts perSecond iterations a second until the run ends. It panics when
// perSecond is negative, not finite or above 10 million.
func ConstantRate(perSecond float64) *Rate {
	if err := checkRate(perSecond); err != nil {
		panic("load: " + err.Error())
	}
	return &Rate{corners: []rateCorner{{perSecond: perSecond}}, endless: true}
}

// RampRate goes from stage to stage in straight lines, from 0/s at 0 s when the first
// stage is later, and ends at the last one.
func RampRate(stages ...RateStage) (*Rate, error) {
	if len(stages) == 0 {
		return nil, errors.New("a rate without stages")
	}
	r := &Rate{}
	if stages[0].At > 0 {
		r.corners = append(r.corners, rateCorner{})
	}
	for _, s := range stages {
		if err := checkRate(s.PerSecond); err != nil {
			return nil, err
		}
		c := rateCorner{at: s.At, perSecond: s.PerSecond}
		if n := len(r.corners); n > 0 {
			last := r.corners[n-1]
			if s.At <= last.at {
				return nil, fmt.Errorf("rate stage at %v: not after the stage before it", s.At)
			}
			c.starts = last.starts + (last.perSecond+c.perSecond)/2*(c.at-last.at).Seconds()
		} else if s.At < 0 {
			return nil, fmt.Errorf("rate stage at %v: before the start", s.At)
		}
		r.corners = append(r.corners, c)
	}
	if len(r.corners) == 1 {
		return nil, errors.New("a rate that ends as it begins: give it a second stage")
	}
	return r, nil
}

func checkRate(perSecond float64) error {
	if !(perSecond >= 0 && perSecond <= maxRate) {
		return fmt.Errorf("%v a second is no rate: want 0 to %d", perSecond, maxRate)
	}
	return nil
}

// Rate is the shape as a rate: its users are taken as starts a second.
func (s Stages) Rate() (*Rate, error) {
	stages := make([]RateStage, len(s))
	for i, st := range s {
		stages[i] = RateStage{st.At, float64(st.Users)}
	}
	return RampRate(stages...)
}

// same says that two rates make the same starts; both may be nil.
func (r *Rate) same(o *Rate) bool {
	if r == nil || o == nil {
		return r == o
	}
	return r.endless == o.endless && slices.Equal(r.corners, o.corners)
}

// At is the rate at a time since the start, in starts a second.
func (r *Rate) At(elapsed time.Duration) float64 {
	i := r.segment(elapsed)
	if i < 0 {
		return 0
	}
	from := r.corners[i]
	if i == len(r.corners)-1 {
		if r.endless {
			return from.perSecond
		}
		return 0
	}
	to := r.corners[i+1]
	share := float64(elapsed-from.at) / float64(to.at-from.at)
	return from.perSecond + share*(to.perSecond-from.perSecond)
}

// segment is the corner that elapsed is at or behind; −1 before the first.
func (r *Rate) segment(elapsed time.Duration) int {
	for i := len(r.corners) - 1; i >= 0; i-- {
		if elapsed >= r.corners[i].at {
			return i
		}
	}
	return -1
}

// Starts is the integral of the rate: the number of starts before elapsed, with its
// fraction.
func (r *Rate) Starts(elapsed time.Duration) float64 {
	i := r.segment(elapsed)
	if i < 0 {
		return 0
	}
	from := r.corners[i]
	if i == len(r.corners)-1 && !r.endless {
		return from.starts
	}
	return from.starts + (from.perSecond+r.At(elapsed))/2*(elapsed-from.at).Seconds()
}

// Due is the time of start n, counted from 0; false: the rate ends before it.
func (r *Rate) Due(n uint64) (time.Duration, bool) {
	s := schedule{rate: r, n: n}
	return s.next()
}

// Length is the time after which nothing starts any more; 0: it goes on.
func (r *Rate) Length() time.Duration {
	if r.endless {
		return 0
	}
	return r.corners[len(r.corners)-1].at
}

// Peak is the highest rate, in starts a second.
func (r *Rate) Peak() float64 {
	peak := 0.0
	for _, c := range r.corners {
		peak = max(peak, c.perSecond)
	}
	return peak
}

// peakAt is the first time at the peak.
func (r *Rate) peakAt() time.Duration {
	i := slices.IndexFunc(r.corners, func(c rateCorner) bool { return c.perSecond == r.Peak() })
	return r.corners[i].at
}

// String is the form that ParseRate reads.
func (r *Rate) String() string {
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	if r.endless {
		return number(r.corners[0].perSecond) + "/s"
	}
	parts := make([]string, len(r.corners))
	for i, c := range r.corners {
		parts[i] = c.at.String() + ":" + number(c.perSecond)
	}
	return strings.Join(parts, ",") + "/s"
}

// schedule walks through the starts of a rate; each costs some ten nanoseconds.
type schedule struct {
	rate    *Rate
	n       uint64 // the next start
	step    uint64 // to the one after it; 0 is 1
	segment int    // the corner before it
	last    time.Duration
}

// next is the time of the next start; false: there is none.
func (s *schedule) next() (time.Duration, bool) {
	n := float64(s.n)
	corners := s.rate.corners
	for s.segment < len(corners)-1 && corners[s.segment+1].starts <= n {
		s.segment++
	}
	from := corners[s.segment]
	var at float64 // seconds after from
	switch final := s.segment == len(corners)-1; {
	case final && (!s.rate.endless || from.perSecond == 0):
		return 0, false
	case final:
		at = (n - from.starts) / from.perSecond
	default:
		at = inverse(from, corners[s.segment+1], n-from.starts)
	}
	s.n += max(s.step, 1)
	// Rounding must not bring a start before the one ahead of it.
	s.last = max(s.last, from.at+time.Duration(math.Round(at*float64(time.Second))))
	return s.last, true
}

// skip goes to the first start that is due at from or later and whose number leaves index
// when divided by of: the share of one of several workers.
func (s *schedule) skip(from time.Duration, index, of uint64) {
	n := uint64(math.Ceil(max(s.rate.Starts(from)-1, 0)))
	for { // rounding may be off by one: the times themselves decide
		at, ok := s.rate.Due(n)
		if !ok || at >= from {
			break
		}
		n++
	}
	for n > 0 {
		if at, ok := s.rate.Due(n - 1); !ok || at < from {
			break
		}
		n--
	}
	s.n, s.step = n+(index+of-n%of)%of, of
}

// inverse is the time in seconds behind from at which the integral of a linear rate
// reaches n: the stable solution of slope/2·t² + rate·t = n.
func inverse(from, to rateCorner, n float64) float64 {
	length := (to.at - from.at).Seconds()
	slope := (to.perSecond - from.perSecond) / length
	root := math.Sqrt(max(0, from.perSecond*from.perSecond+2*slope*n))
	if from.perSecond+root == 0 {
		return 0 // the very first start of a rate that rises from 0
	}
	return min(2*n/(from.perSecond+root), length)
}

// ErrRate is returned for a text that is no rate.
var ErrRate = errors.New(`want 500/s, 30/m, "0s:0,60s:2000/s" or a shape with its peak, as Spike:2000/s`)

// ParseRate reads a constant rate (500/s, 30/m, 500), corners with straight lines between
// them (0s:0,60s:2000/s), or a built-in shape with its peak (Spike:2000/s). runTime > 0 is
// the length of Soak.
func ParseRate(text string, runTime time.Duration) (*Rate, error) {
	name, peak, pair := strings.Cut(strings.TrimSpace(text), ":")
	if !pair {
		v, err := parsePerSecond(text)
		if err != nil {
			return nil, fmt.Errorf("rate %q: %w", text, err)
		}
		return ConstantRate(v), nil
	}
	if isShapeName(name) {
		return shapeRate(name, peak, runTime)
	}
	return parseRateStages(text)
}

func isShapeName(name string) bool {
	return slices.ContainsFunc(ShapeNames(), func(n string) bool { return strings.EqualFold(n, strings.TrimSpace(name)) })
}

func shapeRate(name, peak string, runTime time.Duration) (*Rate, error) {
	v, err := parsePerSecond(peak)
	if err != nil {
		return nil, fmt.Errorf("rate %s:%s: %w", name, peak, err)
	}
	shape, err := ParseShape(name, 0, runTime)
	if err != nil {
		return nil, err
	}
	stages := make([]RateStage, len(shape))
	for i, st := range shape {
		stages[i] = RateStage{st.At, float64(st.Users) * v / float64(shape.Peak())}
	}
	return RampRate(stages...)
}

func parseRateStages(text string) (*Rate, error) {
	items := strings.Split(text, ",")
	_, last, _ := strings.Cut(items[len(items)-1], ":")
	unit := "" // of the last corner, for those without one
	if i := strings.LastIndex(last, "/"); i >= 0 {
		unit = last[i:]
	}
	var stages []RateStage
	for _, item := range items {
		at, rate, ok := strings.Cut(strings.TrimSpace(item), ":")
		if !ok {
			return nil, fmt.Errorf("rate stage %q: want TIME:RATE, as 60s:2000/s", item)
		}
		t, err := ParseTimespan(strings.TrimSpace(at))
		if err != nil {
			return nil, fmt.Errorf("rate stage %q: %w", item, err)
		}
		if !strings.Contains(rate, "/") {
			rate += unit
		}
		v, err := parsePerSecond(rate)
		if err != nil {
			return nil, fmt.Errorf("rate stage %q: %w", item, err)
		}
		stages = append(stages, RateStage{t, v})
	}
	r, err := RampRate(stages...)
	if err != nil {
		return nil, fmt.Errorf("rate %q: %w", text, err)
	}
	return r, nil
}

// parsePerSecond reads 500, 500/s, 30/m or 30/min, 100/h.
func parsePerSecond(text string) (float64, error) {
	number, unit, _ := strings.Cut(strings.TrimSpace(text), "/")
	per := 1.0
	switch strings.TrimSpace(unit) {
	case "", "s", "sec":
	case "m", "min":
		per = 60
	case "h", "hour":
		per = 3600
	default:
		return 0, fmt.Errorf("%q is no unit of a rate: %w", unit, ErrRate)
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number: %w", number, ErrRate)
	}
	return v / per, checkRate(v / per)
}
