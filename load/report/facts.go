package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func dlrFacts(run *Run) []Fact {
	h := run.DLRLatency
	if h.Count() == 0 {
		return nil
	}
	out := []Fact{{"receipts timed", formatCount(h.Count())}, {"average", formatLatency(h.Mean())}}
	for _, p := range []struct {
		label string
		q     float64
	}{{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}} {
		out = append(out, Fact{p.label, formatLatency(h.Quantile(p.q))})
	}
	return out
}

func targetFacts(run *Run) []Fact {
	t, m := &run.Target, &run.Measured
	if m.Covered <= 0 {
		m = &run.Whole
	}
	var out []Fact
	add := func(label, value string) {
		if value != "" && value != none {
			out = append(out, Fact{label, value})
		}
	}
	add("system", strings.TrimSpace(t.Name+" "+t.Version))
	add("address", run.Host)
	add("CPU, average", formatShare(m.Mean.TargetCPU))
	add("CPU, highest second", formatShare(m.Peak.TargetCPU))
	add("memory, peak share", formatShare(m.Peak.TargetMemory))
	add("memory, peak", formatBytes(m.Peak.TargetRSS))
	if t.Cores > 0 {
		add("cores allowed", strconv.FormatFloat(t.Cores, 'f', -1, 64))
	}
	if t.MemoryLimit > 0 {
		add("memory limit", formatBytes(float64(t.MemoryLimit)))
	}
	add("durability", t.Durability)
	if t.Off != "" {
		add("metrics", "not measured: "+t.Off)
	}
	return append(out, t.Facts...)
}

func healthFacts(run *Run) []Fact {
	g, m := &run.Generator, &run.Measured
	if m.Covered <= 0 {
		m = &run.Whole
	}
	var out []Fact
	add := func(label, value string) {
		if value != "" && value != none {
			out = append(out, Fact{label, value})
		}
	}
	state := "no"
	if run.Verdict.Saturated != "" {
		state = "yes: " + run.Verdict.Saturated
	}
	add("saturated", state)
	add("late seconds", fmt.Sprintf("%d of %d", m.LateSeconds, m.Seconds))
	add("seconds with > 10 % steal", fmt.Sprint(m.HostSeconds))
	if h := m.Lateness; h.Count() > 0 {
		add("lateness p50 · p95 · p99", formatLatency(h.Quantile(0.5))+" · "+formatLatency(h.Quantile(0.95))+" · "+formatLatency(h.Quantile(0.99)))
	}
	add("iterations", formatCount(m.Iterations))
	add("dropped", formatCount(m.Dropped))
	if h := m.Total.Service; h.Count() > 0 {
		add("service time p50 · p95 · p99", formatLatency(h.Quantile(0.5))+" · "+formatLatency(h.Quantile(0.95))+" · "+formatLatency(h.Quantile(0.99)))
	}
	if g.WindowFull > 0 {
		add("waiting for own SMPP window", formatLatency(g.WindowFull))
	}
	add("CPU, average", formatShare(m.Mean.GeneratorCPU))
	add("memory, peak", formatBytes(m.Peak.GeneratorRSS))
	if g.Workers > 1 {
		add("workers", fmt.Sprint(g.Workers))
	}
	if g.OpenFiles > 0 {
		add("open files, limit", formatCount(g.OpenFiles))
	}
	return append(out, g.Facts...)
}

func setupFacts(run *Run) []Fact {
	var out []Fact
	add := func(label, value string) {
		if value != "" {
			out = append(out, Fact{label, value})
		}
	}
	add("scenario", run.Scenario)
	add("shape", run.Shape)
	add("rate", run.Rate)
	add("profile", run.Profile)
	add("target", run.Host)
	if !run.Started.IsZero() {
		const layout = "2 January 2006, 15:04:05 -07:00"
		add("started", run.Started.Format(layout))
		add("ended", run.Ended.In(run.Started.Location()).Format(layout)+" ("+formatSpan(run.Ended.Sub(run.Started).Round(time.Second))+")")
	}
	add("stopped early", run.Stopped)
	add("measured window", windowText(&run.Measured))
	add("protei-bulk", strings.TrimSpace(run.Version+" "+run.Machine.Go))
	m := &run.Machine
	add("machine", m.Hostname)
	add("system", m.OS)
	add("processor", m.CPU)
	if m.Cores > 0 {
		add("cores", fmt.Sprint(m.Cores))
	}
	if m.Memory > 0 {
		add("memory", formatBytes(float64(m.Memory)))
	}
	return out
}
