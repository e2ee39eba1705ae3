// Package cli makes a program of a scenario in Go: [Main] gives it the flags, the terminal,
// the reports, the verdict and the exit codes of `protei-bulk load`, as far as they do not
// belong to the messaging scenario.
//
//	func main() { cli.Main(cli.Scenario{Name: "shop", Setup: classes}) }
//
// [Run] owns every goroutine it starts and returns when all have ended.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/report"
	"protei-bulk/load/stats"
)

// Scenario is what the program tests.
type Scenario struct {
	// Name stands in the reports.
	Name string
	// Host is the default of -H.
	Host string
	// Setup is called once before the run and makes the user classes. Required.
	Setup func(context.Context, *Kit) ([]load.UserClass, error)
	// Teardown is called once after it, also when the run failed; nil: nothing.
	Teardown func()
	// Targets decide when no --target is given, written as there: p95=100ms:200ms.
	Targets []string
	// Listeners are told what happens.
	Listeners []load.Listener
}

// Kit is what a scenario measures and records with.
type Kit struct {
	Host     string
	Timeout  time.Duration // of one request, from --timeout
	Recorder *stats.Recorder
	Ledger   *stats.Ledger // for scenarios that send messages; leave it alone otherwise
	Clock    *load.Clock
	Metrics  *load.Metrics
	Logger   *slog.Logger
	// Settings are the values of --set KEY=VALUE.
	Settings map[string]string
}

// Main runs the scenario with the program's arguments and exits. The first Ctrl-C stops
// users and reports, the second ends at once.
func Main(s Scenario) {
	os.Exit(withSignals(func(ctx, kill context.Context) int {
		return Run(ctx, s, Streams{Args: os.Args[1:], Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Kill: kill})
	}))
}

func withSignals(run func(ctx, kill context.Context) int) int {
	ctx, stop := context.WithCancel(context.Background())
	kill, stopNow := context.WithCancel(context.Background())
	defer stopNow()
	defer stop()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for _, end := range []func(){stop, stopNow} {
			select {
			case <-signals:
				end()
			case <-done:
				return
			}
		}
	}()
	return run(ctx, kill)
}

// Streams are the world around a run.
type Streams struct {
	Args     []string
	Out, Err io.Writer
	Getenv   func(string) string // nil: no environment
	Kill     context.Context     // ends the run at once; nil: never
}

// Exit codes beside those of the verdict.
const (
	exitUsage       = 2
	exitInterrupted = 130
)

// Run runs the scenario and returns the exit code: 0 targets met, 1 requests failed and no
// target was named, 2 usage, 3 verdict failed, 4 invalid, 130 after ctx ended.
func Run(ctx context.Context, s Scenario, world Streams) int {
	o := &options{host: s.Host}
	err := o.parse(world)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = o.complete(s)
	}
	if err == nil && s.Setup == nil {
		err = errors.New("a scenario without Setup")
	}
	if err != nil {
		fmt.Fprintln(world.Err, "Error:", err)
		return exitUsage
	}
	t := newTest(s, o, world)
	code, err := t.run(ctx)
	if err != nil {
		fmt.Fprintln(world.Err, "Error:", err)
	}
	return code
}

