package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"protei-bulk/bulk/message"
)

// Bounds of a Tracer.
const (
	maxQueued     = 8192             // events that wait for the goroutine
	maxBatch      = 512              // spans of one request to the collector
	batchAge      = time.Second      // the oldest span of a batch waits no longer
	exportTimeout = 10 * time.Second // of one request, with its repetitions
	retryFor      = 5 * time.Second  // how long a request that the collector put off is repeated
	logEvery      = time.Minute      // between two lines about a collector that fails
	maxReason     = 200              // characters of what is wrong that are logged
)

// Options of a Tracer. Endpoint, View, Connector and Account are needed.
type Options struct {
	// Endpoint is the URL that traces are posted to, path included; http or https decides
	// about TLS.
	Endpoint string
	// Headers go with each request. Their values are not logged.
	Headers map[string]string
	// Sample is the share of messages that are traced, 0 to 1.
	Sample float64
	// Version and Instance are told as service.version and service.instance.id.
	Version, Instance string
	// View runs f while the state of m does not change.
	View func(m *message.Message, f func(*message.Message))
	// Connector names a connector, and says whether it speaks HTTP instead of SMPP.
	Connector func(id uint16) (name string, http bool)
	// Account names an account.
	Account func(id uint32) string
	Logger  *slog.Logger // nil: silent
}

// Counters are what became of spans, and of the events they are made of.
type Counters struct {
	Exported, Failed uint64 // spans that the collector took, and that were given up
	Dropped          uint64 // events for which the queue had no room
}

// Tracer makes and sends spans. Its methods are safe for concurrent use.
type Tracer struct {
	o         Options
	log       *slog.Logger
	threshold uint64 // of 63 bits of mix(id)
	parents   parents
	queue     chan change
	quit      chan struct{}
	ended     chan struct{}
	cancel    context.CancelFunc // cuts a request to the collector

	exported, failed, dropped atomic.Uint64

	// What follows belongs to the goroutine.
	ctx      context.Context
	exporter sdktrace.SpanExporter
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	ids      *generator
	batch    []sdktrace.ReadOnlySpan
	trips    trips
	trouble  trouble
}

// Start returns a Tracer whose goroutine runs. Nothing is sent before there are spans.
func Start(o Options) (*Tracer, error) {
	if o.Sample < 0 || o.Sample > 1 {
		return nil, fmt.Errorf("tracing: a share of %v is outside 0 to 1", o.Sample)
	}
	t := &Tracer{
		o: o, log: o.Logger, threshold: uint64(o.Sample * (1 << 63)), ids: &generator{},
		queue: make(chan change, maxQueued), quit: make(chan struct{}), ended: make(chan struct{}),
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	var err error
	t.exporter, err = otlptracehttp.New(t.ctx,
		otlptracehttp.WithEndpointURL(o.Endpoint), otlptracehttp.WithHeaders(o.Headers), otlptracehttp.WithTimeout(exportTimeout),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: 500 * time.Millisecond, MaxInterval: 2 * time.Second, MaxElapsedTime: retryFor}))
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	about, err := resource.New(t.ctx,
		resource.WithAttributes(attribute.String("service.name", "protei-bulk"), attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Instance)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil { // of OTEL_RESOURCE_ATTRIBUTES, of which the rest is taken
		t.log.Warn("traces: a part of the resource attributes is not understood", "error", err)
	}
	t.provider = sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithIDGenerator(t.ids),
		sdktrace.WithResource(about), sdktrace.WithSpanProcessor(collect{t}))
	t.tracer = t.provider.Tracer("protei-bulk")
	go t.run()
	return t, nil
}

// Adopt makes the trace of a caller that of a message, which is not committed yet. A header
// that is malformed or not sampled changes nothing.
func (t *Tracer) Adopt(id message.ID, traceparent string) {
	if sc, ok := ParseParent(traceparent); ok {
		t.parents.put(id, sc)
	}
}

