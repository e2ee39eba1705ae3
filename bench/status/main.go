// Command status measures the calls that ask for messages, with many of them stored: it starts the SMSC
// simulator and a node of the platform, stores -messages of several accounts, and asks the node's
// REST API, first while nothing else happens, then while -rate messages a second arrive.
//
//	go build -o bin/protei-bulk ./cmd/protei-bulk && go run ./bench/status
//	go run ./bench/status -store embedded
//
// Over PostgreSQL, a private one, they are rows of -days, copied into the database. In the embedded
// store they are sent over REST, all today, and delivered by the simulator.
//
// A call is one of a kind; for each kind the percentiles of its latency are printed, and the exit
// code is 1 when a 99th percentile is above -limit. It talks to loopback addresses only and ends by
// itself; 5 million messages take about 5 GB of disk.
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
	store    string
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
	flag.StringVar(&o.store, "store", "postgres", "postgres, or embedded")
	flag.IntVar(&o.messages, "messages", 5_000_000, "messages to store before")
	flag.IntVar(&o.days, "days", 7, "days that they are spread over, in PostgreSQL: partitions")
	flag.IntVar(&o.readers, "readers", 4, "callers; each asks again 20 ms after an answer")
	flag.DurationVar(&o.duration, "duration", 30*time.Second, "measured time, idle and under load each")
	flag.IntVar(&o.rate, "rate", 500, "messages a second that arrive under load")
	flag.DurationVar(&o.limit, "limit", 0, "the 99th percentile that is asked for (default: 50ms over PostgreSQL, 200ms in the embedded store)")
	flag.StringVar(&o.dir, "dir", "", "working folder (default: one in the user's cache, removed at the end)")
	flag.BoolVar(&o.explain, "slow", false, "let PostgreSQL log statements above 20 ms with their plans, and print them")
	flag.Parse()
	if o.limit == 0 {
		if o.limit = 50 * time.Millisecond; o.store == embedded {
			o.limit = 200 * time.Millisecond
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "status:", err)
		os.Exit(1)
	}
}

// embedded is the store without a PostgreSQL.
const embedded = "embedded"

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
	began := time.Now()
	store := b.overEmbedded
	switch o.store {
	case embedded:
	case "postgres":
		store = b.overPostgres
	default:
		return fmt.Errorf("-store %q: postgres or embedded", o.store)
	}
	known, err := store(ctx)
	if err != nil {
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
	if o.explain && b.postgres != nil {
		text, _ := os.ReadFile(filepath.Join(b.postgres.Dir, "log"))
		fmt.Printf("%s\n", text)
	}
	if len(slow) > 0 {
		return fmt.Errorf("p99 above %v: %q", o.limit, slow)
	}
	return ctx.Err()
}

// overEmbedded starts a node, stores the messages by its REST API and returns some of them.
func (b *bench) overEmbedded(ctx context.Context) (map[*customer][]stored, error) {
	if err := b.start(embedded); err != nil {
		return nil, err
	}
	if err := b.makeAccounts(ctx); err != nil {
		return nil, err
	}
	return b.send(ctx)
}

// overPostgres copies the messages into a database, starts a node over it and returns some of them.
func (b *bench) overPostgres(ctx context.Context) (known map[*customer][]stored, err error) {
	settings := []string{"shared_buffers = 512MB", "wal_compression = on", "checkpoint_timeout = 15min", "max_wal_size = 2GB"}
	if b.opts.explain {
		settings = append(settings, "session_preload_libraries = 'auto_explain'", "auto_explain.log_min_duration = '20ms'", "auto_explain.log_analyze = on", "auto_explain.log_timing = off", "log_min_messages = log")
	}
	if b.postgres, err = servers.NewPostgres(b.dir, settings...); err != nil {
		return nil, err
	}
	url, err := b.postgres.NewDatabase()
	if err != nil {
		return nil, err
	}
	if err := b.start(url); err != nil {
		return nil, err
	}
	if err := b.makeAccounts(ctx); err != nil {
		return nil, err
	}
	b.stopNodes() // it would look for its messages in tables without indexes
	if known, err = b.fill(ctx, url); err != nil {
		return nil, err
	}
	return known, b.start(url)
}

// start starts the simulator and a node over the database.
func (b *bench) start(store string) error {
	var far struct{ SMPP string }
	if err := b.launch("smsc", &far, "smsc", "--listen", "127.0.0.1:0"); err != nil {
		return err
	}
	var at struct{ HTTP string }
	err := b.launch("serve", &at, "serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", filepath.Join(b.dir, "data"),
		"--upstream", "smpp://x:y@"+far.SMPP+"?binds=4&window=1000", "--store", store)
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
