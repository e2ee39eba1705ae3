package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"protei-bulk/load"
	"protei-bulk/load/fleet"
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
	messages *scenario.Run
	classes  []load.UserClass
	target   *target.Sampler
	watcher  *target.Watcher // nil without --watch
	self     *load.SelfWatch
	csv      *report.CSV
	page     *metricsPage // nil without --metrics-listen
	logFile  *os.File     // nil without --logfile
	out      io.Writer    // for people: stdout, or stderr with --json
	limit    uint64       // of open files
	engine   *load.Engine
	figures  stats.Source // what was measured: here, or by the workers

	remote    *fleet.Run          // the workers' part of the run; nil without workers
	forwarder *scenario.Forwarder // of their receipts; nil without a fixed --dlr-url
	watch     runWatch

	targetOff string // why the target was not measured at the start

	mu  sync.Mutex // guards run's Markers and Notes until the run is over
	run report.Run
}

// runWatch is told what happens in a run, on its goroutine; what is nil is not called.
type runWatch struct {
	started func(*stats.Collector)
	ticked  func(stats.Live)
	phase   func(string)
	log     func(slog.Handler) slog.Handler
}

func runLoad(ctx context.Context, env *environment, opts *loadOptions) error {
	ctx, kill, stop := loadSignals(ctx, opts.parentDeath)
	defer stop()
	if opts.fleet.worker {
		return runWorker(ctx, env, opts)
	}
	stopFleet, err := opts.startFleet(env)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	defer stopFleet()
	if !opts.headless {
		return runPage(ctx, env, opts, kill)
	}
	t, err := newLoadTest(ctx, env, opts)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	defer t.close()
	if err := t.prepare(ctx); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return &exitError{code: 130, err: errors.New("interrupted before the run")}
		}
		if exit := (*exitError)(nil); errors.As(err, &exit) {
			return exit
		}
		return &exitError{code: 2, err: err}
	}
	return t.perform(ctx, kill)
}

