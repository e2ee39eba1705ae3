package report

import (
	"math"
	"time"

	"protei-bulk/load/stats"
)

// charts are the report's drawings in reading order.
func charts(run *Run) []chart {
	a := newTimeAxis(run)
	if len(a.points) == 0 {
		return nil
	}
	plans := []plan{a.requests(run), a.latency(run), a.messages(), a.users(), a.open(), a.target(run)}
	plans = append(plans, a.series(run)...)
	plans = append(plans, a.lateness(), a.generator())
	out := make([]chart, len(plans))
	for i, p := range plans {
		out[i] = a.draw(p)
	}
	return out
}

// targetLine is the limit of a metric as a line across a chart; scale turns its value into the chart's unit.
func targetLine(run *Run, m Metric, scale float64, label, class string) []limitLine {
	for _, r := range run.Verdict.Rows {
		if r.Target.Metric == m {
			return []limitLine{{r.Target.Limit * scale, label + " " + r.Target.limitText(r.Target.Limit), class}}
		}
	}
	return nil
}

func (a *timeAxis) requests(run *Run) plan {
	p := plan{
		id: "requests", title: "Requests a second", unit: perSecondUnit, limits: targetLine(run, MetricTPS, 1, "TPS", ""),
		lines: []line{
			{"requests/s", "s1", true, a.values(func(p *stats.Point) float64 { return p.Requests })},
			{"failures/s", "bad", false, a.values(func(p *stats.Point) float64 { return p.Failures })},
		},
	}
	if run.Whole.Total.Throttled > 0 {
		p.lines = append(p.lines, line{"throttled/s", "s2", false, a.values(func(p *stats.Point) float64 { return p.Throttled })})
	}
	if run.Whole.PeakRate > 0 {
		p.lines = append(p.lines, line{"intended/s", "s4", false, a.values(func(p *stats.Point) float64 { return p.Rate })})
	}
	return p
}

func (a *timeAxis) latency(run *Run) plan {
	of := func(d func(*stats.Point) float64) []float64 { return a.values(d) }
	p := plan{
		id: "latency", title: "Response time", unit: msUnit, empty: "No answers were timed.",
		lines: []line{
			{"p50", "s1", false, of(func(p *stats.Point) float64 { return toMillis(p.P50, p.Samples) })},
			{"p95", "s2", false, of(func(p *stats.Point) float64 { return toMillis(p.P95, p.Samples) })},
			{"p99", "s3", false, of(func(p *stats.Point) float64 { return toMillis(p.P99, p.Samples) })},
		},
		limits: append(targetLine(run, MetricP95, 1000, "p95", "s2"), targetLine(run, MetricP99, 1000, "p99", "s3")...),
	}
	for i := range a.points {
		if pt := &a.points[i]; pt.Samples > 0 && pt.P99 > logFrom*max(pt.P50, time.Microsecond) {
			p.logAxis = true
			p.note = "logarithmic axis"
			break
		}
	}
	return p
}

func (a *timeAxis) messages() plan {
	return plan{
		id: "messages", title: "Messages and receipts a second", unit: perSecondUnit,
		lines: []line{
			{"messages/s", "s1", true, a.values(func(p *stats.Point) float64 { return p.Messages })},
			{"segments/s", "s4", false, a.values(func(p *stats.Point) float64 { return p.Segments })},
			{"DLR/s", "s2", false, a.values(func(p *stats.Point) float64 { return p.Receipts })},
		},
	}
}

func (a *timeAxis) users() plan {
	return plan{
		id: "users", title: "Users", unit: countUnit,
		lines: []line{{"users", "s1", true, a.values(func(p *stats.Point) float64 { return float64(p.Users) })}},
	}
}

func (a *timeAxis) open() plan {
	return plan{
		id: "open", title: "Messages waiting for their receipt", unit: countUnit,
		lines: []line{{"DLRs open", "s2", true, a.values(func(p *stats.Point) float64 { return float64(p.Open) })}},
	}
}

func (a *timeAxis) target(run *Run) plan {
	percent := func(v float64) float64 { return v * 100 }
	return plan{
		id: "target", title: "Target: CPU and memory", unit: percentUnit, top: 100,
		empty: orElse(run.Target.Off, "The target's /metrics was not read."),
		lines: []line{
			{"CPU", "s1", true, a.values(func(p *stats.Point) float64 { return percent(p.Gauges.TargetCPU) })},
			{"memory", "s2", false, a.values(func(p *stats.Point) float64 { return percent(p.Gauges.TargetMemory) })},
		},
		limits: targetLine(run, MetricCPU, 100, "CPU", ""),
	}
}

func (a *timeAxis) lateness() plan {
	return plan{
		id: "lateness", title: "Generator: lateness of iterations", unit: msUnit, top: 1,
		lines: []line{{"p95 of actual − intended start", "s3", true, a.values(func(p *stats.Point) float64 {
			if p.Phase == stats.PhaseDrain {
				return math.NaN()
			}
			return float64(p.LateP95) / float64(time.Millisecond)
		})}},
		limits: []limitLine{{25, "late > 25 ms", ""}},
		empty:  "No iterations were started.",
	}
}

func (a *timeAxis) generator() plan {
	return plan{
		id: "generator", title: "Generator: CPU and steal", unit: percentUnit, top: 100,
		empty: "Not sampled on this system.",
		lines: []line{
			{"CPU", "s1", true, a.values(func(p *stats.Point) float64 { return p.Gauges.GeneratorCPU * 100 })},
			{"steal", "bad", false, a.values(func(p *stats.Point) float64 { return p.Gauges.Steal * 100 })},
		},
	}
}