// options are the flags.
type options struct {
	host, shape, rate, tags, excludeTags                   string
	users, maxUsers                                        int
	spawnRate                                              float64
	iterations, seed                                       uint64
	settle, measure, runTime, stop, drain, warmup, timeout time.Duration
	afterRamp, resetStats, findMax, list                   bool
	onlySummary, strict, headless                          bool
	html, csv, jsonFile                                    string
	targets, settings                                      list
	classes                                                []string
	judged                                                 []report.Target
	rates                                                  *load.Rate
	load                                                   load.Shape
	peak                                                   int
	command                                                string
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

// timespan is a flag with Locust's times.
type timespan time.Duration

func (t *timespan) String() string { return time.Duration(*t).String() }

func (t *timespan) Set(s string) error {
	d, err := load.ParseTimespan(s)
	*t = timespan(d)
	return err
}

func (o *options) parse(world Streams) error {
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.SetOutput(world.Err)
	o.register(f)
	if err := f.Parse(world.Args); err != nil {
		return err
	}
	o.classes = f.Args()
	o.command = strings.Join(world.Args, " ")
	if world.Getenv == nil {
		return nil
	}
	given := map[string]bool{}
	f.Visit(func(x *flag.Flag) { given[x.Name] = true })
	var errs []error
	f.VisitAll(func(x *flag.Flag) {
		name := strings.ToUpper(strings.ReplaceAll(x.Name, "-", "_"))
		for _, key := range []string{"PROTEI_BULK_LOAD_" + name, "LOCUST_" + name} {
			if v := world.Getenv(key); v != "" && len(name) > 1 && !given[x.Name] {
				if err := f.Set(x.Name, v); err != nil {
					errs = append(errs, fmt.Errorf("%s=%q: %w", key, v, err))
				}
				return
			}
		}
	})
	return errors.Join(errs...)
}

// register declares the flags; each that Locust has a letter for has it too.
func (o *options) register(f *flag.FlagSet) {
	o.stop, o.drain, o.warmup, o.timeout = 10*time.Second, time.Minute, 10*time.Second, 30*time.Second
	text := func(p *string, usage string, names ...string) {
		for _, n := range names {
			f.StringVar(p, n, *p, usage)
		}
	}
	span := func(p *time.Duration, usage string, names ...string) {
		for _, n := range names {
			f.Var((*timespan)(p), n, usage)
		}
	}
	text(&o.host, "base URL of what is tested", "host", "H")
	f.IntVar(&o.users, "users", 1, "peak number of users")
	f.IntVar(&o.users, "u", 1, "as --users")
	f.Float64Var(&o.spawnRate, "spawn-rate", 1, "users started a second")
	f.Float64Var(&o.spawnRate, "r", 1, "as --spawn-rate")
	span(&o.runTime, "stop after this time: 300, 20s, 3m, 1h30m", "run-time", "t")
	f.BoolVar(&o.afterRamp, "run-time-after-ramp", false, "count --run-time from the end of the ramp")
	f.Uint64Var(&o.iterations, "iterations", 0, "stop after so many iterations")
	f.Uint64Var(&o.iterations, "i", 0, "as --iterations")
	text(&o.shape, `Spike, Step… or "0s:0,60s:100"`, "shape")
	text(&o.rate, `open model: 500/s, "0s:0,60s:2000/s", Spike:2000/s`, "rate")
	f.IntVar(&o.maxUsers, "max-users", 0, "most users of --rate")
	f.BoolVar(&o.findMax, "find-max", false, "search the highest rate that keeps the targets")
	span(&o.settle, "part of a step of --find-max that is not measured (5s)", "find-max-settle")
	span(&o.measure, "part of a step of --find-max that is measured (20s)", "find-max-measure")
	text(&o.tags, "only tasks with one of these tags", "tags", "T")
	text(&o.excludeTags, "no task with one of these tags", "exclude-tags", "E")
	f.BoolVar(&o.resetStats, "reset-stats", false, "forget the figures of the ramp")
	span(&o.stop, "how long users may finish what they do", "stop-timeout", "s")
	span(&o.drain, "how long to wait for receipts", "drain-timeout")
	span(&o.warmup, "cut off the begin of the measured window", "warmup")
	span(&o.timeout, "of one request", "timeout")
	f.Uint64Var(&o.seed, "seed", 0, "repeat the users' choices")
	f.BoolVar(&o.list, "list", false, "list the user classes and exit")
	f.BoolVar(&o.list, "l", false, "as --list")
	f.BoolVar(&o.headless, "headless", false, "accepted: there is no web page")
	f.BoolVar(&o.onlySummary, "only-summary", false, "print no table while running")
	f.Var(&o.targets, "target", "guide, or NAME=LIMIT[:ACCEPTABLE]; repeatable")
	f.BoolVar(&o.strict, "strict", false, "acceptable is not enough")
	text(&o.html, "write the report to this file", "html")
	text(&o.csv, "write Locust's CSV files with this prefix", "csv")
	text(&o.jsonFile, "write the summary as JSON", "json-file")
	f.Var(&o.settings, "set", "KEY=VALUE of the scenario; repeatable")
}

// complete checks the flags.
func (o *options) complete(s Scenario) error {
	var errs []error
	var err error
	if len(o.targets) == 0 {
		o.targets = s.Targets
	}
	o.judged, err = report.ParseTargets(o.targets)
	errs = append(errs, err)
	if !(o.spawnRate > 0) || o.users < 0 {
		errs = append(errs, errors.New("--users and --spawn-rate can not be negative"))
	}
	if o.findMax && (len(o.judged) == 0 || o.rate != "") {
		errs = append(errs, errors.New("--find-max needs targets to keep, and chooses the rate itself"))
	}
	if o.rate != "" {
		o.rates, err = load.ParseRate(o.rate, o.runTime)
		errs = append(errs, err)
	}
	switch {
	case o.shape != "":
		users := 0
		if o.users > 1 {
			users = o.users
		}
		stages, err := load.ParseShape(o.shape, users, o.runTime)
		o.load, o.peak = stages, stages.Peak()
		errs = append(errs, err)
	case o.rate == "" && !o.findMax || o.users > 1:
		o.load, o.peak = load.Flat{Users: o.users, SpawnRate: o.spawnRate}, o.users
	}
	return errors.Join(errs...)
}

// values are the pairs of --set.
func (o *options) values() map[string]string {
	out := map[string]string{}
	for _, pair := range o.settings {
		k, v, _ := strings.Cut(pair, "=")
		out[k] = v
	}
	return out
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })
}
