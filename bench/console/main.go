// Command console measures what the operator console costs, while the platform carries messages: how
// soon a browser paints the dashboard, how many octets the page takes, and what fifty people who
// look at it take of the platform's CPU.
//
//	go build -o bin/protei-bulk ./cmd/protei-bulk && go run ./bench/console
//
// It starts the platform and the SMSC simulator, sends -rate messages a second and takes their
// receipts back. The dashboard is loaded -loads times by a headless Chromium, each time without
// anything in its cache. Then -viewers event streams, each of a session, are opened and closed in turns,
// and the platform's CPU in the turns is compared. The exit code is 1 when a figure is above what is asked
// for. It talks to loopback addresses only and ends by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"protei-bulk/bench/e2e/drive"
	"protei-bulk/internal/pause"
)

// What is asked for.
const (
	maxPaint  = time.Second
	maxOctets = 300_000 // of all files of the page, as they are sent
	maxCPU    = 2.0     // % of a core, of 50 viewers
)

type options struct {
	binary  string
	rate    int
	loads   int
	viewers int
	turns   int
	turn    time.Duration
	profile string
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/protei-bulk", "the program to measure")
	flag.IntVar(&o.rate, "rate", 5000, "messages a second that arrive; 0: none, so that little hides what viewers cost")
	flag.IntVar(&o.loads, "loads", 20, "times that the dashboard is loaded; 0: no browser")
	flag.IntVar(&o.viewers, "viewers", 50, "event streams, 1 to 128")
	flag.IntVar(&o.turns, "turns", 16, "turns without viewers, and as many with them; 0: none")
	flag.DurationVar(&o.turn, "turn", 3*time.Second, "length of a turn")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the platform's last turn with viewers into this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "console:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	opts  *options
	serve *exec.Cmd
	url   string // of the console, with a slash at its end
	pprof string
	token string // of a session
}

func run(ctx context.Context, o *options) error {
	dir, err := os.MkdirTemp("", "protei-bulk-console-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var far struct{ SMPP string }
	smsc, err := drive.Launch(o.binary, dir, "smsc", &far, "smsc", "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer drive.Stop(smsc)
	var at struct{ HTTP, Pprof string }
	b := &bench{opts: o}
	b.serve, err = drive.Launch(o.binary, dir, "serve", &at, "serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "off", "--pprof", "127.0.0.1:0",
		"--data", filepath.Join(dir, "data"), "--upstream", "smpp://x:y@"+far.SMPP+"?binds=2&window=1000")
	if err != nil {
		return err
	}
	defer drive.Stop(b.serve)
	b.url, b.pprof = "http://"+at.HTTP+"/", at.Pprof
	if b.token, err = b.signIn(ctx); err != nil {
		return err
	}
	counters := &drive.Counters{}
	d, err := drive.New(ctx, drive.Options{HTTP: []string{"http://" + at.HTTP}, Conns: 1, Batch: 20, Counters: counters})
	if err != nil {
		return err
	}
	defer d.Close()
	loading, rest := context.WithCancel(ctx)
	var load sync.WaitGroup
	defer load.Wait()
	defer rest()
	if o.rate > 0 {
		load.Go(func() { d.Pace(loading, o.rate, 4) })
	}
	if err := pause.For(ctx, 3*time.Second); err != nil {
		return err
	}
	from, began := counters.Receipts.Load(), time.Now()
	missed := errors.Join(b.look(ctx), b.watch(ctx))
	carried := float64(counters.Receipts.Load()-from) / time.Since(began).Seconds()
	fmt.Printf("meanwhile       %.0f messages/s were delivered, %d requests refused, %d without an answer\n", carried, counters.Refused.Load(), counters.Errors.Load())
	if carried < 0.95*float64(o.rate) {
		missed = errors.Join(missed, fmt.Errorf("the platform carried %.0f messages/s, not %d: the machine is busy, or too small", carried, o.rate))
	}
	return missed
}

// watch compares the platform's CPU with and without viewers, in turns next to each other: each pair in the
// other order than the one before, so that what the machine does beside it weighs on both.
func (b *bench) watch(ctx context.Context) error {
	var without, with, more []float64
	for pair := range b.opts.turns {
		var used [2]float64 // without viewers, and with them
		for i := range used {
			looked := (i + pair) % 2
			profile := ""
			if looked == 1 && pair == b.opts.turns-1 {
				profile = b.opts.profile
			}
			var err error
			if used[looked], err = b.turn(ctx, looked*b.opts.viewers, profile); err != nil {
				return err
			}
		}
		without, with, more = append(without, used[0]), append(with, used[1]), append(more, used[1]-used[0])
	}
	if len(more) == 0 {
		return nil
	}
	cost, unsure := median(more)*50/float64(b.opts.viewers), deviation(more)
	fmt.Printf("CPU             %.1f %% of a core without viewers, %.1f %% with %d (medians of %d turns of %v); 50 viewers cost %.2f ± %.2f %% (asked for: below %.0f)\n",
		median(without), median(with), b.opts.viewers, len(more), b.opts.turn, cost, unsure, maxCPU)
	if cost >= maxCPU {
		return fmt.Errorf("50 viewers cost %.2f %% of a core", cost)
	}
	return nil
}

// deviation is the standard error of a median.
func deviation(all []float64) float64 {
	mean, sum := 0.0, 0.0
	for _, v := range all {
		mean += v / float64(len(all))
	}
	for _, v := range all {
		sum += (v - mean) * (v - mean)
	}
	return 1.2533 * math.Sqrt(sum/float64(max(1, len(all)-1))/float64(len(all)))
}

// turn returns how much of a core the platform takes, in %, with so many viewers.
func (b *bench) turn(ctx context.Context, viewers int, profile string) (float64, error) {
	streams, leave := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer leave()
	events := make(chan error, viewers) // one of each viewer: the first event, or why there is none
	for range viewers {
		all.Go(func() { b.view(streams, events) })
	}
	for range viewers {
		if err := <-events; err != nil {
			return 0, err
		}
	}
	if profile != "" {
		all.Go(func() {
			if err := drive.Fetch(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", b.pprof, max(1, int(b.opts.turn.Seconds())-1)), profile); err != nil {
				fmt.Fprintln(os.Stderr, "console: profile:", err)
			}
		})
	}
	spent, began := drive.CPU(b.serve.Process.Pid), time.Now()
	if err := pause.For(ctx, b.opts.turn); err != nil {
		return 0, err
	}
	return 100 * (drive.CPU(b.serve.Process.Pid) - spent).Seconds() / time.Since(began).Seconds(), nil
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}
