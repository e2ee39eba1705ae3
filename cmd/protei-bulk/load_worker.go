package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strconv"

	"protei-bulk/load"
	"protei-bulk/load/fleet"
	"protei-bulk/load/scenario"
	"protei-bulk/load/stats"
)

// workerCommand is `load --worker`.
type workerCommand struct {
	own    *loadOptions // the worker's flags
	given  func(flag string) bool
	env    *environment
	logger *slog.Logger
}

// runWorker has users for a master until that ends.
func runWorker(ctx context.Context, env *environment, opts *loadOptions) error {
	if opts.fleet.processes != 0 {
		return runWorkers(ctx, env, opts)
	}
	level, err := parseLevel(opts.logLevel)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	cfg, err := opts.fleet.clientTLS()
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	w := &workerCommand{
		own: opts, given: opts.flags.Changed, env: env,
		logger: slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: level})),
	}
	hash, err := w.scenarioHash()
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	if _, err := load.RaiseOpenFiles(); err != nil {
		w.logger.Warn("raise the limit of open files", "error", err)
	}
	err = fleet.NewWorker(fleet.WorkerOptions{
		Master: net.JoinHostPort(opts.fleet.masterHost, strconv.Itoa(opts.fleet.masterPort)), Token: opts.fleet.token, TLS: cfg,
		Version: version, Scenario: hash, Name: workerName(), Cores: runtime.GOMAXPROCS(0), Open: w.open,
		OnEvent: func(text string) { fmt.Fprintln(env.Stdout, "worker: "+text) }, Logger: w.logger,
	}).Run(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fleet.ErrRefused):
		return &exitError{code: 2, err: err}
	case ctx.Err() != nil:
		if errors.Is(context.Cause(ctx), errParentGone) {
			return &exitError{code: 1, err: errParentGone}
		}
		return &exitError{code: 130, err: errors.New("worker stopped")}
	default:
		return &exitError{code: 1, err: err}
	}
}

func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "-" + strconv.Itoa(os.Getpid())
}

// scenarioHash is of the file that this worker was started with; "" takes the master's.
func (w *workerCommand) scenarioHash() (string, error) {
	if !w.given("locustfile") || !isScenarioFile(w.own.file) {
		return "", nil
	}
	text, err := os.ReadFile(w.own.file)
	if err != nil {
		return "", fmt.Errorf("scenario: %w", err)
	}
	return fleet.Hash(text), nil
}

// options are those of a run: the master's, but a worker with a host, an SMPP address or a
// receipt listener of its own keeps them, whatever the master says.
func (w *workerCommand) options(spec fleet.Spec) (*loadOptions, fleetSpec, error) {
	var s fleetSpec
	if err := json.Unmarshal(spec.Job, &s); err != nil {
		return nil, s, fmt.Errorf("the master's test: %w", err)
	}
	o := &loadOptions{
		settings: scenario.DefaultSettings(), file: s.File, host: s.Host, apiKey: s.APIKey, smpp: s.SMPP, classes: s.Classes, set: s.Set,
		header: s.Header, tags: s.Tags, excludeTags: s.ExcludeTags, configUsers: s.ConfigUsers, equalWeights: s.Equal, insecure: s.Insecure,
		noReceipts: s.NoReceipts, timeout: s.Timeout, stopTimeout: s.StopTimeout, maxUsers: s.MaxUsers, seed: s.Seed, runTime: s.RunTime,
		dlrURL: s.DLRURL,
	}
	own := w.own
	if w.given("host") {
		o.host, o.smpp = own.host, own.smpp
	}
	if w.given("smpp") {
		o.smpp = own.smpp
	}
	if w.given("api-key") {
		o.apiKey = own.apiKey
	}
	if w.given("dlr-listen") || w.given("dlr-url") {
		o.dlrListen, o.dlrURL, s.DLRURL = own.dlrListen, own.dlrURL, ""
	}
	if s.File == "" {
		var errs []error
		for _, pair := range o.set {
			errs = append(errs, o.settings.Set(pair))
		}
		return o, s, errors.Join(errs...)
	}
	var err error
	o.scenario, err = scenario.Parse(s.File, spec.Files[s.File], scenario.ParseOptions{
		Vars: s.Set, Unwatched: true, Getenv: func(name string) string { return s.Env[name] },
		ReadFile: func(name string) ([]byte, error) {
			if b, ok := spec.Files[dataFile(name)]; ok {
				return b, nil
			}
			return nil, fmt.Errorf("the master has not sent %s", name)
		},
	})
	return o, s, err
}

// open makes the session of a run.
func (w *workerCommand) open(ctx context.Context, spec fleet.Spec) (*fleet.Session, error) {
	o, s, err := w.options(spec)
	if err != nil {
		return nil, err
	}
	recorder := stats.NewRecorder(stats.RecorderOptions{})
	ledger := stats.NewLedger(stats.LedgerOptions{Run: spec.Run, Worker: spec.Worker, NoReceipts: o.noReceipts, Shared: true})
	clock := load.NewClock()
	smppAddr, err := (&loadTest{opts: o}).smppAddress()
	if err != nil {
		return nil, err
	}
	messages, err := o.open(ctx, scenario.Options{
		Host: o.host, APIKey: o.apiKey, SMPP: smppAddr, Classes: o.classes, Settings: o.settings, PeakUsers: s.Peak, RunTime: o.runTime,
		NoReceipts: o.noReceipts, DLRListen: o.dlrListen, DLRURL: o.dlrURL, Forwarded: s.DLRURL != "", Timeout: o.timeout,
		Header: o.header, TLS: o.tlsConfig(), Recorder: recorder, Ledger: ledger, Clock: clock, Logger: w.logger,
	})
	if err != nil {
		return nil, err
	}
	classes, err := messages.Classes()
	if err == nil {
		classes, err = o.reshape(classes)
	}
	if err != nil {
		messages.Close()
		return nil, err
	}
	part, err := load.NewPart(load.Options{
		Classes: classes, Recorder: recorder, Ledger: ledger, Clock: clock, StopTimeout: o.stopTimeout, MaxUsers: o.maxUsers, Seed: o.seed,
		FirstUser: int(spec.Worker) << 20, Logger: w.logger,
	})
	if err != nil {
		messages.Close()
		return nil, err
	}
	return newSession(sessionParts{messages, part, classes, recorder, ledger, spec.Worker, o.noReceipts}), nil
}

// sessionParts is what a session is put together from.
type sessionParts struct {
	messages   *scenario.Run
	part       *load.Part
	classes    []load.UserClass
	recorder   *stats.Recorder
	ledger     *stats.Ledger
	worker     uint16
	noReceipts bool
}

func newSession(p sessionParts) *fleet.Session {
	s := &fleet.Session{
		Part: p.part, Classes: p.classes, Source: stats.NewSource(p.recorder, p.ledger), Ledger: p.ledger,
		Receipt: p.messages.Take, Close: p.messages.Close,
		Resolve: func(ctx context.Context) any {
			if p.noReceipts || p.ledger.Counts().Open == 0 {
				return scenario.Resolution{}
			}
			return p.messages.Resolve(ctx)
		},
	}
	s.Last = func() any {
		return lastWords{
			Worker: int(p.worker), Notes: p.messages.Notes(), WindowFull: p.messages.WindowFull(), Answers: p.messages.FailingAnswers(),
		}
	}
	s.Canary = func(ctx context.Context) ([][]byte, error) {
		err := p.messages.Canary(ctx)
		return p.messages.Saved(), err
	}
	s.Adopt, s.Share = p.messages.Adopt, p.messages.Share
	return s
}
