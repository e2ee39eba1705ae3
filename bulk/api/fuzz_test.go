package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzBodies sends bodies to every call that takes one: no panic (which would be a 500),
// an answer that is JSON and in proportion, and nothing accepted that is not JSON.
func FuzzBodies(f *testing.F) {
	for _, c := range badInput {
		if c.body != "" && len(c.body) < 2000 {
			f.Add(uint8(0), c.body)
			f.Add(uint8(1), c.body)
		}
	}
	f.Add(uint8(0), benchMessage)
	f.Add(uint8(1), benchBulk(3))
	f.Add(uint8(2), hello+"\n"+hello)
	f.Add(uint8(3), `{"name":"a","message_content":"x","recipients":["1512345678",{"to":"1512345679"}]}`)
	f.Add(uint8(4), `{"name":"b","tps":5,"system_id":"x","role":"admin","disabled":false}`)
	p := start(f, options{drop: true})
	f.Fuzz(func(t *testing.T, call uint8, body string) {
		paths := []string{"/api/v1/messages", "/api/v1/messages/bulk", "/api/v1/messages/bulk", "/api/v1/campaigns", "/api/v1/webhooks"}
		i := int(call) % len(paths)
		method := "POST"
		if i == 4 {
			method = "PUT"
		}
		r := httptest.NewRequest(method, paths[i], strings.NewReader(body))
		r.Header.Set("X-API-Key", p.key)
		if i == 2 {
			r.Header.Set("Content-Type", "application/x-ndjson")
		}
		w := httptest.NewRecorder()
		p.api.ServeHTTP(w, r)
		answer := w.Body.Bytes()
		if w.Code >= 500 {
			t.Fatalf("%s: status %d\n%s", paths[i], w.Code, answer)
		}
		if !json.Valid(answer) {
			t.Fatalf("%s: the answer is not JSON\n%s", paths[i], answer)
		}
		if len(answer) > 4096+60*len(body) {
			t.Fatalf("%s: %d octets became %d", paths[i], len(body), len(answer))
		}
		if w.Code < 300 && i != 2 && !json.Valid([]byte(strings.TrimPrefix(body, "\ufeff"))) {
			t.Fatalf("%s: status %d for a body that is not JSON: %q", paths[i], w.Code, body)
		}
	})
}

// FuzzQuery sends queries to the list of messages.
func FuzzQuery(f *testing.F) {
	for _, c := range badInput {
		if _, query, ok := strings.Cut(c.path, "?"); ok {
			f.Add(query)
		}
	}
	f.Add("limit=5&page=2&status=SENT&from=ACME&to=%2B49151&since=2030-01-01T00:00:00+01:00&cursor=00000000000000ff")
	p := start(f, options{})
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/api/v1/messages", nil)
		r.URL.RawQuery = query
		r.Header.Set("X-API-Key", p.key)
		w := httptest.NewRecorder()
		p.api.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 && w.Code != 403 || !json.Valid(w.Body.Bytes()) || w.Body.Len() > 8192+100*len(query) {
			t.Fatalf("%q: status %d\n%s", query, w.Code, w.Body)
		}
	})
}
