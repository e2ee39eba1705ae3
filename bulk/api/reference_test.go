package api_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"protei-bulk/internal/browser"
)

// TestReferencePage opens the page in a real browser: every call of the document is there, with a
// command line, nothing is fetched from elsewhere or refused by the policy, and the filter works.
func TestReferencePage(t *testing.T) {
	p := start(t, options{})
	calls := 0
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(p.do(t, "GET", "/api/v1/openapi.json", "").Body), &doc); err != nil {
		t.Fatal(err)
	}
	for _, item := range doc.Paths {
		calls += len(item)
	}
	resp, err := http.Get(p.URL + "/api/v1/reference/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if policy := resp.Header.Get("Content-Security-Policy"); resp.StatusCode != 200 || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("%s with policy %q", resp.Status, policy)
	}
	b := browser.New(t)
	b.Size(390, 844)
	b.Open(p.URL + "/api/v1/reference/")
	b.Has("#sendMessage", "")
	all := strconv.Itoa(calls)
	articles, commands := b.JS("document.querySelectorAll('article').length"), b.JS("document.querySelectorAll('article pre.command').length")
	b.Fits("on a phone")
	command := b.JS("document.querySelector('#sendMessage pre.command').textContent")
	b.Fill("input[type=search]", "release")
	b.Until("the filter", "!document.querySelector('#sendMessage')")
	found := b.JS("[...document.querySelectorAll('article')].map(e => e.id)")
	if articles != all || commands != all || calls < 50 {
		t.Errorf("%s calls and %s commands are shown of %s", articles, commands, all)
	}
	if want := "curl -X POST -H \"X-API-Key: $KEY\" -H \"Idempotency-Key: $(uuidgen)\" --json '{"; !strings.HasPrefix(command, want) {
		t.Errorf("the command %q does not begin with %q", command, want)
	}
	if found != "releaseMessage" {
		t.Errorf("%q match \"release\"", found)
	}
	if wrong := b.Logged(); wrong != "" {
		t.Errorf("logged: %s", wrong)
	}
}
