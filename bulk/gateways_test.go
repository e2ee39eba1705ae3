package bulk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

// sent is one request as the aggregator saw it.
type sent struct {
	Ref, To, From, Text, UDH string
	Parts                    int
	Duplicate                bool
	DLR                      string `json:"dlr"`

	gone <-chan struct{} // closed when nobody waits for the answer any more
}

// aggregatorServer stands in for an aggregator: a real HTTP server, with faults on demand.
type aggregatorServer struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	got    []sent
	taken  map[string]int // times that a ref was taken
	fault  func(n int, s *sent, w http.ResponseWriter) bool
	id     int
	quiet  bool // no receipts
	joined sync.WaitGroup
}

func newAggregator(t *testing.T) *aggregatorServer {
	a := &aggregatorServer{t: t, taken: make(map[string]int)}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(func() { a.joined.Wait(); a.Close() })
	return a
}

func (a *aggregatorServer) serve(w http.ResponseWriter, r *http.Request) {
	if user, pass, ok := r.BasicAuth(); !ok || user != "me" || pass != "s3cret-password" {
		w.WriteHeader(401)
		return
	}
	body, _ := io.ReadAll(r.Body)
	s := sent{gone: r.Context().Done()}
	if err := json.Unmarshal(body, &s); err != nil {
		a.t.Errorf("body %q: %v", body, err)
		w.WriteHeader(400)
		return
	}
	a.mu.Lock()
	a.got = append(a.got, s)
	n, fault := len(a.got), a.fault
	a.mu.Unlock()
	if fault != nil && fault(n, &s, w) {
		return
	}
	a.mu.Lock()
	a.id++
	id := fmt.Sprintf("agg-%d", a.id)
	a.taken[s.Ref]++
	quiet := a.quiet
	a.mu.Unlock()
	fmt.Fprintf(w, `{"messages":[{"id":%q,"status":{"code":0}}]}`, id)
	if s.DLR != "" && !quiet {
		a.joined.Go(func() { a.receipt(s.DLR, id, "DELIVERED") })
	}
}

// receipt reports a state until it is stored.
func (a *aggregatorServer) receipt(to, id, state string) {
	for range 100 {
		if code, _ := post(a.t, to, fmt.Sprintf(`{"results":[{"messageId":%q,"status":%q}]}`, id, state)); code == 200 {
			return
		}
		time.Sleep(20 * time.Millisecond) // as an aggregator does before it tries again
	}
	a.t.Errorf("the receipt of %s was never taken", id)
}

func post(t *testing.T, to, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(to, "application/json", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func (a *aggregatorServer) all() []sent {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]sent(nil), a.got...)
}

// addGateway makes an HTTP connector; extra goes into its http settings.
func (s *site) addGateway(name, to, extra, settings string) {
	s.t.Helper()
	s.must(201, "POST", "/connectors", fmt.Sprintf(`{"name":%q,"kind":"http","system_id":"me","password":"s3cret-password",
		"callback_secret":"0123456789abcdef","window":10,"response_timeout":"300ms","reconnect_min":"20ms",%s"http":{
		"url":"%s/v1/{{account}}/send?ref={{ref}}","auth":"basic","headers":{"X-Ref":"{{client_ref}}"},
		"body":"{\"ref\":\"{{ref}}\",\"to\":\"{{to}}\",\"from\":\"{{from}}\",\"text\":\"{{text}}\",\"udh\":\"{{udh}}\",\"parts\":{{parts}},\"duplicate\":{{duplicate}},\"dlr\":\"{{dlr_url}}\"}",
		"id":"json:messages.0.id","error":"json:messages.0.status.code",
		"rules":[{"status":"2xx","value":"json:messages.0.status.code","is":"5","class":"throttled"}],
		"callback":{"base":"http://%s","items":"results","id":"json:messageId","status":"json:status"}%s}}`,
		name, settings, to, s.HTTPAddr(), extra))
}

