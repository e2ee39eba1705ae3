package alert_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/bulk/alert"
	"protei-bulk/bulk/callback"
)

// memory is a store that keeps everything in memory.
type memory struct {
	mu       sync.Mutex
	rules    []alert.Rule
	channels []alert.Channel
	history  []alert.Alert // the oldest first
}

func (m *memory) LoadRules(context.Context) ([]alert.Rule, error)       { return m.rules, nil }
func (m *memory) LoadChannels(context.Context) ([]alert.Channel, error) { return m.channels, nil }
func (m *memory) DeleteChannel(context.Context, string) error           { return nil }

func (m *memory) SaveRule(_ context.Context, r alert.Rule) error {
	m.rules = append(m.rules, r)
	return nil
}

func (m *memory) SaveChannel(_ context.Context, c alert.Channel) error {
	m.channels = append(m.channels, c)
	return nil
}

func (m *memory) AppendHistory(_ context.Context, alerts []alert.Alert) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history = append(m.history, alerts...)
	return nil
}

func (m *memory) History(_ context.Context, limit int) ([]alert.Alert, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Clone(m.history)
	slices.Reverse(all)
	return all[:min(limit, len(all))], nil
}

// states are the states of the history, the oldest first.
func (m *memory) states() (all []alert.State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.history {
		all = append(all, a.State)
	}
	return all
}

var loopback = &callback.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

// desk is a watcher of one value: the length of the lane of connector a.
type desk struct {
	*alert.Book
	*alert.Watcher
	*memory
	mu    sync.Mutex
	value float64 // guarded by mu
}

func newDesk(t *testing.T, m *memory) *desk {
	t.Helper()
	book, err := alert.OpenBook(t.Context(), m, loopback)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{Book: book, memory: m}
	d.Watcher = alert.NewWatcher(alert.Options{Book: book, Store: m, Guard: loopback, Measure: d.measure, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(d.Stop)
	return d
}

func (d *desk) measure(time.Time) []alert.Sample {
	d.mu.Lock()
	defer d.mu.Unlock()
	return []alert.Sample{{Rule: alert.LaneLong, Subject: "a", Value: d.value}}
}

// stays lets the value be for a time of the bubble.
func (d *desk) stays(value float64, long time.Duration) {
	d.mu.Lock()
	d.value = value
	d.mu.Unlock()
	time.Sleep(long)
	synctest.Wait()
}

func TestFiresLateResolvesLateAndRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		d := newDesk(t, m)
		d.Start()
		expect := func(when string, want ...alert.State) {
			t.Helper()
			if got := m.states(); !slices.Equal(got, want) {
				t.Fatalf("%s: %v, want %v", when, got, want)
			}
		}
		d.stays(150_000, 40*time.Second)
		d.stays(10, 20*time.Second)
		expect("a peak shorter than the rule's time")
		d.stays(150_000, 70*time.Second)
		expect("long enough", alert.Firing)
		d.stays(90_000, 10*time.Minute)
		expect("within the margin", alert.Firing)
		d.stays(10, 30*time.Second)
		d.stays(150_000, 30*time.Second)
		expect("back for a moment", alert.Firing)
		if f := d.Firing(); len(f) != 1 || f[0].Subject != "a" || f[0].Rule != alert.LaneLong {
			t.Fatalf("firing: %+v", f)
		}
		d.stays(150_000, 4*time.Hour)
		expect("told again", alert.Firing, alert.Firing)
		d.Stop()
		d.Start() // or another node
		d.stays(150_000, 10*time.Minute)
		expect("after a restart", alert.Firing, alert.Firing)
		d.stays(10, 70*time.Second)
		expect("back", alert.Firing, alert.Firing, alert.Resolved)
		if f := d.Firing(); len(f) != 0 {
			t.Fatalf("firing: %+v", f)
		}
	})
}

func TestRuleOfOneSubjectAndDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		d := newDesk(t, m)
		r, err := d.Rule(alert.LaneLong)
		if err != nil {
			t.Fatal(err)
		}
		r.Subjects, r.For, r.Margin = map[string]float64{"a": 10}, 0, 0
		if err := d.SetRule(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		d.Start()
		d.stays(11, 6*time.Second)
		if got := m.states(); !slices.Equal(got, []alert.State{alert.Firing}) {
			t.Fatalf("%v", got)
		}
		r.Disabled = true
		if err := d.SetRule(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		d.stays(11, 6*time.Second)
		if f := d.Firing(); len(f) != 0 {
			t.Fatalf("a disabled rule fires: %+v", f)
		}
	})
}

// request is what an endpoint got.
type request struct {
	path   string
	header http.Header
	body   []byte
}

