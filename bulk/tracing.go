package bulk

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/metrics"
	"protei-bulk/bulk/tracing"
)

// tracePatience bounds the sending of the last traces at the end, by a collector that is slow.
const tracePatience = 2 * time.Second

// openTracing starts the tracer before the store that it hears of, and ends it behind that.
func (p *Platform) openTracing(context.Context) error {
	c := &p.cfg.Tracing
	if !c.on() {
		return nil
	}
	headers, err := c.Headers.parse()
	if err != nil {
		return err
	}
	p.tracer, err = tracing.Start(tracing.Options{
		Endpoint: c.address(), Headers: headers, Sample: float64(c.Sample), Version: p.opts.Version, Instance: p.nodeName(),
		View: func(m *message.Message, f func(*message.Message)) { p.store.View(m, f) },
		Connector: func(id uint16) (string, bool) {
			name := p.connector.Name(id)
			c := p.connector.Named(name)
			return cmp.Or(name, strconv.Itoa(int(id))), c != nil && c.HTTP != nil
		},
		Account: func(id uint32) string {
			if a := p.accounts.ByID(id); a != nil {
				return a.Name
			}
			return strconv.Itoa(int(id))
		},
		Logger: p.log,
	})
	if err != nil {
		return err
	}
	p.log.Info("tracing messages", "collector", c.address(), "sample", c.Sample.String())
	p.onStopWithin(tracePatience, "traces", p.tracer.Stop)
	return nil
}

// adopter is what intake tells of a caller's trace; nil without traces.
func (p *Platform) adopter() func(id message.ID, traceparent string) {
	if p.tracer == nil {
		return nil
	}
	return p.tracer.Adopt
}

// tracingReadings shows what became of traces.
func (p *Platform) tracingReadings() []reading {
	counters := func() (c tracing.Counters) {
		if p.tracer != nil {
			c = p.tracer.Counters()
		}
		return c
	}
	return []reading{{
		name: "trace_spans", help: "Spans of traces by what became of them.", labels: []string{"outcome"}, counter: true,
		read: func(emit metrics.Emit) {
			c := counters()
			emit(float64(c.Exported), "exported")
			emit(float64(c.Failed), "failed")
		},
	}, {
		name: "trace_events_dropped", help: "Changes of traced messages that became no spans, for lack of room.", counter: true,
		read: func(emit metrics.Emit) { emit(float64(counters().Dropped)) },
	}}
}
