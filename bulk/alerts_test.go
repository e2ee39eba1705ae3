package bulk

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
