package tracing

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"protei-bulk/bulk/message"
)

// mix spreads the bits of a number over all others (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// TraceID is the trace of a message that no caller has one for: its first 16 hex digits are
// the message's id, the others follow from it.
func TraceID(id message.ID) (t trace.TraceID) {
	binary.BigEndian.PutUint64(t[:8], uint64(id))
	binary.BigEndian.PutUint64(t[8:], mix(uint64(id)))
	return t
}

// rootID is the id of a message's own span.
func rootID(id message.ID) (s trace.SpanID) {
	binary.BigEndian.PutUint64(s[:], mix(^uint64(id))|1) // an id of zeroes means none
	return s
}

// ParseParent reads a traceparent header (W3C Trace Context, version 00 or later). It
// reports false for one that is malformed or not sampled.
func ParseParent(header string) (trace.SpanContext, bool) {
	const length = 2 + 1 + 32 + 1 + 16 + 1 + 2
	if len(header) < length || header[2] != '-' || header[35] != '-' || header[52] != '-' {
		return trace.SpanContext{}, false
	}
	version := header[:2]
	if version == "ff" || version == "00" && len(header) != length || len(header) > length && header[length] != '-' {
		return trace.SpanContext{}, false
	}
	if header = header[:length]; strings.ToLower(header) != header {
		return trace.SpanContext{}, false
	}
	var versions, flags [1]byte
	if _, err := hex.Decode(versions[:], []byte(version)); err != nil {
		return trace.SpanContext{}, false
	}
	if _, err := hex.Decode(flags[:], []byte(header[53:])); err != nil || flags[0]&1 == 0 {
		return trace.SpanContext{}, false
	}
	t, err := trace.TraceIDFromHex(header[3:35])
	if err != nil {
		return trace.SpanContext{}, false
	}
	s, err := trace.SpanIDFromHex(header[36:52])
	if err != nil {
		return trace.SpanContext{}, false
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: t, SpanID: s, TraceFlags: trace.FlagsSampled, Remote: true}), true
}

// generator gives the SDK the ids of a message's span, and random ones to its children. It
// belongs to the tracer's goroutine.
type generator struct {
	root  bool // the next span is a message's
	trace trace.TraceID
	span  trace.SpanID
}

// NewIDs implements sdktrace.IDGenerator.
func (g *generator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	return g.trace, g.NewSpanID(ctx, g.trace)
}

// NewSpanID implements sdktrace.IDGenerator.
func (g *generator) NewSpanID(context.Context, trace.TraceID) (s trace.SpanID) {
	if g.root {
		return g.span
	}
	binary.BigEndian.PutUint64(s[:], rand.Uint64()|1)
	return s
}
