package tracing

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"protei-bulk/bulk/message"
)

// The names of spans. They are part of what dashboards look for.
const (
	spanMessage   = "message"   // from accept to the final state
	spanAccept    = "accept"    // validated, until it is durable
	spanScheduled = "scheduled" // until it is due
	spanQueue     = "queue"     // in its lane, until a part goes
	spanHeld      = "held"      // until somebody decides
	spanSubmit    = "submit"    // from handing a part to the SMSC to its answer
	spanReceipt   = "receipt"   // from the answer to the part's final state
	spanNotify    = "notify"    // from the final state until the customer knows
)

// change is an event with the state that belongs to it, for the goroutine.
type change struct {
	ev        message.Event // of ev.Msg only what is fixed at accept is read
	parent    trace.SpanContext
	applied   time.Time
	connector uint16
	waits     bool // a part is still to be sent
	dup       bool // PossibleDuplicate
	due       int64
	doneAt    int64          // of the message
	parts     []message.Part // that ev is about; of Submitted none
	attempts  uint8
}

// noted copies what ev is about.
func (t *Tracer) noted(ev *message.Event) change {
	c := change{ev: *ev}
	t.o.View(ev.Msg, func(m *message.Message) {
		c.connector, c.dup, c.doneAt, c.due = m.Connector, m.PossibleDuplicate, m.DoneAt, m.DueAt
		for i := range m.Parts {
			c.waits = c.waits || m.Parts[i].Status.Waiting()
			c.attempts = max(c.attempts, m.Parts[i].Attempts)
		}
		switch {
		case ev.Kind != message.Settle:
		case ev.Part != message.AllParts:
			if int(ev.Part) < len(m.Parts) {
				c.parts = []message.Part{m.Parts[ev.Part]}
			}
		default:
			c.parts = slices.DeleteFunc(slices.Clone(m.Parts), func(p message.Part) bool {
				return p.Status != ev.Status || p.DoneAt != ev.At
			})
		}
	})
	return c
}

// maxTrips bounds the messages of which the goroutine knows more than their events say.
const maxTrips = 1 << 16

// trip is what the goroutine remembers of a message.
type trip struct {
	since     time.Time // since when it waits to be sent
	connector uint16    // by which it was to go
	held      bool      // it waits for somebody's decision
	ended     bool      // the message's span was sent
	reopen    time.Time // when the customer was to be told again
	last      time.Time // the latest end of a span
}

// rounding is how far a moment in whole milliseconds may lie before one that came earlier and is
// known better.
const rounding = 2 * time.Millisecond

// moment is ms (Unix ms), but not before what came earlier only because it is rounded down.
func (tr *trip) moment(ms int64) time.Time {
	at := time.UnixMilli(ms)
	if d := tr.last.Sub(at); d > 0 && d < rounding {
		return tr.last
	}
	return at
}

// handed is when a part was given to the SMSC that answered at, and the answer: a try is as long
// as it was, and does not begin before the wait for it.
func (tr *trip) handed(ev *message.Event, at time.Time) (sent, answered time.Time) {
	took := time.Duration(ev.Took) * time.Microsecond
	if sent = at.Add(-took); sent.Before(tr.since) && tr.since.Sub(sent) < took+rounding {
		sent = tr.since
	}
	if answered = sent.Add(took); answered.Before(at) {
		answered = at
	}
	return sent, answered
}

// trips forget the oldest first. What is not known is guessed from the message.
type trips struct {
	of   map[message.ID]*trip
	ring []message.ID
	next int
}

// get finds or begins the trip of c's message.
func (s *trips) get(c *change) *trip {
	m := c.ev.Msg
	if tr := s.of[m.ID]; tr != nil {
		return tr
	}
	if s.of == nil {
		s.of = make(map[message.ID]*trip)
	}
	tr := &trip{connector: c.connector, since: time.UnixMilli(max(m.SubmittedAt, m.ScheduleAt))}
	if c.attempts > 1 && c.due > m.SubmittedAt {
		tr.since = time.UnixMilli(c.due)
	}
	if len(s.ring) < maxTrips {
		s.ring = append(s.ring, m.ID)
	} else {
		delete(s.of, s.ring[s.next])
		s.ring[s.next] = m.ID
		s.next = (s.next + 1) % maxTrips
	}
	s.of[m.ID] = tr
	return tr
}

