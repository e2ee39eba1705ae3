package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"protei-bulk/load"
	"protei-bulk/load/report"
	"protei-bulk/load/scenario"
	"protei-bulk/load/stats"
	"protei-bulk/load/target"
)

// loadTest is one run of the load command, put together from its flags.
type loadTest struct {
	opts     *loadOptions
	env      *environment
	logger   *slog.Logger
	term     *report.Terminal
	recorder *stats.Recorder
	ledger   *stats.Ledger
	clock    *load.Clock
	shape    load.Shape
	peak     int
	messages *scenario.Messaging
	classes  []load.UserClass
	target   *target.Sampler
	self     *load.SelfWatch
	csv      *report.CSV
	limit    uint64 // of open files
	run      report.Run
}

func runLoad(ctx context.Context, env *environment, opts *loadOptions) error {
	if opts.list {
		fmt.Fprintln(env.Stdout, "Available user classes:")
		for _, name := range scenario.ClassNames() {
			fmt.Fprintln(env.Stdout, "    "+name)
		}
		return nil
	}
	ctx, kill, stop := loadSignals(ctx, opts.parentDeath)
	defer stop()
	t, err := newLoadTest(ctx, env, opts)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	defer t.close()
	if err := t.prepare(ctx); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return &exitError{code: 130, err: errors.New("interrupted before the run")}
		}
		return &exitError{code: 2, err: err}
	}
	return t.perform(ctx, kill)
}

// loadSignals gives a context that ends with the first signal, and one with the second.
func loadSignals(parent context.Context, parentDeath bool) (ctx, kill context.Context, stop func()) {
	kill, cancelKill := context.WithCancel(context.WithoutCancel(parent))
	stopWatch := func() {}
	ctx = parent
	if parentDeath {
		ctx, stopWatch = dieWithParent(parent)
	}
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-signals:
				if ctx.Err() != nil {
					cancelKill()
				}
				cancel()
			}
		}
	}()
	return ctx, kill, func() {
		signal.Stop(signals)
		close(quit)
		<-done
		cancel()
		cancelKill()
		stopWatch()
	}
}

func newLoadTest(ctx context.Context, env *environment, opts *loadOptions) (*loadTest, error) {
	level, err := parseLevel(opts.logLevel)
	if err != nil {
		return nil, err
	}
	t := &loadTest{
		opts: opts, env: env, clock: load.NewClock(), self: load.NewSelfWatch(),
		logger:   slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: level})),
		recorder: stats.NewRecorder(stats.RecorderOptions{}),
		ledger:   stats.NewLedger(stats.LedgerOptions{Run: rand.Uint32(), NoReceipts: opts.noReceipts}),
		term: report.NewTerminal(report.TerminalOptions{
			Out: env.Stdout, Color: report.UseColor(env.Stdout, env.Getenv), OnlySummary: opts.onlySummary,
		}),
	}
	if err := t.setShape(); err != nil {
		return nil, err
	}
	smppAddr, err := t.smppAddress()
	if err != nil {
		return nil, err
	}
	t.messages, err = scenario.New(ctx, scenario.Options{
		Host: opts.host, APIKey: opts.apiKey, SMPP: smppAddr, Classes: opts.classes,
		Settings: opts.settings, PeakUsers: t.peak, NoReceipts: opts.noReceipts,
		DLRListen: opts.dlrListen, DLRURL: opts.dlrURL, Timeout: opts.timeout,
		Header: opts.header, TLS: opts.tlsConfig(),
		Recorder: t.recorder, Ledger: t.ledger, Clock: t.clock, Logger: t.logger,
	})
	if err != nil {
		return nil, err
	}
	if t.classes, err = t.messages.Classes(); err != nil {
		t.messages.Close()
		return nil, err
	}
	t.target = target.New(target.Options{URL: scenario.MetricsURL(opts.host), TLS: opts.tlsConfig()})
	return t, nil
}

func (t *loadTest) close() {
	t.messages.Close()
	if t.csv != nil {
		_ = t.csv.Close() // writeFiles has closed it, unless the run did not get there
	}
}

func (t *loadTest) setShape() error {
	o := t.opts
	if o.shape == "" {
		t.shape = load.Flat{Users: o.users, SpawnRate: o.spawnRate, RunTime: o.runTime}
		t.peak = o.users
		return nil
	}
	users := 0
	if o.usersGiven {
		users = o.users
	}
	stages, err := load.ParseShape(o.shape, users, o.runTime)
	t.shape, t.peak = stages, stages.Peak()
	return err
}

func (t *loadTest) smppAddress() (*scenario.SMPPAddress, error) {
	if t.opts.smpp != "" {
		a, err := scenario.ParseSMPP(t.opts.smpp)
		return &a, err
	}
	if a, ok := scenario.DevSMPP(t.opts.host); ok {
		return &a, nil
	}
	return nil, nil
}

