// Command e2e measures the platform end to end: it starts the real binary as platform
// and as SMSC simulator, drives it over HTTP or SMPP in a closed loop, takes the
// receipts back, waits for the last one and prints rates, latency and CPU per message.
//
//	go run ./bench/e2e -mode single   POST /messages, one message a request
//	go run ./bench/e2e -mode bulk     POST /messages/bulk, 100 messages a request
//	go run ./bench/e2e -mode smpp     submit_sm over 10 binds
//	go run ./bench/e2e -mode campaign a campaign of -messages recipients, from its upload to the last receipt
//	go run ./bench/e2e -mode reads    the calls that read, with -prefill messages stored, while -rate messages/s arrive
//	go run ./bench/e2e -mode webhooks final states told to one endpoint, from the outbox
//	go run ./bench/e2e -mode soak     bulk requests at 70 % of what the platform takes, for -duration, and whether its figures stay flat
//	go run ./bench/e2e -mode restart  receipts that come after a restart, whose messages are only in the database
//
// It talks to loopback addresses only and ends by itself.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"protei-bulk/bench/e2e/drive"
	"protei-bulk/internal/pause"
)

type options struct {
	binary     string
	mode       string
	conns      int
	batch      int
	warmup     time.Duration
	duration   time.Duration
	prefill    int
	messages   int
	durability string
	dir        string
	profile    string
	report     time.Duration
	rate       int
	features   bool
	store      string
	queue      string
	nodes      int
	apart      bool
	gobench    bool
	out        string
	late       string
	cpus       string
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/protei-bulk", "the program to measure")
	flag.StringVar(&o.mode, "mode", "single", "single, bulk, smpp, campaign, reads, webhooks, soak or restart")
	flag.IntVar(&o.conns, "conns", 0, "connections or binds; 0: 256 for single, 16 for bulk, 10 for smpp")
	flag.IntVar(&o.batch, "batch", 100, "messages of one bulk request")
	flag.DurationVar(&o.warmup, "warmup", 3*time.Second, "time before the measurement")
	flag.DurationVar(&o.duration, "duration", 15*time.Second, "measured time")
	flag.IntVar(&o.messages, "messages", 400_000, "messages of modes restart and webhooks, recipients of mode campaign")
	flag.IntVar(&o.prefill, "prefill", 0, "messages to store before, by bulk requests")
	flag.StringVar(&o.durability, "durability", "fsync", "of the platform")
	flag.StringVar(&o.dir, "dir", "", "working folder (default: one in the user's cache, removed at the end)")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the platform into this file")
	flag.DurationVar(&o.report, "report", 0, "also print the rate of every such period")
	flag.IntVar(&o.rate, "rate", 5000, "messages a second that arrive in mode reads")
	flag.BoolVar(&o.features, "features", false, "with 1,000 routing rules, prices, a balance and quotas")
	flag.StringVar(&o.store, "store", "", "postgres: the platform's store is a private PostgreSQL with fsync, not the embedded one")
	flag.StringVar(&o.queue, "queue", "", "redis: and a private Redis tells the nodes of each other's messages")
	flag.IntVar(&o.nodes, "nodes", 1, "nodes of the platform over that store; the load goes to all of them in turn")
	flag.BoolVar(&o.apart, "apart", false, "each node has a database of its own and so shares nothing but the machine and the servers: what is left of the difference to one node is not coordination")
	flag.StringVar(&o.out, "out", "", "mode soak: write its figures there, with .csv and .svg at the end of the name")
	flag.StringVar(&o.late, "receipt-delay", "", "how long after its answer the simulator sends a receipt, as of `smsc --receipt-delay`: 2s, 1s-5s (default: at once)")
	flag.StringVar(&o.cpus, "cpus", "", "cores of the platform, as taskset takes them: 0 or 0-3. `taskset -c 1 go run ./bench/e2e -cpus 0` gives it one for itself")
	flag.BoolVar(&o.gobench, "gobench", false, "print the result of modes single, bulk and smpp as a Go benchmark")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	opts        options
	dir         string
	began       time.Time
	serve, smsc *exec.Cmd
	others      []*exec.Cmd // nodes beside serve
	shared      *shared
	at          struct{ HTTP, SMPP, Pprof string }
	doors       []string // addresses of all nodes
	far         struct{ SMPP, Control string }
}

