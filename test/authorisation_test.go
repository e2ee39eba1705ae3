package test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// estate is an account that others must not reach, with something of each kind.
type estate struct {
	p         *platform
	id        int
	key       string
	prefix    string // of another key
	scheduled string // a message that waits
	delivered string
	batch     string
	campaign  string
	list      string
	inbound   string // a message from a mobile
	route     string // that brought it
	number    string // on its blacklist, and opted out
}

// What is the estate's own and stands nowhere else.
const (
	estateName   = "v1ct1m"
	estatePass   = "V1ct1mPw"
	estateSender = "V1CT1M"
	estateText   = "zo3zp8 text"
	estateNumber = "15559010001"
	estateHook   = "http://127.0.0.1:1/h00k7q"
)

// marks are what an answer to somebody else has none of.
func (e *estate) marks() []string {
	return []string{estateName, estateSender, "zo3zp8", estateNumber, "h00k7q", e.key, e.prefix, e.scheduled, e.delivered, e.batch, e.campaign, e.list, e.inbound, e.number[1:]}
}

// person is somebody who calls the API, in one of the ways to be known.
type person struct {
	name   string
	header []string
}

func (p *platform) newKey(who int, members string) string {
	p.t.Helper()
	var made struct {
		Key string `json:"api_key"`
	}
	p.want(http.StatusCreated, "POST", fmt.Sprintf("/api/v1/accounts/%d/keys", who), members, &made)
	return made.Key
}

// signsIn makes a person with a role in the console, who signs in and sets a password as asked to.
func (p *platform) signsIn(name, role string, account int) person {
	p.t.Helper()
	const first, then = "first password of it", "second password of it"
	p.want(http.StatusCreated, "POST", "/api/v1/users", fmt.Sprintf(`{"name":%q,"role":%q,"account_id":%d,"password":%q}`, name, role, account, first), nil)
	var s struct {
		CSRF string `json:"csrf_token"`
	}
	session := func(a answer) []string {
		if a.code != http.StatusOK {
			p.t.Fatalf("%s signs in: %d %s", name, a.code, a.body)
		}
		a.into(p.t, &s)
		cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
		return []string{"X-API-Key", "", "Cookie", cookie, "X-CSRF-Token", s.CSRF}
	}
	header := session(p.post("/api/v1/session", fmt.Sprintf(`{"user":%q,"password":%q}`, name, first), "X-API-Key", ""))
	header = session(p.post("/api/v1/session/password", fmt.Sprintf(`{"current_password":%q,"password":%q}`, first, then), header...))
	return person{"console " + role, header}
}

type madeAccount struct {
	ID  int    `json:"account_id"`
	Key string `json:"api_key"`
}

func (p *platform) newAccount(members string) (a madeAccount) {
	p.t.Helper()
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", members, &a)
	return a
}

// serveGuarded starts a platform as an operator does, with a simulator and an SMSC of the test behind it.
func serveGuarded(t *testing.T) (*platform, *carrier) {
	t.Helper()
	_, far := simulator(t)
	c := newCarrier(t)
	p := serveProduction(t, "", t.TempDir(), "--upstream", upstreamOf(far))
	p.key, _ = p.firstSecrets()
	p.want(http.StatusCreated, "POST", "/api/v1/connectors", `{"name":"carrier","url":"`+c.upstream()+`","mode":"running"}`, nil)
	return p, c
}

