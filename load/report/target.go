package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Op is the direction of a target.
type Op uint8

// Directions.
const (
	AtLeast Op = iota // measured ≥ limit
	Below             // measured < limit
	AtMost            // measured ≤ limit
)

func (o Op) String() string { return [...]string{"≥", "<", "≤"}[o] }

func (o Op) met(v, limit float64) bool {
	switch o {
	case AtLeast:
		return v >= limit
	case Below:
		return v < limit
	default:
		return v <= limit
	}
}

// Metric names a row of the verdict table.
type Metric string

// The metrics that a target can name. Latencies are response times in seconds; shares are 0..1.
const (
	MetricTPS       Metric = "tps" // successful HTTP requests and submit_sm a second
	MetricAvg       Metric = "avg"
	MetricP50       Metric = "p50"
	MetricP95       Metric = "p95"
	MetricP99       Metric = "p99"
	MetricErrors    Metric = "errors"    // failed ÷ all requests
	MetricThrottled Metric = "throttled" // throttled ÷ all requests
	MetricCPU       Metric = "cpu"       // of the target: process seconds ÷ (wall × cores allowed)
	MetricMemory    Metric = "memory"    // of the target: (RSS − mapped files) ÷ limit or RAM
	MetricDelivered Metric = "delivered" // delivered ÷ accepted
	MetricLost      Metric = "lost"      // messages
	MetricPending   Metric = "pending"   // messages after the drain
)

// unit is how a metric's values are written.
type unit uint8

const (
	unitRate unit = iota
	unitLatency
	unitShare // 0..1, written in percent
	unitRatio // 0..1, written as it is
	unitCount
)

// metricInfo is what is fixed about a metric.
type metricInfo struct {
	metric Metric
	label  string
	op     Op
	unit   unit
	group  metricGroup
}

// metricGroup decides what can keep a row from being measured, and whether saturation excuses a miss.
type metricGroup uint8

const (
	groupSpeed    metricGroup = iota // TPS and latency: of the measured window; void when the generator was saturated
	groupErrors                      // shares of requests: of the measured window
	groupTarget                      // from the target's /metrics
	groupDelivery                    // from the ledger, whole run
)

var metricTable = [...]metricInfo{
	{MetricTPS, "TPS", AtLeast, unitRate, groupSpeed},
	{MetricAvg, "Average response time", Below, unitLatency, groupSpeed},
	{MetricP50, "P50", Below, unitLatency, groupSpeed},
	{MetricP95, "P95", Below, unitLatency, groupSpeed},
	{MetricP99, "P99", Below, unitLatency, groupSpeed},
	{MetricErrors, "Error rate", Below, unitShare, groupErrors},
	{MetricThrottled, "Throttled", Below, unitShare, groupErrors},
	{MetricCPU, "CPU of the target", Below, unitShare, groupTarget},
	{MetricMemory, "Memory of the target", Below, unitShare, groupTarget},
	{MetricDelivered, "Delivered ÷ accepted", AtLeast, unitRatio, groupDelivery},
	{MetricLost, "Messages lost", AtMost, unitCount, groupDelivery},
	{MetricPending, "Messages pending", AtMost, unitCount, groupDelivery},
}

func (m Metric) info() (metricInfo, bool) {
	i := slices.IndexFunc(metricTable[:], func(i metricInfo) bool { return i.metric == m })
	if i < 0 {
		return metricInfo{}, false
	}
	return metricTable[i], true
}

// info of what the target is about; a series is part of the target system.
func (t Target) info() metricInfo {
	if t.Series.Text != "" {
		return metricInfo{metric: t.Metric, group: groupTarget}
	}
	i, _ := t.Metric.info()
	return i
}

// Label is the metric's name in tables.
func (m Metric) Label() string {
	i, _ := m.info()
	return i.label
}

// Format writes a value with its unit, NaN as a dash.
func (m Metric) Format(v float64) string {
	if math.IsNaN(v) {
		return none
	}
	i, _ := m.info()
	switch i.unit {
	case unitRate:
		return formatRate(v)
	case unitLatency:
		return formatLatency(time.Duration(math.Round(v * float64(time.Second))))
	case unitShare:
		return formatShare(v)
	case unitRatio:
		if v < 1 && v > 0.9999 {
			return "0.9999" // never rounded up to a whole
		}
		if v == 1 {
			return "1"
		}
		return formatFloat(v, 4)
	default:
		return formatFloat(v, 0)
	}
}

