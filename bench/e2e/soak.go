package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"protei-bulk/bench/e2e/drive"
	"protei-bulk/internal/pause"
)

const (
	soakShare  = 70 // percent of the rate that the platform takes
	soakProbe  = 15 * time.Second
	soakLooks  = 180 // figures of a run
	soakWarmup = 0.2 // of a run: caches fill
	soakBytes  = 450 // that a message takes at most, CDR and indexes included
	// soakKept is the part of a run for which messages and CDRs are kept: as after a month, old ones go all
	// the time while new ones come. Where that is less than soakMin none goes.
	soakKept = 6
	soakMin  = time.Minute
)

// soakRetention returns for how long a run keeps messages and CDRs, or 0: to its end.
func soakRetention(run time.Duration) time.Duration {
	if keep := run / soakKept; keep >= soakMin {
		return keep
	}
	return 0
}

// soakSettings are environment variables of the platform.
func soakSettings(run time.Duration) []string {
	keep := soakRetention(run)
	if keep == 0 {
		return nil
	}
	return []string{"PROTEI_BULK_RETENTION=" + keep.String(), "PROTEI_BULK_CDR_KEEP=" + keep.String()}
}

// vital is one figure that has to stay flat.
type vital struct {
	name, unit string
	rise       float64 // how much more the last part may have than the first: a factor
	beside     float64 // and so much beside
	of         func(s *soakSample) float64
}

var vitals = []vital{
	{"p99 of a request", "ms", 1.5, 20, func(s *soakSample) float64 { return float64(s.p99.Microseconds()) / 1000 }},
	{"messages", "1/s", 0, 0, func(s *soakSample) float64 { return s.rate }}, // shown, not judged
	{"memory (RSS)", "MiB", 1.15, 50, func(s *soakSample) float64 { return float64(s.rss) / (1 << 20) }},
	{"goroutines", "", 1.1, 20, func(s *soakSample) float64 { return float64(s.goroutines) }},
	{"open files", "", 1.1, 20, func(s *soakSample) float64 { return float64(s.files) }},
	{"disk a message", "bytes", 1.15, 10, func(s *soakSample) float64 { return s.perMessage }},
	{"journal and WAL", "MiB", 1.5, 100, func(s *soakSample) float64 { return float64(s.logs) / (1 << 20) }},
}

// soakSample is what one look found.
type soakSample struct {
	at         time.Duration // since the start
	p99        time.Duration // since the look before
	rate       float64       // accepted since the look before
	accepted   int64         // since the platform began
	rss        int64
	goroutines int
	files      int
	perMessage float64 // bytes of disk for each message that is kept, without journal and WAL
	logs       int64   // bytes of journal and WAL
}

// soak drives the platform at a share of the rate that it takes, and fails when a figure does not
// stay flat.
func (b *bench) soak(ctx context.Context, d *drive.Driver, c *drive.Counters) error {
	rate, err := b.probe(ctx, d, c)
	if err != nil {
		return err
	}
	fmt.Printf("soak: %d messages/s, %d %% of what it takes, for %v\n", rate, soakShare, b.opts.duration)
	if fits, err := b.fits(); err != nil {
		return err
	} else if fits < rate {
		rate = fits
		fmt.Printf("  the disk has room for %d messages/s, which it is then\n", rate)
	}
	loadCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	var load sync.WaitGroup
	load.Go(func() { d.Pace(loadCtx, rate, b.opts.conns) })
	samples, err := b.watch(ctx, c)
	cancel()
	load.Wait()
	if err == nil {
		err = b.settle(ctx, c)
	}
	if b.opts.out != "" {
		err = errors.Join(err, keepSoak(b.opts.out, rate, samples))
	}
	if err != nil {
		return err
	}
	fmt.Printf("  %d accepted, %d receipts, %d refused, %d errors\n", c.Accepted.Load(), c.Receipts.Load(), c.Refused.Load(), c.Errors.Load())
	if c.Errors.Load()+c.Refused.Load() > 0 {
		return errors.New("requests were refused or failed")
	}
	return flat(samples)
}

// probe returns the share of the rate at which the platform takes and returns messages.
func (b *bench) probe(ctx context.Context, d *drive.Driver, c *drive.Counters) (int, error) {
	loadCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	var load sync.WaitGroup
	load.Go(func() { d.Run(loadCtx, "bulk") })
	if err := pause.For(ctx, b.opts.warmup); err != nil {
		return 0, err
	}
	from := c.Receipts.Load()
	if err := pause.For(ctx, soakProbe); err != nil {
		return 0, err
	}
	most := float64(c.Receipts.Load()-from) / soakProbe.Seconds()
	cancel()
	load.Wait()
	return max(b.opts.batch, int(most*soakShare/100)), b.settle(ctx, c)
}