func (s *site) submit(texts ...string) []message.ID {
	s.t.Helper()
	reqs, out := make([]intake.Request, len(texts)), make([]intake.Outcome, len(texts))
	for i, text := range texts {
		reqs[i] = intake.Request{Account: s.accounts.ByName("dev"), From: "SHOP", To: "+99361234567", Text: text}
	}
	if err := s.Platform.intake.Submit(context.Background(), reqs, out); err != nil {
		s.t.Fatal(err)
	}
	var ids []message.ID
	for _, o := range out {
		if o.Err != nil {
			s.t.Fatal(o.Err)
		}
		ids = append(ids, o.Msg.ID)
	}
	return ids
}

func TestAggregatorOnABadDay(t *testing.T) {
	a := newAggregator(t)
	lost := make(map[string]bool)
	a.fault = func(n int, s *sent, w http.ResponseWriter) bool {
		switch n % 12 {
		case 1:
			w.WriteHeader(500)
			return true
		case 3:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(429)
			return true
		case 5: // taken, and cut
			a.mu.Lock()
			lost[s.Ref] = true
			a.taken[s.Ref]++
			a.mu.Unlock()
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return true
			}
			conn.Close()
			return true
		case 7: // garbage
			a.mu.Lock()
			lost[s.Ref] = true
			a.mu.Unlock()
			io.WriteString(w, "<html>It works!</html>")
			return true
		case 9: // hangs
			a.mu.Lock()
			lost[s.Ref] = true
			a.mu.Unlock()
			<-s.gone
			return false
		case 11:
			fmt.Fprint(w, `{"messages":[{"status":{"code":5}}]}`)
			return true
		}
		return false
	}
	s := openSite(t, t.TempDir(), nil)
	s.addGateway("agg", a.URL, "", "")
	long := strings.Repeat("long \"text\" with ü and € \\ ", 20)
	texts := []string{long, "héllo \"w\\orld\"\n<&>"}
	for i := range 60 {
		texts = append(texts, fmt.Sprintf("text %d", i))
	}
	ids := s.submit(texts...)
	s.settled(ids)
	seen := map[string]bool{}
	for _, r := range a.all() {
		seen[r.Text] = true
		if r.From != "SHOP" || r.To != "99361234567" || r.UDH != "" {
			t.Errorf("sent as %+v", r)
		}
	}
	for _, text := range texts {
		if !seen[text] {
			t.Errorf("%.40q did not arrive as it is", text)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for ref, n := range a.taken {
		if n > 1 && !lost[ref] {
			t.Errorf("%s was taken %d times although every answer arrived", ref, n)
		}
	}
	marked := map[string]bool{}
	for i := range a.got {
		if r := &a.got[i]; r.Duplicate {
			marked[r.Ref] = true
			if !lost[r.Ref] {
				t.Errorf("%s is marked as a possible duplicate without a reason", r.Ref)
			}
		}
	}
	if len(marked) != len(lost) || len(lost) == 0 {
		t.Errorf("%d answers lost, %d sent again and marked", len(lost), len(marked))
	}
	text := s.must(200, "GET", "/messages/"+ids[0].String(), "")
	if !strings.Contains(text, `"status":"DELIVERED"`) || strings.Contains(text, `"SENT"`) {
		t.Errorf("a long message with one receipt is %s", text)
	}
}

func TestAggregatorGetsPartsWithTheirHeaders(t *testing.T) {
	a := newAggregator(t)
	s := openSite(t, t.TempDir(), nil)
	s.addGateway("agg", a.URL, `,"split":"part"`, "")
	ids := s.submit(strings.Repeat("0123456789", 40))
	s.settled(ids)
	got := a.all()
	if len(got) != 3 {
		t.Fatalf("%d requests for three parts", len(got))
	}
	text := ""
	for i := range 3 {
		for _, r := range got {
			if strings.HasSuffix(r.UDH, fmt.Sprintf("03%02d", i+1)) && strings.HasSuffix(r.Ref, fmt.Sprintf("/%d", i+1)) {
				text += r.Text
			}
		}
	}
	if text != strings.Repeat("0123456789", 40) {
		t.Errorf("joined by their headers the parts are %q of %+v", text, got)
	}
}

func TestAggregatorThatRefusesUs(t *testing.T) {
	a := newAggregator(t)
	var code sync.Map
	code.Store("is", 403)
	a.fault = func(_ int, _ *sent, w http.ResponseWriter) bool {
		v, _ := code.Load("is")
		if v.(int) == 200 {
			return false
		}
		w.WriteHeader(v.(int))
		return true
	}
	s := openSite(t, t.TempDir(), nil)
	s.addGateway("agg", a.URL, "", "")
	ids := s.submit("one", "two", "three")
	eventually(t, "the connector is down", func() bool {
		_, text := s.call("GET", "/connectors/agg", "")
		return strings.Contains(text, `"state":"down"`) && strings.Contains(text, "HTTP 403")
	})
	code.Store("is", 200)
	s.settled(ids)
	text := s.must(200, "GET", "/connectors/agg", "")
	if !strings.Contains(text, `"state":"up"`) || strings.Contains(text, "s3cret") || strings.Contains(text, "0123456789abcdef") {
		t.Errorf("afterwards %s", text)
	}
	for want, status := range map[message.Status]int{message.Rejected: 400} {
		code.Store("is", status)
		id := s.submit("x")[0]
		eventually(t, want.String(), func() bool {
			_, text := s.call("GET", "/messages/"+id.String(), "")
			return strings.Contains(text, `"status":"`+want.String()+`"`) && strings.Contains(text, `"error_code":400`)
		})
	}
}

func TestUnknownOutcomeOfAnAggregator(t *testing.T) {
	for policy, want := range map[string]string{"hold": "HELD", "fail": "FAILED"} {
		a := newAggregator(t)
		a.fault = func(_ int, s *sent, _ http.ResponseWriter) bool { <-s.gone; return false }
		a.quiet = true
		s := openSite(t, t.TempDir(), nil)
		s.addGateway("agg", a.URL, "", fmt.Sprintf(`"unknown":%q,`, policy))
		id := s.submit("x")[0]
		eventually(t, want, func() bool {
			_, text := s.call("GET", "/messages/"+id.String(), "")
			return strings.Contains(text, `"status":"`+want+`"`)
		})
		if n := len(a.all()); n != 1 {
			t.Errorf("%s: sent %d times", policy, n)
		}
	}
}

func TestCallbacksAreGuarded(t *testing.T) {
	a := newAggregator(t)
	a.quiet = true
	s := openSite(t, t.TempDir(), nil)
	s.addGateway("agg", a.URL, "", "")
	s.must(201, "POST", "/connectors", `{"name":"op","address":"127.0.0.1:1","system_id":"x","mode":"stopped"}`)
	ids := s.submit("x")
	eventually(t, "sent", func() bool { return insight{s.Platform}.Counts(0)[message.Sent] == 1 })
	base := "http://" + s.HTTPAddr() + "/api/v1/connectors/"
	good := `{"results":[{"messageId":"agg-1","status":"Delivered"}]}`
	for _, c := range []struct {
		path, body string
		code       int
		says       string
	}{
		{"agg/dlr/wrong", good, 401, "secret"},
		{"agg/dlr", good, 401, "secret"},
		{"op/dlr/0123456789abcdef", good, 401, "secret"},
		{"nobody/dlr/0123456789abcdef", good, 401, "secret"},
		{"agg/dlr/0123456789abcdef", `{`, 422, "results"},
		{"agg/dlr/0123456789abcdef", `{"results":[{"status":"DELIVERED"}]}`, 422, "no id at json:messageId"},
		{"agg/dlr/0123456789abcdef", `{"results":[{"messageId":"agg-1","status":"LOVED"}]}`, 422, "LOVED"},
		{"agg/dlr/0123456789abcdef", `{"results":[{"messageId":"agg-1","status":"QUEUED"}]}`, 200, "OK"},
	} {
		if code, text := post(t, base+c.path, c.body); code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s %s: %d %s, want %d with %q", c.path, c.body, code, text, c.code, c.says)
		}
	}
	if n := (insight{s.Platform}).Counts(0)[message.Sent]; n != 1 {
		t.Errorf("%d SENT, want the one still", n)
	}
	if code, text := post(t, base+"agg/dlr?secret=0123456789abcdef", good); code != 200 || text != "OK" {
		t.Errorf("%d %s", code, text)
	}
	s.settled(ids)
	// One whose message is not known is kept, and answered.
	if code, _ := post(t, base+"agg/dlr/0123456789abcdef", `{"results":[{"messageId":"agg-2","status":"FAILED"}]}`); code != 200 {
		t.Errorf("a receipt ahead of its answer: %d", code)
	}
	id := s.submit("y")[0]
	eventually(t, "the receipt that waited", func() bool {
		_, text := s.call("GET", "/messages/"+id.String(), "")
		return strings.Contains(text, `"status":"FAILED"`)
	})
}