// formatLimit writes a limit as people write it: 100 ms, 0.1 %, 10,000.
func (m Metric) formatLimit(v float64) string {
	i, _ := m.info()
	short := func(v float64) string { return groupThousands(strconv.FormatFloat(v, 'f', -1, 64)) }
	switch i.unit {
	case unitLatency:
		return short(math.Round(v*1e9)/1e6) + " ms"
	case unitShare:
		return short(math.Round(v*1e9)/1e7) + " %"
	default:
		return short(v)
	}
}

// limitText writes a limit with its direction: ≥ 10,000; a count that must be zero is "0".
func (t Target) limitText(v float64) string {
	if v == 0 && t.Op == AtMost {
		return "0"
	}
	if t.Series.Text != "" {
		return t.Op.String() + " " + formatSeriesLimit(v, t.Series.Unit)
	}
	return t.Op.String() + " " + t.Metric.formatLimit(v)
}

// Target is a two-level target: Limit is what was asked for, Acceptable what can be lived with (equal to Limit when
// there is one level only).
type Target struct {
	Metric     Metric
	Op         Op
	Limit      float64
	Acceptable float64
	Series     SeriesTarget // of a target about a series; then Metric is its name
}

// Label is what the target is about, for tables.
func (t Target) Label() string {
	if t.Series.Text == "" {
		return t.Metric.Label()
	}
	return string(t.Metric)
}

// Format writes a value of what the target is about, NaN as a dash.
func (t Target) Format(v float64) string {
	if t.Series.Text == "" {
		return t.Metric.Format(v)
	}
	return formatUnit(v, t.Series.Unit)
}

// String is the form that ParseTarget reads.
func (t Target) String() string {
	if t.Series.Text != "" {
		return t.Series.Text
	}
	s := string(t.Metric) + "=" + t.flagValue(t.Limit)
	if t.Acceptable != t.Limit {
		s += ":" + t.flagValue(t.Acceptable)
	}
	return s
}

func (t Target) flagValue(v float64) string {
	if i, _ := t.Metric.info(); i.unit == unitLatency {
		return time.Duration(math.Round(v * 1e9)).String()
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// GuideTargets is the set "guide": what decides a demo.
func GuideTargets() []Target {
	ms := func(n float64) float64 { return n / 1000 }
	return []Target{
		{Metric: MetricTPS, Op: AtLeast, Limit: 10_000, Acceptable: 5_000},
		{Metric: MetricAvg, Op: Below, Limit: ms(50), Acceptable: ms(100)},
		{Metric: MetricP95, Op: Below, Limit: ms(100), Acceptable: ms(200)},
		{Metric: MetricP99, Op: Below, Limit: ms(500), Acceptable: ms(1000)},
		{Metric: MetricErrors, Op: Below, Limit: 0.001, Acceptable: 0.01},
		{Metric: MetricThrottled, Op: Below, Limit: 0.001, Acceptable: 0.01},
		{Metric: MetricCPU, Op: Below, Limit: 0.70, Acceptable: 0.85},
		{Metric: MetricMemory, Op: Below, Limit: 0.80, Acceptable: 0.90},
		{Metric: MetricDelivered, Op: AtLeast, Limit: 0.99, Acceptable: 0.95},
		{Metric: MetricLost, Op: AtMost, Limit: 0, Acceptable: 0},
		{Metric: MetricPending, Op: AtMost, Limit: 0, Acceptable: 0},
	}
}

// guideSet is the name under which ParseTargets knows GuideTargets.
const guideSet = "guide"

// ParseTargets reads the values of --target; "guide" stands for the whole set. A metric named twice is an error.
func ParseTargets(values []string) ([]Target, error) {
	var out []Target
	for _, v := range values {
		if v == guideSet {
			out = append(out, GuideTargets()...)
			continue
		}
		t, err := ParseTarget(v)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o Target) bool { return o.Metric == t.Metric && o.Series.Stat == t.Series.Stat }) {
			return nil, fmt.Errorf("target %q: %s is named twice", v, t.Metric)
		}
		out = append(out, t)
	}
	return out, nil
}

