package report

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"protei-bulk/load/stats"
)

// SeriesTarget is the part of a [Target] that is about a series of the target system, as postgres.connections. The zero
// value is a target about requests, messages or the target's own CPU and memory.
type SeriesTarget struct {
	Text string // as it was given; "" = this is no target for a series
	Stat string // "mean" or "peak" over the measured window; "" = not settled yet
	Unit string // of the series, from ResolveTargets
	// Index of the series in Run.Series plus one, from ResolveTargets; 0 = not resolved.
	Index int
}

// anyUnit stands for the unit of a series that is not known yet.
const anyUnit = "?"

var seriesForm = regexp.MustCompile(`^(?:(mean|peak)\(([^()]+)\)|([^()]+))$`)

// parseSeriesTarget reads NAME=LIMIT[:ACCEPTABLE] of a series; NAME has a point in it. >=, <= and < say the direction,
// mean(NAME) and peak(NAME) what of the measured window counts.
func parseSeriesTarget(text, name, op, value string) (Target, error) {
	m := seriesForm.FindStringSubmatch(name)
	if m == nil {
		return Target{}, fmt.Errorf("target %q: %q is no name of a series", text, name)
	}
	t := Target{Metric: Metric(m[2] + m[3]), Series: SeriesTarget{Text: strings.TrimSpace(text), Stat: m[1]}}
	return t, t.settle(op, value, stats.SeriesInfo{Unit: anyUnit})
}

// settle reads the limits in the series' unit and chooses direction and statistic where none is named: two levels show
// the direction; otherwise more is only better where the series says so. Peaks count for levels that must stay low.
func (t *Target) settle(op, value string, info stats.SeriesInfo) error {
	limit, acceptable, two := strings.Cut(value, ":")
	var err error
	if t.Limit, err = seriesLimit(limit, info.Unit); err == nil {
		t.Acceptable = t.Limit
		if two {
			t.Acceptable, err = seriesLimit(acceptable, info.Unit)
		}
	}
	if err != nil {
		return fmt.Errorf("target %q: %w", t.Series.Text, err)
	}
	switch {
	case op == ">=", op == "=" && (t.Acceptable < t.Limit || t.Acceptable == t.Limit && info.More):
		t.Op = AtLeast
	case op == "<=", t.Limit == 0:
		t.Op = AtMost // nothing is below zero
	default:
		t.Op = Below
	}
	if t.Acceptable != t.Limit && (t.Acceptable < t.Limit) != (t.Op == AtLeast) {
		return fmt.Errorf("target %q: the acceptable limit is stricter than the target", t.Series.Text)
	}
	if t.Series.Stat == "" && info.Unit != anyUnit {
		t.Series.Stat = "mean"
		if info.Level && t.Op != AtLeast {
			t.Series.Stat = "peak"
		}
	}
	return nil
}

// seriesLimit reads a limit: a number in the series' unit, or with a unit of its own: 99%, 200ms, 1.5GB.
func seriesLimit(text, unit string) (float64, error) {
	text = strings.TrimSpace(text)
	number := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµ% ")
	suffix := strings.TrimSpace(text[len(number):])
	v, err := strconv.ParseFloat(strings.ReplaceAll(number, ",", ""), 64)
	factor, of := suffixFactor(suffix)
	switch {
	case err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 || factor == 0:
		return 0, fmt.Errorf("%q is no limit; write a number, 99%%, 200ms or 1.5GB", text)
	case suffix != "" && unit != anyUnit && unit != of && !(of == stats.UnitBytes && unit == stats.UnitBytesPS):
		return 0, fmt.Errorf("%q: the series is measured in %s", text, unitWords(unit))
	case v*factor > 1 && (unit == stats.UnitShare || of == stats.UnitShare):
		return 0, fmt.Errorf("%q is more than 100%%", text)
	}
	return v * factor, nil
}

// suffixFactor is what a unit multiplies by, and the unit of series that it is for; 0 for none.
func suffixFactor(suffix string) (factor float64, unit string) {
	switch suffix {
	case "":
		return 1, ""
	case "%":
		return 0.01, stats.UnitShare
	}
	if d, err := time.ParseDuration("1" + suffix); err == nil {
		return d.Seconds(), stats.UnitSeconds
	}
	for i, prefix := range []string{"", "k", "M", "G", "T"} {
		switch {
		case strings.EqualFold(suffix, prefix+"B"):
			return math.Pow(1000, float64(i)), stats.UnitBytes
		case strings.EqualFold(suffix, prefix+"iB") && i > 0:
			return math.Pow(1024, float64(i)), stats.UnitBytes
		}
	}
	return 0, ""
}