// newEstate fills an account.
func newEstate(t *testing.T, p *platform, c *carrier) *estate {
	t.Helper()
	made := p.newAccount(`{"name":"` + estateName + `","system_id":"` + estateName + `","password":"` + estatePass + `","default_sender":"` + estateSender + `","billing":"prepaid","price":0.01}`)
	e := &estate{p: p, id: made.ID, key: made.Key, number: "+15559020002"}
	p.want(http.StatusCreated, "POST", fmt.Sprintf("/api/v1/accounts/%d/topup", e.id), `{"amount":100,"reference":"zo3zp8"}`, nil)
	admin := p.key
	defer func() { p.key = admin }()
	var route struct {
		ID json.Number `json:"id"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/inbound/routes", fmt.Sprintf(`{"name":"zo3zp8","to":"4711","account_id":%d}`, e.id), &route)
	e.route = route.ID.String()
	p.key = e.key
	var ids struct {
		Message  string `json:"message_id"`
		Batch    string `json:"batch_id"`
		Campaign string `json:"campaign_id"`
		List     string `json:"list_id"`
	}
	later := time.Now().Add(72 * time.Hour).UTC().Format(time.RFC3339)
	p.want(http.StatusCreated, "POST", "/api/v1/messages", `{"to":"+`+estateNumber+`","text":"`+estateText+`","client_ref":"zo3zp8","schedule_at":"`+later+`"}`, &ids)
	e.scheduled = ids.Message
	p.want(http.StatusCreated, "POST", "/api/v1/messages/bulk", `{"messages":[{"to":"+`+estateNumber+`","text":"`+estateText+`"}]}`, &ids)
	e.batch = ids.Batch
	p.want(http.StatusCreated, "POST", "/api/v1/messages", `{"to":"+`+estateNumber+`","text":"`+estateText+`","dlr_url":""}`, &ids)
	e.delivered = ids.Message
	p.becomes(e.delivered, "DELIVERED")
	p.want(http.StatusCreated, "POST", "/api/v1/campaigns", `{"name":"zo3zp8","message_content":"`+estateText+`","recipients":["+`+estateNumber+`"],"schedule_type":"SCHEDULED","schedule_at":"`+later+`"}`, &ids)
	e.campaign = ids.Campaign
	p.want(http.StatusCreated, "POST", "/api/v1/lists", `{"name":"zo3zp8"}`, &ids)
	e.list = ids.List
	p.want(http.StatusOK, "POST", "/api/v1/lists/"+e.list+"/members", `{"recipients":["+`+estateNumber+`"]}`, nil)
	for _, kind := range []string{"blacklist", "optouts"} {
		p.want(http.StatusOK, "POST", "/api/v1/"+kind, `{"numbers":["`+e.number+`"]}`, nil)
	}
	e.prefix = p.newKey(e.id, `{"name":"zo3zp8"}`)[:9]
	if st, err := c.deliver(c.session(), fromMobile("15559030003", "4711", estateText)); err != nil || st != smpp.ROK {
		t.Fatalf("deliver_sm: %v %v", st, err)
	}
	waitUntil(t, 20*time.Second, func() bool {
		var in struct {
			Messages []struct {
				ID string `json:"message_id"`
			}
		}
		p.want(http.StatusOK, "GET", "/api/v1/inbound/messages", "", &in)
		if len(in.Messages) == 1 {
			e.inbound = in.Messages[0].ID
		}
		return e.inbound != ""
	})
	if e.inbound == "" {
		t.Fatalf("no message of a mobile comes\n%s", p.out)
	}
	p.want(http.StatusOK, "PUT", "/api/v1/webhooks", `{"dlr_url":""}`, nil)
	return e
}

// volatile are members that change by being looked at, or with the time.
var volatile = regexp.MustCompile(`"(as_of|last_used_at|used_at|retry_at)":"[^"]*",?`)

// state is all that the account holds, as it sees it itself. It asks by password, so that no key is used.
func (e *estate) state() string {
	b := &strings.Builder{}
	me := fmt.Sprintf("/api/v1/accounts/%d", e.id)
	for _, path := range []string{
		me, me + "/keys", me + "/movements", me + "/balance", "/api/v1/messages?limit=1000", "/api/v1/messages/" + e.scheduled, "/api/v1/messages/" + e.delivered,
		"/api/v1/campaigns", "/api/v1/campaigns/" + e.campaign, "/api/v1/campaigns/" + e.campaign + "/recipients", "/api/v1/lists", "/api/v1/lists/" + e.list + "/members",
		"/api/v1/blacklist", "/api/v1/optouts", "/api/v1/webhooks", "/api/v1/webhooks/failed", "/api/v1/inbound/messages/" + e.inbound, "/api/v1/inbound/routes", "/api/v1/statistics",
	} {
		req, err := http.NewRequestWithContext(e.p.t.Context(), http.MethodGet, e.p.url()+path, nil)
		if err != nil {
			e.p.t.Fatal(err)
		}
		req.SetBasicAuth(estateName, estatePass)
		a, err := ended(req)
		if err != nil || a.code != http.StatusOK {
			e.p.t.Fatalf("GET %s as the owner: %d %s %v\n%s", path, a.code, a.body, err, e.p.out)
		}
		fmt.Fprintf(b, "%s %s\n", path, volatile.ReplaceAll(a.body, nil))
	}
	return b.String()
}

// apiCall is one call of the OpenAPI document.
type apiCall struct {
	method, path string
	query        []string // names of parameters
	body         string   // the document's example
	admin        bool     // it needs the scope admin
	anybody      bool     // it needs no credentials
}

func (c *apiCall) String() string { return c.method + " " + c.path }

// calls reads the OpenAPI document that the platform serves.
func (p *platform) calls() (all []apiCall) {
	p.t.Helper()
	var d struct {
		Paths map[string]map[string]struct {
			Scopes     []string          `json:"x-scopes"`
			Security   []json.RawMessage `json:"security"`
			Parameters []map[string]any  `json:"parameters"`
			Body       struct {
				Content map[string]struct {
					Example json.RawMessage
				}
			} `json:"requestBody"`
		}
	}
	p.want(http.StatusOK, "GET", "/api/v1/openapi.json", "", &d)
	for path, methods := range d.Paths {
		for method, op := range methods {
			c := apiCall{method: strings.ToUpper(method), path: path, body: string(op.Body.Content["application/json"].Example)}
			c.admin, c.anybody = slices.Contains(op.Scopes, "admin"), op.Security == nil
			for _, parameter := range op.Parameters {
				if parameter["in"] == "query" {
					c.query = append(c.query, fmt.Sprint(parameter["name"]))
				}
			}
			if c.body == "" {
				c.body = withoutExample[c.String()]
			}
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b apiCall) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	if len(all) < 90 {
		p.t.Fatalf("the document has %d calls", len(all))
	}
	return all
}

// withoutExample are bodies of calls for which the document has no example.
var withoutExample = map[string]string{
	"POST /api/v1/accounts/{id}/password":         `{"password":"Mallory8"}`,
	"PUT /api/v1/alerts/channels/{name}":          `{"kind":"webhook","url":"http://127.0.0.1:1/"}`,
	"PATCH /api/v1/alerts/rules/{name}":           `{"disabled":true}`,
	"POST /api/v1/campaigns/{id}/reject":          `{"reason":"no"}`,
	"POST /api/v1/connectors/{name}/dlr":          `{}`,
	"POST /api/v1/connectors/{name}/dlr/{secret}": `{}`,
	"POST /api/v1/connectors/{name}/test":         `{}`,
	"PATCH /api/v1/inbound/routes/{id}":           `{"disabled":true}`,
	"PUT /api/v1/routes":                          `{"routes":[]}`,
	"POST /api/v1/users/{name}/password":          `{"password":"another long password"}`,
}

// ended sends a request and reads the answer to its end.
func ended(req *http.Request) (answer, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return answer{resp.StatusCode, resp.Header, text}, err
}

var element = regexp.MustCompile(`\{[a-z]+\}`)

// at returns the path of a call with what names the estate in it.
func (e *estate) at(t *testing.T, c *apiCall) string {
	own := map[string]string{
		"/accounts/{id}": fmt.Sprint(e.id), "{prefix}": e.prefix, "/messages/{id}": e.scheduled, "/campaigns/{id}": e.campaign, "/lists/{list}": e.list,
		"/inbound/messages/{id}": e.inbound, "/inbound/routes/{id}": e.route, "{number}": url.PathEscape(e.number), "/connectors/{name}": "carrier",
		"/cdr/{name}": "cdr-20300131-080000-001.csv", "/routes/{name}": "none", "/alerts/channels/{name}": "none", "/alerts/rules/{name}": "connector_down", "/users/{name}": "admin", "{secret}": "guessed",
	}
	path := c.path
	for _, name := range slices.SortedFunc(maps.Keys(own), func(a, b string) int { return len(b) - len(a) }) {
		path = strings.Replace(path, name, name[:strings.Index(name, "{")]+own[name], 1)
	}
	if rest := element.FindString(path); rest != "" {
		t.Errorf("%s: say in this test what a stranger puts for %s", c, rest)
	}
	return path
}

// queries are those by which a stranger asks for what is the estate's.
func (e *estate) queries(c *apiCall) []string {
	all := []string{""}
	for name, value := range map[string]string{
		"account_id": fmt.Sprint(e.id), "campaign_id": e.campaign, "batch_id": e.batch, "to": "+" + estateNumber, "from": estateSender, "number": e.number,
	} {
		if slices.Contains(c.query, name) {
			all = append(all, "?"+name+"="+url.QueryEscape(value))
		}
	}
	if slices.Contains(c.query, "once") {
		return []string{"?once=1"}
	}
	return all
}

// TestOtherAccountsAreOutOfReach tries every call of the OpenAPI document, with what belongs to an account in it, as
// strangers of each kind: none sees anything of it, none changes anything of it, and none learns what exists.
func TestOtherAccountsAreOutOfReach(t *testing.T) {
	t.Parallel()
	p, c := serveGuarded(t)
	e := newEstate(t, p, c)
	customer := p.newAccount(`{"name":"mallory","system_id":"mallory","password":"MalloryP"}`)
	reseller := p.newAccount(`{"name":"rita","role":"reseller","billing":"prepaid"}`)
	strangers := []person{
		{"customer", []string{"X-API-Key", customer.Key}},
		{"reseller", []string{"X-API-Key", reseller.Key}},
		p.signsIn("mallory", "customer", customer.ID),
		{"nobody", []string{"X-API-Key", ""}},
	}
	waitUntil(t, 20*time.Second, func() bool { // lists are behind for a moment
		return strings.Count(string(p.do("GET", "/api/v1/messages?limit=1000", nil, "X-API-Key", e.key).body), `"message_id"`) == 3
	})
	before := e.state()
	if again := e.state(); again != before {
		t.Fatalf("the state changes by itself\n%s\n%s", before, again)
	}
	tried := 0
	for _, c := range p.calls() {
		if strings.HasPrefix(c.path, "/api/v1/session") {
			continue // names nobody: it is about who sends it. TestForgedSessions, TestChangesNeedTheCSRFToken
		}
		path := e.at(t, &c)
		for _, query := range e.queries(&c) {
			for _, who := range strangers {
				a := p.do(c.method, path+query, strings.NewReader(c.body), who.header...)
				tried++
				named := element.MatchString(c.path) || c.admin || who.name == "nobody" && !c.anybody
				if named && a.code != 401 && a.code != 403 && a.code != 404 && !ownOnly(&c, who.name) {
					t.Errorf("%s %s as %s answers %d %s, want 401, 403 or 404", c.method, path+query, who.name, a.code, a.body)
				}
				for _, mark := range e.marks() {
					if !strings.Contains(path+query+c.body, mark) && strings.Contains(string(a.body), mark) {
						t.Errorf("%s %s as %s shows %q: %s", c.method, path+query, who.name, mark, a.body)
					}
				}
			}
		}
		if c.method == "GET" {
			continue
		}
		if after := e.state(); after != before {
			t.Fatalf("%s changed something of another account\n%s\n%s", &c, before, after)
		}
	}
	t.Logf("%d requests", tried)
	e.attacks(t, customer, reseller)
	if after := e.state(); after != before {
		t.Errorf("the state is\n%s, it was\n%s", after, before)
	}
}

// ownOnly are calls that succeed and are about the caller's own: a list of numbers, whoever else has the number on his, and
// the new child of a reseller.
func ownOnly(c *apiCall, who string) bool {
	return who != "nobody" && strings.HasSuffix(c.path, "/{number}") || who == "reseller" && c.String() == "POST /api/v1/accounts"
}

// attacks name the estate in bodies and headers.
func (e *estate) attacks(t *testing.T, customer, reseller madeAccount) {
	t.Helper()
	p := e.p
	child := struct {
		ID int `json:"account_id"`
	}{}
	as := func(key string) func(method, path, body string, header ...string) answer {
		return func(method, path, body string, header ...string) answer {
			return p.do(method, path, strings.NewReader(body), append([]string{"X-API-Key", key}, header...)...)
		}
	}
	mallory, rita := as(customer.Key), as(reseller.Key)
	made := rita("POST", "/api/v1/accounts", `{"name":"ritas"}`)
	made.into(t, &child)
	campaign := struct {
		ID string `json:"campaign_id"`
	}{}
	draft := mallory("POST", "/api/v1/campaigns", `{"name":"m","sender_id":"M","message_content":"x"}`)
	draft.into(t, &campaign)
	for name, a := range map[string]answer{
		"recipients from its list":   mallory("POST", "/api/v1/campaigns/"+campaign.ID+"/recipients", `{"list":"`+e.list+`"}`),
		"a campaign over its list":   mallory("POST", "/api/v1/campaigns", `{"name":"m2","sender_id":"M","message_content":"x","list":"`+e.list+`"}`),
		"a child of it":              rita("POST", "/api/v1/accounts", fmt.Sprintf(`{"name":"x","parent":%d}`, e.id)),
		"a child given to it":        rita("PATCH", fmt.Sprintf("/api/v1/accounts/%d", child.ID), fmt.Sprintf(`{"parent":%d}`, e.id)),
		"its money":                  rita("POST", fmt.Sprintf("/api/v1/accounts/%d/transfer", e.id), `{"amount":-1,"reference":"r"}`),
		"a mobile's messages":        mallory("POST", "/api/v1/inbound/routes", fmt.Sprintf(`{"name":"m","to":"4711","account_id":%d}`, e.id)),
		"a mobile's messages for me": mallory("POST", "/api/v1/inbound/routes", `{"name":"m","to":"4711"}`),
		"a role":                     mallory("PATCH", "/api/v1/accounts/me", `{"role":"admin"}`),
		"a child with a role":        rita("POST", "/api/v1/accounts", `{"name":"y","role":"admin"}`),
		"money for oneself":          mallory("POST", "/api/v1/accounts/me/topup", `{"amount":1,"reference":"m"}`),
		"money for one's child":      rita("POST", fmt.Sprintf("/api/v1/accounts/%d/topup", child.ID), `{"amount":1,"reference":"m"}`),
		"another parent's child":     mallory("GET", fmt.Sprintf("/api/v1/accounts/%d", child.ID), ""),
	} {
		if a.code < 400 || a.code >= 500 {
			t.Errorf("%s: %d %s", name, a.code, a.body)
		}
	}
	a := mallory("POST", "/api/v1/webhooks/replay", `{"message_ids":["`+e.delivered+`"]}`)
	if !strings.Contains(string(a.body), `"replayed":0`) {
		t.Errorf("its receipts are told again: %d %s", a.code, a.body)
	}
	// A key of an idempotent request belongs to its account.
	p.do("POST", "/api/v1/messages", strings.NewReader(`{"from":"M","to":"+15550001111","text":"x"}`), "X-API-Key", customer.Key, "Idempotency-Key", "zo3zp8")
	first := mallory("POST", "/api/v1/messages", `{"from":"M","to":"+15550001111","text":"x"}`, "Idempotency-Key", "zo3zp8")
	other := rita("POST", "/api/v1/messages", `{"from":"M","to":"+15550001111","text":"x"}`, "Idempotency-Key", "zo3zp8")
	if first.code != http.StatusCreated || string(first.body) == string(other.body) {
		t.Errorf("two accounts with one Idempotency-Key: %d %s and %d %s", first.code, first.body, other.code, other.body)
	}
	// The paths of other products look at the same messages.
	for _, path := range []string{"/api/getDLR?messageId=" + e.delivered, "/api/getDLR?message_id=" + e.delivered, "/api/getDLR?id=" + e.delivered} {
		a := p.do("GET", path, nil, "X-API-Key", customer.Key)
		if strings.Contains(string(a.body), "zo3zp8") || strings.Contains(string(a.body), "DELIV") {
			t.Errorf("GET %s as another account: %d %s", path, a.code, a.body)
		}
	}
	// A key makes none that may more, and sets no password.
	keys := p.newKey(customer.ID, `{"scopes":["keys"]}`)
	for _, path := range []string{"keys", "password"} {
		if a := p.do("POST", "/api/v1/accounts/me/"+path, strings.NewReader(`{}`), "X-API-Key", keys); a.code != http.StatusForbidden {
			t.Errorf("%s of a key with the scope keys: %d %s", path, a.code, a.body)
		}
	}
}

// TestWhoMayCallWhat compares, for each call of the OpenAPI document, who is let in with testdata/access.txt: who is answered
// anything but 401 and 403, with ids that nothing has. A new call, and one that opens to somebody else, changes it: look at
// the difference before you write it anew with -update.
func TestWhoMayCallWhat(t *testing.T) {
	t.Parallel()
	const file = "testdata/access.txt"
	p, _ := serveGuarded(t)
	customer := p.newAccount(`{"name":"acme","system_id":"acme","password":"AcmePass"}`)
	reseller := p.newAccount(`{"name":"rita","role":"reseller","billing":"prepaid"}`)
	people := []person{
		{"nobody", []string{"X-API-Key", ""}},
		{"customer", []string{"X-API-Key", customer.Key}},
		{"reseller", []string{"X-API-Key", reseller.Key}},
	}
	var admin struct {
		ID int `json:"account_id"`
	}
	p.want(http.StatusOK, "GET", "/api/v1/accounts/me", "", &admin)
	for _, role := range []string{"customer", "auditor", "operator", "admin"} {
		of := admin.ID
		if role == "customer" {
			of = customer.ID
		}
		people = append(people, p.signsIn("user-"+role, role, of))
	}
	for _, scope := range []string{"messages:send", "messages:read", "campaigns", "contacts", "account:read", "account:write", "keys", "webhooks"} {
		people = append(people, person{"key " + scope, []string{"X-API-Key", p.newKey(customer.ID, `{"scopes":["`+scope+`"]}`)}})
	}
	people = append(people, person{"admin's key", []string{"X-API-Key", p.key}})
	b := &strings.Builder{}
	fmt.Fprintln(b, "# Who is let in to each call of the OpenAPI document, on the own account: written by TestWhoMayCallWhat.")
	for _, c := range p.calls() {
		if strings.HasPrefix(c.path, "/api/v1/session") {
			continue // see TestOtherAccountsAreOutOfReach
		}
		path := strings.Replace(c.path, "/accounts/{id}", "/accounts/me", 1)
		if path = element.ReplaceAllString(path, "0"); slices.Contains(c.query, "once") {
			path += "?once=1"
		}
		var in []string
		for _, who := range people {
			switch a := p.do(c.method, path, strings.NewReader(c.body), who.header...); {
			case a.code >= 500 && a.code != http.StatusServiceUnavailable:
				t.Errorf("%s as %s answers %d %s", &c, who.name, a.code, a.body)
			case a.code != http.StatusUnauthorized && a.code != http.StatusForbidden:
				in = append(in, who.name)
			}
		}
		fmt.Fprintf(b, "%s: %s\n", &c, strings.Join(in, ", "))
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	have, listed := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for _, line := range listed {
		if !slices.Contains(have, line) {
			t.Errorf("%s has, and it is not so: %s", file, line)
		}
	}
	for _, line := range have {
		if !slices.Contains(listed, line) {
			t.Errorf("%s lacks: %s", file, line)
		}
	}
}
