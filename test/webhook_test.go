package test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// endpoint is a customer's webhook: it checks signatures and can be down.
type endpoint struct {
	t      *testing.T
	url    string
	secret string // whsec_…

	mu       sync.Mutex // guards below
	down     bool
	events   map[string]event
	batches  map[string]int // webhook-id → times that it came while the endpoint was up
	refusals map[string]int // the same while it was down
}

// event is what a webhook says of one message.
type event struct {
	MessageID   string    `json:"message_id"`
	ClientRef   string    `json:"client_ref"`
	To          string    `json:"to"`
	From        string    `json:"from"`
	Status      string    `json:"status"`
	DLRStatus   string    `json:"dlr_status"`
	Parts       int       `json:"parts"`
	SubmittedAt time.Time `json:"submitted_at"`
	DeliveredAt time.Time `json:"delivered_at"`
}

func newEndpoint(t *testing.T, secret string) *endpoint {
	e := &endpoint{t: t, secret: secret, events: map[string]event{}, batches: map[string]int{}, refusals: map[string]int{}}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	e.url = server.URL + "/hook"
	return e
}

// ServeHTTP implements http.Handler.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		e.t.Errorf("webhook: %v", err)
		return
	}
	id := r.Header.Get("webhook-id")
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		e.refusals[id]++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if err := e.verify(r.Header, body); err != "" {
		e.t.Errorf("webhook %s: %s", id, err)
	}
	var batch struct{ Events []event }
	if err := json.Unmarshal(body, &batch); err != nil {
		e.t.Errorf("webhook body %q: %v", body, err)
	}
	e.batches[id]++
	for _, ev := range batch.Events {
		e.events[ev.MessageID] = ev
	}
}

// verify checks a signature as the Standard Webhooks specification describes it.
func (e *endpoint) verify(h http.Header, body []byte) string {
	stamp, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(stamp, 0)).Abs() > time.Minute {
		return "timestamp " + h.Get("webhook-timestamp")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(e.secret, "whsec_"))
	if err != nil || !strings.HasPrefix(e.secret, "whsec_") {
		return "the account's secret is not whsec_ and base64: " + e.secret
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "."))
	mac.Write(body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for sign := range strings.FieldsSeq(h.Get("webhook-signature")) {
		if hmac.Equal([]byte(sign), []byte(want)) {
			return ""
		}
	}
	return "signature " + h.Get("webhook-signature") + " is not " + want
}

func (e *endpoint) setDown(down bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = down
}

// has waits for the events of all ids.
func (e *endpoint) has(within time.Duration, ids ...string) bool {
	e.t.Helper()
	all := func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, id := range ids {
			if _, ok := e.events[id]; !ok {
				return false
			}
		}
		return true
	}
	waitUntil(e.t, within, all)
	return all()
}

func (e *endpoint) refused() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.refusals)
}

// TestWebhooks: final states reach the message's own address or the account's, signed,
// and an endpoint that was down gets them later, over a restart too.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	_, far := simulator(t)
	start := func() *platform { return serveDev(t, "--data", data, "--upstream", upstreamOf(far)) }
	p := start()
	var made struct {
		Key    string `json:"api_key"`
		Secret string `json:"webhook_secret"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"hooked"}`, &made)
	own, common := newEndpoint(t, made.Secret), newEndpoint(t, made.Secret)
	asHooked := func() { p.key = made.Key }
	asHooked()
	p.want(http.StatusOK, "PUT", "/api/v1/webhooks", `{"dlr_url":"`+common.url+`"}`, nil)

	first := p.sendOne(`{"from":"Hook","to":"+15550007001","text":"to its own","client_ref":"ref 1","dlr_url":"` + own.url + `"}`)
	second := p.sendOne(`{"from":"Hook","to":"+15550007002","text":"` + strings.Repeat("to the account's ", 20) + `"}`)
	if !own.has(10*time.Second, first) || !common.has(10*time.Second, second) {
		t.Fatalf("the webhooks do not come: %v %v\n%s", own.events, common.events, p.out)
	}
	ev := own.events[first]
	if ev.ClientRef != "ref 1" || ev.To != "+15550007001" && ev.To != "15550007001" || ev.From != "Hook" || ev.Status != "DELIVERED" ||
		ev.DLRStatus != "DELIVRD" || ev.Parts != 1 || ev.SubmittedAt.IsZero() || ev.DeliveredAt.Before(ev.SubmittedAt) {
		t.Errorf("event of a delivered message: %+v", ev)
	}
	if ev := common.events[second]; ev.Parts != 3 {
		t.Errorf("event of a long message: %+v", ev)
	}
	if len(own.events) != 1 || len(common.events) != 1 {
		t.Errorf("events at the wrong address: %v %v", own.events, common.events)
	}

	common.setDown(true)
	third := p.sendOne(`{"from":"Hook","to":"+15550007003","text":"while it is down"}`)
	waitUntil(t, 10*time.Second, func() bool { return common.refused() > 0 })
	common.setDown(false)
	if !common.has(20*time.Second, third) {
		t.Errorf("the webhook does not come after the endpoint is back\n%s", p.out)
	}
	common.mu.Lock()
	for id := range common.refusals {
		if common.batches[id] != 1 {
			t.Errorf("the batch %s was refused and came %d times", id, common.batches[id])
		}
	}
	clear(common.refusals)
	common.mu.Unlock()

	common.setDown(true)
	fourth := p.sendOne(`{"from":"Hook","to":"+15550007004","text":"over a restart"}`)
	waitUntil(t, 10*time.Second, func() bool { return common.refused() > 0 })
	if got := p.statusOf(fourth); got != "DELIVERED" {
		t.Errorf("%s while its webhook is refused", got)
	}
	p.kill()
	common.setDown(false)
	p = start()
	asHooked()
	if !common.has(20*time.Second, fourth) {
		t.Errorf("the webhook does not come after the restart\n%s", p.out)
	}
	// What has been confirmed is not told again.
	common.mu.Lock()
	defer common.mu.Unlock()
	for id, n := range common.batches {
		if n != 1 {
			t.Errorf("webhook %s came %d times", id, n)
		}
	}
}
