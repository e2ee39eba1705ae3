// Package target samples the system under test beside the requests, once a second.
//
// A [Sampler] reads the target's own Prometheus page: CPU, memory and what the platform says
// about itself. A [Watcher] reads what stands behind it, as [ParseSpec] takes it from --watch
// or a scenario file: Prometheus pages, PostgreSQL, Redis, local processes. Both own their
// goroutines, one for each source, and end them in Stop; what can not be read is simply not
// measured, with the reason, and no text that they return shows a secret.
package target

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Sample is the target's state at one moment; NaN is not measured.
type Sample struct {
	At          time.Time
	CPUSeconds  float64 // of the process, since its start
	Cores       float64 // that it may use
	RSS         float64 // bytes
	Mapped      float64 // bytes of mapped files in RSS
	MemoryLimit float64 // bytes
	Labels      map[string]string
}

// Usage is what two samples say about the time between them; NaN is not measured.
type Usage struct {
	CPU    float64 // share of the cores allowed, 0..1
	Memory float64 // (RSS − mapped) ÷ limit, 0..1
	RSS    float64 // bytes, mapped files left out
}

func unmeasured() Usage { return Usage{math.NaN(), math.NaN(), math.NaN()} }

// Options configure a [Sampler].
type Options struct {
	URL   string        // of the metrics page
	Every time.Duration // 1 s
	TLS   *tls.Config
}

// Sampler polls a target's metrics page.
type Sampler struct {
	opts   Options
	client *http.Client
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex // guards what follows
	prev  Sample
	last  Sample
	usage Usage
	err   error
	good  int
}

// maxPageBytes bounds a metrics page.
const maxPageBytes = 8 << 20

// New returns a sampler; it does nothing before Start.
func New(opts Options) *Sampler {
	if opts.Every <= 0 {
		opts.Every = time.Second
	}
	transport := &http.Transport{TLSClientConfig: opts.TLS, MaxIdleConns: 1}
	return &Sampler{
		opts:   opts,
		client: &http.Client{Transport: transport, Timeout: 5 * time.Second},
		usage:  unmeasured(),
	}
}

// Start takes a first sample and goes on in the background until Stop or the end of ctx.
// Its error says why the target is not measured; polling goes on regardless.
func (s *Sampler) Start(ctx context.Context) error {
	ctx, s.cancel = context.WithCancel(ctx)
	s.done = make(chan struct{})
	s.take(ctx)
	go s.poll(ctx)
	return s.Err()
}

// Stop ends the polling.
func (s *Sampler) Stop() {
	s.cancel()
	<-s.done
	s.client.CloseIdleConnections()
}

func (s *Sampler) poll(ctx context.Context) {
	defer close(s.done)
	tick := time.NewTicker(s.opts.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.take(ctx)
		}
	}
}

func (s *Sampler) take(ctx context.Context) {
	sample, err := s.read(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			s.err, s.usage = err, unmeasured()
		}
		return
	}
	s.err = nil
	s.good++
	s.prev, s.last = s.last, sample
	s.usage = between(s.prev, s.last)
}

// between computes the usage; the first sample has no predecessor and no CPU share.
func between(a, b Sample) Usage {
	u := unmeasured()
	u.RSS = b.RSS
	if !math.IsNaN(b.Mapped) {
		u.RSS -= b.Mapped
	}
	u.Memory = u.RSS / b.MemoryLimit
	if wall := b.At.Sub(a.At).Seconds(); !a.At.IsZero() && wall > 0 && b.CPUSeconds >= a.CPUSeconds {
		u.CPU = (b.CPUSeconds - a.CPUSeconds) / wall / b.Cores
	}
	return u
}

// Usage is the state of the last second, unmeasured when it could not be read.
func (s *Sampler) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usage
}

// Last is the last sample that could be read; ok is false when there is none.
func (s *Sampler) Last() (sample Sample, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.good > 0
}

// Err says why the last attempt failed.
func (s *Sampler) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Sampler) read(ctx context.Context) (Sample, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.opts.URL, nil)
	if err != nil {
		return Sample{}, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return Sample{}, fmt.Errorf("read %s: %w", s.opts.URL, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Sample{}, fmt.Errorf("read %s: HTTP %d", s.opts.URL, resp.StatusCode)
	}
	page, err := io.ReadAll(io.LimitReader(resp.Body, maxPageBytes))
	if err != nil {
		return Sample{}, fmt.Errorf("read %s: %w", s.opts.URL, err)
	}
	sample := parse(page)
	sample.At = time.Now()
	if math.IsNaN(sample.CPUSeconds) && math.IsNaN(sample.RSS) {
		return Sample{}, fmt.Errorf("read %s: it has neither process_cpu_seconds_total nor process_resident_memory_bytes", s.opts.URL)
	}
	return sample, nil
}

// parse picks the known series out of a page in Prometheus's text format.
func parse(page []byte) Sample {
	nan := math.NaN()
	s := Sample{CPUSeconds: nan, Cores: nan, RSS: nan, Mapped: nan, MemoryLimit: nan}
	for line := range bytes.Lines(page) {
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		name, labels, value, ok := series(string(bytes.TrimSpace(line)))
		if !ok {
			continue
		}
		switch name {
		case "process_cpu_seconds_total":
			s.CPUSeconds = value
		case "process_resident_memory_bytes":
			s.RSS = value
		case "protei_bulk_cpu_cores":
			s.Cores = value
		case "protei_bulk_memory_mapped_bytes":
			s.Mapped = value
		case "protei_bulk_memory_limit_bytes":
			s.MemoryLimit = value
		case "protei_bulk_build_info", "protei_bulk_info":
			s.Labels = labelMap(labels)
		}
	}
	return s
}

// series cuts `name{labels} value [timestamp]`.
func series(line string) (name, labels string, value float64, ok bool) {
	end := strings.IndexAny(line, "{ \t")
	if end <= 0 {
		return "", "", 0, false
	}
	name, rest := line[:end], line[end:]
	if rest[0] == '{' {
		closing := strings.LastIndexByte(rest, '}')
		if closing < 0 {
			return "", "", 0, false
		}
		labels, rest = rest[1:closing], rest[closing+1:]
	}
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return "", "", 0, false
	}
	value, err := strconv.ParseFloat(fields[0], 64)
	return name, labels, value, err == nil
}

// labelMap reads `a="x",b="y"`; values with escapes are left as they are.
func labelMap(s string) map[string]string {
	m := map[string]string{}
	for {
		name, rest, ok := strings.Cut(s, `="`)
		if !ok {
			return m
		}
		value, rest, ok := strings.Cut(rest, `"`)
		if !ok {
			return m
		}
		m[strings.Trim(name, ", ")] = value
		s = rest
	}
}
