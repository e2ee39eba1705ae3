package bulk

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/alert"
	"protei-bulk/bulk/callback"
	"protei-bulk/smsc"
)

// TestConnectorDownIsToldAndRemembered stops an SMSC and waits for the webhook.
func TestConnectorDownIsToldAndRemembered(t *testing.T) {
	got := make(chan string, 10)
	ops := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	defer ops.Close()
	dir := t.TempDir()
	allow := func(c *Config) { c.Webhooks.Allow = []string{"127.0.0.0/8"} }
	s := openSite(t, dir, allow)
	const secret = "whsec_aGlkZGVuIGZyb20gYWxs"
	channel := `{"kind":"webhook","url":"` + ops.URL + `","secret":"` + secret + `","rules":["connector_down"]}`
	s.must(201, "PUT", "/alerts/channels/ops", channel)
	s.must(200, "PATCH", "/alerts/rules/connector_down", `{"for_seconds":0}`)
	if text := s.must(200, "GET", "/alerts/channels", ""); strings.Contains(text, secret) || !strings.Contains(text, `"secret_set":true`) {
		t.Errorf("channels: %s", text)
	}
	if text := s.must(200, "POST", "/alerts/channels/ops/test", ""); !strings.Contains(text, `"sent":true`) || !strings.Contains(<-got, `"state":"test"`) {
		t.Errorf("test: %s", text)
	}
	s.must(404, "POST", "/alerts/channels/nobody/test", "")
	s.must(422, "PUT", "/alerts/channels/inside", `{"kind":"webhook","url":"http://10.0.0.1/"}`)

	sim := simulate(t, smsc.Behaviour{})
	gone := sim.Addr()
	if err := sim.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.must(201, "POST", "/connectors", `{"name":"far","url":"smpp://x:y@`+gone+`"}`)
	if text := <-got; !strings.Contains(text, `"rule":"connector_down","subject":"far","state":"firing"`) {
		t.Errorf("told: %s", text)
	}
	if text := s.must(200, "GET", "/alerts", ""); strings.Count(text, `"subject":"far"`) != 2 { // it fires, and it is history
		t.Errorf("alerts: %s", text)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	noSecret(t, dir, secret)
	s = openSite(t, dir, allow)
	s.must(200, "PUT", "/alerts/channels/ops", strings.Replace(channel, `"secret":"`+secret+`",`, "", 1))
	if c, err := s.alerts.Channel("ops"); err != nil || c.Secret != secret {
		t.Errorf("the secret after a restart and a change: %q, %v", c.Secret, err)
	}
	s.must(200, "PUT", "/alerts/channels/ops", `{"kind":"webhook","url":"`+ops.URL+`/elsewhere"}`)
	if c, err := s.alerts.Channel("ops"); err != nil || c.Secret != "" {
		t.Errorf("the secret went along to another address: %q, %v", c.Secret, err)
	}
}

// TestAlertsOfAllNodes: the node that watches measures the others too, and misses one that is gone without a
// word.
func TestAlertsOfAllNodes(t *testing.T) {
	url := sharedStore(t)
	one, two := openNode(t, url, "one", nil), openNode(t, url, "two", nil)
	fault := errors.New("no room")
	two.cdrFault.Store(&fault)
	two.tell(7, &callback.Request{Method: http.MethodGet, URL: "http://127.0.0.1:1/dlr?token=secret"})
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for node, ago := range map[int]string{40: "1 hour", 41: "2 days"} {
		if _, err := conn.Exec(t.Context(), "INSERT INTO nodes VALUES ($1, 'killed', 'three', now() - interval '3 days', now() - $2::interval, '{}')", node, ago); err != nil {
			t.Fatal(err)
		}
	}
	g := &alertGauge{p: one.Platform}
	first, second := nodeSubject(one.node.member.Number()), nodeSubject(two.node.member.Number())
	eventually(t, "the other node is heard of", func() bool {
		got := map[string]float64{}
		for _, s := range g.nodes() {
			got[s.Rule+" of "+s.Subject] = s.Value
		}
		_, old := got["not_accepting of node 41"]
		return got["cdr_trouble of "+second] == 1 && got["cdr_trouble of "+first] == 0 && got["disk_low of "+first] > 0 && got["disk_low of "+second] > 0 &&
			got["not_accepting of node 40"] == 1 && !old
	})
	eventually(t, "an endpoint fails at the other node", func() bool {
		return slices.ContainsFunc(g.nodes(), func(s alert.Sample) bool {
			return s.Rule == alert.WebhookFailing && s.Subject == "7 http://127.0.0.1:1" && s.Value >= 1
		})
	})
	if err := two.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has left", func() bool {
		for _, s := range g.nodes() {
			if s.Subject == second {
				return false
			}
		}
		return true
	})
}
