package report

import (
	"fmt"
	"math"
	"strings"

	"protei-bulk/load/stats"
)

// seriesRow is a series as tables show it.
type seriesRow struct {
	Name, Label, Source, Mean, Peak, Whole, Note string
	Off                                          bool // never measured
}

// seriesRows are the series over the measured window, or over the whole run when there was none.
func seriesRows(run *Run) []seriesRow {
	s := &run.Measured
	if s.Covered <= 0 {
		s = &run.Whole
	}
	rows := make([]seriesRow, 0, len(run.Series))
	for i, info := range run.Series {
		r := seriesRow{Name: info.Name, Label: info.Label, Source: info.Source, Mean: none, Peak: none, Whole: none}
		if i < len(s.SeriesMean) {
			r.Mean, r.Peak = formatUnit(s.SeriesMean[i], info.Unit), formatUnit(s.SeriesPeak[i], info.Unit)
		}
		if i < len(run.Whole.SeriesMean) {
			r.Whole = formatUnit(run.Whole.SeriesMean[i], info.Unit)
		}
		r.Off = r.Whole == none
		r.Note = seriesNote(run, s, i)
		rows = append(rows, r)
	}
	return rows
}

// seriesNote says for how much of the window a series was not measured, and why.
func seriesNote(run *Run, s *stats.Summary, i int) string {
	missing, all := 0.0, 0.0
	for j := range run.Points {
		p := &run.Points[j]
		if p.At < s.From || p.At+p.Width > s.To {
			continue
		}
		all += p.Width.Seconds()
		if i >= len(p.Series) || math.IsNaN(p.Series[i]) {
			missing += p.Width.Seconds()
		}
	}
	why := run.Series[i].Off
	switch {
	case missing == 0:
		return ""
	case why == "":
		why = "no sample"
	}
	if missing == all {
		return "not measured: " + why
	}
	return fmt.Sprintf("%.0f of %.0f s not measured: %s", missing, all, why)
}

// seriesSource is the first part of a series' name.
func seriesSource(info *stats.SeriesInfo) (source, rest string) {
	source, rest, _ = strings.Cut(info.Name, ".")
	return source, rest
}

// linesInChart bounds the lines of a chart of series; there are as many colours.
const linesInChart = 4

// series are the charts of the series that were measured: those of a source that have a unit in common share a chart.
func (a *timeAxis) series(run *Run) (plans []plan) {
	open := map[string]int{} // by source and unit: the chart that has room
	for i := range run.Series {
		info := &run.Series[i]
		values := a.values(func(p *stats.Point) float64 {
			if i >= len(p.Series) {
				return math.NaN()
			}
			return p.Series[i]
		})
		if _, high := extent([]line{{values: values}}); math.IsNaN(high) {
			continue
		}
		source, rest := seriesSource(info)
		key := source + "\x00" + info.Unit
		at, ok := open[key]
		if !ok || len(plans[at].lines) == linesInChart {
			plans = append(plans, plan{id: fmt.Sprintf("series%d", len(plans)), title: source, note: seriesUnit(info.Unit), unit: numberUnit})
			at = len(plans) - 1
			open[key] = at
		}
		p := &plans[at]
		p.lines = append(p.lines, line{rest, fmt.Sprintf("s%d", len(p.lines)+1), len(p.lines) == 0, values})
		p.limits = append(p.limits, seriesLimits(run, info, rest)...)
	}
	for i := range plans {
		plans[i].scaleUnit()
	}
	for i := range run.Series { // a chart of one line is called by it
		source, rest := seriesSource(&run.Series[i])
		for j := range plans {
			if p := &plans[j]; p.title == source && len(p.lines) == 1 && p.lines[0].label == rest && run.Series[i].Label != "" {
				p.title += ": " + run.Series[i].Label
			}
		}
	}
	return plans
}

func seriesUnit(unit string) string {
	switch unit {
	case stats.UnitRate:
		return "a second"
	case stats.UnitShare:
		return "%"
	}
	return unit
}

