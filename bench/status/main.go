// Command status measures the calls that ask for messages, over PostgreSQL with many rows: it starts
// a private PostgreSQL, the SMSC simulator and a node of the platform, copies -messages rows of
// several accounts and days into the database, and asks the node's REST API, first while nothing
// else happens, then while -rate messages a second arrive.
//
//	go build -o bin/protei-bulk ./cmd/protei-bulk && go run ./bench/status
//
// A call is one of a kind; for each kind the percentiles of its latency are printed, and the exit
// code is 1 when a 99th percentile is above -limit. It talks to loopback addresses only and ends by
// itself; 5 million rows take about 5 GB of disk.
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
	"syscall"
	"time"

	"protei-bulk/bench/e2e/drive"
	"protei-bulk/internal/servers"
)

type options struct {
	binary   string
	messages int
	days     int
	readers  int
	duration time.Duration
	rate     int
	limit    time.Duration
	dir      string
	explain  bool
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/protei-bulk", "the program to measure")
	flag.IntVar(&o.messages, "messages", 5_000_000, "rows to store before")
	flag.IntVar(&o.days, "days", 7, "days that they are spread over: partitions")
	flag.IntVar(&o.readers, "readers", 4, "callers; each asks again 20 ms after an answer")
	flag.DurationVar(&o.duration, "duration", 30*time.Second, "measured time, idle and under load each")
	flag.IntVar(&o.rate, "rate", 500, "messages a second that arrive under load")
	flag.DurationVar(&o.limit, "limit", 50*time.Millisecond, "the 99th percentile that is asked for")
	flag.StringVar(&o.dir, "dir", "", "working folder (default: one in the user's cache, removed at the end)")
	flag.BoolVar(&o.explain, "slow", false, "let PostgreSQL log statements above 20 ms with their plans, and print them")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "status:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	opts     *options
	dir      string
	postgres *servers.Postgres
	started  []*exec.Cmd
	http     string // address of the node
	accounts []*customer
}

func run(ctx context.Context, o *options) (err error) {
	b := &bench{opts: o, dir: o.dir}
	if b.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		if err := os.MkdirAll(cache, 0o700); err != nil {
			return err
		}
		if b.dir, err = os.MkdirTemp(cache, "protei-bulk-status-"); err != nil {
			return err
		}
		defer os.RemoveAll(b.dir)
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	settings := []string{"shared_buffers = 512MB", "wal_compression = on", "checkpoint_timeout = 15min", "max_wal_size = 2GB"}
	if o.explain {
		settings = append(settings, "session_preload_libraries = 'auto_explain'", "auto_explain.log_min_duration = '20ms'", "auto_explain.log_analyze = on", "auto_explain.log_timing = off", "log_min_messages = log")
	}
	if b.postgres, err = servers.NewPostgres(b.dir, settings...); err != nil {
		return err
	}
	store, err := b.postgres.NewDatabase()
	if err != nil {
		return err
	}
	if err := b.start(store); err != nil {
		return err
	}
	if err := b.makeAccounts(ctx); err != nil {
		return err
	}
	b.stopNodes() // it would look for its messages in tables without indexes
	began := time.Now()
	known, err := b.fill(ctx, store)
	if err != nil {
		return err
	}
	if err := b.start(store); err != nil {
		return err
	}
	fmt.Printf("%d messages of %d accounts stored in %.0f s\n", o.messages, len(b.accounts), time.Since(began).Seconds())
	slow := b.measure(ctx, "idle", known)
	loading, rest := context.WithCancel(ctx)
	loaded := b.load(loading)
	slow = append(slow, b.measure(ctx, fmt.Sprintf("%d messages/s arrive", o.rate), known)...)
	rest()
	if err := <-loaded; err != nil {
		return err
	}
	if o.explain {
		text, _ := os.ReadFile(filepath.Join(b.postgres.Dir, "log"))
		fmt.Printf("%s\n", text)
	}
	if len(slow) > 0 {
		return fmt.Errorf("p99 above %v: %q", o.limit, slow)
	}
	return ctx.Err()
}

// start starts the simulator and a node over the database.
func (b *bench) start(store string) error {
	var far struct{ SMPP string }
	if err := b.launch("smsc", &far, "smsc", "--listen", "127.0.0.1:0"); err != nil {
		return err
	}
	var at struct{ HTTP string }
	err := b.launch("serve", &at, "serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", filepath.Join(b.dir, "data"),
		"--upstream", "smpp://x:y@"+far.SMPP+"?binds=2&window=1000", "--store", store)
	b.http = "http://" + at.HTTP + "/api/v1"
	return err
}

// launch starts the program and reads what it says when it is ready.
func (b *bench) launch(name string, ready any, args ...string) error {
	cmd, err := drive.Launch(b.opts.binary, b.dir, name, ready, args...)
	if err == nil {
		b.started = append(b.started, cmd)
	}
	return err
}

// stopNodes stops the node and the simulator.
func (b *bench) stopNodes() {
	drive.Stop(b.started...)
	b.started = nil
}

func (b *bench) stop() error {
	b.stopNodes()
	if b.postgres == nil {
		return nil
	}
	return b.postgres.Stop()
}
