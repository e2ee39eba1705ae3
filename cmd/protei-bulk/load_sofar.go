package main

import (
	"slices"
	"time"

	"protei-bulk/load/report"
	"protei-bulk/load/stats"
)

// soFar is the run as it stands, judged. whole asks for everything that a report shows;
// without it the sums that were followed are enough for the verdict.
func (t *loadTest) soFar(c *stats.Collector, whole bool) *report.Run {
	o := t.opts
	r := &report.Run{
		Title: "Protei_Bulk Load Test", Host: o.host, Scenario: o.scenarioName(), Shape: o.shape, Rate: o.rate,
		Profile: o.profile, Command: o.command, Version: version, Scaled: o.scaled,
		Started: t.clock.Start(), Ended: time.Now(), Stopped: "not over: it still runs",
		Ledger: t.figures.Counts(), DLRLatency: c.DLRLatency(),
	}
	if o.noReceipts {
		r.Receipts.Off = "--no-receipts"
	}
	t.mu.Lock()
	r.Markers, r.Notes = slices.Clone(t.run.Markers), slices.Clone(t.run.Notes)
	t.mu.Unlock()
	r.Target.Off = t.targetOff
	t.fillTarget(&r.Target)
	r.Series = t.series()
	r.Whole, r.Measured = c.Followed(len(o.requestTargets) > 0)
	if whole {
		r.Machine = generatorMachine()
		r.Whole = c.Summary(c.Whole())
		if w, ok := c.Measured(o.warmup); ok {
			r.Measured = c.Summary(w)
		}
		r.Points = c.Points()
		r.Failures, r.Exceptions = t.figures.Failures(), t.figures.Exceptions()
		r.Generator.Workers, r.Generator.OpenFiles = 1, t.limit
		if t.remote != nil {
			r.Generator.Workers, r.Degraded = t.remote.Members(), t.remote.Degraded()
		}
	}
	r.Judged = settled(r.Ledger)
	report.Judge(r, t.deciding())
	report.JudgeRequests(r, o.requestTargets)
	return r
}

// settled is the ledger without the messages whose receipt may still come: they are no
// miss before the drain is over.
func settled(c stats.Counts) *stats.Counts {
	c.Accepted -= min(c.Open, c.Accepted)
	c.Open = 0
	return &c
}
