package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// FuzzBodies sends bodies to the calls that customers send most: no panic (which would be a 500),
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

// admined are the calls that FuzzAdmin tries; {a} and {c} are an account and a campaign. What
// a case adds goes away with it.
var admined = []string{
	"PATCH /api/v1/accounts/{a}", "POST /api/v1/accounts/{a}/topup", "POST /api/v1/accounts/{a}/adjust", "POST /api/v1/routes", "PUT /api/v1/routes",
	"POST /api/v1/routes/test", "PATCH /api/v1/campaigns/{c}", "POST /api/v1/campaigns/{c}/recipients", "POST /api/v1/campaigns/{c}/preview",
	"POST /api/v1/blacklist", "POST /api/v1/optouts/remove", "PUT /api/v1/system/log-level",
}

// FuzzAdmin sends bodies and queries to calls that change what the platform keeps: no fault of
// ours, an answer that is JSON and in proportion, each change in the log of changes, and what was
// kept can be read again.
func FuzzAdmin(f *testing.F) {
	for _, c := range []struct {
		call              uint8
		query, kind, body string
	}{
		{0, "dry_run=1", "", `{"disabled":true,"default_from":"ACME","max_binds":2,"time_zone":"Asia/Dubai","senders":["A*"],"daily_quota":5,"dlr_url":"https://e.com/"}`},
		{1, "", "", `{"amount":"12.5","reference":"inv-1","note":"x"}`},
		{2, "", "", `{"amount":-1.25,"reference":"r"}`},
		{3, "dry_run=1", "", `{"name":"r","priority":3,"strategy":"split","targets":[{"connector":"default","weight":1}],"match":{"prefixes":["+1"],"text":"(a|b)*$","windows":[{"days":"fri-mon","from":"23:00","to":"01:30","zone":"Europe/Berlin"}]}}`},
		{4, "dry_run=true", "", `{"routes":[{"name":"r","strategy":"failover","targets":[{"connector":"default"}]}]}`},
		{4, "", "", `{"routes":[{"name":"r","strategy":"least_cost","targets":[{"connector":"default","cost":0.01}]}]}`},
		{5, "", "", `{"from":"ACME","to":"+4915112345678","text":"x"}`},
		{6, "", "", `{"message_content":"hi {{name|upper}}","schedule_type":"SCHEDULED","schedule_at":"2030-02-01T09:00:00Z","tps":3}`},
		{7, "delimiter=;&header=yes&to=number&map=name:1", "text/csv", "name;number\nann;4915112345678\n"},
		{7, "duplicates=skip&charset=latin1", "text/csv", "\xfc,4915112345678"},
		{7, "", "application/x-ndjson", `{"to":"4915112345678"}`},
		{8, "limit=2", "", `{"recipient":{"to":"4915112345678","name":"x"}}`},
		{9, "", "", `{"numbers":["4915112345678","+1*"],"reason":"x"}`},
		{10, "", "text/plain", "4915112345678\n1\n"},
		{11, "", "", `{"level":"debug"}`},
	} {
		f.Add(c.call, c.query, c.kind, c.body)
	}
	p := start(f, options{drop: true})
	ask := func(method, path, query, kind, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/api/v1/x", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery = path, query
		r.Header.Set("X-API-Key", p.admin)
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		p.api.ServeHTTP(w, r)
		return w
	}
	f.Fuzz(func(t *testing.T, call uint8, query, kind, body string) {
		method, path, _ := strings.Cut(admined[int(call)%len(admined)], " ")
		path = strings.ReplaceAll(path, "{a}", strconv.Itoa(int(p.acme.ID)))
		made := ""
		if strings.Contains(path, "{c}") {
			var campaign struct {
				ID string `json:"campaign_id"`
			}
			w := ask("POST", "/api/v1/campaigns", "", "", `{"name":"a","message_content":"hi {{name}}","from":"ACME","recipients":[{"to":"1512345678","name":"x"}]}`)
			if err := json.Unmarshal(w.Body.Bytes(), &campaign); err != nil || w.Code != 201 {
				t.Fatalf("status %d, %s", w.Code, w.Body)
			}
			made = campaign.ID
			path = strings.ReplaceAll(path, "{c}", made)
		}
		p.trail.entries = p.trail.entries[:0]
		w := ask(method, path, query, kind, body)
		if w.Code >= 500 || w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) || w.Body.Len() > 8192+60*(len(body)+len(query)) {
			t.Fatalf("%s %s: status %d, %d octets\n%s", method, path, w.Code, w.Body.Len(), w.Body)
		}
		tries := strings.HasSuffix(path, "/test") || strings.HasSuffix(path, "/preview") || method == "PUT" && strings.Contains(query, "dry_run")
		if w.Code < 300 && !tries && len(p.trail.entries) != 1 {
			t.Fatalf("%s %s?%s: status %d, %d entries in the log of changes", method, path, query, w.Code, len(p.trail.entries))
		}
		for _, list := range []string{"accounts", "routes", "campaigns", "blacklist"} {
			if w := ask("GET", "/api/v1/"+list, "", "", ""); w.Code != 200 || !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%s %s with %q: then %s has status %d\n%s", method, path, body, list, w.Code, w.Body)
			}
		}
		undone := true
		switch {
		case made != "":
			undone = ask("DELETE", "/api/v1/campaigns/"+made, "", "", "").Code < 300
		case strings.Contains(path, "/routes"):
			undone = ask("PUT", "/api/v1/routes", "", "", `{"routes":[]}`).Code < 300
		}
		if !undone {
			t.Fatalf("%s %s with %q cannot be undone", method, path, body)
		}
	})
}

// FuzzLists sends queries to every list.
func FuzzLists(f *testing.F) {
	lists := []string{
		"accounts", "accounts/me/usage", "accounts/me/movements", "audit", "campaigns", "statistics", "routes", "blacklist", "optouts", "cdr", "cdr/x", "users", "queues",
		"nodes", "balance", "openapi.json", "live/history", "webhooks/failed", "lists", "inbound/messages",
	}
	for i := range lists {
		f.Add(uint8(i), "limit=5&cursor=00000000000000ff&page=2&since=2030-01-01T00:00:00+01:00&until=2030-02-01T00:00:00Z&account=1&q=x&number=4915112345678")
	}
	f.Add(uint8(3), "limit=0&cursor=%zz&account=-1")
	p := start(f, options{})
	f.Fuzz(func(t *testing.T, which uint8, query string) {
		r := httptest.NewRequest("GET", "/api/v1/"+lists[int(which)%len(lists)], nil)
		r.URL.RawQuery = query
		r.Header.Set("X-API-Key", p.admin)
		w := httptest.NewRecorder()
		p.api.ServeHTTP(w, r)
		if w.Code >= 500 || !json.Valid(w.Body.Bytes()) || w.Body.Len() > 1<<20+100*len(query) {
			t.Fatalf("%s?%s: status %d\n%.2000s", r.URL.Path, query, w.Code, w.Body)
		}
	})
}
