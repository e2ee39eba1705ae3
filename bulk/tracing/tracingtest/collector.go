// Package tracingtest is a collector for tests: an HTTP server that takes OTLP traces.
package tracingtest

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span as the collector got it.
type Span struct {
	Trace, ID, Parent string // hex digits; Parent is empty of a span without one
	Name              string
	Kind              traces.Span_SpanKind
	Start, End        time.Time
	Attrs             map[string]any // string, int64, bool
	Failed            bool
	Reason            string         // of Failed
	Resource          map[string]any // of who sent it
}

// Collector is the server. Its methods are safe for concurrent use.
type Collector struct {
	*httptest.Server
	t testing.TB

	mu      sync.Mutex // guards what follows
	spans   []Span
	bodies  []byte // of all requests, as protobuf
	headers []http.Header
	changed chan struct{}
}

// New starts a collector; t ends it.
func New(t testing.TB) *Collector {
	c := &Collector{t: t, changed: make(chan struct{})}
	c.Server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.Close)
	return c
}

func (c *Collector) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("%s %s with %s", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			c.t.Error(err)
			return
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	if err != nil {
		c.t.Error(err)
	}
	var req collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(text, &req); err != nil {
		c.t.Error(err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bodies, c.headers = append(c.bodies, text...), append(c.headers, r.Header.Clone())
	for _, rs := range req.ResourceSpans {
		about := attributes(rs.Resource.GetAttributes())
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.spans = append(c.spans, Span{
					Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
					Name: s.Name, Kind: s.Kind, Start: time.Unix(0, int64(s.StartTimeUnixNano)), End: time.Unix(0, int64(s.EndTimeUnixNano)),
					Attrs: attributes(s.Attributes), Failed: s.Status.GetCode() == traces.Status_STATUS_CODE_ERROR, Reason: s.Status.GetMessage(), Resource: about,
				})
			}
		}
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

func attributes(list []*common.KeyValue) map[string]any {
	all := make(map[string]any, len(list))
	for _, kv := range list {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			all[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			all[kv.Key] = v.IntValue
		case *common.AnyValue_BoolValue:
			all[kv.Key] = v.BoolValue
		default:
			all[kv.Key] = v
		}
	}
	return all
}

// Spans returns what came so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Requests returns the headers of the requests, and their bodies one after the other.
func (c *Collector) Requests() (headers []http.Header, bodies []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]http.Header(nil), c.headers...), append([]byte(nil), c.bodies...)
}

// Message waits until there are n spans about a message and returns them by name. Of several
// with one name there is the last.
func (c *Collector) Message(id string, n int) map[string]Span {
	c.t.Helper()
	late := time.After(30 * time.Second)
	for {
		c.mu.Lock()
		changed, count, found := c.changed, 0, make(map[string]Span)
		for _, s := range c.spans {
			if s.Attrs["messaging.message.id"] == id {
				found[s.Name] = s
				count++
			}
		}
		c.mu.Unlock()
		if count >= n {
			return found
		}
		select {
		case <-changed:
		case <-late:
			c.t.Fatalf("message %s: %d spans come instead of %d: %v", id, count, n, found)
		}
	}
}
