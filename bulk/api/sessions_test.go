package api_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/audit"
	"protei-bulk/bulk/user"
)

// trail keeps the log of changes in memory.
type trail struct {
	mu      sync.Mutex
	entries []audit.Entry
}

func (l *trail) Begin(ctx context.Context, e audit.Entry) (context.Context, *audit.Record) {
	r := audit.NewRecord(e)
	return audit.With(ctx, r), r
}

func (l *trail) End(_ context.Context, r *audit.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, r.Written())
	return nil
}

func (l *trail) List(context.Context, audit.Query) ([]audit.Entry, string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries), "", nil
}

type noNodes struct{}

func (noNodes) Nodes(context.Context) ([]api.Node, error) { return []api.Node{}, nil }

type desk struct{}

func (desk) System() (api.System, error) { return api.System{Settings: []api.Setting{}}, nil }
func (desk) SetLogLevel(string) error    { return nil }

const rightPassword = "correct horse battery"

// person makes a user and signs in.
func (p *platform) person(t *testing.T, name string, role user.Role) *visitor {
	t.Helper()
	account := p.accounts.ByName("admin")
	if role == user.Customer {
		account = p.acme
	}
	if _, err := p.users.Create(t.Context(), user.User{Name: name, Role: role, Account: account.ID}, rightPassword); err != nil {
		t.Fatal(err)
	}
	v := &visitor{p: p}
	v.signIn(t, name, rightPassword, "").want(t, 200, "")
	return v
}

// visitor is a browser: it has a cookie and knows its CSRF token.
type visitor struct {
	p            *platform
	cookie, csrf string
}

func (v *visitor) signIn(t *testing.T, name, password, code string, headers ...string) answer {
	t.Helper()
	body := fmt.Sprintf(`{"user":%q,"password":%q,"code":%q}`, name, password, code)
	a := v.p.do(t, "POST", "/api/v1/session", body, append([]string{"X-API-Key", ""}, headers...)...)
	v.take(a)
	return a
}

func (v *visitor) take(a answer) {
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		v.cookie = c.Value
	}
	if token, ok := a.JSON["csrf_token"].(string); ok {
		v.csrf = token
	}
}

func (v *visitor) do(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	all := append([]string{"X-API-Key", "", "Cookie", "protei_bulk_session=" + v.cookie, "X-CSRF-Token", v.csrf}, headers...)
	return v.p.do(t, method, path, body, all...)
}

func TestSignInSetsAGuardedCookie(t *testing.T) {
	p := start(t, options{})
	v := p.person(t, "ann", user.Admin)
	a := v.signIn(t, "ANN ", rightPassword, "")
	a.want(t, 200, "")
	set := a.Header.Get("Set-Cookie")
	for _, part := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} {
		if !strings.Contains(set, part) {
			t.Errorf("the cookie %q lacks %s", set, part)
		}
	}
	if strings.Contains(set, "Secure") {
		t.Errorf("over plain HTTP the browser would not send %q", set)
	}
	if set := v.signIn(t, "ann", rightPassword, "", "X-Forwarded-Proto", "https").Header.Get("Set-Cookie"); strings.Contains(set, "Secure") {
		t.Errorf("a client makes itself a cookie %q", set)
	}
	me := v.do(t, "GET", "/api/v1/session", "")
	me.want(t, 200, "")
	if me.JSON["user"] != "ann" || me.JSON["role"] != "admin" || me.JSON["csrf_token"] != v.csrf {
		t.Errorf("the session is %v", me.JSON)
	}
	v.do(t, "GET", "/api/v1/system", "").want(t, 200, "")
	v.do(t, "DELETE", "/api/v1/session", "").want(t, 204, "")
	v.do(t, "GET", "/api/v1/session", "").want(t, 401, "session_ended")
	v.do(t, "GET", "/api/v1/system", "").want(t, 401, "session_ended")
}

func TestWrongSignInIsToldAlike(t *testing.T) {
	p := start(t, options{})
	p.person(t, "ann", user.Admin)
	v := &visitor{p: p}
	var first string
	for _, c := range [][2]string{{"ann", "wrong horse battery"}, {"nobody", rightPassword}, {"", ""}} {
		a := v.signIn(t, c[0], c[1], "", "X-Request-Id", "1")
		a.want(t, 401, "sign_in_refused")
		if first == "" {
			first = a.Body
		}
		if a.Body != first || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %s, of the first one %s", c[0], a.Body, first)
		}
	}
	for range 10 {
		v.signIn(t, "ann", "wrong horse battery", "")
	}
	a := v.signIn(t, "ann", rightPassword, "")
	a.want(t, 429, "too_many_sign_ins")
	if seconds, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 10 {
		t.Errorf("Retry-After is %q", a.Header.Get("Retry-After"))
	}
}