func run(ctx context.Context, o options) error {
	if o.conns == 0 {
		o.conns = map[string]int{"single": 256, "bulk": 16, "restart": 16, "reads": 16, "soak": 16, "smpp": 10, "campaign": 1, "webhooks": 16}[o.mode]
	}
	b := &bench{opts: o, dir: o.dir, began: time.Now()}
	if b.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		if err := os.MkdirAll(cache, 0o700); err != nil {
			return err
		}
		if b.dir, err = os.MkdirTemp(cache, "protei-bulk-e2e-"); err != nil {
			return err
		}
		defer os.RemoveAll(b.dir)
	}
	defer b.stop()
	var err error
	if b.shared, err = startShared(&o, b.dir); err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	c := &drive.Counters{}
	d, err := drive.New(ctx, drive.Options{
		HTTP: b.doors, SMPP: b.at.SMPP, Conns: o.conns, Batch: o.batch, Counters: c,
	})
	if err != nil {
		return err
	}
	defer d.Close()
	if o.features {
		if err := b.configure(ctx); err != nil {
			return err
		}
	}
	if o.prefill > 0 {
		if err := b.fill(ctx, d, c); err != nil {
			return err
		}
	}
	switch o.mode {
	case "campaign":
		return b.campaign(ctx, d, c)
	case "restart":
		return b.restart(ctx, d, c)
	case "webhooks":
		return b.webhooks(ctx, d, c)
	case "reads":
		return b.reads(ctx, d, c)
	case "soak":
		return b.soak(ctx, d, c)
	}
	return b.measure(ctx, d, c)
}

// receiptDelay holds the receipts of mode restart back until the platform is up again.
const receiptDelay = 30 * time.Second

// restart sends messages, restarts the platform while the SMSC still holds every receipt,
// and measures how fast they are matched then.
func (b *bench) restart(ctx context.Context, d *drive.Driver, c *drive.Counters) error {
	began := time.Now()
	send(ctx, d, c, b.opts.messages)
	if n := c.Receipts.Load(); n != 0 {
		return fmt.Errorf("%d receipts came before the restart: the machine is too slow for -messages %d", n, b.opts.messages)
	}
	sent := time.Since(began)
	time.Sleep(3 * time.Second) // the rest reaches the SMSC
	_ = b.serve.Process.Signal(syscall.SIGTERM)
	_ = b.serve.Wait()
	if err := b.startServe(); err != nil {
		return err
	}
	fmt.Printf("restart: %d messages sent in %.1f s, the platform is up again; waiting for the receipts\n", c.Accepted.Load(), sent.Seconds())
	for c.Receipts.Load() == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	from, at, spent := c.Receipts.Load(), time.Now(), drive.CPU(b.serve.Process.Pid)
	if err := b.settle(ctx, c); err != nil {
		return err
	}
	n, wall := c.Receipts.Load()-from, time.Since(at)
	fmt.Printf("  receipts     %10.0f /s, %.1f µs of the platform's CPU each (the SMSC offered %.0f /s)\n",
		float64(n)/wall.Seconds(), float64((drive.CPU(b.serve.Process.Pid)-spent).Microseconds())/float64(n), float64(c.Accepted.Load())/sent.Seconds())
	return nil
}

func (b *bench) start(ctx context.Context) error {
	var err error
	ready := filepath.Join(b.dir, "smsc.json")
	args := []string{
		"smsc", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0",
		"--receipt-window", "4000", "--parent-death", "--ready-file", ready,
	}
	switch {
	case b.opts.mode == "restart":
		args = append(args, "--receipt-delay", receiptDelay.String())
	case b.opts.late != "":
		args = append(args, "--receipt-delay", b.opts.late)
	}
	if b.smsc, err = b.launch("smsc", ready, &b.far, args...); err != nil {
		return err
	}
	return b.startServe()
}