// ParseTarget reads NAME=LIMIT[:ACCEPTABLE], for example p95=100ms:200ms, tps=10000:5000, errors=0.1%, lost=0. A
// latency without a unit is in milliseconds; shares are 0.001 or 0.1%. A name with a point in it is that of a series of
// the target system, postgres.cache_hits>=0.99:0.95: [ResolveTargets] completes it.
func ParseTarget(s string) (Target, error) {
	name, op, value := cutTarget(s)
	name = strings.TrimSpace(name)
	info, known := Metric(name).info()
	switch {
	case !known && !strings.ContainsRune(name, '.'):
		return Target{}, fmt.Errorf("target %q: unknown metric %q, known are %s, and watched series as postgres.connections", s, name, knownMetrics())
	case op == ">":
		return Target{}, fmt.Errorf("target %q: write %s>=%s", s, name, value)
	case op == "" && !known:
		return Target{}, fmt.Errorf("target %q: no limit; write %s=100:200", s, name)
	case op == "":
		return Target{}, fmt.Errorf("target %q: no limit; write %s=%s", s, name, info.example())
	case !known:
		return parseSeriesTarget(s, name, op, value)
	case op == ">=" && info.op != AtLeast, op[0] == '<' && info.op == AtLeast:
		return Target{}, fmt.Errorf("target %q: the direction of %s is fixed; write %s=%s", s, name, name, info.example())
	}
	limit, acceptable, two := strings.Cut(value, ":")
	t := Target{Metric: info.metric, Op: info.op}
	var err error
	if t.Limit, err = info.parse(limit); err != nil {
		return Target{}, fmt.Errorf("target %q: %w", s, err)
	}
	t.Acceptable = t.Limit
	if t.Limit == 0 && t.Op == Below {
		t.Op = AtMost // nothing is below zero: errors=0 means none
	}
	if two {
		if t.Acceptable, err = info.parse(acceptable); err != nil {
			return Target{}, fmt.Errorf("target %q: acceptable: %w", s, err)
		}
	}
	if stricter := t.Acceptable < t.Limit; stricter != (t.Op == AtLeast) && t.Acceptable != t.Limit {
		return Target{}, fmt.Errorf("target %q: the acceptable limit is stricter than the target", s)
	}
	return t, nil
}

func knownMetrics() string {
	names := make([]string, len(metricTable))
	for i, m := range metricTable {
		names[i] = string(m.metric)
	}
	return strings.Join(names, ", ")
}

func (i metricInfo) example() string {
	return [...]string{"10000:5000", "100ms:200ms", "0.1%:1%", "0.99:0.95", "0"}[i.unit]
}

// longestLimit of a latency is far above what is waited for.
const longestLimit = 1000 * time.Hour

// parse reads a limit; it is finite, not negative, and a share at most 1.
func (i metricInfo) parse(s string) (float64, error) {
	s = strings.TrimSpace(s)
	number, divisor := s, 1.0
	switch i.unit {
	case unitLatency:
		if d, err := time.ParseDuration(s); err == nil && d >= 0 && d <= longestLimit {
			return d.Seconds(), nil
		}
		divisor = 1000
	case unitShare, unitRatio:
		if p, ok := strings.CutSuffix(s, "%"); ok {
			number, divisor = strings.TrimSpace(p), 100
		}
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(number, ",", ""), 64)
	v /= divisor
	switch {
	case err != nil, math.IsNaN(v), math.IsInf(v, 0), v < 0, i.unit == unitLatency && v > longestLimit.Seconds():
		return 0, fmt.Errorf("%q is no limit for %s; write it like %s", s, i.metric, i.example())
	case i.unit == unitLatency:
		return time.Duration(math.Round(v * 1e9)).Seconds(), nil // as one that is written with its unit
	case (i.unit == unitShare || i.unit == unitRatio) && v > 1:
		return 0, fmt.Errorf("%q is more than 100%%; write it like %s", s, i.example())
	}
	return v, nil
}

// LimitText is what was asked for, with its direction: "≥ 10,000", "< 100 ms".
func (t Target) LimitText() string { return t.limitText(t.Limit) }

// AcceptableText is the same of what can be lived with.
func (t Target) AcceptableText() string { return t.limitText(t.Acceptable) }