// seriesLimits are the limits of targets about a series.
func seriesLimits(run *Run, info *stats.SeriesInfo, label string) (out []limitLine) {
	for _, r := range run.Verdict.Rows {
		if r.Target.Series.Text != "" && string(r.Target.Metric) == info.Name {
			out = append(out, limitLine{r.Target.Limit, label + " " + r.Target.limitText(r.Target.Limit), ""})
		}
	}
	return out
}

// scaleUnit shows shares in percent and bytes in the unit that suits the highest.
func (p *plan) scaleUnit() {
	factor := 1.0
	switch _, high := extent(p.lines); p.note {
	case "%":
		factor, p.unit, p.note, p.top = 100, percentUnit, "", 100
	case stats.UnitSeconds:
		factor, p.unit, p.note = 1000, msUnit, ""
	case stats.UnitBytes, stats.UnitBytesPS:
		unit := "B"
		for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
			if high*factor < 1024 {
				break
			}
			factor, unit = factor/1024, next
		}
		p.note = strings.Replace(p.note, "bytes", unit, 1)
	}
	for i := range p.lines {
		for j := range p.lines[i].values {
			p.lines[i].values[j] *= factor
		}
	}
	for i := range p.limits {
		p.limits[i].value *= factor
	}
}

// series prints the figures of the target system that were watched.
func (t *Terminal) series(run *Run) {
	rows := seriesRows(run)
	if len(rows) == 0 {
		return
	}
	of := "measured window"
	if run.Measured.Covered <= 0 {
		of = "whole run"
	}
	name := min(max(t.opts.Width-39, 30), 60)
	t.heading("Target system, " + of)
	t.println(t.paint.dim(pad("", name) + padLeft("mean", 13) + padLeft("peak", 13) + padLeft("mean, run", 13)))
	for _, r := range rows {
		t.println(pad(printable(r.Name), name) + padLeft(r.Mean, 13) + padLeft(r.Peak, 13) + padLeft(r.Whole, 13))
	}
	seen := map[string]bool{}
	for _, r := range rows {
		source, _, _ := strings.Cut(r.Name, ".")
		if text := source + ": " + r.Note; r.Note != "" && !seen[text] {
			seen[text] = true
			t.println(wrap(printable(text), t.opts.Width))
		}
	}
}

func markdownSeries(b *strings.Builder, run *Run) {
	rows := seriesRows(run)
	if len(rows) == 0 {
		return
	}
	b.WriteString("\n### Target system\n\n| | mean | peak | mean of the whole run | |\n|---|---:|---:|---:|---|\n")
	for _, r := range rows {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", markdownText(r.Name), r.Mean, r.Peak, r.Whole, markdownText(r.Note))
	}
}

// jsonTargetSeries is a series in the JSON report; its values are those of the points, in their order.
type jsonTargetSeries struct {
	Name      string     `json:"name"`
	Unit      string     `json:"unit"`
	Label     string     `json:"label"`
	Source    string     `json:"source"`
	Mean      jsNumber   `json:"mean"`
	Peak      jsNumber   `json:"peak"`
	WholeMean jsNumber   `json:"whole_run_mean"`
	WholePeak jsNumber   `json:"whole_run_peak"`
	Off       string     `json:"not_measured,omitempty"`
	Values    []jsNumber `json:"values"`
}

func newJSONTargetSeries(run *Run) []jsonTargetSeries {
	at := func(values []float64, i int) jsNumber {
		if i >= len(values) {
			return jsNumber(math.NaN())
		}
		return jsNumber(values[i])
	}
	var out []jsonTargetSeries
	for i, info := range run.Series {
		s := jsonTargetSeries{
			Name: info.Name, Unit: info.Unit, Label: info.Label, Source: info.Source, Off: info.Off,
			Mean: at(run.Measured.SeriesMean, i), Peak: at(run.Measured.SeriesPeak, i),
			WholeMean: at(run.Whole.SeriesMean, i), WholePeak: at(run.Whole.SeriesPeak, i),
		}
		for j := range run.Points {
			s.Values = append(s.Values, at(run.Points[j].Series, i))
		}
		out = append(out, s)
	}
	return out
}