func TestReceiptAheadOfTheAnswerIsAboutTheWholeMessage(t *testing.T) {
	a := newAggregator(t)
	a.quiet = true
	s := openSite(t, t.TempDir(), nil)
	s.addGateway("agg", a.URL, "", "")
	if code, _ := post(t, "http://"+s.HTTPAddr()+"/api/v1/connectors/agg/dlr/0123456789abcdef", `{"results":[{"messageId":"agg-1","status":"delivered"}]}`); code != 200 {
		t.Fatal(code)
	}
	s.settled(s.submit(strings.Repeat("0123456789", 40)))
}

func TestConnectorTestShowsTheRequest(t *testing.T) {
	s := openSite(t, t.TempDir(), nil)
	s.addGateway("agg", "http://127.0.0.1:1", "", `"mode":"stopped","dest_rules":[{"prepend":"+"}],`)
	text := s.must(200, "POST", "/connectors/agg/test", `{"to":"+99361234567","text":"a \"b\"",
		"answer":{"status":200,"body":"{\"messages\":[{\"id\":\"7\"}]}"},
		"receipt":{"content_type":"application/json","body":"{\"results\":[{\"messageId\":\"7\",\"status\":\"EXPIRED\"}]}"}}`)
	for _, want := range []string{
		`"method":"POST"`, `"url":"http://127.0.0.1:1/v1/1/send?ref=0123456789abcdef%2F1"`, `\"to\":\"+99361234567\"`, `\\\"b\\\"`,
		`"Authorization":"Basic ********"`, `"class":"accepted","id":"7"`, `"status":"EXPIRED"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s: %s", want, text)
		}
	}
	if strings.Contains(text, "s3cret") || strings.Contains(text, "0123456789abcdef\"") && strings.Contains(text, "/dlr/0123456789abcdef") {
		t.Errorf("shows a secret: %s", text)
	}
	for body, want := range map[string]string{
		`{"http":{"url":"http://127.0.0.1:1/{{nobody}}"}}`: `"/http/url"`,
		`{"http":{"url":"ftp://127.0.0.1:1"}}`:             `"/http/url"`,
		`{"http":{"body":"{\"to\":{{text}}}"}}`:            `does not become JSON`,
		`{"http":{"rules":[{"class":"lovely"}]}}`:          `"/http/rules/0/class"`,
		`{"http":{"id":"json"}}`:                           `"/http/id"`,
		`{"http":{"headers":{"X":"{{text}}\r\nY: 1"}}}`:    `"/http/headers/X"`,
		`{"http":{"colour":1}}`:                            `"/http"`,
		`{"address":"127.0.0.1:1"}`:                        `"/address"`,
		`{"callback_secret":"short"}`:                      `"/callback_secret"`,
	} {
		if code, text := s.call("PATCH", "/connectors/agg", body); code != 422 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s, want %s", body, code, text, want)
		}
	}
	// A change of one member leaves the others, and nothing of what the member had.
	s.must(200, "PATCH", "/connectors/agg", `{"http":{"headers":{"X-Old":"1"},"rules":[{"status":"500","value":"text","is":"old","class":"rejected"}],"callback":{"states":{"OLD":"failed"}}}}`)
	text = s.must(200, "PATCH", "/connectors/agg", `{"http":{"method":"PUT","headers":{"X-New":"2"},"rules":[{"status":"400","class":"no_route"}],"callback":{"states":{"NEW":"failed"}}}}`)
	for _, want := range []string{`"method":"PUT"`, `json:messages.0.id`, `"headers":{"X-New":"2"}`, `"rules":[{"status":"400","class":"no_route"}]`, `"states":{"NEW":"failed"}`} {
		if !strings.Contains(text, want) {
			t.Errorf("after a change it lacks %s: %s", want, text)
		}
	}
}

func TestStopWaitsForTheAggregator(t *testing.T) {
	a := newAggregator(t)
	came := make(chan struct{}, 10)
	a.fault = func(_ int, _ *sent, _ http.ResponseWriter) bool {
		came <- struct{}{}
		time.Sleep(150 * time.Millisecond)
		return false
	}
	a.quiet = true
	dir := t.TempDir()
	s := openSite(t, dir, nil)
	s.addGateway("agg", a.URL, "", "")
	ids := s.submit("a", "b", "c")
	<-came
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	under := len(a.all())
	again := openSite(t, dir, nil)
	for range len(ids) - under { // the others go out now, once
		<-came
	}
	eventually(t, "all sent", func() bool { return insight{again.Platform}.Counts(0)[message.Sent] == int64(len(ids)) })
	for _, r := range a.all() {
		if r.Duplicate {
			t.Errorf("%s is marked as a duplicate after a stop in order", r.Ref)
		}
	}
	if n := len(a.all()); n != len(ids) {
		t.Errorf("%d requests for %d messages", n, len(ids))
	}
}

func TestSectionsSeedConnectors(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/bulk.yaml"
	if err := os.WriteFile(path, []byte(`
connectors:
  - op1=smpp://x:y@127.0.0.1:1?tps=5
  - name: agg
    kind: http
    mode: stopped
    password: s3cret-password
    window: 7
    http:
      url: https://api.example.com/send?to={{to}}&text={{text}}
      method: GET
      auth: bearer
  - {name: op2, mode: stopped, url: "smpp://x:hunter2@127.0.0.1:1?tps=9", charset: latin1}
routes:
  - name: abroad
    priority: 10
    match: {prefixes: ["44", "+49"]}
    targets: [{connector: agg}]
  - {name: rest, strategy: split, targets: [{connector: op1, weight: 3}, {connector: op2, weight: 1}]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	var c Config
	load := func(into *Config) {
		*into = DefaultConfig()
		if err := into.LoadFile(path); err != nil {
			t.Fatal(err)
		}
		if err := into.Validate(); err != nil {
			t.Fatal(err)
		}
	}
	load(&c)
	for _, set := range c.Settings() {
		if strings.Contains(set.Value, "hunter2") || strings.Contains(set.Value, "s3cret") {
			t.Errorf("%s shows a password: %s", set.Key, set.Value)
		}
	}
	if shown := fmt.Sprint(c.Redacted()); strings.Contains(shown, "hunter2") || strings.Contains(shown, "s3cret") {
		t.Errorf("shows a password: %s", shown)
	}
	s := openSite(t, dir+"/data", func(site *Config) { site.Connectors, site.Routes = c.Connectors, c.Routes })
	if conn, err := s.connector.Find("agg"); err != nil || conn.Window != 7 || conn.Password != "s3cret-password" || conn.HTTP.Method != "GET" {
		t.Errorf("%+v, %v", conn, err)
	}
	if conn, err := s.connector.Find("op2"); err != nil || conn.TPS != 9 || conn.Password != "hunter2" || conn.Charset != "latin1" {
		t.Errorf("%+v, %v", conn, err)
	}
	if text := s.must(200, "POST", "/routes/test", `{"to":"4915123456"}`); !strings.Contains(text, `"abroad"`) {
		t.Errorf("routed as %s", text)
	}
	s.must(204, "DELETE", "/routes/abroad", "")
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	again := openSite(t, dir+"/data", func(site *Config) { site.Connectors, site.Routes = c.Connectors, c.Routes })
	again.must(404, "GET", "/routes/abroad", "")

	for text, want := range map[string]string{
		"connectors: [{name: a, kind: http}]":  "http: is needed",
		"connectors: [{name: a, colour: red}]": "colour",
		"connectors: 5":                        "a list is needed",
		"routes: [all]":                        "each is a section",
		"routes: [{name: a, targets: [{connector: x}], strategy: lottery}]": "strategy",
	} {
		bad := DefaultConfig()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := bad.LoadFile(path)
		if err == nil {
			err = bad.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