func endpoint(t *testing.T, status int) (url string, got chan request) {
	got = make(chan request, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.URL.Path, r.Header, body}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func (d *desk) set(t *testing.T, c alert.Channel) {
	t.Helper()
	if _, err := d.SetChannel(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestWebhookIsSigned(t *testing.T) {
	url, got := endpoint(t, 204)
	d := newDesk(t, &memory{})
	const secret = "whsec_c2VjcmV0IG9mIHRoZSB3ZWI="
	d.set(t, alert.Channel{Name: "ops", Kind: alert.Webhook, URL: url, Secret: secret})
	if err := d.Try(t.Context(), "ops"); err != nil {
		t.Fatal(err)
	}
	r := <-got
	at, err := strconv.ParseInt(r.header.Get("Webhook-Timestamp"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if want := callback.Signature(secret, r.header.Get("Webhook-Id"), at, r.body); r.header.Get("Webhook-Signature") != want {
		t.Errorf("signature %q, want %q", r.header.Get("Webhook-Signature"), want)
	}
	var body struct{ Alerts []alert.Alert }
	if err := json.Unmarshal(r.body, &body); err != nil || len(body.Alerts) != 1 || body.Alerts[0].State != alert.Test {
		t.Errorf("%s: %v", r.body, err)
	}
}

func TestTemplateAndWhatFailsHidesTheSecret(t *testing.T) {
	url, got := endpoint(t, 500)
	d := newDesk(t, &memory{})
	d.set(t, alert.Channel{Name: "tg", Kind: alert.HTTP, URL: url + "/bot{{.Secret}}/sendMessage", Secret: "t0ken", Chat: "-100"})
	err := d.Try(t.Context(), "tg")
	if err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("an answer of 500: %v", err)
	}
	r := <-got
	if r.path != "/bott0ken/sendMessage" || string(r.body) != `{"chat_id": "-100", "text": "test of the alert channel tg"}` {
		t.Errorf("%s %s", r.path, r.body)
	}
	d.set(t, alert.Channel{Name: "tg", Kind: alert.HTTP, URL: "http://127.0.0.1:1/bot{{.Secret}}", Secret: "t0ken"})
	if err := d.Try(t.Context(), "tg"); err == nil || strings.Contains(err.Error(), "t0ken") {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestRedirectsAreNotFollowed: what answers at an endpoint cannot send us somewhere else.
func TestRedirectsAreNotFollowed(t *testing.T) {
	inside, got := endpoint(t, 200)
	server := httptest.NewServer(http.RedirectHandler(inside, http.StatusTemporaryRedirect))
	defer server.Close()
	d := newDesk(t, &memory{})
	for name, c := range map[string]alert.Channel{"hook": {Kind: alert.Webhook}, "http": {Kind: alert.HTTP}} {
		c.Name, c.URL = name, server.URL
		d.set(t, c)
		if err := d.Try(t.Context(), name); err == nil || !strings.Contains(err.Error(), "307") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(got) != 0 {
		t.Errorf("a redirect was followed: %s", (<-got).path)
	}
}

func TestFiringIsToldOverChannelsThatWantIt(t *testing.T) {
	url, got := endpoint(t, 200)
	m := &memory{}
	d := newDesk(t, m)
	r, err := d.Rule(alert.LaneLong)
	if err != nil {
		t.Fatal(err)
	}
	r.For, d.value = 0, 200_000
	if err := d.SetRule(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	d.set(t, alert.Channel{Name: "other", Kind: alert.Webhook, URL: url + "/other", Rules: []string{alert.DiskLow}})
	d.set(t, alert.Channel{Name: "off", Kind: alert.Webhook, URL: url + "/off", Disabled: true})
	d.set(t, alert.Channel{Name: "ops", Kind: alert.Webhook, URL: url + "/ops", Rules: []string{alert.LaneLong}})
	d.Start()
	if r := <-got; r.path != "/ops" || !strings.Contains(string(r.body), `"subject":"a","state":"firing","value":200000`) {
		t.Errorf("%s %s", r.path, r.body)
	}
	d.Stop()
	if len(got) != 0 {
		t.Errorf("told over another channel: %s", (<-got).path)
	}
}

func TestBadChannelsAndRules(t *testing.T) {
	d := newDesk(t, &memory{})
	mail := alert.Channel{Name: "m", Kind: alert.Email, Server: "mail.example.com:25", From: "a@b.c", To: []string{"d@e.f"}}
	change := func(f func(*alert.Channel)) alert.Channel {
		c := mail
		f(&c)
		return c
	}
	for field, c := range map[string]alert.Channel{
		"name":     {Name: "No Spaces", Kind: alert.Webhook, URL: "https://example.com/"},
		"kind":     {Name: "x", Kind: "pigeon"},
		"url":      {Name: "x", Kind: alert.Webhook, URL: "http://10.0.0.1/"},
		"body":     {Name: "x", Kind: alert.HTTP, URL: "https://example.com/", Body: `{"text": "{{.Summary}}"}`},
		"rules":    {Name: "x", Kind: alert.Webhook, URL: "https://example.com/", Rules: []string{"weather"}},
		"server":   change(func(c *alert.Channel) { c.Server = "mail" }),
		"from":     change(func(c *alert.Channel) { c.From = "a@b.c\r\nBcc: x@y.z" }),
		"to":       change(func(c *alert.Channel) { c.To = nil }),
		"security": change(func(c *alert.Channel) { c.Security, c.User = alert.NoTLS, "me" }),
	} {
		if _, err := d.SetChannel(t.Context(), c); err == nil || !strings.HasPrefix(err.Error(), field+" ") {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := d.SetRule(t.Context(), alert.Rule{Name: alert.LaneLong, Margin: -1}); err == nil {
		t.Error("a margin below 0 is taken")
	}
	if err := d.SetRule(t.Context(), alert.Rule{Name: "weather"}); err == nil {
		t.Error("an unknown rule is taken")
	}
}
