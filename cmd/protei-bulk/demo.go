package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// demoPlan is how long each phase of the demo takes.
type demoPlan struct {
	ramp, warmup, measured, drain time.Duration
}

var (
	fullPlan  = demoPlan{ramp: 10 * time.Second, warmup: 5 * time.Second, measured: 60 * time.Second, drain: 15 * time.Second}
	quickPlan = demoPlan{ramp: 3 * time.Second, warmup: 2 * time.Second, measured: 10 * time.Second, drain: 10 * time.Second}
)

func (p demoPlan) total() time.Duration { return p.ramp + p.warmup + p.measured + p.drain }

type demoOptions struct {
	quick, keep bool
	report      string
	durability  string
}

func newDemoCommand(env *environment) *cobra.Command {
	var opts demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Carry real messages end to end and print the verdict",
		Long: `Starts the platform (embedded store, every accepted message fsynced) and an SMSC simulator as
processes of their own, runs the built-in load test against them over HTTP and SMPP, waits for
the last delivery receipt, prints the ledger and the verdict and writes an HTML report.
Everything it started ends with it, and its folder is removed.`,
		Example: `  protei-bulk demo            about 90 s, full load
  protei-bulk demo --quick    about 20 s
  protei-bulk demo --keep     leaves the platform up afterwards, to try it by hand`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), env, opts)
		},
	}
	cmd.Flags().BoolVar(&opts.quick, "quick", false, "shorten ramp and measurement to about 20 s in all")
	cmd.Flags().BoolVar(&opts.keep, "keep", false, "leave platform and simulator up after the verdict, until Ctrl-C")
	cmd.Flags().StringVar(&opts.report, "html", "report.html", "`file` of the HTML report; its figures go into a .json file beside it")
	cmd.Flags().StringVar(&opts.durability, "durability", "fsync", "fsync, or none to see what the disk costs")
	return cmd
}

// demo is one run: the processes it started and the folder it works in.
type demo struct {
	env    *environment
	opts   demoOptions
	plan   demoPlan
	load   demoLoad
	dir    string
	smsc   *process
	serve  *process
	loader *process

	smscReady  smscReady
	serveReady serveReady
}

func runDemo(ctx context.Context, env *environment, opts demoOptions) (err error) {
	d := &demo{env: env, opts: opts, plan: fullPlan}
	if opts.quick {
		d.plan = quickPlan
	}
	d.sayf("protei-bulk demo: platform, SMSC simulator and load tester, each a process of its own")
	sweepDemoFolders()
	if d.dir, err = demoFolder(); err != nil {
		return &exitError{code: 2, err: err}
	}
	defer func() { err = errors.Join(err, d.cleanUp()) }()
	m, err := thisMachine(d.dir)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	d.load = scale(fullLoad, m)
	if err := d.start(ctx); err != nil {
		return d.interruptedOr(ctx, &exitError{code: 2, err: err})
	}
	code, err := d.run(ctx)
	if err != nil {
		return d.interruptedOr(ctx, err)
	}
	if opts.keep && ctx.Err() == nil {
		d.sayKeep()
		<-ctx.Done()
	}
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

func (d *demo) sayf(format string, args ...any) { fmt.Fprintf(d.env.Stdout, format+"\n", args...) }

func (d *demo) interruptedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &exitError{code: 130}
	}
	return err
}

// start brings up the simulator, then the platform connected to it.
func (d *demo) start(ctx context.Context) error {
	var err error
	ready := filepath.Join(d.dir, "smsc.json")
	d.smsc, err = startProcess("smsc", d.dir, nil, "smsc",
		"--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--ready-file", ready, "--parent-death")
	if err != nil {
		return err
	}
	if err := d.smsc.waitReady(ctx, ready, &d.smscReady); err != nil {
		return err
	}
	ready = filepath.Join(d.dir, "serve.json")
	d.serve, err = startProcess("serve", d.dir, nil, "serve", "--dev",
		"--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", filepath.Join(d.dir, "data"),
		"--durability", d.opts.durability,
		"--upstream", "smpp://demo:demo@"+d.smscReady.SMPP+"?binds=2&window=500&trace_tlv=1",
		"--ready-file", ready, "--parent-death", "--remove-on-exit", d.dir)
	if err != nil {
		return err
	}
	if err := d.serve.waitReady(ctx, ready, &d.serveReady); err != nil {
		return err
	}
	d.sayf("  folder       %s (removed at the end)", d.dir)
	d.sayf("  platform     pid %-7d http://%s  smpp %s  durability %s", d.serve.cmd.Process.Pid, d.serveReady.HTTP, d.serveReady.SMPP, d.opts.durability)
	d.sayf("  simulator    pid %-7d smpp %s  control http://%s", d.smsc.cmd.Process.Pid, d.smscReady.SMPP, d.smscReady.Control)
	return nil
}

