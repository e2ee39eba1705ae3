package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"protei-bulk/load/stats"
)

// Charts are drawn in a square of side chartSide that the page stretches to its place; text stands beside the drawing
// in HTML, so that it keeps its size on any screen.
const (
	chartSide   = 1000
	maxDrawn    = 500 // points of a drawn line; longer ones are thinned by largest triangle
	maxHovered  = 800 // points that the cursor can stand on
	manySeries  = 20  // above it, lines and cursor have half as many points
	logFrom     = 10  // p99 above this many times p50 puts a latency on a log axis
	axisTicks   = 4
	headroom    = 1.08
	minRateAxis = 1
)

// unitName tells the page's script how to write a chart's values.
type unitName string

const (
	perSecondUnit unitName = "rate"
	msUnit        unitName = "ms"
	percentUnit   unitName = "percent"
	countUnit     unitName = "count"
	numberUnit    unitName = "number" // with up to two decimals
)

// chart is one drawing with its axes.
type chart struct {
	ID, Title, Note string
	Unit            unitName
	Log             bool
	Series          []series
	YTicks, XTicks  []tick
	Limits          []limitTick
	Markers         []tick
	Band            *band // the measured window
	Empty           string
}

// series is one line.
type series struct {
	Label, Class string
	Path, Area   string
	Values       []jsNumber // at the cursor's points
}

// tick is a label at a place: percent of the chart from its top or left.
type tick struct {
	At    float64
	Label string
}

// limitTick is a target's line, in the colour of the series that it is for.
type limitTick struct {
	tick
	Class string
}

// band is a shaded stretch of time, in the chart's units.
type band struct{ X, Width float64 }

// jsNumber is a number for the page's script: NaN becomes null, the rest five significant digits.
type jsNumber float64

// MarshalJSON writes the number.
func (n jsNumber) MarshalJSON() ([]byte, error) {
	v := float64(n)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	s := strconv.FormatFloat(v, 'g', 5, 64)
	if strings.ContainsRune(s, 'e') {
		s = strconv.FormatFloat(v, 'f', -1, 64)
	}
	return []byte(s), nil
}

// UnmarshalJSON reads what MarshalJSON wrote; null is NaN.
func (n *jsNumber) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = jsNumber(math.NaN())
		return nil
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("%s is no number", b)
	}
	*n = jsNumber(v)
	return nil
}

// line is a series before it is drawn.
type line struct {
	label, class string
	fill         bool
	values       []float64 // one a point, NaN = gap
}

// plan is a chart before it is drawn.
type plan struct {
	id, title, note string
	unit            unitName
	lines           []line
	limits          []limitLine
	logAxis         bool
	top             float64 // the axis reaches at least this
	empty           string  // what to say when nothing was measured
}

type limitLine struct {
	value float64
	label string
	class string
}

// timeAxis places points on the x axis.
type timeAxis struct {
	points  []stats.Point
	xs      []float64 // 0..chartSide
	hovered []int     // indices of the points under the cursor
	span    time.Duration
	ticks   []tick
	markers []tick
	band    *band
	drawn   int // points of a line
}

func newTimeAxis(run *Run) *timeAxis {
	a := &timeAxis{points: run.Points, drawn: maxDrawn}
	hovered := maxHovered
	if len(run.Series) > manySeries { // the page stays below 1 MB
		a.drawn, hovered = maxDrawn/2, maxHovered/2
	}
	if n := len(a.points); n > 0 {
		a.span = a.points[n-1].At + a.points[n-1].Width
	}
	a.xs = make([]float64, len(a.points))
	for i, p := range a.points {
		a.xs[i] = a.x(p.At + p.Width/2)
	}
	a.hovered = worstOfGroups(a.points, hovered)
	a.ticks = a.timeTicks()
	for _, m := range run.Markers {
		if m.At >= 0 && m.At <= a.span && a.span > 0 {
			a.markers = append(a.markers, tick{a.x(m.At) / chartSide * 100, m.Text})
		}
	}
	if w := run.Measured.Window; w.Duration() > 0 && a.span > 0 {
		a.band = &band{a.x(w.From), a.x(w.To) - a.x(w.From)}
	}
	return a
}

func (a *timeAxis) x(at time.Duration) float64 {
	if a.span <= 0 {
		return 0
	}
	return float64(at) / float64(a.span) * chartSide
}

// timeTicks are at most seven labels at round times.
func (a *timeAxis) timeTicks() []tick {
	if a.span <= 0 {
		return nil
	}
	steps := []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	}
	step := 24 * time.Hour
	for _, s := range steps {
		if a.span/s <= 6 {
			step = s
			break
		}
	}
	for a.span/step > 6 {
		step *= 2
	}
	var out []tick
	for at := time.Duration(0); at <= a.span; at += step {
		out = append(out, tick{a.x(at) / chartSide * 100, clock(at)})
	}
	return out
}

