package target

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"protei-bulk/load/stats"
)

// source is one thing that is asked. Its methods are called from one goroutine.
type source interface {
	// read returns a value for each series of the spec. An error means that none was measured.
	read(ctx context.Context) ([]stats.SeriesValue, error)
	// settle completes the infos after a read that went well.
	settle(infos []stats.SeriesInfo)
	close()
}

// WatchOptions configure a [Watcher].
type WatchOptions struct {
	Specs    []*Spec
	Every    time.Duration       // 1 s
	Deadline time.Duration       // of one sample, 3 s
	TLS      *tls.Config         // for https and rediss; nil verifies as usual
	Getenv   func(string) string // REDISCLI_AUTH is Redis's password when the URL has none; nil: there is no environment
}

// Watcher samples sources, each once a second in a goroutine of its own: one that hangs, refuses or answers nonsense
// holds up neither the run nor the others, and its series say why they are not measured.
type Watcher struct {
	opts    WatchOptions
	watched []*watched
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// watched is a spec with its source.
type watched struct {
	spec   *Spec
	source source
	stale  time.Duration // a sample that is older says nothing about the last second

	mu      sync.Mutex // guards what follows
	infos   []stats.SeriesInfo
	values  []stats.SeriesValue
	at      time.Time
	why     string   // of the last read
	reasons []string // the last of each series
	settled bool
}

// Watch makes a watcher; it does nothing before Start.
func Watch(opts WatchOptions) (*Watcher, error) {
	if err := CheckSpecs(opts.Specs); err != nil {
		return nil, err
	}
	if opts.Every <= 0 {
		opts.Every = time.Second
	}
	if opts.Deadline <= 0 {
		opts.Deadline = deadline
	}
	if opts.Getenv == nil {
		opts.Getenv = func(string) string { return "" }
	}
	w := &Watcher{opts: opts}
	for _, given := range opts.Specs {
		s := new(Spec)
		*s = *given // its source may add a secret
		w.watched = append(w.watched, &watched{
			spec: s, source: s.open(opts), stale: 2*opts.Every + 500*time.Millisecond, infos: s.Series(),
			why: "not sampled yet", reasons: make([]string, len(s.series)),
		})
	}
	return w, nil
}

// open makes the source of a spec. It asks nothing yet.
func (s *Spec) open(opts WatchOptions) source {
	switch s.kind {
	case kindPostgres:
		return newPostgres(s)
	case kindRedis:
		return newRedis(s, opts)
	case kindPrometheus:
		return newPrometheus(s, opts)
	default:
		return newProcesses(s)
	}
}

// Start takes a first sample of every source, all at once and within the deadline, and goes on in the background until
// Stop or the end of ctx.
func (w *Watcher) Start(ctx context.Context) {
	ctx, w.cancel = context.WithCancel(ctx)
	var first sync.WaitGroup
	for _, one := range w.watched {
		first.Add(1)
		w.wg.Go(func() {
			one.take(ctx, w.opts.Deadline)
			first.Done()
			w.poll(ctx, one)
		})
	}
	first.Wait()
}

// Stop ends the sampling and closes the connections.
func (w *Watcher) Stop() {
	if w.cancel != nil {
		w.cancel()
	}
	w.wg.Wait()
}

func (w *Watcher) poll(ctx context.Context, one *watched) {
	defer one.source.close()
	tick := time.NewTicker(w.opts.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			one.take(ctx, w.opts.Deadline)
		}
	}
}

// take reads once. A library that panics over what a server sent ends this sample, not the run.
func (o *watched) take(ctx context.Context, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	values, err := o.read(ctx)
	if err != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return // the run is over
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.values, o.why = nil, o.spec.scrubbed(err).Error()
		for i := range o.reasons {
			o.reasons[i] = o.why
		}
		return
	}
	if !o.settled {
		o.source.settle(o.infos)
		o.settled = true
	}
	o.values, o.at, o.why = values, time.Now(), ""
	for i, v := range values {
		if v.Off != "" {
			o.reasons[i] = v.Off
		}
	}
}

func (o *watched) read(ctx context.Context) (values []stats.SeriesValue, err error) {
	defer func() {
		if p := recover(); p != nil {
			values, err = nil, fmt.Errorf("its answer is not understood: %v", p)
		}
	}()
	values, err = o.source.read(ctx)
	if err == nil && len(values) != len(o.reasons) {
		err = fmt.Errorf("%d values, want %d", len(values), len(o.reasons))
	}
	return values, err
}

// sample appends the values of the last second.
func (o *watched) sample(dst []stats.SeriesValue) []stats.SeriesValue {
	o.mu.Lock()
	defer o.mu.Unlock()
	why := o.why
	if age := time.Since(o.at); why == "" && age > o.stale {
		why = fmt.Sprintf("no answer for %.0f s", age.Seconds())
		for i := range o.reasons {
			o.reasons[i] = why
		}
	}
	if why == "" {
		return append(dst, o.values...)
	}
	for range o.reasons {
		dst = append(dst, stats.NotMeasured(why))
	}
	return dst
}

// Series are the series of all sources, as they are known after Start. Off is the last reason for which one was not
// measured, at any time of the run.
func (w *Watcher) Series() (all []stats.SeriesInfo) {
	for _, o := range w.watched {
		o.mu.Lock()
		infos := slices.Clone(o.infos)
		for i := range infos {
			infos[i].Off = o.reasons[i]
		}
		o.mu.Unlock()
		all = append(all, infos...)
	}
	return all
}

// Sample returns the values of the last second, in the order of Series. It does not block.
func (w *Watcher) Sample() []stats.SeriesValue {
	var all []stats.SeriesValue
	for _, o := range w.watched {
		all = o.sample(all)
	}
	return all
}

// Faults says which sources can not be read now, and why.
func (w *Watcher) Faults() (all []string) {
	for _, o := range w.watched {
		o.mu.Lock()
		if o.why != "" {
			all = append(all, o.spec.Source()+" is not measured: "+o.why)
		}
		o.mu.Unlock()
	}
	return all
}

// counter makes a rate of a number that only grows.
type counter struct {
	value float64
	at    time.Time
}

const (
	needsTwo = "a rate needs two samples"
	wasReset = "the counter began anew"
)

// rate is the growth a second since the last call.
func (c *counter) rate(v float64, now time.Time) stats.SeriesValue {
	prev := *c
	c.value, c.at = v, now
	wall := now.Sub(prev.at).Seconds()
	switch {
	case prev.at.IsZero() || wall <= 0:
		return stats.NotMeasured(needsTwo)
	case v < prev.value:
		return stats.NotMeasured(wasReset)
	case math.IsNaN(v):
		return stats.NotMeasured("it is no number")
	}
	return stats.SeriesValue{Value: (v - prev.value) / wall}
}