// spans makes the spans that c ends.
func (t *Tracer) spans(c *change) {
	ev := &c.ev
	tr := t.trips.get(c)
	at := tr.moment(ev.At)
	switch ev.Kind {
	case message.Accept:
		t.accepted(c, tr)
	case message.Submitted:
		sent, answered := tr.handed(ev, at)
		t.waited(c, tr, sent)
		t.child(c, tr, spanSubmit, trace.SpanKindClient, sent, answered, "", append(t.about(c), attribute.String("smsc.message_id", ev.SMSCID)))
	case message.Settle:
		for i := range c.parts {
			t.settled(c, tr, &c.parts[i], at)
		}
	case message.Requeue: // what ends was the connector's before
		tr.connector, c.connector = c.connector, tr.connector
		t.requeued(c, tr, at, tr.connector != c.connector)
	case message.Hold:
		t.waited(c, tr, at)
		tr.since, tr.held = at, true
	case message.Notified:
		t.notified(c, tr, at)
	}
	if !tr.ended && c.ends() {
		tr.ended = true
		t.root(c, tr.moment(ev.At))
	}
}

// ends reports whether c is the end of its message, as far as SMSCs are concerned.
func (c *change) ends() bool {
	ev := &c.ev
	if ev.Kind == message.Notified || ev.Was.Final() {
		return false
	}
	return ev.Now.Final() || ev.Now == message.Sent && ev.Msg.Flags&message.WantReceipt == 0 && !c.waits
}

func (t *Tracer) accepted(c *change, tr *trip) {
	m := c.ev.Msg
	begin := time.UnixMilli(m.SubmittedAt)
	t.child(c, tr, spanAccept, trace.SpanKindInternal, begin, c.applied, "", nil)
	tr.since = c.applied
	if due := time.UnixMilli(m.ScheduleAt); m.ScheduleAt != 0 && due.After(c.applied) {
		tr.since = due
		t.child(c, tr, spanScheduled, trace.SpanKindInternal, c.applied, due, "", nil)
	}
}

// waited makes the span of a wait that ended because a part goes, or never will.
func (t *Tracer) waited(c *change, tr *trip, until time.Time, more ...attribute.KeyValue) {
	name := spanQueue
	if tr.held {
		name = spanHeld
	}
	m := c.ev.Msg
	attrs := append(more, attribute.String("sms.connector", t.connector(c)), attribute.String("sms.priority", m.Priority.String()))
	if c.ev.Part != message.AllParts {
		attrs = append(attrs, attribute.Int("sms.part", int(c.ev.Part)+1))
	}
	t.child(c, tr, name, trace.SpanKindInternal, tr.since, until, "", attrs)
}

// settled makes the spans of a part that reached its final state.
func (t *Tracer) settled(c *change, tr *trip, p *message.Part, at time.Time) {
	ev := &c.ev
	failed := ""
	if bad(ev.Status) {
		failed = ev.Status.String()
	}
	status := attribute.String("sms.status", ev.Status.String())
	switch {
	case p.SentAt != 0:
		attrs := []attribute.KeyValue{status, attribute.String("sms.connector", t.connector(c)), attribute.Int("sms.receipt_error", int(ev.Error))}
		if ev.Part != message.AllParts {
			attrs = append(attrs, attribute.Int("sms.part", int(ev.Part)+1))
		}
		t.child(c, tr, spanReceipt, trace.SpanKindInternal, tr.moment(p.SentAt), at, failed, attrs)
	case ev.Took != 0 || ev.Error != 0:
		sent, answered := tr.handed(ev, at)
		t.waited(c, tr, sent)
		t.child(c, tr, spanSubmit, trace.SpanKindClient, sent, answered, failed, append(t.about(c), status))
	default:
		t.waited(c, tr, at, status)
	}
}

// requeued makes the spans of a try that failed. Without an error there was none: it was let
// go, or moved to another connector.
func (t *Tracer) requeued(c *change, tr *trip, at time.Time, moved bool) {
	ev := &c.ev
	if ev.Error == 0 {
		if (tr.held || moved) && ev.At != 0 {
			t.waited(c, tr, at)
			tr.since, tr.held = at, false
		}
		return
	}
	sent, answered := tr.handed(ev, at)
	t.waited(c, tr, sent)
	t.child(c, tr, spanSubmit, trace.SpanKindClient, sent, answered, "the try failed", t.about(c))
	tr.since, tr.held = answered, false
}