// prepare prints the plan and sends the canaries.
func (t *loadTest) prepare(ctx context.Context) error {
	o := t.opts
	offer := load.OfferOf(t.classes, t.peak)
	var err error
	if t.limit, err = load.RaiseOpenFiles(); err != nil {
		t.logger.Warn("raise the limit of open files", "error", err)
	}
	if err := load.CheckOpenFiles(offer, t.limit); err != nil {
		return err
	}
	if o.csv != "" {
		if t.csv, err = report.OpenCSV(o.csv, o.csvFullHistory); err != nil {
			return err
		}
	}
	t.term.Plan(t.plan(offer))
	if !o.headless {
		t.term.Note("There is no web page in this version: running as with --headless.")
	}
	if err := t.messages.Canary(ctx); err != nil {
		if !o.noReceipts || ctx.Err() != nil {
			return fmt.Errorf("%w\n(--no-receipts runs without following receipts)", err)
		}
		t.note("%v", err)
	}
	if err := t.target.Start(ctx); err != nil {
		t.run.Target.Off = err.Error()
		t.note("The target's CPU and memory are not measured: %v", err)
	}
	return nil
}

// note prints a line and keeps it for the report.
func (t *loadTest) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.term.Note("%s", text)
	t.run.Notes = append(t.run.Notes, text)
}

func (t *loadTest) plan(offer load.Offer) report.Plan {
	p := report.Plan{
		Title: "Protei_Bulk Load Test", Host: t.opts.host, Scenario: "messaging (built in)", Shape: t.opts.shape,
		Users: t.peak, SpawnRate: t.opts.spawnRate, RunTime: t.opts.runTime,
		OfferedRequests: offer.Requests, OfferedMessages: offer.Messages,
		Connections: offer.Connections, Binds: offer.Binds,
	}
	if s, ok := t.shape.(load.Stages); ok && p.RunTime == 0 {
		p.RunTime = s.Length()
	}
	var parts []string
	for i, c := range t.classes {
		if offer.Users[i] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s (wait %v)", offer.Users[i], c.Name, c.Wait))
		}
	}
	p.Lines = append(p.Lines, "users: "+strings.Join(parts, ", "))
	if url := t.messages.ReceiptURL(); url != "" {
		p.Lines = append(p.Lines, "receipts: posted to "+url)
	}
	return p
}

// perform runs the test and reports.
func (t *loadTest) perform(ctx, kill context.Context) error {
	o := t.opts
	var resolved scenario.Resolution
	var peaks peakGauges
	res, err := load.Run(ctx, load.Options{
		Classes: t.classes, Shape: t.shape, RunTime: o.runTime,
		Recorder: t.recorder, Ledger: t.ledger, Clock: t.clock,
		StopTimeout: o.stopTimeout, DrainTimeout: o.drainTimeout, NoDrain: o.noReceipts,
		Seed: o.seed, Kill: kill, Logger: t.logger,
		Gauges: func(g *stats.Gauges) {
			t.gauges(g)
			peaks.see(g)
		},
		OnTick: t.tick,
		OnPhase: func(name string) {
			t.run.Markers = append(t.run.Markers, report.Marker{At: t.clock.Now(), Text: name})
			if o.progress || !o.onlySummary {
				t.term.Note("%s", name)
			}
		},
		Resolve: func(ctx context.Context) {
			if c := t.ledger.Counts(); !o.noReceipts && c.Open > 0 {
				resolved = t.messages.Resolve(ctx)
			}
		},
	})
	t.target.Stop()
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	if resolved.Asked+resolved.NotAsked > 0 {
		t.note("%s", resolved)
	}
	for _, note := range t.messages.Notes() {
		t.note("%s", note)
	}
	t.fill(res, ctx)
	peaks.report(&t.run.Generator)
	report.Judge(&t.run, o.targets)
	t.term.Final(&t.run)
	if err := t.writeFiles(); err != nil {
		return &exitError{code: 1, err: err}
	}
	if res.Stopped {
		return &exitError{code: 130}
	}
	if code := t.run.Verdict.ExitCode(o.strict); code != 0 {
		return &exitError{code: code}
	}
	return nil
}

func (t *loadTest) gauges(g *stats.Gauges) {
	t.self.Fill(g)
	u := t.target.Usage()
	g.TargetCPU, g.TargetMemory, g.TargetRSS = u.CPU, u.Memory, u.RSS
}

func (t *loadTest) tick(live stats.Live) {
	if t.opts.progress || !t.opts.onlySummary {
		t.term.Tick(live)
	}
	if t.csv != nil {
		if err := t.csv.Write(live); err != nil {
			t.note("CSV: %v", err)
			t.csv = nil
		}
	}
}

// parseLevel reads Locust's level names.
func parseLevel(name string) (slog.Level, error) {
	switch strings.ToUpper(name) {
	case "DEBUG":
		return slog.LevelDebug, nil
	case "INFO":
		return slog.LevelInfo, nil
	case "WARNING", "WARN":
		return slog.LevelWarn, nil
	case "ERROR", "CRITICAL":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("--loglevel %q: want DEBUG, INFO, WARNING or ERROR", name)
}
