// Command peers sets the platform beside Kannel on the same work: HTTP in, SMPP out to the same
// simulator, window 100, with 1 and with 4 binds. It prints messages accepted and delivered a second,
// CPU for 1,000 messages of all processes of the gateway, their memory, and what is lost when the
// gateway is killed in mid-run and started again.
//
//	go build -o bin/protei-bulk ./cmd/protei-bulk && go run ./bench/peers
//
// Kannel is Debian's package kannel; without it only the platform is measured. Everything is on
// loopback, and it ends by itself: about 4 minutes.
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
	"runtime"
	"strings"
	"syscall"
	"time"

	"protei-bulk/bench/e2e/drive"
	"protei-bulk/internal/pause"
)

const (
	connections = 64
	warmup      = 2 * time.Second
	drainAtMost = 15 * time.Second
)

type options struct {
	binary   string
	duration time.Duration
	dir      string
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/protei-bulk", "the platform and the simulator")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "measured time of each run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	cache, err := os.UserCacheDir() // a disk, where /tmp may be memory
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return err
	}
	if o.dir, err = os.MkdirTemp(cache, "protei-bulk-peers-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	ways := []way{
		{name: "protei-bulk, sendsms", mode: "sendsms"},
		{name: "protei-bulk, POST /messages", mode: "single"},
		{name: "protei-bulk, bulks of 100", mode: "bulk"},
	}
	if _, err := exec.LookPath("bearerbox"); err != nil {
		fmt.Println("Kannel is not installed (apt-get install kannel): left out")
	} else {
		ways = append(ways, way{"kannel, no store", "sendsms", "none"}, way{"kannel, store file", "sendsms", "file"}, way{"kannel, store spool", "sendsms", "spool"})
	}
	kernel, _ := exec.Command("uname", "-r").Output()
	fmt.Printf("%s; %d cores, Linux %s, %s; %d connections, %v after %v\n\n", time.Now().Format(time.DateOnly), runtime.NumCPU(),
		strings.TrimSpace(string(kernel)), runtime.Version(), connections, o.duration, warmup)
	for _, binds := range []int{1, 4} {
		fmt.Printf("%-28s %5s %10s %11s %14s %8s  %s\n", "gateway", "binds", "accepted/s", "delivered/s", "CPU ms / 1,000", "memory", "left after 15 s")
		for i, w := range ways {
			if err := measure(ctx, o, w, binds, fmt.Sprintf("%s/run-%d-%d", o.dir, binds, i)); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
		fmt.Println()
	}
	fmt.Println("killed in mid-run (SIGKILL of all its processes), started again:")
	for i, w := range ways {
		if w.mode != "sendsms" {
			continue
		}
		if err := kill(ctx, o, w, fmt.Sprintf("%s/kill-%d", o.dir, i)); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

// measure runs one way and prints its row.
func measure(ctx context.Context, o options, w way, binds int, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var far struct{ SMPP string }
	smsc, err := launch(dir, "smsc", &far, o.binary, "smsc", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--receipt-window", "4000", "--parent-death")
	if err != nil {
		return err
	}
	defer end(smsc, syscall.SIGTERM)
	g, err := w.start(ctx, o, dir, far.SMPP, binds)
	if err != nil {
		return err
	}
	defer g.end(syscall.SIGTERM)
	c := &drive.Counters{}
	d, err := drive.New(ctx, drive.Options{
		HTTP: []string{g.url}, Conns: connections, Batch: 100, Counters: c,
		Sendsms: drive.Sendsms{User: "dev", Password: "devpass1", Reports: true},
	})
	if err != nil {
		return err
	}
	defer d.Close()
	loadCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(loadCtx, w.mode) }()
	if err := pause.For(ctx, warmup); err != nil {
		return err
	}
	accepted, receipts, cpu, at := c.Accepted.Load(), c.Receipts.Load(), g.cpu(), time.Now()
	if err := pause.For(ctx, o.duration); err != nil {
		return err
	}
	wall := time.Since(at).Seconds()
	accepted, receipts, cpu = c.Accepted.Load()-accepted, c.Receipts.Load()-receipts, g.cpu()-cpu
	memory := g.memory()
	cancel()
	<-ended
	for until := time.Now().Add(drainAtMost); c.Receipts.Load() < c.Accepted.Load() && time.Now().Before(until); {
		if err := pause.For(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	fmt.Printf("%-28s %5d %10.0f %11.0f %14.1f %5d MB  %d\n", w.name, binds, float64(accepted)/wall, float64(receipts)/wall,
		float64(cpu.Microseconds())/float64(max(receipts, 1)), memory>>20, max(0, c.Accepted.Load()-c.Receipts.Load()))
	if c.Accepted.Load() == 0 {
		return errors.New("nothing was accepted")
	}
	return nil
}

// kill kills the gateway in mid-run, starts it again, and prints which of the messages that it
// had accepted never reached the SMSC, and which reached it twice.
func kill(ctx context.Context, o options, w way, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	far, err := newFarEnd()
	if err != nil {
		return err
	}
	defer far.close()
	g, err := w.start(ctx, o, dir, far.addr, 4)
	if err != nil {
		return err
	}
	defer func() { g.end(syscall.SIGTERM) }()
	accepted := &numbers{seen: map[uint64]int{}}
	d, err := drive.New(ctx, drive.Options{
		HTTP: []string{g.url}, Conns: connections, Counters: &drive.Counters{},
		Sendsms: drive.Sendsms{User: "dev", Password: "devpass1", Accepted: accepted.add},
	})
	if err != nil {
		return err
	}
	defer d.Close()
	loadCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(loadCtx, w.mode) }()
	if err := pause.For(ctx, o.duration); err != nil {
		return err
	}
	g.end(syscall.SIGKILL)
	cancel()
	<-ended
	if g, err = w.start(ctx, o, dir, far.addr, 4); err != nil {
		return err
	}
	// Until nothing has come for five seconds.
	for last, since := far.seen.total(), time.Now(); time.Since(since) < 5*time.Second; {
		if err := pause.For(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		if now := far.seen.total(); now != last {
			last, since = now, time.Now()
		}
	}
	lost, twice := accepted.missingIn(far.seen)
	fmt.Printf("%-28s %d accepted, %d lost, %d sent twice\n", w.name, accepted.total(), lost, twice)
	return nil
}

func logOf(dir, name string) string {
	text, _ := os.ReadFile(filepath.Join(dir, name+".log"))
	return string(text[max(0, len(text)-2000):])
}