func TestBrowsersDoNotAskForThePasswordThemselves(t *testing.T) {
	p := start(t, options{})
	for _, headers := range [][]string{{"X-CSRF-Token", "none"}, {"Sec-Fetch-Mode", "cors"}} {
		a := p.do(t, "GET", "/api/v1/session", "", append(headers, "X-API-Key", "")...)
		if got := strings.Join(a.Header.Values("WWW-Authenticate"), ", "); a.Status != 401 || strings.Contains(got, "Basic") {
			t.Errorf("%v: %d with WWW-Authenticate %s", headers, a.Status, got)
		}
	}
	if got := p.do(t, "GET", "/api/v1/messages", "", "X-API-Key", "").Header.Values("WWW-Authenticate"); len(got) != 2 {
		t.Errorf("for other programs it is %v", got)
	}
}

func TestForgedSessions(t *testing.T) {
	p := start(t, options{dev: true}) // where requests without credentials are answered, too
	v := p.person(t, "ann", user.Admin)
	for name, cookie := range map[string]string{
		"another token": strings.Repeat("A", 43), "a token with more": v.cookie + "A", "half a token": v.cookie[:20], "markup": "<script>", "long": strings.Repeat("x", 5000),
	} {
		forged := visitor{p: p, cookie: cookie, csrf: v.csrf}
		forged.do(t, "GET", "/api/v1/accounts", "").want(t, 401, "session_ended")
		if name == "another token" {
			forged.do(t, "POST", "/api/v1/accounts", `{"name":"x"}`).want(t, 401, "session_ended")
		}
	}
	// An API key goes first, and is not helped by a cookie.
	v.do(t, "GET", "/api/v1/accounts", "", "X-API-Key", "wrong").want(t, 401, "invalid_credentials")
}

func TestChangesNeedTheCSRFToken(t *testing.T) {
	p := start(t, options{})
	v := p.person(t, "ann", user.Admin)
	other := p.person(t, "ben", user.Admin)
	for name, token := range map[string]string{"none": "", "another's": other.csrf, "the cookie": v.cookie} {
		forged := visitor{p: p, cookie: v.cookie, csrf: token}
		for call, body := range map[string]string{
			"POST /api/v1/accounts": `{"name":"evil"}`, "PATCH /api/v1/accounts/2": `{"disabled":true}`, "DELETE /api/v1/session": "", "PUT /api/v1/system/log-level": `{"level":"debug"}`,
			"POST /api/v1/messages": `{"from":"SHOP","to":"+4915112345678","text":"x"}`, "POST /api/v1/session/password": `{"current_password":"a","password":"b"}`,
		} {
			method, path, _ := strings.Cut(call, " ")
			if a := forged.do(t, method, path, body); a.Status != 403 || a.JSON["code"] != "csrf" {
				t.Errorf("%s with %s: %d %s", call, name, a.Status, a.Body)
			}
		}
		forged.do(t, "GET", "/api/v1/accounts", "").want(t, 200, "")
	}
	v.do(t, "POST", "/api/v1/accounts", `{"name":"evil"}`, "Sec-Fetch-Site", "cross-site").want(t, 403, "csrf")
	v.do(t, "POST", "/api/v1/accounts", `{"name":"evil"}`, "Origin", "https://evil.example").want(t, 403, "csrf")
	v.signIn(t, "ann", rightPassword, "", "Sec-Fetch-Site", "cross-site").want(t, 403, "csrf")
	if p.accounts.ByName("evil") != nil || len(p.sink.Messages()) > 0 {
		t.Error("a forged request changed something")
	}
	v.do(t, "POST", "/api/v1/accounts", `{"name":"good"}`).want(t, 201, "")
}