// run starts the load tester, waits for it and checks its figures against the
// platform's and the simulator's own. It returns the exit code of the verdict.
func (d *demo) run(ctx context.Context) (int, error) {
	args := d.loadArgs()
	var err error
	if d.loader, err = startProcess("load", d.dir, d.env.Stdout, args...); err != nil {
		return 0, &exitError{code: 2, err: err}
	}
	d.sayf("  load tester  pid %-7d %d HTTP users, %d SMPP users", d.loader.cmd.Process.Pid, d.load.httpUsers, d.load.smppUsers)
	d.sayf("  ends about   %s (ramp %v, warm-up %v, measured %v, drain up to %v)",
		time.Now().Add(d.plan.total()).Format("15:04:05"), d.plan.ramp, d.plan.warmup, d.plan.measured, d.plan.drain)
	usage := newUsage(d)
	select {
	case <-d.loader.done:
	case <-d.serve.done:
		return 0, fmt.Errorf("the platform ended during the run: %w\n%s", d.serve.err, d.serve.log)
	case <-d.smsc.done:
		return 0, fmt.Errorf("the simulator ended during the run: %w\n%s", d.smsc.err, d.smsc.log)
	case <-ctx.Done():
		// The load tester drains and reports; a second Ctrl-C ends the demo at once,
		// because the first one has restored the default action.
		d.loader.signal(syscall.SIGINT)
		select {
		case <-d.loader.done:
		case <-time.After(d.plan.drain + 10*time.Second):
		}
		return 130, nil
	}
	code := d.loader.exitCode()
	if code == 2 || code < 0 {
		return code, fmt.Errorf("the load tester ended early: %w\n%s", d.loader.err, d.loader.log)
	}
	usage.print(d)
	ok, err := d.crossCheck()
	if err != nil {
		return 0, err
	}
	if !ok && code == 0 {
		code = 3
	}
	return code, nil
}

func (d *demo) loadArgs() []string {
	users := d.load.httpUsers + d.load.smppUsers
	rate := float64(users) / d.plan.ramp.Seconds()
	runTime := d.plan.ramp + d.plan.warmup + d.plan.measured
	args := []string{
		"load", "--headless", "--parent-death",
		"--host", "http://" + d.serveReady.HTTP,
		"--smpp", "dev:devpass1@" + d.serveReady.SMPP,
		"--users", strconv.Itoa(users), "--spawn-rate", strconv.FormatFloat(rate, 'f', 2, 64),
		"--set", "smpp_users=" + strconv.Itoa(d.load.smppUsers),
		"--run-time", runTime.String(), "--warmup", d.plan.warmup.String(), "--drain-timeout", d.plan.drain.String(),
		"--target", "guide", "--html", d.opts.report, "--only-summary", "--progress",
		"--json-file", d.jsonReport(),
	}
	if len(d.load.scaled) > 0 {
		args = append(args, "--scaled", strings.Join(d.load.scaled, "; "))
	}
	return args
}

// jsonReport is the file beside the HTML report with the same figures for programs.
func (d *demo) jsonReport() string {
	return strings.TrimSuffix(d.opts.report, filepath.Ext(d.opts.report)) + ".json"
}

func (d *demo) sayKeep() {
	d.sayf(`
The platform stays up until Ctrl-C:
  curl -s -H 'X-API-Key: dev-api-key' -H 'Content-Type: application/json' \
       -d '{"from":"Demo","to":"+15550100200","text":"Hello"}' http://%s/api/v1/messages
  SMPP %s, system_id dev, password devpass1`, d.serveReady.HTTP, d.serveReady.SMPP)
}

// cleanUp ends what was started, front to back, and removes the folder.
func (d *demo) cleanUp() error {
	var errs []error
	for _, p := range []*process{d.loader, d.serve, d.smsc} {
		if p != nil {
			errs = append(errs, p.stop(15*time.Second))
		}
	}
	errs = append(errs, os.RemoveAll(d.dir))
	return errors.Join(errs...)
}

// sweepDemoFolders removes what a demo that was killed together with its platform
// left behind.
func sweepDemoFolders() {
	cache, err := os.UserCacheDir()
	if err != nil {
		return
	}
	for _, base := range []string{filepath.Join(cache, "protei-bulk"), "/var/tmp"} {
		found, _ := filepath.Glob(filepath.Join(base, "demo-*-*"))
		for _, dir := range found {
			pid, err := strconv.Atoi(strings.Split(filepath.Base(dir), "-")[1])
			if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
				_ = os.RemoveAll(dir)
			}
		}
	}
}
