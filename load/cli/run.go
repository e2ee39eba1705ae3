package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/report"
	"protei-bulk/load/stats"
)

// test is one run of a scenario.
type test struct {
	scenario Scenario
	opts     *options
	world    Streams
	kit      *Kit
	term     *report.Terminal
	csv      *report.CSV
	self     *load.SelfWatch
	engine   *load.Engine
	report   report.Run
}

func newTest(s Scenario, o *options, world Streams) *test {
	kit := &Kit{
		Host: o.host, Timeout: o.timeout, Clock: load.NewClock(), Metrics: &load.Metrics{}, Settings: o.values(),
		Recorder: stats.NewRecorder(stats.RecorderOptions{}), Ledger: stats.NewLedger(stats.LedgerOptions{Run: rand.Uint32()}),
		Logger: slog.New(slog.NewTextHandler(world.Err, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	getenv := world.Getenv
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	term := report.NewTerminal(report.TerminalOptions{
		Out: world.Out, Color: report.UseColor(world.Out, getenv), OnlySummary: o.onlySummary,
	})
	return &test{scenario: s, opts: o, world: world, kit: kit, term: term, self: load.NewSelfWatch()}
}

func (t *test) run(ctx context.Context) (code int, err error) {
	if t.scenario.Teardown != nil {
		defer t.scenario.Teardown()
	}
	classes, err := t.scenario.Setup(ctx, t.kit)
	if err == nil {
		classes, err = t.choose(classes)
	}
	if err != nil {
		return exitUsage, err
	}
	if t.opts.list {
		fmt.Fprintln(t.world.Out, "Available user classes:")
		for _, c := range classes {
			fmt.Fprintln(t.world.Out, "    "+c.Name)
		}
		return 0, nil
	}
	if t.opts.csv != "" {
		if t.csv, err = report.OpenCSV(t.opts.csv, false); err != nil {
			return exitUsage, err
		}
		defer func() { err = errors.Join(err, t.csv.Close()) }()
	}
	if t.engine, err = load.New(t.options(classes)); err != nil {
		return exitUsage, err
	}
	t.plan(classes)
	res, err := t.engine.Run(ctx)
	if err != nil {
		return exitUsage, err
	}
	return t.finish(res)
}

// choose leaves the classes named behind the flags and the tasks that the tags select.
func (t *test) choose(classes []load.UserClass) ([]load.UserClass, error) {
	if len(t.opts.classes) > 0 {
		for _, name := range t.opts.classes {
			if !slices.ContainsFunc(classes, func(c load.UserClass) bool { return c.Name == name }) {
				return nil, fmt.Errorf("no user class %q", name)
			}
		}
		classes = slices.DeleteFunc(slices.Clone(classes), func(c load.UserClass) bool { return !slices.Contains(t.opts.classes, c.Name) })
	}
	return load.SelectTags(classes, words(t.opts.tags), words(t.opts.excludeTags))
}

func (t *test) options(classes []load.UserClass) load.Options {
	o := t.opts
	out := load.Options{
		Classes: classes, Shape: o.load, Rate: o.rates, MaxUsers: o.maxUsers, RunTime: o.runTime,
		Iterations: o.iterations, ResetStats: o.resetStats, RunTimeAfterRamp: o.afterRamp,
		Recorder: t.kit.Recorder, Ledger: t.kit.Ledger, Clock: t.kit.Clock, Seed: o.seed,
		StopTimeout: o.stop, DrainTimeout: o.drain, Kill: t.world.Kill, Logger: t.kit.Logger,
		Listeners: t.scenario.Listeners,
		Gauges:    t.self.Fill,
		OnTick:    t.tick,
		OnPhase:   t.phase,
	}
	if o.findMax {
		out.FindMax = &load.FindMax{Settle: o.settle, Measure: o.measure, Missed: t.missed}
	}
	return out
}

func (t *test) tick(live stats.Live) {
	if !t.opts.onlySummary {
		t.term.Tick(live)
	}
	if t.csv != nil {
		if err := t.csv.Write(live); err != nil {
			t.kit.Logger.Warn("CSV", "error", err)
		}
	}
}

func (t *test) phase(name string) {
	t.report.Markers = append(t.report.Markers, report.Marker{At: t.kit.Clock.Now(), Text: name})
	if !t.opts.onlySummary {
		t.term.Note("%s", name)
	}
}

// missed judges a step of --find-max by the targets of the run.
func (t *test) missed(s *load.Step) string {
	run := report.Run{Whole: s.Summary, Measured: s.Summary, Ledger: s.Ledger}
	report.Judge(&run, t.opts.judged)
	var why []string
	for _, row := range run.Verdict.Rows {
		if row.Decides && (row.Grade == report.Fail || row.Grade == report.Invalid) {
			why = append(why, row.Label()+" "+row.Target.Format(row.Measured))
		}
	}
	return strings.Join(why, ", ")
}

func (t *test) plan(classes []load.UserClass) {
	offer := load.OfferOf(classes, t.opts.peak)
	p := report.Plan{
		Title: "Load Test", Host: t.opts.host, Scenario: t.scenario.Name, Shape: t.opts.shape,
		Users: t.opts.peak, SpawnRate: t.opts.spawnRate, RunTime: t.opts.runTime,
		OfferedRequests: offer.Requests, OfferedMessages: offer.Messages, Connections: offer.Connections, Binds: offer.Binds,
	}
	if t.opts.rates != nil {
		p.Lines = append(p.Lines, "open model: "+t.opts.rates.String())
	}
	t.term.Plan(p)
}

// finish reports and judges.
func (t *test) finish(res *load.Result) (int, error) {
	r, c := &t.report, res.Collector
	r.Title, r.Host, r.Scenario, r.Shape, r.Command = "Load Test", t.opts.host, t.scenario.Name, t.opts.shape, t.opts.command
	r.Started, r.Ended = res.Started, res.Ended
	switch {
	case res.Aborted != "":
		r.Stopped, r.Aborted = res.Aborted, res.Aborted
	case res.Stopped:
		r.Stopped = "Ctrl-C"
	}
	r.Machine = report.Machine{OS: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	r.Machine.Hostname, _ = os.Hostname()
	r.Whole = c.Summary(c.Whole())
	if w, ok := measured(res, t.opts.warmup); ok {
		r.Measured = c.Summary(w)
	}
	r.Points, r.Ledger, r.DLRLatency = c.Points(), t.kit.Ledger.Counts(), c.DLRLatency()
	if r.Ledger.Issued == 0 {
		r.Receipts.Off = "the scenario follows no messages"
	}
	r.Failures, r.Exceptions = t.kit.Recorder.Failures(), t.kit.Recorder.Exceptions()
	r.Target.Off = "not watched"
	r.Generator.Workers = 1
	for _, m := range t.kit.Metrics.Values() {
		r.Generator.Facts = append(r.Generator.Facts, report.Fact{Label: m.Name, Value: strings.TrimSpace(fmt.Sprintf("%g %s", m.Value, m.Unit))})
	}
	t.noteMax(res.Max)
	report.Judge(r, t.opts.judged)
	t.term.Final(r)
	for _, f := range r.Generator.Facts {
		t.term.Note("%s: %s", f.Label, f.Value)
	}
	err := errors.Join(t.write(t.opts.html, report.WriteHTML), t.write(t.opts.jsonFile, report.WriteJSON))
	code := r.Verdict.ExitCode(t.opts.strict)
	switch {
	case err != nil:
		code = 1
	case res.Stopped:
		code = exitInterrupted
	case res.Max != nil && res.Max.Rate > 0:
		code = 0
	}
	return t.engine.Quit(code), err
}

func measured(res *load.Result, warmup time.Duration) (stats.Window, bool) {
	if res.Max != nil {
		return res.Max.Best, res.Max.Best.Duration() > 0
	}
	return res.Collector.Measured(warmup)
}

// noteMax puts what a search found into the report.
func (t *test) noteMax(m *load.MaxRate) {
	if m == nil {
		return
	}
	t.note("Highest rate that keeps the targets: %g/s", m.Rate)
	if m.Limited != "" {
		t.note("The search was limited by %s.", m.Limited)
	}
	for i := range m.Steps {
		t.note("%s", m.Steps[i].String())
	}
}

func (t *test) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.term.Note("%s", text)
	t.report.Notes = append(t.report.Notes, text)
}

func (t *test) write(name string, write func(io.Writer, *report.Run) error) (err error) {
	if name == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f, &t.report)
}