// worstOfGroups thins points to at most n, keeping of each group the one with the highest p99.
func worstOfGroups(points []stats.Point, n int) []int {
	size := (len(points) + n - 1) / n
	var out []int
	for i := 0; i < len(points); i += size {
		worst := i
		for j := i; j < min(i+size, len(points)); j++ {
			if points[j].P99 > points[worst].P99 {
				worst = j
			}
		}
		out = append(out, worst)
	}
	return out
}

// values maps the points to a line's values.
func (a *timeAxis) values(fn func(*stats.Point) float64) []float64 {
	out := make([]float64, len(a.points))
	for i := range a.points {
		out[i] = fn(&a.points[i])
	}
	return out
}

// draw makes the chart of a plan.
func (a *timeAxis) draw(p plan) chart {
	c := chart{ID: p.id, Title: p.title, Note: p.note, Unit: p.unit, XTicks: a.ticks, Markers: a.markers, Band: a.band}
	low, high := extent(p.lines)
	if math.IsNaN(high) {
		c.Empty = p.empty
		return c
	}
	c.Log = p.logAxis && low > 0
	scale := newScale(c.Log, low, math.Max(high, p.top), p.limits)
	for _, t := range scale.ticks {
		c.YTicks = append(c.YTicks, tick{scale.y(t) / chartSide * 100, axisLabel(p.unit, t)})
	}
	for _, l := range p.limits {
		if y := scale.y(l.value); y >= 0 && y <= chartSide {
			c.Limits = append(c.Limits, limitTick{tick{y / chartSide * 100, l.label}, l.class})
		}
	}
	for _, l := range p.lines {
		s := series{Label: l.label, Class: l.class}
		s.Path, s.Area = a.path(l.values, scale)
		if !l.fill {
			s.Area = ""
		}
		for _, i := range a.hovered {
			s.Values = append(s.Values, jsNumber(l.values[i]))
		}
		c.Series = append(c.Series, s)
	}
	return c
}

// extent is the lowest positive and the highest value of the lines; NaN without any.
func extent(lines []line) (low, high float64) {
	low, high = math.NaN(), math.NaN()
	for _, l := range lines {
		for _, v := range l.values {
			if math.IsNaN(v) {
				continue
			}
			if v > 0 && !(v >= low) {
				low = v
			}
			if !(v <= high) {
				high = v
			}
		}
	}
	return low, high
}

// path draws a line through the values, gaps left open, and the area below it.
func (a *timeAxis) path(values []float64, s scale) (path, area string) {
	var lines, areas strings.Builder
	for i := 0; i < len(values); {
		if math.IsNaN(values[i]) {
			i++
			continue
		}
		j := i
		for j < len(values) && !math.IsNaN(values[j]) {
			j++
		}
		a.stretch(&lines, &areas, thin(a.xs[i:j], values[i:j], a.drawn), s)
		i = j
	}
	return lines.String(), areas.String()
}

// stretch draws points without a gap.
func (a *timeAxis) stretch(lines, areas *strings.Builder, points [][2]float64, s scale) {
	floor := coordinate(chartSide)
	for i, p := range points {
		x, y := coordinate(p[0]), coordinate(s.y(p[1]))
		command := "L"
		if i == 0 {
			command = "M"
			areas.WriteString("M" + x + " " + floor)
		}
		lines.WriteString(command + x + " " + y)
		areas.WriteString("L" + x + " " + y)
		if i == len(points)-1 {
			areas.WriteString("L" + x + " " + floor + "Z")
			if i == 0 {
				lines.WriteString("h.1") // a single point is a dot
			}
		}
	}
}

func coordinate(v float64) string {
	return strconv.FormatFloat(math.Round(math.Min(math.Max(v, -10), chartSide+10)*10)/10, 'f', -1, 64)
}

// thin keeps n points by largest triangle three buckets: of each bucket the point that, with the point kept before and
// the mean of the next bucket, spans the largest triangle. Peaks survive.
func thin(xs, ys []float64, n int) [][2]float64 {
	out := make([][2]float64, 0, min(len(xs), n))
	if len(xs) <= n {
		for i := range xs {
			out = append(out, [2]float64{xs[i], ys[i]})
		}
		return out
	}
	size := float64(len(xs)-2) / float64(n-2)
	kept := 0
	out = append(out, [2]float64{xs[0], ys[0]})
	for b := range n - 2 {
		from, to := 1+int(float64(b)*size), 1+int(float64(b+1)*size)
		next := min(1+int(float64(b+2)*size), len(xs))
		var mx, my float64
		for i := to; i < next; i++ {
			mx += xs[i] / float64(next-to)
			my += ys[i] / float64(next-to)
		}
		best, bestArea := from, -1.0
		for i := from; i < to; i++ {
			area := math.Abs((xs[kept]-mx)*(ys[i]-ys[kept]) - (xs[kept]-xs[i])*(my-ys[kept]))
			if area > bestArea {
				best, bestArea = i, area
			}
		}
		kept = best
		out = append(out, [2]float64{xs[kept], ys[kept]})
	}
	return append(out, [2]float64{xs[len(xs)-1], ys[len(ys)-1]})
}