// Applied takes the events that the store applied, as its hook gets them. It does not block.
func (t *Tracer) Applied(evs []message.Event) {
	var now time.Time
	adopting := t.parents.known.Load() != 0
	for i := range evs {
		ev := &evs[i]
		if !ev.Changed {
			continue
		}
		sampled := mix(uint64(ev.Msg.ID))>>1 < t.threshold
		if !sampled && !adopting {
			continue
		}
		parent, adopted := t.parents.get(ev.Msg.ID)
		if !sampled && !adopted {
			continue
		}
		if len(t.queue) == cap(t.queue) {
			t.dropped.Add(1)
			continue
		}
		if now.IsZero() {
			now = time.Now()
		}
		c := t.noted(ev)
		c.parent, c.applied = parent, now
		select {
		case t.queue <- c:
		default:
			t.dropped.Add(1)
		}
	}
}

// Counters returns what was counted since the start.
func (t *Tracer) Counters() Counters {
	return Counters{Exported: t.exported.Load(), Failed: t.failed.Load(), Dropped: t.dropped.Load()}
}

// Stop sends what there is, until ctx ends, and ends the goroutine. Applied must not be
// called any more. It is called once.
func (t *Tracer) Stop(ctx context.Context) error {
	close(t.quit)
	select {
	case <-t.ended:
		t.cancel()
		return nil
	case <-ctx.Done():
		t.cancel()
		<-t.ended
		return ctx.Err()
	}
}

func (t *Tracer) run() {
	defer close(t.ended)
	tick := time.NewTicker(batchAge)
	defer tick.Stop()
	for {
		select {
		case c := <-t.queue:
			t.spans(&c)
			if len(t.batch) >= maxBatch {
				t.export()
			}
		case <-tick.C:
			t.export()
		case <-t.quit:
			t.drain()
			return
		}
	}
}

// drain sends what is left.
func (t *Tracer) drain() {
	for t.ctx.Err() == nil {
		select {
		case c := <-t.queue:
			t.spans(&c)
			if len(t.batch) >= maxBatch {
				t.export()
			}
			continue
		default:
		}
		break
	}
	t.export()
	if err := errors.Join(t.exporter.Shutdown(t.ctx), t.provider.Shutdown(t.ctx)); err != nil {
		t.log.Debug("traces: end", "error", t.hide(err))
	}
}

// export sends the batch, once.
func (t *Tracer) export() {
	n := len(t.batch)
	if n == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(t.ctx, exportTimeout)
	err := t.exporter.ExportSpans(ctx, t.batch)
	cancel()
	clear(t.batch)
	t.batch = t.batch[:0]
	if err == nil {
		t.exported.Add(uint64(n))
		if t.trouble.over() {
			t.log.Info("traces: the collector takes them again")
		}
		return
	}
	t.failed.Add(uint64(n))
	if lost, say := t.trouble.add(n, time.Now()); say {
		t.log.Warn("traces: the collector does not take them", "error", t.hide(err), "spans_lost", lost, "events_dropped", t.dropped.Load())
	}
}

// hide says what is wrong, without addresses and headers.
func (t *Tracer) hide(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	text := err.Error()
	for _, v := range t.o.Headers {
		if v != "" {
			text = strings.ReplaceAll(text, v, "xxxxx")
		}
	}
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}

// trouble says when a line about a failing collector is due.
type trouble struct {
	last time.Time // of the last line; zero: all is well
	lost int       // spans since then
}

func (f *trouble) add(n int, now time.Time) (lost int, say bool) {
	f.lost += n
	if !f.last.IsZero() && now.Sub(f.last) < logEvery {
		return 0, false
	}
	lost, f.lost, f.last = f.lost, 0, now
	return lost, true
}

func (f *trouble) over() bool {
	was := !f.last.IsZero()
	*f = trouble{}
	return was
}

// collect is the span processor: spans end on the tracer's goroutine, into its batch.
type collect struct{ t *Tracer }

// OnStart implements sdktrace.SpanProcessor.
func (collect) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor.
func (c collect) OnEnd(s sdktrace.ReadOnlySpan) { c.t.batch = append(c.t.batch, s) }

// Shutdown implements sdktrace.SpanProcessor.
func (collect) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor.
func (collect) ForceFlush(context.Context) error { return nil }
