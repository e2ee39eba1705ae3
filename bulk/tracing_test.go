package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/tracing"
	"protei-bulk/bulk/tracing/tracingtest"
	"protei-bulk/smpp"
	"protei-bulk/smsc"
)

// traced opens a platform that sends the given share of its messages to a collector.
func traced(t *testing.T, dir string, c *tracingtest.Collector, sample Share) *site {
	return openSite(t, dir, func(cfg *Config) {
		cfg.SMPP, cfg.Webhooks.Allow = "127.0.0.1:0", []string{"127.0.0.0/8"}
		cfg.Tracing = TracingConfig{Endpoint: c.URL, Sample: sample, Headers: "authorization=Bearer%20open-sesame"}
	})
}

// post sends a message with a traceparent and returns its id.
func (s *site) post(parent, body string) string {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), "POST", "http://"+s.HTTPAddr()+"/api/v1/messages", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("X-API-Key", "dev-api-key")
	r.Header.Set("Content-Type", "application/json")
	if parent != "" {
		r.Header.Set("traceparent", parent)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		ID string `json:"message_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || resp.StatusCode != 201 {
		s.t.Fatalf("POST %s: %d %v", body, resp.StatusCode, err)
	}
	return got.ID
}

// TestTraceOfEveryDoor: each call that accepts messages puts the traces of them all into its caller's.
func TestTraceOfEveryDoor(t *testing.T) {
	collector := tracingtest.New(t)
	s := traced(t, t.TempDir(), collector, 0)
	s.addConnector("op1", simulate(t, smsc.Behaviour{}), "")
	var made struct {
		ID string `json:"campaign_id"`
	}
	answer := s.must(201, "POST", "/campaigns", `{"name":"spring","sender_id":"TEST","message_content":"hello","recipients":["+99361234567"]}`)
	if err := json.Unmarshal([]byte(answer), &made); err != nil {
		t.Fatal(err)
	}
	const credentials = "username=dev&password=devpass1"
	for i, c := range []struct {
		method, path, kind, body string
		messages                 int
	}{
		{"POST", "/api/v1/messages", "application/json", `{"from":"TEST","to":"+99361234567","text":"hello"}`, 1},
		{"POST", "/api/v1/messages/bulk", "application/json", `{"from":"TEST","text":"hello","messages":[{"to":"+99361234567"},{"to":"no number"},{"to":"+99361234568"}]}`, 2},
		{"POST", "/api/v1/messages/bulk", "application/x-ndjson", `{"from":"TEST","to":"+99361234567","text":"hello"}` + "\n" + `{"from":"TEST","to":"+99361234568","text":"hello"}`, 2},
		{"POST", "/api/v1/campaigns/" + made.ID + "/test", "application/json", `{"to":"+99361234567"}`, 1},
		{"POST", "/api/sendBulk", "application/x-www-form-urlencoded", credentials + "&from=TEST&text=hello&to=99361234567,99361234568", 2},
		{"GET", "/send?" + credentials + "&from=TEST&content=hello&to=99361234567", "", "", 1},
		{"POST", "/secure/send", "application/json", `{"to":"99361234567","from":"TEST","content":"hello"}`, 1},
		{"POST", "/secure/sendbatch", "application/json", `{"messages":[{"to":["99361234567","99361234568"],"from":"TEST","content":"hello"}]}`, 2},
		{"GET", "/cgi-bin/sendsms?" + credentials + "&from=TEST&text=hello&to=99361234567+99361234568", "", "", 2},
	} {
		t.Run(fmt.Sprintf("%d%s", i, strings.ReplaceAll(strings.SplitN(c.path, "?", 2)[0], "/", " ")), func(t *testing.T) {
			span := fmt.Sprintf("%016x", i+1)
			r, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+s.HTTPAddr()+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if r.SetBasicAuth("dev", "devpass1"); strings.HasPrefix(c.path, "/api/v1/") {
				r.Header.Set("X-API-Key", "dev-api-key")
				r.Header.Del("Authorization")
			}
			r.Header.Set("Content-Type", c.kind)
			r.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-"+span+"-01")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode >= 300 {
				t.Fatalf("%d %v %s", resp.StatusCode, err, text)
			}
			eventually(t, fmt.Sprintf("%d messages are below the caller's span", c.messages), func() bool {
				n := 0
				for _, got := range collector.Spans() {
					if got.Name == "message" && got.Parent == span && got.Trace == "0af7651916cd43dd8448eb211c80319c" {
						n++
					}
				}
				return n == c.messages
			})
		})
	}
}

// tree checks that every span is below the root and on the way in time, and returns the names.
func tree(t *testing.T, spans map[string]tracingtest.Span) []string {
	t.Helper()
	root, ok := spans["message"]
	if !ok {
		t.Fatalf("no span of the message: %v", spans)
	}
	var names []string
	for name, s := range spans {
		names = append(names, name)
		if s.Trace != root.Trace || name != "message" && s.Parent != root.ID {
			t.Errorf("%s is below %s in trace %s; the message is %s in %s", name, s.Parent, s.Trace, root.ID, root.Trace)
		}
		if s.End.Before(s.Start) || s.Start.Before(root.Start) {
			t.Errorf("%s goes from %s to %s; the message begins at %s", name, s.Start, s.End, root.Start)
		}
	}
	slices.Sort(names)
	return names
}

// TestTraceOfAMessage follows one message from a caller's POST to the webhook, in the caller's
// trace, and another one over SMPP, in its own.
func TestTraceOfAMessage(t *testing.T) {
	collector := tracingtest.New(t)
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer hook.Close()
	sim := simulate(t, smsc.Behaviour{})
	s := traced(t, t.TempDir(), collector, 0)
	s.addConnector("op1", sim, "")
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	const text = "words that nobody else is to read"
	body := fmt.Sprintf(`{"from":"TEST","to":"+99361234567","text":%q,"dlr_url":%q}`, text, hook.URL)
	untraced := s.post("00-"+trace+"-"+span+"-00", body)
	id := s.post("00-"+trace+"-"+span+"-01", body)

	spans := collector.Message(id, 6)
	if diff := cmp.Diff([]string{"accept", "message", "notify", "queue", "receipt", "submit"}, tree(t, spans)); diff != "" {
		t.Error(diff)
	}
	if root := spans["message"]; root.Trace != trace || root.Parent != span {
		t.Errorf("the message is in trace %s below %s, not the caller's", root.Trace, root.Parent)
	}
	for name, want := range map[string]map[string]any{
		"message": {
			"sms.account": "dev", "sms.via": "http", "sms.connector": "op1", "sms.priority": "NORMAL", "sms.parts": int64(1), "sms.status": "DELIVERED",
		},
		"queue":   {"sms.connector": "op1", "sms.part": int64(1)},
		"submit":  {"sms.connector": "op1", "sms.part": int64(1), "sms.attempt": int64(1), "smpp.command_status": int64(0)},
		"receipt": {"sms.status": "DELIVERED", "sms.receipt_error": int64(0)},
		"notify":  {"sms.notify": "webhook", "sms.status": "DELIVERED"},
	} {
		for key, value := range want {
			if got := spans[name].Attrs[key]; got != value {
				t.Errorf("%s: %s is %v, want %v", name, key, got, value)
			}
		}
		if spans[name].Failed {
			t.Errorf("%s failed: %s", name, spans[name].Reason)
		}
	}
	if got := s.must(200, "GET", "/messages/"+id, ""); spans["submit"].Attrs["smsc.message_id"] == "" || !strings.Contains(got, fmt.Sprint(spans["submit"].Attrs["smsc.message_id"])) {
		t.Errorf("smsc.message_id %v; the message: %s", spans["submit"].Attrs["smsc.message_id"], got)
	}
	// One after the other: what ends begins the next.
	for _, pair := range [][2]string{{"accept", "queue"}, {"queue", "submit"}, {"submit", "receipt"}, {"receipt", "notify"}} {
		if before, after := spans[pair[0]], spans[pair[1]]; after.Start.Before(before.End.Truncate(time.Millisecond)) {
			t.Errorf("%s begins at %s, %s ended at %s", pair[1], after.Start, pair[0], before.End)
		}
	}
	if r := spans["message"].Resource; r["service.name"] != "protei-bulk" || r["service.instance.id"] == "" {
		t.Errorf("resource %v", r)
	}
	headers, sent := collector.Requests()
	if headers[0].Get("Authorization") != "Bearer open-sesame" {
		t.Errorf("headers %v", headers[0])
	}
	for _, secret := range []string{text, "99361234567", hook.URL, "dev-api-key"} {
		if bytes.Contains(sent, []byte(secret)) {
			t.Errorf("%q was sent to the collector", secret)
		}
	}
	for _, s := range collector.Spans() {
		if s.Attrs["messaging.message.id"] == untraced {
			t.Errorf("%s of a message whose caller did not sample it", s.Name)
		}
	}
	eventually(t, "the metrics show 6 spans exported", func() bool {
		return strings.Contains(metricsPage(t, s), `protei_bulk_trace_spans_total{outcome="exported"} 6`)
	})
}

func metricsPage(t *testing.T, s *site) string {
	t.Helper()
	resp, err := http.Get("http://" + s.HTTPAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTraceOverSMPP: submit_sm in, two parts, deliver_sm back.
func TestTraceOverSMPP(t *testing.T) {
	collector := tracingtest.New(t)
	s := traced(t, t.TempDir(), collector, 1)
	s.addConnector("op1", simulate(t, smsc.Behaviour{}), "")
	c := s.bind()
	st, resp, err := c.Do(t.Context(), &smpp.SubmitSM{
		Source: smpp.Address{TON: 5, Addr: []byte("Test")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("99361234567")},
		RegisteredDelivery: 1, ShortMessage: bytes.Repeat([]byte("long "), 40),
	})
	if err != nil || st != smpp.ROK {
		t.Fatalf("submit_sm: %v %v", st, err)
	}
	id := string(resp.(*smpp.SubmitSMResp).MessageID)
	spans := collector.Message(id, 9) // accept, message, notify, and of each part queue, submit, receipt
	if diff := cmp.Diff([]string{"accept", "message", "notify", "queue", "receipt", "submit"}, tree(t, spans)); diff != "" {
		t.Error(diff)
	}
	if a := spans["message"].Attrs; a["sms.via"] != "smpp" || a["sms.parts"] != int64(2) || spans["notify"].Attrs["sms.notify"] != "deliver_sm" {
		t.Errorf("message %v, notify %v", a, spans["notify"].Attrs)
	}
	parsed, err := message.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	if got := spans["message"].Trace; got != tracing.TraceID(parsed).String() || !strings.HasPrefix(got, id) {
		t.Errorf("message %s is in trace %s", id, got)
	}
}

// TestTraceOfARefusal: the SMSC's command_status stands in the span of the try.
func TestTraceOfARefusal(t *testing.T) {
	collector := tracingtest.New(t)
	s := traced(t, t.TempDir(), collector, 1)
	mix, err := smsc.ParseErrorMix("ESME_RINVDSTADR=1")
	if err != nil {
		t.Fatal(err)
	}
	s.addConnector("op1", simulate(t, smsc.Behaviour{Errors: mix}), "")
	id := s.post("", `{"from":"TEST","to":"+99361234567","text":"hello"}`)
	spans := collector.Message(id, 4)
	if diff := cmp.Diff([]string{"accept", "message", "queue", "submit"}, tree(t, spans)); diff != "" {
		t.Error(diff)
	}
	if sub := spans["submit"]; !sub.Failed || sub.Attrs["smpp.command_status"] != int64(smpp.RINVDSTADR) || sub.Attrs["sms.status"] != "REJECTED" {
		t.Errorf("submit failed: %t, %v", sub.Failed, sub.Attrs)
	}
	if root := spans["message"]; !root.Failed || root.Reason != "REJECTED" {
		t.Errorf("message failed: %t %q", root.Failed, root.Reason)
	}
}

// TestTraceGoesOnAfterARestart: spans of both lives are in one tree.
func TestTraceGoesOnAfterARestart(t *testing.T) {
	collector := tracingtest.New(t)
	dir := t.TempDir()
	s := traced(t, dir, collector, 1)
	sim := simulate(t, smsc.Behaviour{})
	s.addConnector("op1", sim, "")
	s.must(200, "POST", "/connectors/op1/stop", "")
	id := s.post("", `{"from":"TEST","to":"+99361234567","text":"hello"}`)
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := collector.Message(id, 1); got["accept"].Name == "" {
		t.Errorf("before the restart: %v", got)
	}
	s = traced(t, dir, collector, 1)
	s.must(200, "POST", "/connectors/op1/start", "")
	spans := collector.Message(id, 5)
	if diff := cmp.Diff([]string{"accept", "message", "queue", "receipt", "submit"}, tree(t, spans)); diff != "" {
		t.Error(diff)
	}
}

// logged is a log that can be read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestDeadCollectorHoldsNothingUp: one refuses connections, the other takes them and says
// nothing. Messages are delivered and the platform stops in time all the same.
func TestDeadCollectorHoldsNothingUp(t *testing.T) {
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes connections
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, addr := range map[string]string{"refuses": refusing.Addr().String(), "silent": silent.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			out := &logged{}
			c := DefaultConfig()
			c.Data, c.HTTP, c.SMPP, c.Durability, c.MinFreeDisk = t.TempDir(), "127.0.0.1:0", "off", "none", 0
			c.Tracing = TracingConfig{Endpoint: "http://" + addr, Sample: 1, Headers: "authorization=Bearer%20open-sesame"}
			p, err := New(Options{Config: c, Dev: true, Logger: slog.New(slog.NewTextHandler(out, nil))})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			s := &site{Platform: p, t: t, dir: c.Data}
			s.addConnector("op1", simulate(t, smsc.Behaviour{}), "")
			s.settled(s.accept(2000))
			if name == "refuses" {
				eventually(t, "spans are given up", func() bool { return p.tracer.Counters().Failed >= 1500 })
			}
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			began := time.Now()
			if err := p.Stop(ctx); err != nil {
				t.Errorf("stop: %v", err)
			}
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("the end took %s", took)
			}
			text := out.String()
			if n := strings.Count(text, "the collector does not take them"); n != 1 {
				t.Errorf("%d lines say that the collector fails:\n%s", n, text)
			}
			if strings.Contains(text, "sesame") {
				t.Errorf("the log has the header's value:\n%s", text)
			}
		})
	}
}

func TestTracingSettings(t *testing.T) {
	env := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example.net:4318/", "OTEL_EXPORTER_OTLP_HEADERS": "x-key=s%20ecret",
		"PROTEI_BULK_TRACING_SAMPLE": "0.5",
	}
	load := func(c Config) Config {
		t.Helper()
		if err := c.LoadEnv(func(k string) string { return env[k] }); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := load(DefaultConfig())
	if got := c.Tracing.address(); !c.Tracing.on() || got != "https://collector.example.net:4318/v1/traces" || c.Tracing.Sample != 0.5 {
		t.Errorf("%+v, %s", c.Tracing, got)
	}
	if h, err := c.Tracing.Headers.parse(); err != nil || h["X-Key"] != "s ecret" {
		t.Errorf("headers %v %v", h, err)
	}
	if c.Redacted().Tracing.Headers != "x-key=xxxxx" {
		t.Errorf("shown as %s", c.Redacted().Tracing.Headers)
	}
	for _, s := range c.Settings() {
		if strings.Contains(s.Value, "ecret") {
			t.Errorf("%s shows %s", s.Key, s.Value)
		}
	}
	of := DefaultConfig()
	of.Tracing.Endpoint = "http://mine:4318/v1/traces"
	if got := load(of); got.Tracing.address() != "http://mine:4318/v1/traces" {
		t.Errorf("the environment went before the setting: %s", got.Tracing.address())
	}
	of.Tracing.Endpoint = "off"
	if got := load(of); got.Tracing.on() {
		t.Error("off is on")
	}
	env["OTEL_SDK_DISABLED"] = "true"
	if got := load(DefaultConfig()); got.Tracing.on() {
		t.Error("OTEL_SDK_DISABLED is not respected")
	}
	for want, bad := range map[string]TracingConfig{
		"tracing.endpoint: \"collector:4318\"":    {Endpoint: "collector:4318"},
		"tracing.endpoint: credentials":           {Endpoint: "http://u:hidden@collector:4318"},
		"tracing.sample: 1.5":                     {Sample: 1.5},
		"tracing.headers: pair 1":                 {Headers: "hidden"},
		"tracing.headers: the value of x-a is no": {Headers: "x-a=%zzhidden"},
	} {
		c := DefaultConfig()
		c.Tracing = bad
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%+v: %v, want %s", bad, err, want)
		}
	}
}