func unitWords(unit string) string {
	switch unit {
	case stats.UnitCount:
		return "plain numbers"
	case stats.UnitShare:
		return "shares, 0.99 or 99%"
	case stats.UnitRate:
		return "numbers a second"
	case stats.UnitSeconds:
		return "seconds"
	}
	return unit
}

// ResolveTargets completes the targets that are about series, in place: it finds the series, and reads the limits in its
// unit. The other targets stay as they are.
func ResolveTargets(targets []Target, series []stats.SeriesInfo) error {
	var errs []error
	for i := range targets {
		t := &targets[i]
		if t.Series.Text == "" {
			continue
		}
		at := slices.IndexFunc(series, func(s stats.SeriesInfo) bool { return s.Name == string(t.Metric) })
		if at < 0 {
			errs = append(errs, fmt.Errorf("target %q: no series %s is watched%s", t.Series.Text, t.Metric, seriesHint(string(t.Metric), series)))
			continue
		}
		name, op, value := cutTarget(t.Series.Text)
		t.Series.Stat = seriesForm.FindStringSubmatch(strings.TrimSpace(name))[1]
		t.Series.Unit, t.Series.Index = series[at].Unit, at+1
		errs = append(errs, t.settle(op, value, series[at]))
	}
	return errors.Join(errs...)
}

// seriesHint names the series that may have been meant.
func seriesHint(name string, series []stats.SeriesInfo) string {
	if len(series) == 0 {
		return "; say with --watch what is to be watched"
	}
	source, _, _ := strings.Cut(name, ".")
	var near, all []string
	for _, s := range series {
		all = append(all, s.Name)
		if strings.HasPrefix(s.Name, source+".") {
			near = append(near, s.Name)
		}
	}
	if len(near) > 0 {
		all = near
	}
	return "; there are " + strings.Join(all, ", ")
}

// cutTarget cuts NAME, the operator and what follows; op is "" when there is none.
func cutTarget(s string) (name, op, value string) {
	i := strings.IndexAny(s, "<>=")
	if i < 0 {
		return s, "", ""
	}
	op = s[i : i+1]
	if op != "=" && strings.HasPrefix(s[i+1:], "=") {
		op = s[i : i+2]
	}
	return s[:i], op, s[i+len(op):]
}

// seriesFigure reads a series from a window.
func seriesFigure(run *Run, s *stats.Summary, t *Target) (v float64, why string) {
	i := t.Series.Index - 1
	values := s.SeriesMean
	if t.Series.Stat == "peak" {
		values = s.SeriesPeak
	}
	switch {
	case s.Covered <= 0:
		return math.NaN(), "the load never stood still: no measured window"
	case i < 0 || i >= len(values):
		return math.NaN(), "it is not watched"
	case !math.IsNaN(values[i]):
		return values[i], ""
	case i < len(run.Series) && run.Series[i].Off != "":
		return math.NaN(), run.Series[i].Off
	}
	return math.NaN(), "it was not measured in this window"
}

// formatUnit writes a value of a series with its unit, NaN as a dash.
func formatUnit(v float64, unit string) string {
	if math.IsNaN(v) {
		return none
	}
	switch unit {
	case stats.UnitShare:
		return formatShare(v)
	case stats.UnitBytes:
		return formatBytes(v)
	case stats.UnitBytesPS:
		return formatBytes(v) + "/s"
	case stats.UnitSeconds:
		return formatLatency(time.Duration(math.Round(v * float64(time.Second))))
	case stats.UnitRate:
		return formatRate(v) + "/s"
	}
	digits := 0
	if math.Abs(v-math.Round(v)) > 1e-6 && math.Abs(v) < 100 {
		digits = 2
	}
	text := formatFloat(v, digits)
	if unit != stats.UnitCount {
		text += " " + unit
	}
	return text
}

// formatSeriesLimit writes a limit as it was meant: nothing is rounded but bytes.
func formatSeriesLimit(v float64, unit string) string {
	short := func(v float64) string { return groupThousands(strconv.FormatFloat(v, 'f', -1, 64)) }
	switch unit {
	case stats.UnitShare:
		return short(math.Round(v*1e9)/1e7) + " %"
	case stats.UnitBytes:
		return formatBytes(v)
	case stats.UnitBytesPS:
		return formatBytes(v) + "/s"
	case stats.UnitSeconds:
		if v < 1 && v > 0 {
			return short(math.Round(v*1e9)/1e6) + " ms"
		}
		return short(v) + " s"
	case stats.UnitRate:
		return short(v) + "/s"
	case stats.UnitCount, anyUnit:
		return short(v)
	}
	return short(v) + " " + unit
}
