package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/mem"

	"protei-bulk/load"
	"protei-bulk/load/report"
	"protei-bulk/load/stats"
)

// fill puts together what the reports show.
func (t *loadTest) fill(res *load.Result, ctx context.Context) {
	o, r, c := t.opts, &t.run, res.Collector
	r.Title, r.Host, r.Scenario, r.Shape = "Protei_Bulk Load Test", o.host, "messaging (built in)", o.shape
	r.Command, r.Version, r.Scaled = o.command, version, o.scaled
	r.Started, r.Ended = res.Started, res.Ended
	if res.Stopped {
		r.Stopped = "Ctrl-C"
		if errors.Is(context.Cause(ctx), errParentGone) {
			r.Stopped = errParentGone.Error()
		}
	}
	r.Machine = generatorMachine()
	r.Whole = c.Summary(c.Whole())
	if w, ok := c.Measured(o.warmup); ok {
		r.Measured = c.Summary(w)
	}
	r.Points = c.Points()
	r.Ledger, r.DLRLatency = t.ledger.Counts(), c.DLRLatency()
	if o.noReceipts {
		r.Receipts.Off = "--no-receipts"
	}
	r.Failures, r.Exceptions = t.recorder.Failures(), t.recorder.Exceptions()
	t.fillTarget()
	r.Generator.Workers, r.Generator.OpenFiles = 1, t.limit
	r.Generator.WindowFull = t.messages.WindowFull()
	r.Generator.Facts = append(r.Generator.Facts,
		report.Fact{Label: "Peak users", Value: strconv.Itoa(res.PeakUsers)},
		report.Fact{Label: "Time spent draining", Value: res.Drained.Round(time.Millisecond).String()})
}

func (t *loadTest) fillTarget() {
	s, ok := t.target.Last()
	sys := &t.run.Target
	if !ok {
		if err := t.target.Err(); err != nil && sys.Off == "" {
			sys.Off = err.Error()
		}
		return
	}
	sys.Off = ""
	sys.Name, sys.Version, sys.Durability = "protei-bulk", s.Labels["version"], s.Labels["durability"]
	if s.Cores > 0 {
		sys.Cores = s.Cores
	}
	if s.MemoryLimit > 0 {
		sys.MemoryLimit = uint64(s.MemoryLimit)
	}
}

func generatorMachine() report.Machine {
	m := report.Machine{OS: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	m.Hostname, _ = os.Hostname()
	if info, err := cpu.Info(); err == nil && len(info) > 0 {
		m.CPU = info[0].ModelName
	}
	if v, err := mem.VirtualMemory(); err == nil {
		m.Memory = v.Total
	}
	return m
}

func (t *loadTest) writeFiles() error {
	var errs []error
	if t.csv != nil {
		errs = append(errs, t.csv.Close())
		t.csv = nil
	}
	if t.opts.html != "" {
		name, err := t.writeFile(t.opts.html, report.WriteHTML)
		errs = append(errs, err)
		if err == nil {
			fmt.Fprintf(t.env.Stdout, "Report: %s\n", name)
		}
	}
	if t.opts.jsonFile != "" {
		_, err := t.writeFile(t.opts.jsonFile, report.WriteJSON)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// writeFile replaces {u} {r} {t} in the name, as Locust does, makes its folder, and
// returns the name.
func (t *loadTest) writeFile(name string, write func(io.Writer, *report.Run) error) (_ string, err error) {
	name = strings.NewReplacer("{u}", strconv.Itoa(t.peak), "{r}", fmt.Sprint(t.opts.spawnRate),
		"{t}", t.opts.runTime.String()).Replace(name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return name, fmt.Errorf("report: %w", err)
	}
	f, err := os.Create(name)
	if err != nil {
		return name, fmt.Errorf("report: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := write(f, &t.run); err != nil {
		return name, fmt.Errorf("write %s: %w", name, err)
	}
	return name, nil
}

// peakGauges keeps the generator's highest figures.
type peakGauges struct{ cpu, rss float64 }

func (p *peakGauges) see(g *stats.Gauges) {
	if g.GeneratorCPU > p.cpu {
		p.cpu = g.GeneratorCPU
	}
	if g.GeneratorRSS > p.rss {
		p.rss = g.GeneratorRSS
	}
}

func (p *peakGauges) report(g *report.Generator) {
	if p.rss > 0 {
		g.Facts = append(g.Facts, report.Fact{Label: "Peak memory", Value: fmt.Sprintf("%.0f MB", p.rss/1e6)})
	}
	if p.cpu > 0 {
		g.Facts = append(g.Facts, report.Fact{Label: "Peak CPU", Value: fmt.Sprintf("%.0f %% of the machine", p.cpu*100)})
	}
}
