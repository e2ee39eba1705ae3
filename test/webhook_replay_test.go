package test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestWebhookReplay: a customer who lost what was confirmed gets it again, by id and by time.
func TestWebhookReplay(t *testing.T) {
	t.Parallel()
	_, far := simulator(t)
	p := serveDev(t, "--upstream", upstreamOf(far))
	var made struct {
		Key    string `json:"api_key"`
		Secret string `json:"webhook_secret"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"again"}`, &made)
	hook := newEndpoint(t, made.Secret)
	p.key = made.Key
	since := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	id := p.sendOne(`{"from":"Hook","to":"+15550009001","text":"twice","dlr_url":"` + hook.url + `"}`)
	silent := p.sendOne(`{"from":"Hook","to":"+15550009002","text":"nobody is told"}`)
	p.becomes(silent, "DELIVERED")
	forget := func() {
		t.Helper()
		if !hook.has(20*time.Second, id) {
			t.Fatalf("the webhook does not come\n%s", p.out)
		}
		hook.mu.Lock()
		defer hook.mu.Unlock()
		clear(hook.events)
	}
	forget()
	var said struct {
		Replayed int
		Skipped  []struct {
			ID     string `json:"message_id"`
			Reason string
		}
	}
	waitUntil(t, 20*time.Second, func() bool { // until the first confirmation is noted
		p.want(http.StatusAccepted, "POST", "/api/v1/webhooks/replay", `{"message_ids":["`+id+`","`+silent+`","0000000000000001"]}`, &said)
		return said.Replayed == 1
	})
	if said.Replayed != 1 || len(said.Skipped) != 2 || !strings.Contains(said.Skipped[0].Reason, "webhook") || !strings.Contains(said.Skipped[1].Reason, "no such") {
		t.Errorf("%+v", said)
	}
	forget()
	// Lists are a second or two behind.
	waitUntil(t, 20*time.Second, func() bool {
		p.want(http.StatusAccepted, "POST", "/api/v1/webhooks/replay", `{"since":"`+since+`","status":"DELIVERED"}`, &said)
		return said.Replayed == 1
	})
	forget()
	for body, code := range map[string]string{
		`{}`: "validation_failed", `{"since":"yesterday"}`: "validation_failed", `{"since":"` + since + `","status":"SENT"}`: "validation_failed",
		`{"message_ids":["x"]}`: "validation_failed", `{"message_ids":["` + id + `"],"since":"` + since + `"}`: "validation_failed",
	} {
		if a := p.post("/api/v1/webhooks/replay", body); a.code != 422 || a.problem(t).Code != code {
			t.Errorf("%s: %d %s", body, a.code, a.body)
		}
	}
}

// TestWebhookGivenUp: what no endpoint took in time is listed with the reason, and can be
// sent again; before that the endpoint's breaker is shown.
func TestWebhookGivenUp(t *testing.T) {
	t.Parallel()
	var healthy atomic.Bool
	got := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !healthy.Load() {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		got <- r.Header.Get("webhook-id")
	}))
	defer hook.Close()
	file := filepath.Join(t.TempDir(), "bulk.yaml")
	if err := os.WriteFile(file, []byte("webhooks:\n  give_up: 3s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveDev(t, "--config", file)
	id := p.sendOne(`{"from":"Hook","to":"+15550009101","text":"x","dlr_url":"` + hook.URL + `"}`)
	var seen struct {
		Endpoints []struct {
			URL, Kind, Error string
			Failures         int
		}
	}
	waitUntil(t, 20*time.Second, func() bool {
		p.want(http.StatusOK, "GET", "/api/v1/webhooks/endpoints", "", &seen)
		return len(seen.Endpoints) == 1 && seen.Endpoints[0].Failures > 0
	})
	if len(seen.Endpoints) != 1 || seen.Endpoints[0].URL != hook.URL || !strings.Contains(seen.Endpoints[0].Error, "418") {
		t.Errorf("%+v", seen)
	}
	var failed struct {
		Failed []struct {
			ID                       string `json:"message_id"`
			Kind, Status, URL, Error string
		}
	}
	waitUntil(t, 30*time.Second, func() bool {
		p.want(http.StatusOK, "GET", "/api/v1/webhooks/failed", "", &failed)
		return len(failed.Failed) == 1
	})
	if len(failed.Failed) != 1 {
		t.Fatalf("%+v\n%s", failed, p.out)
	}
	if f := failed.Failed[0]; f.ID != id || f.Kind != "final" || f.Status != "DELIVERED" || f.URL != hook.URL || !strings.Contains(f.Error, "418") {
		t.Errorf("%+v", f)
	}
	healthy.Store(true)
	p.want(http.StatusAccepted, "POST", "/api/v1/webhooks/replay", `{"message_ids":["`+id+`"]}`, nil)
	select {
	case <-got:
	case <-time.After(90 * time.Second):
		t.Errorf("the replay does not come\n%s", p.out)
	}
}