func (b *bench) startServe() (err error) {
	b.doors = nil
	for i := range b.opts.nodes {
		name := fmt.Sprintf("serve%d", i)
		ready := filepath.Join(b.dir, name+".json")
		at := &b.at
		if i > 0 {
			at = &struct{ HTTP, SMPP, Pprof string }{}
		}
		args := append([]string{
			"serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0",
			"--data", filepath.Join(b.dir, "data"+strconv.Itoa(i)), "--durability", b.opts.durability,
			"--upstream", "smpp://x:y@" + b.far.SMPP + "?binds=2&window=1000&trace_tlv=1", "--pprof", "127.0.0.1:0", "--parent-death", "--ready-file", ready,
		}, b.shared.args(i)...)
		cmd, err := b.launch(name, ready, at, args...)
		if i == 0 {
			b.serve = cmd
		} else {
			b.others = append(b.others, cmd)
		}
		if err != nil {
			return err
		}
		b.doors = append(b.doors, "http://"+at.HTTP)
	}
	return nil
}

func (b *bench) launch(name, ready string, v any, args ...string) (*exec.Cmd, error) {
	os.Remove(ready)
	log, err := os.Create(filepath.Join(b.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	program := b.opts.binary
	if b.opts.cpus != "" && name != "smsc" {
		program, args = "taskset", append([]string{"-c", b.opts.cpus, program}, args...) // which becomes it
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if b.opts.mode == "soak" {
		cmd.Env = append(os.Environ(), soakSettings(b.opts.duration)...)
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for range 4000 {
		if text, err := os.ReadFile(ready); err == nil {
			return cmd, json.Unmarshal(text, v)
		}
		time.Sleep(5 * time.Millisecond)
	}
	text, _ := os.ReadFile(filepath.Join(b.dir, name+".log"))
	return cmd, fmt.Errorf("%s did not get ready:\n%s", name, text)
}

func (b *bench) stop() {
	defer func() {
		if b.shared == nil {
			return
		}
		if err := b.shared.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
		}
	}()
	for _, cmd := range append([]*exec.Cmd{b.serve, b.smsc}, b.others...) {
		if cmd != nil && cmd.Process != nil {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}
	}
}

// fill stores opts.prefill messages and waits for their receipts.
func (b *bench) fill(ctx context.Context, d *drive.Driver, c *drive.Counters) error {
	fmt.Printf("filling the store with %d messages\n", b.opts.prefill)
	send(ctx, d, c, b.opts.prefill)
	return b.settle(ctx, c)
}

// send sends bulk requests until so many messages are accepted.
func send(ctx context.Context, d *drive.Driver, c *drive.Counters, messages int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var load sync.WaitGroup
	load.Go(func() { d.Run(ctx, "bulk") })
	for int(c.Accepted.Load()) < messages && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	load.Wait()
}

// settle waits until every accepted message has its receipt.
func (b *bench) settle(ctx context.Context, c *drive.Counters) error {
	last, since := c.Receipts.Load(), time.Now()
	for c.Receipts.Load() < c.Accepted.Load() {
		if now := c.Receipts.Load(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > 20*time.Second {
			return fmt.Errorf("%d accepted, %d receipts: no more came for 20 s", c.Accepted.Load(), c.Receipts.Load())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

func (b *bench) measure(ctx context.Context, d *drive.Driver, c *drive.Counters) error {
	loadCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	var load sync.WaitGroup
	began := time.Now()
	load.Go(func() { d.Run(loadCtx, b.opts.mode) })
	if err := pause.For(ctx, b.opts.warmup); err != nil {
		return err
	}
	if b.opts.profile != "" {
		go b.saveProfile()
	}
	before, err := gcStops(b.at.HTTP)
	if err != nil {
		return err
	}
	begin, at := b.look(c), time.Now()
	c.Latency.Reset()
	if err := b.wait(ctx, c); err != nil {
		return err
	}
	end, wall := b.look(c), time.Since(at)
	latency := c.Latency.Sorted()
	stopped, err := gcStops(b.at.HTTP)
	if err != nil {
		return err
	}
	cancel()
	load.Wait()
	drainFrom := time.Now()
	err = b.settle(ctx, c)
	b.print(begin, end, wall, latency)
	if b.opts.gobench {
		return err
	}
	stopped.since(before).print()
	fmt.Printf("  drain        %v until the last receipt; %d accepted in all, %d receipts, %d refused, %d errors\n",
		time.Since(drainFrom).Round(time.Millisecond), c.Accepted.Load(), c.Receipts.Load(), c.Refused.Load(), c.Errors.Load())
	fmt.Printf("  in all       %.0f messages/s from the first request to the last receipt\n", float64(c.Receipts.Load())/time.Since(began).Seconds())
	return err
}

func (b *bench) wait(ctx context.Context, c *drive.Counters) error {
	if b.opts.report == 0 {
		return pause.For(ctx, b.opts.duration)
	}
	for end := time.Now().Add(b.opts.duration); time.Now().Before(end); {
		from, at, spent := c.Receipts.Load(), time.Now(), drive.CPU(b.serve.Process.Pid)
		if err := pause.For(ctx, b.opts.report); err != nil {
			return err
		}
		n := c.Receipts.Load() - from
		fmt.Printf("  %s  %8.0f receipts/s  %5.1f µs of CPU each  %d stored  rss %d MiB\n", at.Format("15:04:05"),
			float64(n)/time.Since(at).Seconds(), float64((drive.CPU(b.serve.Process.Pid)-spent).Microseconds())/float64(max(n, 1)),
			c.Receipts.Load(), drive.RSS(b.serve.Process.Pid)>>20)
	}
	return nil
}

// look is one reading of everything.
type look struct {
	accepted, receipts, requests int64
	serve, smsc, self            time.Duration
	postgres, redis              time.Duration
}

func (b *bench) look(c *drive.Counters) look {
	l := look{
		accepted: c.Accepted.Load(), receipts: c.Receipts.Load(), requests: c.Requests.Load(),
		serve: drive.CPU(b.serve.Process.Pid), smsc: drive.CPU(b.smsc.Process.Pid), self: drive.CPU(os.Getpid()),
	}
	for _, cmd := range b.others {
		l.serve += drive.CPU(cmd.Process.Pid)
	}
	l.postgres, l.redis = b.shared.cpu()
	return l
}

func (b *bench) print(from, to look, wall time.Duration, latency []time.Duration) {
	accepted, receipts := to.accepted-from.accepted, to.receipts-from.receipts
	carried := max(1, (accepted+receipts)/2) // half of the work is before the receipt, about
	if b.opts.gobench {
		fmt.Printf("BenchmarkEndToEnd/mode=%s-%d %d %.0f cpu-ns/op %.0f messages/s\n",
			b.opts.mode, runtime.GOMAXPROCS(0), accepted, float64((to.serve-from.serve).Nanoseconds())/float64(max(accepted, 1)), float64(accepted)/wall.Seconds())
		return
	}
	fmt.Printf("%s, %d connections, durability %s, %.1f s\n", b.opts.mode, b.opts.conns, b.opts.durability, wall.Seconds())
	fmt.Printf("  requests     %10.0f /s\n", float64(to.requests-from.requests)/wall.Seconds())
	fmt.Printf("  accepted     %10.0f messages/s\n", float64(accepted)/wall.Seconds())
	fmt.Printf("  receipts     %10.0f messages/s\n", float64(receipts)/wall.Seconds())
	if n := len(latency); n > 0 {
		fmt.Printf("  latency      p50 %v  p95 %v  p99 %v  max %v\n", round(latency[n/2]), round(latency[n*95/100]), round(latency[n*99/100]), round(latency[n-1]))
	}
	for _, row := range []struct {
		name string
		cpu  time.Duration
	}{{"platform", to.serve - from.serve}, {"simulator", to.smsc - from.smsc}, {"generator", to.self - from.self}, {"PostgreSQL", to.postgres - from.postgres}, {"Redis", to.redis - from.redis}} {
		if row.cpu == 0 {
			continue
		}
		fmt.Printf("  %-11s  %6.2f cores  %6.1f µs a message\n", row.name, row.cpu.Seconds()/wall.Seconds(), float64(row.cpu.Microseconds())/float64(carried))
	}
	fmt.Printf("  platform memory %d MiB\n", drive.RSS(b.serve.Process.Pid)>>20)
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

func (b *bench) saveProfile() {
	seconds := max(1, int(b.opts.duration.Seconds())-1)
	if err := drive.Fetch(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", b.at.Pprof, seconds), b.opts.profile); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: profile:", err)
	}
}
