package tracing

import (
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"protei-bulk/bulk/message"
)

// maxParents bounds the messages whose caller's trace is known; the oldest is forgotten first.
const maxParents = 1 << 16

// parents are the callers' spans by message.
type parents struct {
	known atomic.Int64 // messages in of: nobody looks while there is none

	mu   sync.RWMutex // guards what follows
	of   map[message.ID]trace.SpanContext
	ring []message.ID // in the order of their coming
	next int          // where the next one stands in ring, once that is full
}

func (p *parents) put(id message.ID, sc trace.SpanContext) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = make(map[message.ID]trace.SpanContext)
	}
	if len(p.ring) < maxParents {
		p.ring = append(p.ring, id)
	} else {
		delete(p.of, p.ring[p.next])
		p.ring[p.next] = id
		p.next = (p.next + 1) % maxParents
	}
	p.of[id] = sc
	p.known.Store(int64(len(p.of)))
}

func (p *parents) get(id message.ID) (trace.SpanContext, bool) {
	if p.known.Load() == 0 {
		return trace.SpanContext{}, false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	sc, ok := p.of[id]
	return sc, ok
}
