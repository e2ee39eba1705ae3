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
	r.Title, r.Host, r.Scenario, r.Shape = "Protei_Bulk Load Test", o.host, o.scenarioName(), o.shape
	r.Rate, r.Profile = t.rateText(), o.profile
	if o.findMax {
		r.Rate = o.rate
	}
	r.Command, r.Version, r.Scaled = o.command, version, o.scaled
	r.Started, r.Ended = res.Started, res.Ended
	if res.Stopped {
		r.Stopped = "Ctrl-C"
		for _, cause := range []error{errParentGone, errStoppedOnPage} {
			if errors.Is(context.Cause(ctx), cause) {
				r.Stopped = cause.Error()
			}
		}
	}
	if res.Aborted != "" {
		r.Stopped, r.Aborted = res.Aborted, res.Aborted
	}
	r.Machine = generatorMachine()
	r.Whole = c.Summary(c.Whole())
	w, ok := c.Measured(o.warmup)
	if res.Max != nil {
		w, ok = res.Max.Best, res.Max.Rate > 0
		t.fillSearch(res.Max)
	}
	if ok {
		r.Measured, r.Intervals = c.Summary(w), c.Intervals(w)
	}
	r.Points = c.Points()
	r.Series = t.series()
	r.Ledger, r.DLRLatency = t.figures.Counts(), c.DLRLatency()
	if o.noReceipts {
		r.Receipts.Off = "--no-receipts"
	}
	r.Failures, r.Exceptions = t.figures.Failures(), t.figures.Exceptions()
	r.Answers = t.messages.FailingAnswers()
	t.fillTarget(&r.Target)
	r.Generator.Workers, r.Generator.OpenFiles = 1, t.limit
	r.Generator.WindowFull = t.messages.WindowFull()
	if t.remote != nil {
		t.fillFleet(r)
	}
	r.Generator.Facts = append(r.Generator.Facts,
		report.Fact{Label: "Peak users", Value: strconv.Itoa(res.PeakUsers)},
		report.Fact{Label: "Time spent draining", Value: res.Drained.Round(time.Millisecond).String()})
}

// fillSearch takes over what --find-max found; the verdict is about its best step.
func (t *loadTest) fillSearch(m *load.MaxRate) {
	s := &report.Search{Rate: m.Rate, Above: m.Above, Limited: m.Limited}
	for i := range m.Steps {
		st := &m.Steps[i]
		s.Steps = append(s.Steps, report.SearchStep{
			Rate: st.Rate, Try: st.Try, Summary: st.Summary, Ledger: st.Ledger, Drained: st.Drained, Missed: st.Missed, Generator: st.Generator,
		})
		if st.Missed == "" && st.Rate == m.Rate {
			t.run.Judged = &st.Ledger
		}
	}
	t.run.Search = s
}

func (t *loadTest) fillTarget(sys *report.TargetSystem) {
	s, ok := t.target.Last()
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
			fmt.Fprintf(t.out, "Report: %s\n", name)
		}
	}
	for _, file := range []struct {
		name  string
		write func(io.Writer, *report.Run) error
	}{
		{t.opts.jsonFile, report.WriteJSON},
		{t.opts.markdown, report.WriteMarkdown},
		{t.opts.junit, func(w io.Writer, run *report.Run) error { return report.WriteJUnit(w, run, t.opts.strict) }},
	} {
		if file.name != "" {
			_, err := t.writeFile(file.name, file.write)
			errs = append(errs, err)
		}
	}
	if t.opts.json {
		errs = append(errs, report.WriteJSON(t.env.Stdout, &t.run))
	}
	return errors.Join(errs...)
}

// writeFile replaces {u} {r} {t} in the name, as Locust does, makes its folder, and
// returns the name.
func (t *loadTest) writeFile(name string, write func(io.Writer, *report.Run) error) (_ string, err error) {
	name = strings.NewReplacer("{u}", strconv.Itoa(t.peak), "{r}", fmt.Sprint(t.opts.spawnRate),
		"{t}", t.opts.runTime.String()).Replace(name)
	return name, writeTo(name, func(w io.Writer) error { return write(w, &t.run) })
}

// writeTo writes a file and makes its folder.
func writeTo(name string, write func(io.Writer) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := write(f); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
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