// loadSignals gives a context that ends with the first signal, and one with the second. With
// parentDeath both end with the parent: nobody reads what a drain would wait for.
func loadSignals(parent context.Context, parentDeath bool) (ctx, kill context.Context, stop func()) {
	kill, cancelKill := context.WithCancel(context.WithoutCancel(parent))
	stopWatch := func() {}
	ctx = parent
	if parentDeath {
		var orphan context.Context
		orphan, stopWatch = dieWithParent(parent)
		ctx = orphan
		context.AfterFunc(orphan, func() {
			if errors.Is(context.Cause(orphan), errParentGone) {
				cancelKill()
			}
		})
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
	return newWatchedTest(ctx, env, opts, runWatch{})
}

func newWatchedTest(ctx context.Context, env *environment, opts *loadOptions, watch runWatch) (*loadTest, error) {
	t := &loadTest{
		opts: opts, env: env, watch: watch, clock: load.NewClock(), self: load.NewSelfWatch(), out: env.Stdout,
		recorder: stats.NewRecorder(stats.RecorderOptions{}),
		ledger:   stats.NewLedger(stats.LedgerOptions{Run: rand.Uint32(), NoReceipts: opts.noReceipts}),
	}
	t.figures = stats.NewSource(t.recorder, t.ledger)
	if opts.json {
		t.out = env.Stderr
	}
	t.term = report.NewTerminal(report.TerminalOptions{
		Out: t.out, Color: report.UseColor(t.out, env.Getenv), OnlySummary: opts.onlySummary, TableEvery: opts.tableEvery,
	})
	if err := t.setShape(); err != nil {
		return nil, err
	}
	if err := t.openLog(); err != nil {
		return nil, err
	}
	if err := t.openScenario(ctx); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// openLog makes the logger that --loglevel, --logfile and --skip-log-setup ask for.
func (t *loadTest) openLog() error {
	if err := t.openLogOutput(); err != nil {
		return err
	}
	if t.watch.log != nil {
		t.logger = slog.New(t.watch.log(t.logger.Handler()))
	}
	return nil
}

func (t *loadTest) openLogOutput() error {
	o := t.opts
	level, err := parseLevel(o.logLevel)
	if err != nil {
		return err
	}
	out := t.env.Stderr
	switch {
	case o.skipLog:
		t.logger = slog.New(slog.DiscardHandler)
		return nil
	case o.logFile != "":
		if t.logFile, err = os.OpenFile(o.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
			return fmt.Errorf("--logfile: %w", err)
		}
		out = t.logFile
	}
	t.logger = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
	return nil
}

func (t *loadTest) openScenario(ctx context.Context) error {
	opts := t.opts
	smppAddr, err := t.smppAddress()
	if err != nil {
		return err
	}
	t.messages, err = opts.open(ctx, scenario.Options{
		Host: opts.host, APIKey: opts.apiKey, SMPP: smppAddr, Classes: opts.classes,
		Settings: opts.settings, PeakUsers: t.peak, RunTime: opts.runTime, NoReceipts: opts.noReceipts || opts.fleet.many(),
		DLRListen: opts.dlrListen, DLRURL: opts.dlrURL, Timeout: opts.timeout,
		Header: opts.header, TLS: opts.tlsConfig(),
		Recorder: t.recorder, Ledger: t.ledger, Clock: t.clock, Logger: t.logger,
	})
	if err != nil {
		return err
	}
	if t.classes, err = t.messages.Classes(); err != nil {
		return err
	}
	if t.classes, err = opts.reshape(t.classes); err != nil {
		return err
	}
	if closed := slices.ContainsFunc(t.classes, func(c load.UserClass) bool { return c.Rate == nil }); !closed {
		t.shape, t.peak = load.Flat{}, 0 // the classes' own rates are all there is
	}
	t.target = target.New(target.Options{URL: scenario.MetricsURL(opts.host), TLS: opts.tlsConfig()})
	return nil
}

func (t *loadTest) close() {
	t.stopWatch()
	if t.forwarder != nil {
		t.forwarder.Close()
	}
	if t.messages != nil {
		t.messages.Close()
	}
	if t.csv != nil {
		_ = t.csv.Close() // writeFiles has closed it, unless the run did not get there
	}
	if t.page != nil {
		t.page.close()
	}
	if t.logFile != nil {
		_ = t.logFile.Close()
	}
}

func (t *loadTest) setShape() error {
	o := t.opts
	if o.shape == "" {
		users, runTime := o.users, o.runTime
		if (o.rate != "" || o.findMax) && !o.usersGiven {
			users = 0 // the open model alone
		}
		if o.afterRamp {
			runTime = 0 // the engine ends the run
		}
		t.shape = load.Flat{Users: users, SpawnRate: o.spawnRate, RunTime: runTime}
		t.peak = users
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
	held := load.OfferOf(t.classes, t.peak+o.maxUsers) // with those that --rate may keep busy
	var err error
	if t.limit, err = load.RaiseOpenFiles(); err != nil {
		t.logger.Warn("raise the limit of open files", "error", err)
	}
	if err := load.CheckOpenFiles(held, t.limit); err != nil && !o.fleet.many() {
		return err
	}
	if o.csv != "" {
		if t.csv, err = report.OpenCSV(o.csv, o.csvFullHistory); err != nil {
			return err
		}
	}
	if t.csv != nil && len(o.specs) > 0 {
		if err := t.csv.WatchSeries(o.csv, target.SeriesOf(o.specs)); err != nil {
			return err
		}
	}
	if o.metricsListen != "" {
		if t.page, err = listenMetrics(o.metricsListen, t.logger); err != nil {
			return err
		}
	}
	t.term.Plan(t.plan(offer))
	for _, note := range o.notes {
		t.term.Note("%s", note)
	}
	canary := t.messages.Canary
	if o.fleet.many() {
		canary = t.gather
	}
	if err := canary(ctx); err != nil {
		if t.remote == nil && o.fleet.many() {
			return err
		}
		if !o.noReceipts || ctx.Err() != nil {
			return fmt.Errorf("%w\n(--no-receipts runs without following receipts)", err)
		}
		t.note("%v", err)
	}
	if err := t.target.Start(ctx); err != nil {
		t.targetOff = err.Error()
		t.run.Target.Off = t.targetOff
		t.note("The target's CPU and memory are not measured: %v", err)
	}
	return t.startWatch(ctx)
}

// note prints a line and keeps it for the report.
func (t *loadTest) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.term.Note("%s", text)
	t.logger.Info(text)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.run.Notes = append(t.run.Notes, text)
}

func (t *loadTest) plan(offer load.Offer) report.Plan {
	p := report.Plan{
		Title: "Protei_Bulk Load Test", Host: t.opts.host, Scenario: t.opts.scenarioName(), Shape: t.opts.shape,
		Users: t.peak, SpawnRate: t.opts.spawnRate, RunTime: t.opts.runTime,
		OfferedRequests: offer.Requests, OfferedMessages: offer.Messages,
		Connections: offer.Connections, Binds: offer.Binds, Rate: t.rateText(),
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
	if len(parts) > 0 {
		p.Lines = append(p.Lines, "users: "+strings.Join(parts, ", "))
	}
	if t.opts.fleet.many() && !t.opts.noReceipts && t.opts.dlrURL == "" {
		p.Lines = append(p.Lines, "receipts: posted to each worker")
	}
	if url := t.messages.ReceiptURL(); url != "" {
		p.Lines = append(p.Lines, "receipts: posted to "+url)
	}
	p.Lines = append(p.Lines, t.opts.watchLines()...)
	if t.page != nil {
		p.Lines = append(p.Lines, "metrics: http://"+t.page.addr+"/metrics")
	}
	return p
}

// rateText is the open model for plan and report.
func (t *loadTest) rateText() string {
	if t.opts.findMax {
		return "the rate that is searched"
	}
	var rates []string
	if t.opts.rate != "" {
		rates = append(rates, t.opts.rate)
	}
	for _, c := range t.classes {
		if c.Rate != nil {
			rates = append(rates, c.Rate.String()+" of "+c.Name)
		}
	}
	return strings.Join(rates, ", ")
}

// perform runs the test and reports.
func (t *loadTest) perform(ctx, kill context.Context) error {
	o := t.opts
	var resolved scenario.Resolution
	var peaks peakGauges
	options := load.Options{
		Classes: t.classes, Shape: t.shape, RunTime: o.runTime, RunTimeAfterRamp: o.afterRamp,
		Iterations: o.iterations, ResetStats: o.resetStats, MaxUsers: o.maxUsers,
		Recorder: t.recorder, Ledger: t.ledger, Clock: t.clock,
		StopTimeout: o.stopTimeout, DrainTimeout: o.drainTimeout, NoDrain: o.noReceipts,
		Seed: o.seed, Kill: kill, Logger: t.logger, Guards: o.guards(),
		Gauges: func(g *stats.Gauges) {
			t.gauges(g)
			peaks.see(g)
		},
		OnStart: func(c *stats.Collector) {
			if t.watch.started != nil {
				t.watch.started(c)
			}
		},
		Series:  t.series(),
		Sample:  t.samples,
		OnTick:  t.tick,
		OnPhase: t.phase,
		Resolve: func(ctx context.Context) {
			switch c := t.figures.Counts(); {
			case o.noReceipts || c.Open == 0:
			case t.remote != nil:
				resolved = t.resolveRemotely(ctx)
			default:
				resolved = t.messages.Resolve(ctx)
			}
		},
	}
	if t.remote != nil {
		options.Remote = t.remote
	}
	if err := t.setRate(&options); err != nil {
		return &exitError{code: 2, err: err}
	}
	var err error
	if t.engine, err = load.New(options); err != nil {
		return &exitError{code: 2, err: err}
	}
	keys := openKeyboard(t.env.Stdin, t.press)
	res, err := t.engine.Run(ctx)
	keys.close()
	t.target.Stop()
	t.stopWatch()
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	if resolved.Asked+resolved.NotAsked > 0 {
		t.note("%s", resolved)
	}
	if t.remote == nil {
		for _, note := range t.messages.Notes() {
			t.note("%s", note)
		}
	}
	t.fill(res, ctx)
	peaks.report(&t.run.Generator)
	report.Judge(&t.run, t.deciding())
	report.JudgeRequests(&t.run, o.requestTargets)
	t.term.Final(&t.run)
	if err := t.writeFiles(); err != nil {
		return &exitError{code: 1, err: err}
	}
	if code := t.engine.Quit(t.exitCode(res)); code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// deciding are the targets of the run; a search has some also when none are named.
func (t *loadTest) deciding() []report.Target {
	if t.opts.findMax && len(t.opts.targets) == 0 {
		return report.SearchTargets()
	}
	return t.opts.targets
}

func (t *loadTest) exitCode(res *load.Result) int {
	code := t.run.Verdict.ExitCode(t.opts.strict)
	switch {
	case res.Stopped && t.run.Stopped != errStoppedOnPage.Error():
		return 130
	case res.Max != nil && res.Max.Rate == 0 && res.Max.Above > 0:
		return report.ExitFail // no rate keeps the targets
	case code == report.ExitFailures:
		return t.opts.exitOnError
	}
	return code
}

// setRate puts the open model into the options.
func (t *loadTest) setRate(options *load.Options) error {
	o := t.opts
	var err error
	if o.rate != "" {
		options.Rate, err = load.ParseRate(o.rate, o.runTime)
		return err
	}
	if !o.findMax {
		return nil
	}
	first, err := o.firstRate()
	targets, receipts := t.deciding(), report.Measurement{}
	if o.noReceipts {
		receipts.Off = "--no-receipts"
	}
	options.FindMax = &load.FindMax{Start: first, Missed: func(s *load.Step) string {
		return report.Missed(targets, &s.Summary, &s.Ledger, receipts)
	}}
	return err
}

// press changes the users by a key, on the keyboard's goroutine.
func (t *loadTest) press(key byte) {
	step := userStep(key)
	if step == 0 {
		return
	}
	_, wanted, _ := t.engine.Users()
	wanted = max(wanted+step, 0)
	t.engine.SetUsers(wanted, 0)
	t.term.Note("%d users wanted", wanted)
}

func (t *loadTest) phase(name string) {
	t.mark(name)
	if t.opts.progress || !t.opts.onlySummary {
		t.term.Note("%s", name)
	}
	if t.watch.phase != nil {
		t.watch.phase(name)
	}
}

// mark puts an event on the time axis of the report.
func (t *loadTest) mark(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.run.Markers = append(t.run.Markers, report.Marker{At: t.clock.Now(), Text: text})
}

func (t *loadTest) gauges(g *stats.Gauges) {
	t.self.Fill(g)
	if t.remote != nil {
		t.fleetGauges(g)
	}
	u := t.target.Usage()
	g.TargetCPU, g.TargetMemory, g.TargetRSS = u.CPU, u.Memory, u.RSS
}

func (t *loadTest) tick(live stats.Live) {
	if t.page != nil {
		t.page.Update(live)
	}
	if t.opts.progress || !t.opts.onlySummary {
		t.term.Tick(live)
	}
	if t.csv != nil {
		if err := t.csv.Write(live); err != nil {
			t.note("CSV: %v", err)
			t.csv = nil
		}
	}
	if t.watch.ticked != nil {
		t.watch.ticked(live)
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