func TestRoles(t *testing.T) {
	p := start(t, options{})
	people := map[user.Role]*visitor{}
	for _, role := range user.Roles() {
		people[role] = p.person(t, string(role), role)
	}
	p.person(t, "target", user.Operator)
	own := fmt.Sprintf("/api/v1/accounts/%d", p.acme.ID)
	message := `{"from":"SHOP","to":"+4915112345678","text":"hello"}`
	for _, tc := range []struct {
		call, body string
		may        string // the first letters of the roles
	}{
		{"GET /api/v1/messages", "", "admin operator auditor customer"},
		{"POST /api/v1/messages", message, "admin operator customer"},
		{"GET /api/v1/connectors", "", "admin operator auditor"},
		{"GET /api/v1/routes", "", "admin operator auditor"},
		{"POST /api/v1/routes/test", `{"to":"+4915112345678"}`, "admin operator auditor"},
		{"GET /api/v1/audit", "", "admin operator auditor"},
		{"GET /api/v1/system", "", "admin operator auditor"},
		{"PUT /api/v1/system/log-level", `{"level":"info"}`, "admin"},
		{"GET /api/v1/users", "", "admin operator auditor"},
		{"POST /api/v1/users/target/password", `{"password":"another long password"}`, "admin"},
		{"GET " + own, "", "admin operator auditor customer"},
		{"PATCH " + own, `{"dlr_url":""}`, "admin customer"},
		{"POST " + own + "/keys", "", "admin customer"},
		{"POST " + own + "/topup", `{"amount":1}`, "admin"},
		{"GET /api/v1/webhooks", "", "admin customer"},
		{"POST /api/v1/campaigns", `{"name":"c","sender_id":"SHOP","message_content":"x"}`, "admin operator customer"},
		{"POST /api/v1/blacklist", `{"numbers":["+4915112345678"]}`, "admin operator customer"},
		{"GET /debug/pprof/", "", "admin"},
		{"GET /api/v1/session", "", "admin operator auditor customer"},
	} {
		method, path, _ := strings.Cut(tc.call, " ")
		for role, v := range people {
			a := v.do(t, method, path, tc.body)
			may := strings.Contains(tc.may, string(role))
			if may && a.Status >= 400 {
				t.Errorf("%s as %s: %d %s", tc.call, role, a.Status, a.Body)
			}
			if !may && (a.Status != 403 || a.JSON["code"] != "role_forbidden") {
				t.Errorf("%s as %s: %d %s, want 403 role_forbidden", tc.call, role, a.Status, a.Body)
			}
		}
	}
	list := people[user.Customer].do(t, "GET", "/api/v1/accounts", "")
	if all := list.JSON["accounts"].([]any); len(all) != 1 {
		t.Errorf("a customer sees %d accounts", len(all))
	}
}

func TestPasswordOfSomebodyElseIsChangedFirst(t *testing.T) {
	p := start(t, options{})
	boss := p.person(t, "boss", user.Admin)
	made := boss.do(t, "POST", "/api/v1/users", `{"name":"Olga","role":"operator"}`)
	made.want(t, 201, "")
	password, _ := made.JSON["password"].(string)
	if made.JSON["name"] != "olga" || len(password) < user.MinPassword || made.JSON["account"] != "admin" {
		t.Fatalf("made %s", made.Body)
	}
	v := &visitor{p: p}
	a := v.signIn(t, "olga", password, "")
	a.want(t, 200, "")
	if a.JSON["must_change"] != true {
		t.Errorf("signed in with %s", a.Body)
	}
	v.do(t, "GET", "/api/v1/messages", "").want(t, 403, "password_change_needed")
	change := func(current, next string) answer {
		return v.do(t, "POST", "/api/v1/session/password", fmt.Sprintf(`{"current_password":%q,"password":%q}`, current, next))
	}
	change("wrong horse battery", rightPassword).want(t, 422, "validation_failed")
	change(password, password).want(t, 422, "validation_failed")
	change(password, "short").want(t, 422, "validation_failed")
	before := visitor{p: p, cookie: v.cookie, csrf: v.csrf}
	a = change(password, rightPassword)
	a.want(t, 200, "")
	v.take(a)
	v.do(t, "GET", "/api/v1/messages", "").want(t, 200, "")
	before.do(t, "GET", "/api/v1/session", "").want(t, 401, "session_ended")
	last := p.trail.entries[len(p.trail.entries)-1]
	if last.User != "olga" || last.Path != "/api/v1/session/password" || last.Request["password"] != "(hidden)" || last.Request["current_password"] != "(hidden)" {
		t.Errorf("the log of changes has %+v", last)
	}
}