// fits returns for how many messages a second, for the time of the run, the disk has room.
func (b *bench) fits() (rate int, err error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(b.dir, &disk); err != nil {
		return 0, err
	}
	kept := b.opts.duration
	if keep := soakRetention(b.opts.duration); keep > 0 {
		kept = 2 * keep // files and tables go as a whole
	}
	free := float64(disk.Bavail) * float64(disk.Bsize)
	return int(free * 0.8 / soakBytes / kept.Seconds()), nil
}

func (b *bench) watch(ctx context.Context, c *drive.Counters) ([]soakSample, error) {
	var samples []soakSample
	began := time.Now()
	each := b.opts.duration / soakLooks
	c.Latency.Reset()
	before, at := c.Accepted.Load(), began
	stopped, err := gcStops(b.at.HTTP)
	if err != nil {
		return nil, err
	}
	for i := 1; i <= soakLooks; i++ {
		if err := pause.For(ctx, time.Until(began.Add(time.Duration(i)*each))); err != nil {
			return samples, err
		}
		s := soakSample{at: time.Since(began)}
		if all := c.Latency.Sorted(); len(all) > 0 {
			s.p99 = all[len(all)*99/100]
		}
		c.Latency.Reset()
		n, now := c.Accepted.Load(), time.Now()
		s.rate = float64(n-before) / now.Sub(at).Seconds()
		before, at = n, now
		s.accepted = n
		if err := b.vitals(ctx, &s, n-gone(samples, s.at, soakRetention(b.opts.duration))); err != nil {
			return samples, err
		}
		samples = append(samples, s)
		if i%10 == 0 {
			fmt.Printf("  %6s", s.at.Round(time.Second))
			for _, v := range vitals {
				fmt.Printf("  %s %.0f", v.name, v.of(&s))
			}
			fmt.Println()
		}
	}
	now, err := gcStops(b.at.HTTP)
	if err != nil {
		return samples, err
	}
	now.since(stopped).print()
	return samples, nil
}

// gone returns how many messages are past retention at a time of the run.
func gone(samples []soakSample, at, keep time.Duration) (n int64) {
	if keep == 0 {
		return 0
	}
	for i := range samples {
		if samples[i].at <= at-keep {
			n = samples[i].accepted
		}
	}
	return n
}

// vitals looks at the process and its files, which keep so many messages.
func (b *bench) vitals(ctx context.Context, s *soakSample, messages int64) error {
	pid := b.serve.Process.Pid
	s.rss = drive.RSS(pid)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return err
	}
	s.files = len(files)
	if s.goroutines, err = b.goroutines(ctx); err != nil {
		return err
	}
	kept := int64(0)
	err = filepath.WalkDir(filepath.Join(b.dir, "data0"), func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since it was listed
		}
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case strings.HasSuffix(path, "-wal") || strings.Contains(path, string(filepath.Separator)+"journal"+string(filepath.Separator)):
			s.logs += info.Size()
		default:
			kept += info.Size()
		}
		return nil
	})
	s.perMessage = float64(kept) / float64(messages)
	return err
}

func (b *bench) goroutines(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.at.HTTP+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.Atoi(text)
		}
	}
	return 0, errors.Join(errors.New("/metrics has no go_goroutines"), lines.Err())
}

// flat compares the medians of the first and of the last quarter after the warm-up.
func flat(samples []soakSample) error {
	samples = samples[int(float64(len(samples))*soakWarmup):]
	part := len(samples) / 4
	var errs []error
	for _, v := range vitals {
		first, last := median(samples[:part], v.of), median(samples[len(samples)-part:], v.of)
		fmt.Printf("  %-18s %10.1f %-5s at first, %10.1f at the end\n", v.name, first, v.unit, last)
		if v.rise != 0 && last > first*v.rise+v.beside {
			errs = append(errs, fmt.Errorf("%s rose from %.1f to %.1f %s", v.name, first, last, v.unit))
		}
	}
	return errors.Join(errs...)
}

func median(samples []soakSample, of func(*soakSample) float64) float64 {
	var all []float64
	for i := range samples {
		all = append(all, of(&samples[i]))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
