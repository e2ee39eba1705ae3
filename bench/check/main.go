// Command check compares the speed of this tree with that of an earlier commit: it builds the
// benchmarks of both, lets them run in turn so that a busy machine is busy for both, and asks
// benchstat. It fails when something costs more than -bound above what chance explains, twice.
//
//	make bench-check                 against the commit of bench/baseline.txt
//	go run ./bench/check -base v1.2  against another one
//	go run ./bench/check -save       and keep the new figures as bench/baseline.txt
//
// Judged are time, memory and allocations of the hot path's benchmarks, and the platform's processor
// time a message end to end. Rates are printed only: they are the machine's as much as ours.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// suite is what is measured, by package: the path of a message, and of a request of a load test.
var suite = []group{
	{"./gsm", "Segment|Decode"},
	{"./smpp", "SubmitSM|DeliverSMReceipt"},
	{"./bulk/message", "EventApply"},
	{"./bulk/account", "ByKey"},
	{"./bulk/route", "Route"},
	{"./bulk/intake", "Submit"},
	{"./bulk/queue", "PushTake"},
	{"./bulk/dispatch", "Throughput"},
	{"./bulk/cdr", "Append|Encode"},
	{"./bulk/store", "AppendMessage"},
	{"./bulk/api", "Handler"},
	{"./bulk/metrics", "Counter|Histogram"},
	{"./load", "Schedule|Start"},
	{"./load/stats", "Record|Ledger"},
	{"./load/httpload", "Exchange"},
	{"./load/scenario/template", "Append"},
}

// modes are the runs of bench/e2e.
var modes = []string{"single", "bulk", "smpp"}

type group struct{ folder, pattern string }

type options struct {
	base      string
	baseline  string
	benchstat string
	count     int
	benchtime string
	bound     float64
	e2e       int
	seconds   int
	save      bool
}

func main() {
	var o options
	flag.StringVar(&o.base, "base", "", "commit to compare with (default: the one that -baseline names)")
	flag.StringVar(&o.baseline, "baseline", "bench/baseline.txt", "figures of an earlier commit, and which one")
	flag.StringVar(&o.benchstat, "benchstat", "benchstat", "the program of golang.org/x/perf/cmd/benchstat")
	flag.IntVar(&o.count, "count", 8, "runs of each benchmark and tree, 5 or more")
	flag.StringVar(&o.benchtime, "benchtime", "50ms", "of one run, as of go test")
	flag.Float64Var(&o.bound, "bound", 10, "percent that something may cost more")
	flag.IntVar(&o.e2e, "e2e", 5, "end-to-end runs of each mode and tree, 0 for none")
	flag.IntVar(&o.seconds, "seconds", 4, "measured time of an end-to-end run")
	flag.BoolVar(&o.save, "save", false, "write the new figures into -baseline")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/check:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.count < 5 || o.e2e != 0 && o.e2e < 5 {
		return errors.New("-count and -e2e must be 5 or more: of fewer runs nothing can be said with certainty")
	}
	if o.base == "" {
		if o.base, err = commitOf(o.baseline); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "bench-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	before := &tree{name: "base", folder: filepath.Join(dir, "tree"), out: filepath.Join(dir, "base")}
	if _, err := output(ctx, ".", "git", "worktree", "add", "--quiet", "--detach", before.folder, o.base); err != nil {
		return fmt.Errorf("commit %s cannot be checked out: in a shallow clone git fetch --unshallow brings it; else name another one with -base (BASE= of make): %w", o.base, err)
	}
	defer func() {
		_, undo := output(context.WithoutCancel(ctx), ".", "git", "worktree", "remove", "--force", before.folder)
		err = errors.Join(err, undo)
	}()
	now := &tree{name: "new", folder: ".", out: filepath.Join(dir, "new")}
	for _, t := range []*tree{before, now} {
		fmt.Printf("building the benchmarks of %s\n", t.name)
		if err := t.build(ctx); err != nil {
			return err
		}
	}
	c := &comparison{o: o, before: before, now: now}
	if err := c.measure(ctx); err != nil {
		return err
	}
	if o.save {
		return c.keep(ctx)
	}
	return nil
}

// commitOf reads which commit a baseline is of.
func commitOf(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("no -base given and no baseline: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "commit: "); ok {
			return strings.TrimSpace(rest), nil
		}
	}
	return "", fmt.Errorf("%s has no line \"commit: …\": name one with -base", file)
}

// output runs a command and returns what it prints; its errors are in the error.
func output(ctx context.Context, folder, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var complaint strings.Builder
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err != nil {
		return string(text), fmt.Errorf("%s %s: %w: %s%s", name, strings.Join(args, " "), err, complaint.String(), text)
	}
	return string(text), nil
}