func TestSecondFactorOverREST(t *testing.T) {
	p := start(t, options{})
	boss := p.person(t, "boss", user.Admin)
	v := p.person(t, "ann", user.Operator)
	offer := v.do(t, "POST", "/api/v1/session/totp", "")
	offer.want(t, 200, "")
	secret, _ := offer.JSON["secret"].(string)
	if url, _ := offer.JSON["url"].(string); !strings.HasPrefix(url, "otpauth://totp/Protei_Bulk:ann?") || !strings.Contains(url, "secret="+secret) {
		t.Errorf("the URL is %s", url)
	}
	if path, _ := at(offer.JSON, "qr", "path").(string); !strings.HasPrefix(path, "M0 0h7") {
		t.Errorf("the QR code does not begin with a finder pattern: %.40q", path)
	}
	code, err := user.TOTPCode(secret, started)
	if err != nil {
		t.Fatal(err)
	}
	confirm := func(secret, code, password string) answer {
		return v.do(t, "PUT", "/api/v1/session/totp", fmt.Sprintf(`{"secret":%q,"code":%q,"password":%q}`, secret, code, password))
	}
	confirm(secret, code, "wrong horse battery").want(t, 422, "validation_failed")
	confirm(secret, "000000", rightPassword).want(t, 422, "validation_failed")
	confirm("A", code, rightPassword).want(t, 422, "validation_failed")
	confirm(secret, code, rightPassword).want(t, 200, "")
	v.signIn(t, "ann", rightPassword, "").want(t, 401, "code_needed")
	v.signIn(t, "ann", "wrong horse battery", "").want(t, 401, "sign_in_refused")
	v.signIn(t, "ann", rightPassword, code).want(t, 401, "sign_in_refused") // it was used
	next, err := user.TOTPCode(secret, started.Add(30e9))
	if err != nil {
		t.Fatal(err)
	}
	v.signIn(t, "ann", rightPassword, next).want(t, 200, "")
	if text := boss.do(t, "GET", "/api/v1/users", "").Body; strings.Contains(text, secret) || strings.Contains(text, "argon2") {
		t.Errorf("users show secrets: %s", text)
	}
	boss.do(t, "PATCH", "/api/v1/users/ann", `{"two_factor":true}`).want(t, 422, "validation_failed")
	boss.do(t, "PATCH", "/api/v1/users/ann", `{"two_factor":false}`).want(t, 200, "")
	v.signIn(t, "ann", rightPassword, "").want(t, 200, "")
}

func TestUsersOverREST(t *testing.T) {
	p := start(t, options{})
	boss := p.person(t, "boss", user.Admin)
	boss.do(t, "POST", "/api/v1/users", `{"name":"ann","role":"king"}`).want(t, 422, "validation_failed")
	boss.do(t, "POST", "/api/v1/users", `{"name":"ann","role":"customer"}`).want(t, 422, "validation_failed")
	boss.do(t, "POST", "/api/v1/users", `{"name":"ann","role":"operator","password":"`+rightPassword+`"}`).want(t, 201, "")
	boss.do(t, "POST", "/api/v1/users", `{"name":"Ann","role":"operator"}`).want(t, 409, "conflict")
	boss.do(t, "PATCH", "/api/v1/users/ann", `{"name":"other"}`).want(t, 422, "validation_failed")
	boss.do(t, "PATCH", "/api/v1/users/boss", `{"role":"auditor"}`).want(t, 409, "conflict")
	boss.do(t, "DELETE", "/api/v1/users/boss", "").want(t, 409, "conflict")
	v := &visitor{p: p}
	v.signIn(t, "ann", rightPassword, "").want(t, 200, "")
	boss.do(t, "PATCH", "/api/v1/users/ann", `{"disabled":true}`).want(t, 200, "")
	v.do(t, "GET", "/api/v1/session", "").want(t, 401, "session_ended")
	boss.do(t, "DELETE", "/api/v1/users/ann", "").want(t, 204, "")
	boss.do(t, "GET", "/api/v1/users/ann", "").want(t, 404, "not_found")
	who := map[string]bool{}
	for _, e := range p.trail.entries {
		who[e.User+" "+e.Method+" "+e.Path] = true
	}
	for _, want := range []string{"boss POST /api/v1/session", "ann POST /api/v1/session", "boss POST /api/v1/users", "boss PATCH /api/v1/users/ann", "boss DELETE /api/v1/users/ann"} {
		if !who[want] {
			t.Errorf("the log of changes lacks %s: %v", want, who)
		}
	}
	// An API key manages users, too; its owner has no session.
	p.do(t, "GET", "/api/v1/users", "", "X-API-Key", p.admin).want(t, 200, "")
	p.do(t, "GET", "/api/v1/users", "").want(t, 403, "forbidden")
	p.do(t, "POST", "/api/v1/session/totp", "", "X-API-Key", p.admin).want(t, 401, "unauthorized")
}
