package bulk

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/audit"
	"protei-bulk/smsc"
)

// auditStep is one change of the walk, and what the log must tell of it.
type auditStep struct {
	status             int
	method, path, body string
	what               string // begin of a change's What; "": an action, whose request is told
	tells              string // in the entry's JSON
}

type auditList struct {
	Entries    []audit.Entry
	NextCursor string `json:"next_cursor"`
}

func (s *site) audit(query string) (page auditList) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.must(200, "GET", "/audit"+query, "")), &page); err != nil {
		s.t.Fatal(err)
	}
	return page
}

// requested is call with a request id; the answer's body may hold secrets.
func (s *site) requested(id, method, path, body string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.HTTPAddr()+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-API-Key", "dev-api-key")
	if id != "" {
		req.Header.Set("X-Request-Id", id)
	}
	if strings.HasPrefix(body, "4915") {
		req.Header.Set("Content-Type", "text/csv")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestEachChangeIsInTheLogWithoutSecrets walks through every call that changes something.
func TestEachChangeIsInTheLogWithoutSecrets(t *testing.T) {
	sim := simulate(t, smsc.Behaviour{})
	dir := t.TempDir()
	s := openSite(t, dir, nil)
	var id struct {
		Prefix     string
		RouteID    string `json:"route_id"`
		ID         string `json:"id"`
		CampaignID string `json:"campaign_id"`
		ListID     string `json:"list_id"`
	}
	tails := []string{"hunter2", "hunter3", "sesame12", "whsec_c2VjcmV0IG9mIHRoZSB3ZWI=", "outpass1", "dev-api-key", "devpass1"} // secrets of the walk
	walked := map[string]bool{}
	n := 0
	do := func(pattern string, step auditStep) {
		t.Helper()
		walked[step.method+" /api/v1"+pattern] = true
		n++
		request := fmt.Sprintf("walk-%d", n)
		code, text := s.requested(request, step.method, step.path, step.body)
		if code != step.status {
			t.Fatalf("%s %s %s: %d %s", step.method, step.path, step.body, code, text)
		}
		_ = json.Unmarshal([]byte(text), &id)
		for _, secret := range regexp.MustCompile(`"(?:api_key|password|webhook_secret)":"([^"]+)"`).FindAllStringSubmatch(text, -1) {
			tails = append(tails, secret[1])
		}
		page := s.audit("?limit=1")
		if len(page.Entries) != 1 {
			t.Fatal("the log is empty")
		}
		e := page.Entries[0]
		raw, _ := json.Marshal(e)
		switch {
		case e.RequestID != request || e.Method != step.method || e.Path != "/api/v1"+strings.Split(step.path, "?")[0]:
			t.Errorf("%s %s has no entry: the last is %s", step.method, step.path, raw)
		case e.Name != "dev" || e.Account != 1 || e.Key != "dev-api-k" || e.Address != "127.0.0.1" || e.At.Before(time.Now().Add(-time.Minute)):
			t.Errorf("who, whence, when: %s", raw)
		case step.what != "" && !slices.ContainsFunc(e.Changes, func(c audit.Change) bool { return strings.HasPrefix(c.What, step.what) }):
			t.Errorf("%s %s: no change of %s: %s", step.method, step.path, step.what, raw)
		case !strings.Contains(string(raw), step.tells):
			t.Errorf("%s %s does not tell %s: %s", step.method, step.path, step.tells, raw)
		}
	}
	do("/accounts", auditStep{201, "POST", "/accounts", `{"name":"acme","role":"reseller","billing":"prepaid","system_id":"acme","password":"sesame12","outbind":"h:1","outbind_password":"outpass1"}`, "account 2", `"outbind_password":"(hidden)"`})
	do("/accounts/{id}", auditStep{200, "PATCH", "/accounts/2", `{"tps":5,"webhook_secret":"whsec_c2VjcmV0IG9mIHRoZSB3ZWI=","daily_quota":7}`, "account 2", `"before":{"daily_quota":0,"tps":0,"webhook_secret":"(hidden)"},"after":{"daily_quota":7,"tps":5,"webhook_secret":"(hidden)"}`})
	do("/accounts/{id}/password", auditStep{200, "POST", "/accounts/2/password", `{"password":"sesame12"}`, "account 2", `"after":{"password_hash":"(hidden)"}`})
	do("/accounts/{id}/keys", auditStep{201, "POST", "/accounts/2/keys", `{"name":"laptop","scopes":["messages:read"]}`, "API key pb_", `"scopes":"messages:read"`})
	do("/accounts/{id}/keys/{prefix}", auditStep{204, "DELETE", "/accounts/2/keys/" + id.Prefix, "", "API key " + id.Prefix, `"after":null`})
	do("/webhooks", auditStep{200, "PUT", "/webhooks", `{"dlr_url":"http://example.com/dlr"}`, "account 1", `"after":{"dlr_url":"http://example.com/dlr"}`})
	do("/webhooks/replay", auditStep{202, "POST", "/webhooks/replay", `{"message_ids":["0000000000000001"]}`, "", `"request":{"message_ids":["0000000000000001"]}`})

	do("/accounts", auditStep{201, "POST", "/accounts", `{"name":"child","parent":2}`, "account 3", `parent":2`})
	do("/accounts/{id}/topup", auditStep{201, "POST", "/accounts/2/topup", `{"amount":"2.5","reference":"inv-1"}`, "movement ", `"reference":"inv-1"`})
	do("/accounts/{id}/adjust", auditStep{201, "POST", "/accounts/2/adjust", `{"amount":"-0.5","note":"credit note"}`, "movement ", `"note":"credit note"`})
	do("/accounts/{id}/transfer", auditStep{201, "POST", "/accounts/3/transfer", `{"amount":"1"}`, "movement ", `"other_account":2`})

	do("/connectors", auditStep{201, "POST", "/connectors", fmt.Sprintf(`{"name":"a","url":"smpp://x:hunter2@%s"}`, sim.Addr()), "connector a", `(hidden)`})
	do("/connectors", auditStep{201, "POST", "/connectors", fmt.Sprintf(`{"name":"b","url":"smpp://x:hunter2@%s"}`, sim.Addr()), "connector b", `"before":null`})
	do("/connectors/{name}", auditStep{200, "PATCH", "/connectors/a", `{"tps":50,"password":"hunter3"}`, "connector a", `"spec.tps":50`})
	do("/connectors/{name}/pause", auditStep{200, "POST", "/connectors/b/pause", "", "connector b", `"spec.mode":"paused"`})
	do("/connectors/{name}/stop", auditStep{200, "POST", "/connectors/b/stop", "", "connector b", `"spec.mode":"stopped"`})
	do("/connectors/{name}/start", auditStep{200, "POST", "/connectors/b/start", "", "connector b", `"spec.mode":"running"`})
	do("/connectors/{name}/move", auditStep{200, "POST", "/connectors/b/move", `{"to":"a"}`, "", `"request":{"to":"a"}`})
	do("/routes", auditStep{201, "POST", "/routes", `{"name":"all","targets":[{"connector":"a"}]}`, "route all", `"connector":"a"`})
	do("/routes/{name}", auditStep{200, "PATCH", "/routes/all", `{"priority":7}`, "route all", `priority":7`})
	do("/routes/{name}", auditStep{204, "DELETE", "/routes/all", "", "route all", `"after":null`})
	do("/routes", auditStep{200, "PUT", "/routes", `{"routes":[{"name":"new","targets":[{"connector":"a"}]}]}`, "routes", `"new"`})
	do("/routes", auditStep{200, "PUT", "/routes", `{"routes":[]}`, "routes", `"new"`})
	do("/connectors/{name}", auditStep{204, "DELETE", "/connectors/b", "", "connector b", `"deleted":true`})

	do("/inbound/routes", auditStep{201, "POST", "/inbound/routes", `{"to":"1000"}`, "inbound route ", `"1000"`})
	route := cmpOr(id.RouteID, id.ID)
	do("/inbound/routes/{id}", auditStep{200, "PATCH", "/inbound/routes/" + route, `{"to":"2000"}`, "inbound route ", `"2000"`})
	do("/inbound/routes/{id}", auditStep{204, "DELETE", "/inbound/routes/" + route, "", "inbound route ", `"after":null`})

	for _, list := range []string{"/blacklist", "/optouts"} {
		do(list, auditStep{200, "POST", list + "?account_id=2", `{"numbers":["491511","491512"]}`, "numbers of account 2", `491511: ` + list[1:]})
		do(list+"/{number}", auditStep{204, "DELETE", list + "/491511?account_id=2", "", "numbers of account 2", `491511: on no list`})
		do(list+"/remove", auditStep{200, "POST", list + "/remove?account_id=2", `{"numbers":["491512"]}`, "numbers of account 2", `491512: on no list`})
	}
	do("/blacklist", auditStep{200, "POST", "/blacklist", "4915" + strings.Join(manyNumbers(6000), "\n4915"), "numbers of everybody", `"count":6000`})

	do("/lists", auditStep{201, "POST", "/lists", `{"name":"friends"}`, "contact list ", `"friends"`})
	do("/lists/{list}/members", auditStep{200, "POST", "/lists/friends/members", "491511\n491512\n", "contact list ", `"before":`})
	do("/lists/{list}", auditStep{204, "DELETE", "/lists/friends", "", "contact list ", `"after":null`})

	text := `{"name":"Spring","sender_id":"ACME","message_content":"Sale!"}`
	do("/campaigns", auditStep{201, "POST", "/campaigns", text, "campaign ", `"status":"DRAFT"`})
	c := "/campaigns/" + id.CampaignID
	do("/campaigns/{id}", auditStep{200, "PATCH", c, `{"message_content":"Sale today!"}`, "campaign ", `"after":{"message_content":"Sale today!"`})
	do("/campaigns/{id}/test", auditStep{201, "POST", c + "/test", `{"to":"491511234"}`, "", `"to":"491511234"`})
	do("/campaigns/{id}/recipients", auditStep{200, "POST", c + "/recipients", `{"recipients":["491511234"]}`, "campaign ", `"total_recipients":1`})
	do("/campaigns/{id}/recipients", auditStep{200, "DELETE", c + "/recipients", "", "campaign ", `"total_recipients":0`})
	do("/campaigns/{id}/recipients", auditStep{200, "POST", c + "/recipients", `{"recipients":["491511234"]}`, "campaign ", `"total_recipients":1`})
	do("/campaigns/{id}", auditStep{200, "PATCH", c, `{"schedule_type":"SCHEDULED","schedule_at":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`, "campaign ", `"SCHEDULED"`})
	do("/campaigns/{id}/start", auditStep{200, "POST", c + "/start", "", "campaign ", `"status":"SCHEDULED"`})
	do("/campaigns/{id}/pause", auditStep{200, "POST", c + "/pause", "", "campaign ", `"status":"PAUSED"`})
	do("/campaigns/{id}/resume", auditStep{200, "POST", c + "/resume", "", "campaign ", `"before":{"status":"PAUSED"`})
	do("/campaigns/{id}/cancel", auditStep{200, "POST", c + "/cancel", "", "campaign ", `"status":"CANCELLED"`})
	do("/campaigns/{id}", auditStep{204, "DELETE", c, "", "campaign ", `"after":null`})
	do("/alerts/rules/{name}", auditStep{200, "PATCH", "/alerts/rules/lane_long", `{"threshold":5000}`, "alert rule lane_long", `"threshold":5000`})
	do("/alerts/channels/{name}", auditStep{201, "PUT", "/alerts/channels/ops", `{"kind":"webhook","url":"https://example.com/","secret":"hunter2"}`, "alert channel ops", `"secret":"(hidden)"`})
	do("/alerts/channels/{name}", auditStep{204, "DELETE", "/alerts/channels/ops", "", "alert channel ops", `"after":null`})
	do("/users", auditStep{201, "POST", "/users", `{"name":"ann","role":"auditor"}`, "user ann", `"password_hash":"(hidden)"`})
	do("/users/{name}", auditStep{200, "PATCH", "/users/ann", `{"role":"operator"}`, "user ann", `"role":"operator"`})
	do("/users/{name}/password", auditStep{200, "POST", "/users/ann/password", "", "user ann", `"password_hash":"(hidden)"`})
	do("/users/{name}", auditStep{204, "DELETE", "/users/ann", "", "user ann", `"after":null`})
	do("/backup", auditStep{200, "POST", "/backup", "", "", `"/api/v1/backup"`})

	// What fails is no change, and neither is a dry run.
	before := len(s.audit("?limit=1000").Entries)
	s.must(422, "PATCH", "/accounts/2", `{"tps":-1}`)
	s.must(404, "DELETE", "/routes/nobody", "")
	s.must(402, "POST", "/accounts/3/transfer", `{"amount":"1000","reference":"too much"}`)
	s.must(200, "PUT", "/routes?dry_run=true", `{"routes":[]}`)
	if after := len(s.audit("?limit=1000").Entries); after != before || after != n {
		t.Errorf("%d entries after failures, %d before, %d changes", after, before, n)
	}

	// Nothing was left out of the walk, except what needs things of its own.
	elsewhere := []string{
		"PUT /api/v1/system/log-level", "POST /api/v1/inbound/messages/{id}/replay", "POST /api/v1/campaigns/{id}/approve", "POST /api/v1/campaigns/{id}/reject",
		"POST /api/v1/session/password", "PUT /api/v1/session/totp", "DELETE /api/v1/session/totp",
	}
	for _, call := range s.rest.AuditedCalls() {
		if !walked[call] && !slices.Contains(elsewhere, call) {
			t.Errorf("%s is not in the walk", call)
		}
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = openSite(t, dir, nil)
	all := s.must(200, "GET", "/audit?limit=1000", "")
	for _, secret := range tails {
		if strings.Contains(all, secret) {
			t.Errorf("the log has the secret %s", secret)
		}
	}
	for query, want := range map[string]int{
		"?limit=1000": n, "?limit=1000&what=account+2": 3, "?method=delete&path=/api/v1/blacklist": 1, "?account_id=2": 0,
		"?limit=1000&api_key=dev-api-k": n, "?api_key=pb_nobody": 0, "?until=2020-01-01T00:00:00Z": 0, "?since=2099-01-01T00:00:00Z": 0,
		"?limit=1000&since=2020-01-01T00:00:00Z&until=2099-01-01T00:00:00Z": n,
	} {
		if got := len(s.audit(query).Entries); got != want {
			t.Errorf("audit%s has %d entries, want %d", query, got, want)
		}
	}
	seen := 0
	for cursor := ""; ; {
		page := s.audit("?limit=7" + cursor)
		seen += len(page.Entries)
		if page.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + page.NextCursor
	}
	if seen != n {
		t.Errorf("a walk with the cursor sees %d entries, want %d", seen, n)
	}
	if code, text := s.call("GET", "/audit?colour=1&limit=0&since=yesterday", ""); code != 400 || strings.Count(text, `"pointer"`) != 3 {
		t.Errorf("bad parameters: %d %s", code, text)
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func manyNumbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%06d", i)
	}
	return all
}
