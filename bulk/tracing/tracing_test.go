package tracing_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/tracing"
	"protei-bulk/bulk/tracing/tracingtest"
)

func start(t testing.TB, endpoint string, sample float64) *tracing.Tracer {
	t.Helper()
	tr, err := tracing.Start(tracing.Options{
		Endpoint: endpoint, Sample: sample,
		View: func(m *message.Message, f func(*message.Message)) { f(m) },
		Connector: func(id uint16) (string, bool) {
			return map[uint16]string{1: "one", 2: "two"}[id], id == 2
		},
		Account: func(uint32) string { return "acme" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// stop ends a tracer within the time, and reports whether it had sent everything.
func stop(tr *tracing.Tracer, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return tr.Stop(ctx)
}

// life is a message and what happens to it.
type life struct {
	m  *message.Message
	tr *tracing.Tracer
}

func born(tr *tracing.Tracer, id message.ID, flags message.Flags) *life {
	m := &message.Message{ID: id, Account: 7, Connector: 1, Flags: flags, SubmittedAt: 1000, Status: message.Pending}
	m.SetParts(1)
	l := &life{m, tr}
	l.apply(message.Event{Kind: message.Accept, At: 1000, Seq: 1})
	return l
}

func (l *life) apply(evs ...message.Event) {
	for i := range evs {
		evs[i].Msg = l.m
		evs[i].Apply()
	}
	l.tr.Applied(evs)
}

// TestRetryOnAnotherConnector: a try that failed is its own span, by the connector that it was
// made with; the message goes on by another one, which speaks HTTP.
func TestRetryOnAnotherConnector(t *testing.T) {
	c := tracingtest.New(t)
	tr := start(t, c.URL+"/v1/traces", 1)
	l := born(tr, 1<<40, message.WantReceipt)
	later := time.Now().UnixMilli() + 5000
	l.apply(message.Event{Kind: message.Requeue, Part: message.AllParts, At: later, Error: 0x58, Seq: 2, Connector: 2, Took: 250_000})
	l.apply(message.Event{Kind: message.Submitted, SMSCID: "x1", At: later + 900, Took: 100_000})
	l.apply(message.Event{Kind: message.Settle, Status: message.Delivered, At: later + 1900})
	if err := stop(tr, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	var tries, waits []tracingtest.Span
	for _, s := range c.Spans() {
		switch s.Name {
		case "submit":
			tries = append(tries, s)
		case "queue":
			waits = append(waits, s)
		}
	}
	if len(tries) != 2 || len(waits) != 2 {
		t.Fatalf("tries %v, waits %v", tries, waits)
	}
	first, second := tries[0], tries[1]
	if !first.Failed || first.Attrs["sms.connector"] != "one" || first.Attrs["smpp.command_status"] != int64(0x58) || first.End.Sub(first.Start) != 250*time.Millisecond {
		t.Errorf("first try, %s long: %v", first.End.Sub(first.Start), first)
	}
	if second.Failed || second.Attrs["sms.connector"] != "two" || second.Attrs["smpp.command_status"] != nil || second.Attrs["sms.attempt"] != int64(2) ||
		second.End.Sub(second.Start) != 100*time.Millisecond {
		t.Errorf("second try, %s long: %v", second.End.Sub(second.Start), second)
	}
	if waits[0].Attrs["sms.connector"] != "one" || waits[1].Attrs["sms.connector"] != "two" || waits[1].End.Sub(waits[1].Start) != 800*time.Millisecond {
		t.Errorf("waits %v", waits)
	}
	if n := tr.Counters(); n.Exported != 7 || n.Failed != 0 || n.Dropped != 0 {
		t.Errorf("counters %+v", n)
	}
}

// TestEndsOfMessages: what expires in its lane, what nobody wants a receipt of, a late receipt of
// what was UNKNOWN, and a notification that was given up. Each message has one span of its own.
func TestEndsOfMessages(t *testing.T) {
	c := tracingtest.New(t)
	tr := start(t, c.URL+"/v1/traces", 1)
	expired, plain, late := born(tr, 1, message.WantReceipt), born(tr, 2, 0), born(tr, 3, message.WantReceipt|message.NotifyFinal)
	expired.apply(message.Event{Kind: message.Settle, Part: message.AllParts, Status: message.Expired, At: 9000})
	plain.apply(message.Event{Kind: message.Submitted, SMSCID: "a", At: 2000})
	late.apply(message.Event{Kind: message.Submitted, SMSCID: "b", At: 2000},
		message.Event{Kind: message.Settle, Part: message.AllParts, Status: message.Unknown, At: 5000})
	late.apply(message.Event{Kind: message.Settle, Status: message.Delivered, At: 7000})
	late.apply(message.Event{Kind: message.Notified, At: 8000, Status: message.Failed})
	if err := stop(tr, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	var root, notify tracingtest.Span
	for _, s := range c.Spans() {
		id, _ := s.Attrs["messaging.message.id"].(string)
		names[id[15:]+" "+s.Name]++
		switch id[15:] + s.Name {
		case "3message":
			root = s
		case "3notify":
			notify = s
		}
	}
	for key, n := range map[string]int{
		"1 queue": 1, "1 submit": 0, "1 message": 1, "2 submit": 1, "2 receipt": 0, "2 message": 1,
		"3 receipt": 2, "3 message": 1, "3 notify": 1,
	} {
		if names[key] != n {
			t.Errorf("%d of %s, want %d", names[key], key, n)
		}
	}
	if root.Reason != "UNKNOWN" || notify.Reason != "given up" || notify.End.Sub(notify.Start) != time.Second {
		t.Errorf("message %v, notify %v", root, notify)
	}
}

// TestSampleIsAShareOfTheMessages, and the same messages on every node.
func TestSampleIsAShareOfTheMessages(t *testing.T) {
	ids := message.NewIDSource(1, 0, nil)
	const n = 20_000
	all := make([]message.ID, n)
	ids.Fill(all)
	picked := func() map[string]bool {
		c := tracingtest.New(t)
		tr := start(t, c.URL+"/v1/traces", 0.05)
		for _, id := range all {
			born(tr, id, 0)
		}
		if err := stop(tr, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		found := make(map[string]bool)
		for _, s := range c.Spans() {
			found[s.Trace] = true
		}
		return found
	}
	one, other := picked(), picked()
	if len(one) < 850 || len(one) > 1150 {
		t.Errorf("%d of %d are traced, 1000 expected", len(one), n)
	}
	for id := range one {
		if !other[id] {
			t.Fatalf("trace %s is sampled here and not there", id)
		}
	}
}

// TestFullQueueDrops: a collector that does not answer costs spans, not time.
func TestFullQueueDrops(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes connections
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	tr := start(t, "http://"+ln.Addr().String()+"/v1/traces", 1)
	began := time.Now()
	for id := range message.ID(50_000) {
		born(tr, id+1, 0)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("50,000 events took %s", took)
	}
	if n := tr.Counters().Dropped; n < 30_000 {
		t.Errorf("%d events were dropped, of 50,000 before a queue of 8,192", n)
	}
	if err := stop(tr, 100*time.Millisecond); err == nil {
		t.Error("it ended as if everything was sent")
	}
}

func TestParseParent(t *testing.T) {
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for header, ok := range map[string]bool{
		"00-" + trace + "-" + span + "-01":                    true,
		"00-" + trace + "-" + span + "-03":                    true,
		"cc-" + trace + "-" + span + "-01":                    true, // a later version
		"cc-" + trace + "-" + span + "-01-more":               true,
		"":                                                    false,
		"00-" + trace + "-" + span + "-00":                    false, // not sampled
		"00-" + trace + "-" + span + "-01-more":               false,
		"ff-" + trace + "-" + span + "-01":                    false,
		"zz-" + trace + "-" + span + "-01":                    false,
		"00-" + strings.ToUpper(trace) + "-" + span + "-01":   false,
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01":  false,
		"00-" + trace + "-" + strings.Repeat("0", 16) + "-01": false,
		"00-" + trace + "-" + span + "-zz":                    false,
		"00_" + trace + "-" + span + "-01":                    false,
	} {
		sc, got := tracing.ParseParent(header)
		if got != ok || ok && (sc.TraceID().String() != trace || sc.SpanID().String() != span || !sc.IsRemote()) {
			t.Errorf("%q: %t %v", header, got, sc)
		}
	}
}

// BenchmarkApplied is what the applier pays for an event of a message that is not traced, and of
// one in a hundred that is.
func BenchmarkApplied(b *testing.B) {
	for name, sample := range map[string]float64{"none": 0, "1%": 0.01, "all": 1} {
		b.Run(name, func(b *testing.B) {
			c := tracingtest.New(b)
			tr := start(b, c.URL+"/v1/traces", sample)
			evs := make([]message.Event, 1000)
			ids := message.NewIDSource(1, 0, nil)
			for i := range evs {
				m := &message.Message{ID: ids.Next(), SubmittedAt: 1000}
				m.SetParts(1)
				evs[i] = message.Event{Kind: message.Submitted, Msg: m, Changed: true, At: 2000, SMSCID: "x"}
			}
			b.ReportAllocs()
			for range b.N {
				tr.Applied(evs)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
			b.ReportMetric(float64(tr.Counters().Dropped)/float64(b.N), "dropped/op")
			b.StopTimer()
			if err := stop(tr, 10*time.Second); err != nil && sample < 1 {
				b.Fatal(err)
			}
		})
	}
}
