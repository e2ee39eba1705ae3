package test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// reports is where a client of another product is told delivery reports.
type reports struct {
	url string

	mu     sync.Mutex // guards below
	answer func(n int) (status int, body string)
	asked  int
	seen   []url.Values // of requests that were answered as they should be
	path   []string
}

func newReports(t *testing.T, answer func(n int) (int, string)) *reports {
	r := &reports{answer: answer}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// ServeHTTP implements http.Handler.
func (r *reports) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_ = req.ParseForm()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	status, body := r.answer(r.asked)
	if status == 200 && (body == "" || body == "ACK/Jasmin") {
		r.seen = append(r.seen, req.Form)
		r.path = append(r.path, req.Method+" "+req.URL.Path)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// values returns one field of all reports of a message, sorted; a report comes at least once.
func (r *reports) values(id, idField, field string) (all []string) {
	return slices.Compact(r.each(id, idField, field))
}

// each is values with those that came more than once.
func (r *reports) each(id, idField, field string) (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.seen {
		if v.Get(idField) == id {
			all = append(all, v.Get(field))
		}
	}
	slices.Sort(all)
	return all
}

func form(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

// TestJasminClient: send with reports of both levels, which the client's endpoint
// acknowledges only at the third try, and after the platform was killed.
func TestJasminClient(t *testing.T) {
	t.Parallel()
	up := make(chan struct{})
	hook := newReports(t, func(n int) (int, string) {
		select {
		case <-up:
		default:
			return 200, "ok" // not an acknowledgement
		}
		if n%3 == 0 {
			return 500, ""
		}
		return 200, "ACK/Jasmin"
	})
	data := t.TempDir()
	_, far := simulator(t)
	p := serveDev(t, "--data", data, "--upstream", upstreamOf(far))
	ids := map[string]string{}
	for _, level := range []string{"1", "2", "3"} {
		a := p.get("/send?" + form("username", "dev", "password", "devpass1", "from", "Shop", "to", "4915112345678", "content", "Hello",
			"dlr-url", hook.url+"/dlr", "dlr-level", level, "dlr-method", "POST"))
		if a.code != 200 || !strings.HasPrefix(string(a.body), `Success "`) {
			t.Fatalf("%d %s", a.code, a.body)
		}
		ids[level] = strings.Trim(strings.TrimPrefix(string(a.body), "Success "), `"`)
		p.becomes(ids[level], "DELIVERED")
	}
	waitUntil(t, 10*time.Second, func() bool { hook.mu.Lock(); defer hook.mu.Unlock(); return hook.asked > 0 })
	p.kill()
	close(up)
	p = serveDev(t, "--data", data, "--upstream", upstreamOf(far))
	// What was still only SENT when it was told is final now: level 1 alone has no more to tell.
	for level, want := range map[string][]string{"2": {"DELIVRD"}, "3": {"DELIVRD"}} {
		waitUntil(t, 30*time.Second, func() bool { return slices.Equal(hook.values(ids[level], "id", "message_status"), want) })
		if got := hook.values(ids[level], "id", "message_status"); !slices.Equal(got, want) {
			t.Errorf("level %s: %v\n%s", level, got, p.out)
		}
	}
	a := p.get("/send?" + form("username", "dev", "password", "devpass1", "from", "Shop", "to", "4915112345678", "content", "Hello", "dlr-url", hook.url+"/dlr?x=1", "dlr-level", "3", "dlr-method", "GET"))
	id := strings.Trim(strings.TrimPrefix(string(a.body), "Success "), `"`)
	waitUntil(t, 30*time.Second, func() bool {
		return slices.Equal(hook.values(id, "id", "message_status"), []string{"DELIVRD", "ESME_ROK"})
	})
	if got := hook.values(id, "id", "level"); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("levels %v", got)
	}
	if got := hook.values(id, "id", "x"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("the query of dlr-url: %v", got)
	}
	a = p.post("/secure/sendbatch", `{"messages":[{"to":["4915112345678","4915112345679"],"from":"Shop","content":"x"}],"batch_config":{"callback_url":"`+hook.url+`/batch"}}`,
		"Authorization", "Basic ZGV2OmRldnBhc3Mx")
	if a.code != 200 {
		t.Fatalf("sendbatch: %d %s", a.code, a.body)
	}
	waitUntil(t, 20*time.Second, func() bool { return len(hook.values("1", "status", "to")) == 2 })
	if got := hook.values("1", "status", "to"); !slices.Equal(got, []string{"4915112345678", "4915112345679"}) {
		t.Errorf("told of the batch: %v", got)
	}
}

// TestKannelClient: reports by mask, of messages that are delivered, that fail, and that the
// SMSC refuses.
func TestKannelClient(t *testing.T) {
	t.Parallel()
	hook := newReports(t, func(int) (int, string) { return 200, "" })
	_, far := simulator(t)
	p := serveDev(t, "--upstream", upstreamOf(far))
	send := func(ref, mask string) {
		t.Helper()
		a := p.get("/cgi-bin/sendsms?" + form("username", "dev", "password", "devpass1", "from", "Shop", "to", "+4915112345678", "text", "Hello",
			"dlr-mask", mask, "dlr-url", hook.url+"/k/%P?ref="+ref+"&status=%d&text=%A&to=%p"))
		if a.code != 202 || string(a.body) != "0: Accepted for delivery" {
			t.Fatalf("%d %s", a.code, a.body)
		}
	}
	want := func(ref string, states ...string) {
		t.Helper()
		waitUntil(t, 20*time.Second, func() bool { return slices.Equal(hook.values(ref, "ref", "status"), states) })
		if got := hook.values(ref, "ref", "status"); !slices.Equal(got, states) {
			t.Errorf("%s: %v, want %v\n%s", ref, got, states, p.out)
		}
	}
	behave := func(text string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, "http://"+far.Control+"/behaviour", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	send("all", "31")
	want("all", "1", "8")
	send("final", "3")
	want("final", "1")
	behave(`{"receipts":"UNDELIV=100%"}`)
	send("failed", "3")
	want("failed", "2")
	send("success", "1") // tells nothing
	behave(`{"errors":"RINVDSTADR=100%"}`)
	send("refused", "31")
	want("refused", "16")
	if got := hook.values("success", "ref", "status"); len(got) != 0 {
		t.Errorf("a failure was told to somebody who asked for success: %v", got)
	}
	hook.mu.Lock()
	defer hook.mu.Unlock()
	if hook.path[0] != "GET /k/Shop" || hook.seen[0].Get("to") != "+4915112345678" {
		t.Errorf("a report came as %s %v", hook.path[0], hook.seen[0])
	}
}

// TestPrivateReports: a dlr-url to a private address is refused at the door.
func TestPrivateReports(t *testing.T) {
	t.Parallel()
	p := serveProduction(t, "", t.TempDir(), "--upstream", "smpp://x:y@"+freeAddress(t))
	_, password := p.firstSecrets()
	a := p.get("/send?" + form("username", "admin", "password", password, "from", "Shop", "to", "4915112345678", "content", "x", "dlr-url", "http://169.254.169.254/latest"))
	if a.code != 400 || !strings.Contains(string(a.body), "not allowed") {
		t.Errorf("Jasmin: %d %s", a.code, a.body)
	}
	a = p.get("/cgi-bin/sendsms?" + form("username", "admin", "password", password, "from", "Shop", "to", "4915112345678", "text", "x", "dlr-mask", "1", "dlr-url", "http://10.0.0.1/%d"))
	if a.code != 400 || string(a.body) != "DLR-URL field misformed, rejected" || !strings.Contains(a.header.Get("X-Reason"), "not allowed") {
		t.Errorf("Kannel: %d %s %v", a.code, a.body, a.header)
	}
}