func (t *Tracer) notified(c *change, tr *trip, at time.Time) {
	ev := &c.ev
	if ev.Part == message.Reopen {
		tr.reopen = at
		return
	}
	from := tr.moment(c.doneAt)
	switch {
	case !tr.reopen.IsZero():
		from, tr.reopen = tr.reopen, time.Time{}
	case c.doneAt == 0: // it was told on its way
		from = at
	}
	by := "webhook"
	if ev.Msg.Flags&message.ViaSMPP != 0 {
		by = "deliver_sm"
	}
	failed := ""
	if ev.Status == message.Failed {
		failed = "given up"
	}
	t.child(c, tr, spanNotify, trace.SpanKindClient, from, at, failed, []attribute.KeyValue{
		attribute.String("sms.notify", by), attribute.String("sms.status", ev.Now.String()),
	})
}

// about are the attributes of a submit_sm or what stands for it.
func (t *Tracer) about(c *change) []attribute.KeyValue {
	ev := &c.ev
	name, http := t.o.Connector(c.connector)
	code := attribute.Int("smpp.command_status", int(ev.Error))
	if http {
		code = attribute.Int("http.response.status_code", int(ev.Error))
	}
	attrs := []attribute.KeyValue{attribute.String("sms.connector", name), attribute.Int("sms.attempt", int(c.attempts))}
	if !http || ev.Error != 0 { // the answer of an HTTP connector that took it is not kept
		attrs = append(attrs, code)
	}
	if ev.Part != message.AllParts {
		attrs = append(attrs, attribute.Int("sms.part", int(ev.Part)+1))
	}
	if ev.Dup || c.dup {
		attrs = append(attrs, attribute.Bool("sms.possible_duplicate", true))
	}
	return attrs
}

func (t *Tracer) connector(c *change) string {
	name, _ := t.o.Connector(c.connector)
	return name
}

// bad reports whether a final state is one that nobody wished for.
func bad(s message.Status) bool {
	return s == message.Failed || s == message.Rejected || s == message.Expired || s == message.Unknown
}

// where is the trace of c's message, and its own span there.
func (c *change) where() (trace.TraceID, trace.SpanID) {
	if c.parent.IsValid() {
		return c.parent.TraceID(), rootID(c.ev.Msg.ID)
	}
	return TraceID(c.ev.Msg.ID), rootID(c.ev.Msg.ID)
}

// child makes a span below the message's. One that would end before it begins, as clocks of
// two nodes can have it, has no length.
func (t *Tracer) child(c *change, tr *trip, name string, kind trace.SpanKind, from, to time.Time, failed string, attrs []attribute.KeyValue) {
	id, root := c.where()
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: root, TraceFlags: trace.FlagsSampled,
	}))
	if from.After(to) {
		from = to
	}
	if name != spanScheduled && to.After(tr.last) {
		tr.last = to
	}
	t.end(ctx, c, name, kind, from, to, failed, attrs)
}

// root makes the message's span.
func (t *Tracer) root(c *change, to time.Time) {
	m := c.ev.Msg
	ctx := context.Background()
	if c.parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, c.parent)
	}
	via := "http"
	switch {
	case m.Campaign != 0:
		via = "campaign"
	case m.Flags&message.ViaSMPP != 0:
		via = "smpp"
	}
	attrs := []attribute.KeyValue{
		attribute.String("sms.account", t.o.Account(m.Account)), attribute.Int("sms.account_id", int(m.Account)), attribute.String("sms.via", via),
		attribute.String("sms.connector", t.connector(c)), attribute.String("sms.priority", m.Priority.String()), attribute.Int("sms.parts", len(m.Parts)),
		attribute.Int("smpp.data_coding", int(m.DataCoding)), attribute.String("sms.status", c.ev.Now.String()),
	}
	if m.Batch != 0 {
		attrs = append(attrs, attribute.String("sms.batch_id", m.Batch.String()))
	}
	if m.Campaign != 0 {
		attrs = append(attrs, attribute.String("sms.campaign_id", m.Campaign.String()))
	}
	failed := ""
	if bad(c.ev.Now) {
		failed = c.ev.Now.String()
	}
	from := time.UnixMilli(m.SubmittedAt)
	if to.Before(from) {
		to = from
	}
	t.ids.root = true
	t.ids.trace, t.ids.span = c.where()
	t.end(ctx, c, spanMessage, trace.SpanKindServer, from, to, failed, attrs)
	t.ids.root = false
}

func (t *Tracer) end(ctx context.Context, c *change, name string, kind trace.SpanKind, from, to time.Time, failed string, attrs []attribute.KeyValue) {
	attrs = append(attrs, attribute.String("messaging.message.id", c.ev.Msg.ID.String()))
	_, s := t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(from), trace.WithAttributes(attrs...))
	if failed != "" {
		s.SetStatus(codes.Error, failed)
	}
	s.End(trace.WithTimestamp(to))
}
