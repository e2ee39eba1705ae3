package api_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/api"
	"protei-bulk/bulk/intake"
)

var update = flag.Bool("update", false, "write the golden files")

// badInput is every kind of wrong request, with the problem that it has to get. The
// documents themselves are in testdata/problems.
var badInput = []struct {
	name, method, path, body string
	headers                  []string
	status                   int
	code                     string
}{
	{"empty-body", "POST", "/api/v1/messages", "", []string{"Content-Type", "application/json"}, 400, "empty_body"},
	{"blank-body", "POST", "/api/v1/messages", " \n\t", nil, 400, "empty_body"},
	{"not-json", "POST", "/api/v1/messages", "hello", nil, 400, "malformed_json"},
	{"truncated", "POST", "/api/v1/messages", `{"from":"ACME","to":"+4915`, nil, 400, "malformed_json"},
	{"no-closing-brace", "POST", "/api/v1/messages", `{"from":"ACME"`, nil, 400, "malformed_json"},
	{"trailing-comma", "POST", "/api/v1/messages", `{"from":"ACME",}`, nil, 400, "malformed_json"},
	{"trailing-text", "POST", "/api/v1/messages", `{"from":"ACME"} x`, nil, 400, "malformed_json"},
	{"two-objects", "POST", "/api/v1/messages", `{}{}`, nil, 400, "malformed_json"},
	{"single-quotes", "POST", "/api/v1/messages", `{'from':'ACME'}`, nil, 400, "malformed_json"},
	{"second-line", "POST", "/api/v1/messages", "{\n  \"from\": \"ACME\"\n  \"to\": 1}", nil, 400, "malformed_json"},
	{"control-character", "POST", "/api/v1/messages", "{\"text\":\"a\nb\"}", nil, 400, "malformed_json"},
	{"bad-escape", "POST", "/api/v1/messages", `{"text":"\x41"}`, nil, 400, "malformed_json"},
	{"lone-surrogate", "POST", "/api/v1/messages", `{"text":"\ud83d"}`, nil, 400, "malformed_json"},
	{"bad-number", "POST", "/api/v1/messages", `{"x":01}`, nil, 400, "malformed_json"},
	{"nan", "POST", "/api/v1/messages", `{"x":NaN}`, nil, 400, "malformed_json"},
	{"not-utf8", "POST", "/api/v1/messages", "{\"text\":\"\xff\"}", nil, 400, "invalid_utf8"},
	{"deep", "POST", "/api/v1/messages", `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, nil, 400, "malformed_json"},
	{"array", "POST", "/api/v1/messages", `[{"to":"1"}]`, nil, 422, "wrong_type"},
	{"null", "POST", "/api/v1/messages", `null`, nil, 422, "wrong_type"},
	{"number-for-string", "POST", "/api/v1/messages", `{"from":"ACME","to":4915112345678,"text":"x"}`, nil, 422, "wrong_type"},
	{"object-for-string", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":{"en":"x"}}`, nil, 422, "wrong_type"},
	{"string-for-bool", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":"x","flash":"yes"}`, nil, 422, "wrong_type"},
	{"several-faults", "POST", "/api/v1/messages", `{"from":1,"to":[],"text":"x","priority":"URGENT","encoding":"EBCDIC"}`, nil, 422, "validation_failed"},
	{"twice", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","to":"1512345679","text":"x"}`, nil, 422, "duplicate_field"},
	{"alias-twice", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","msisdn":"1512345679","text":"x"}`, nil, 422, "duplicate_field"},
	{"empty-object", "POST", "/api/v1/messages", `{}`, nil, 422, "validation_failed"},
	{"no-sender", "POST", "/api/v1/messages", `{"to":"1512345678","text":"x"}`, nil, 422, "missing_sender"},
	{"no-recipient", "POST", "/api/v1/messages", `{"from":"ACME","text":"x"}`, nil, 422, "missing_recipient"},
	{"no-text", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":""}`, nil, 422, "missing_text"},
	{"letters-for-number", "POST", "/api/v1/messages", `{"from":"ACME","msisdn":"not-a-number","text":"x"}`, nil, 422, "invalid_recipient"},
	{"long-sender", "POST", "/api/v1/messages", `{"from":"ACMEACMEACMEACME","to":"1512345678","text":"x"}`, nil, 422, "invalid_sender"},
	{"unmappable", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":"Привет","encoding":"GSM7"}`, nil, 422, "unmappable_character"},
	{"long-text", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":"` + strings.Repeat("x", 2000) + `"}`, nil, 422, "text_too_long"},
	{"unknown-priority", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":"x","priority":"URGENT"}`, nil, 422, "invalid_priority"},
	{"unknown-encoding", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":"x","encoding":"EBCDIC"}`, nil, 422, "invalid_encoding"},
	{"schedule", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":"x","schedule_at":"tomorrow"}`, nil, 422, "invalid_schedule_at"},
	{"validity", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":"x","validity_period":-1}`, nil, 422, "invalid_validity_period"},
	{"dlr-url", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":"x","dlr_url":"javascript:alert(1)"}`, nil, 422, "invalid_dlr_url"},
	{"client-ref", "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":"x","client_ref":"` + strings.Repeat("r", 100) + `"}`, nil, 422, "invalid_client_ref"},
	{"large-single", "POST", "/api/v1/messages", `{"text":"` + strings.Repeat("x", 70_000) + `"}`, nil, 413, "body_too_large"},
	{"form", "POST", "/api/v1/messages", "to=1", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
	{"charset", "POST", "/api/v1/messages", "{}", []string{"Content-Type", "application/json; charset=utf-16"}, 415, "unsupported_media_type"},
	{"gzip", "POST", "/api/v1/messages", "{}", []string{"Content-Encoding", "gzip"}, 415, "unsupported_media_type"},
	{"lines-for-single", "POST", "/api/v1/messages", "{}", []string{"Content-Type", "application/x-ndjson"}, 415, "unsupported_media_type"},

	{"bulk-nothing", "POST", "/api/v1/messages/bulk", `{"from":"ACME"}`, nil, 422, "missing_messages"},
	{"bulk-empty", "POST", "/api/v1/messages/bulk", `{"from":"ACME","messages":[]}`, nil, 422, "empty_messages"},
	{"bulk-not-array", "POST", "/api/v1/messages/bulk", `{"messages":{"to":"1"}}`, nil, 422, "wrong_type"},
	{"bulk-common-fault", "POST", "/api/v1/messages/bulk", `{"priority":7,"messages":[{"to":"1512345678","text":"x"}],"from":"ACME"}`, nil, 422, "wrong_type"},
	{"bulk-all-rejected", "POST", "/api/v1/messages/bulk", `{"from":"ACME","messages":[{"to":"x","text":"x"},{"to":"1512345678"},"z"]}`, nil, 422, "all_rejected"},
	{"bulk-syntax", "POST", "/api/v1/messages/bulk", `{"messages":[{"to":"1512345678"},]}`, nil, 400, "malformed_json"},
	{"bulk-twice", "POST", "/api/v1/messages/bulk", `{"messages":[{"to":"1512345678","text":"x","from":"A"}],"messages":[]}`, nil, 422, "duplicate_field"},
	{"bulk-many", "POST", "/api/v1/messages/bulk", `{"messages":[` + strings.Repeat("{},", 10_000) + `{}]}`, nil, 413, "too_many_items"},
	{"bulk-lines-many", "POST", "/api/v1/messages/bulk", strings.Repeat("{}\n", 10_001), []string{"Content-Type", "application/x-ndjson"}, 413, "too_many_items"},

	{"list-limit", "GET", "/api/v1/messages?limit=1001", "", nil, 400, "invalid_parameter"},
	{"live-once", "GET", "/api/v1/live?once=maybe", "", nil, 400, "invalid_parameter"},
	{"list-many-faults", "GET", "/api/v1/messages?limit=0&page=-1&status=GONE&since=yesterday&cursor=zz&batch_id=1", "", nil, 400, "invalid_parameter"},
	{"list-twice", "GET", "/api/v1/messages?limit=1&limit=2", "", nil, 400, "invalid_parameter"},
	{"list-period", "GET", "/api/v1/messages?since=2030-01-02T00:00:00Z&until=2030-01-01T00:00:00Z", "", nil, 400, "invalid_parameter"},
	{"list-far-page", "GET", "/api/v1/messages?limit=1000&page=5000", "", nil, 400, "invalid_parameter"},
	{"list-escape", "GET", "/api/v1/messages?limit=%zz", "", nil, 400, "invalid_parameter"},

	{"no-credentials", "GET", "/api/v1/messages", "", []string{"X-API-Key", ""}, 401, "unauthorized"},
	{"wrong-key", "GET", "/api/v1/messages", "", []string{"X-API-Key", "pb_nope"}, 401, "invalid_credentials"},
	{"customer-as-admin", "GET", "/api/v1/connectors", "", nil, 403, "forbidden"},
	{"customer-makes-account", "POST", "/api/v1/accounts", `{"name":"x"}`, nil, 403, "forbidden"},
	{"unknown-path", "GET", "/api/v1/nothing", "", nil, 404, "not_found"},
	{"unknown-message", "GET", "/api/v1/messages/0000000000000001", "", nil, 404, "not_found"},
	{"odd-message-id", "GET", "/api/v1/messages/42", "", nil, 404, "not_found"},
	{"unknown-campaign", "GET", "/api/v1/campaigns/0000000000000001", "", nil, 404, "not_found"},
	{"method", "PUT", "/api/v1/messages", "{}", nil, 405, "method_not_allowed"},

	{"campaign-nothing", "POST", "/api/v1/campaigns", `{}`, nil, 422, "validation_failed"},
	{"campaign-faults", "POST", "/api/v1/campaigns", `{"name":"` + strings.Repeat("n", 200) + `","message_content":"x","recipient_type":"ALL","schedule_type":"SCHEDULED","max_tps":-5}`, nil, 422, "out_of_range"},
	{"campaign-name", "POST", "/api/v1/campaigns", `{"name":"a\u001b[2J","message_content":"x"}`, nil, 422, "validation_failed"},
	{"campaign-types", "POST", "/api/v1/campaigns", `{"name":"a","message_content":"x","total_recipients":"many","recipients":["1512345678",5,{"to":7}]}`, nil, 422, "validation_failed"},
}

func TestBadInput(t *testing.T) {
	p := start(t, options{})
	for _, c := range badInput {
		t.Run(c.name, func(t *testing.T) {
			headers := append([]string{"X-Request-Id", "test-1"}, c.headers...)
			a := p.do(t, c.method, c.path, c.body, headers...)
			a.want(t, c.status, c.code)
			if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type %q", got)
			}
			if a.JSON["request_id"] != "test-1" || a.Header.Get("X-Request-Id") != "test-1" {
				t.Errorf("request_id %v", a.JSON["request_id"])
			}
			golden(t, filepath.Join("testdata", "problems", c.name+".json"), a.Body)
		})
	}
	if n := len(p.sink.Messages()); n != 0 {
		t.Errorf("%d messages were accepted", n)
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the document differs from %s (go test -update writes it)\ngot  %swant %s", path, got, want)
	}
}

// TestHugeBodies sends 100 MB to each kind of call, announced and not, and watches the
// memory that it takes.
func TestHugeBodies(t *testing.T) {
	p := start(t, options{})
	const huge = 100 << 20
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, path := range []string{"/api/v1/messages", "/api/v1/messages/bulk", "/api/v1/campaigns", "/api/v1/accounts"} {
		for _, announced := range []bool{true, false} {
			body := io.LimitReader(zeroes{}, huge)
			req, err := http.NewRequest("POST", p.URL+path, body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-API-Key", p.admin)
			if announced {
				req.ContentLength = huge
			}
			resp, err := p.Client().Do(req)
			if err != nil { // the server may hang up while the rest is still being written
				continue
			}
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 413 {
				t.Errorf("%s announced=%v: status %d %s", path, announced, resp.StatusCode, text)
			}
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if total := after.TotalAlloc - before.TotalAlloc; total > 100<<20 {
		t.Errorf("eight bodies of 100 MB cost %d MB of allocations in all", total>>20)
	}
}

// zeroes is an endless body.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestAnnouncedBodiesTakeNoMemory(t *testing.T) {
	p := start(t, options{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	conns := make([]net.Conn, 200)
	for i := range conns {
		c, err := net.Dial("tcp", p.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /api/v1/messages/bulk HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: 10000000\r\nContent-Type: application/json\r\n\r\n{", p.key)
		conns[i] = c
	}
	// Another request shows that the server still works beside them.
	p.do(t, "POST", "/api/v1/messages", hello).want(t, 201, "")
	runtime.ReadMemStats(&after)
	if used := after.HeapAlloc - before.HeapAlloc; after.HeapAlloc > before.HeapAlloc && used > 64<<20 {
		t.Errorf("200 announced bodies of 10 MB take %d MB", used>>20)
	}
}

func TestBodyThatEndsEarly(t *testing.T) {
	p := start(t, options{})
	c, err := net.Dial("tcp", p.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: 100\r\n\r\n{\"from\"", p.key)
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 400 || !bytes.Contains(text, []byte("incomplete_body")) {
		t.Errorf("status %d %s", resp.StatusCode, text)
	}
}

func TestPassingTroubleSaysWhenToComeBack(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
		retry  string
	}{
		{intake.ErrBusy, 503, "queue_full", "1"},
		{intake.ErrDiskFull, 503, "disk_full", "30"},
		{errBroken, 503, "unavailable", "5"},
	} {
		for _, call := range []struct{ path, body string }{{"/api/v1/messages", hello}, {"/api/v1/messages/bulk", `{"messages":[` + hello + `]}`}} {
			p := start(t, options{})
			p.sink.Fail(c.err)
			a := p.do(t, "POST", call.path, call.body)
			a.want(t, c.status, c.code)
			if got := a.Header.Get("Retry-After"); got != c.retry {
				t.Errorf("%s: Retry-After %q, want %s", c.code, got, c.retry)
			}
			if strings.Contains(a.Body, errBroken.Error()) {
				t.Errorf("the answer shows an inner error: %s", a.Body)
			}
		}
	}
	p := start(t, options{spec: account.Spec{Name: "slow", TPS: 1}})
	p.do(t, "POST", "/api/v1/messages", hello).want(t, 201, "")
	p.do(t, "POST", "/api/v1/messages", hello).want(t, 429, "rate_limited")
	a := p.do(t, "POST", "/api/v1/messages/bulk", `{"messages":[`+hello+`,`+hello+`]}`)
	a.want(t, 429, "rate_limited")
	if a.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
}

// serve runs the real Server and returns its address.
func serve(t *testing.T, opts api.ServerOptions) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := api.NewServer(opts)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func TestSlowClientsAreCutOff(t *testing.T) {
	p := start(t, options{})
	addr := serve(t, api.ServerOptions{Handler: p.api, HeaderTimeout: 50 * time.Millisecond, RequestTimeout: 100 * time.Millisecond})
	for name, c := range map[string]struct{ sent, want string }{
		"nothing":       {"", ""},
		"half a header": {"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nX-Slow: ", ""},
		"half a body":   {"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nX-API-Key: " + p.key + "\r\nContent-Length: 50\r\n\r\n{", "request_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(conn, c.sent)
			text, err := io.ReadAll(conn) // ends when the server hangs up
			if err != nil || !strings.Contains(string(text), c.want) {
				t.Errorf("%v after %q", err, text)
			}
		})
	}
}

func TestMethodNotAllowedNamesTheMethods(t *testing.T) {
	p := start(t, options{})
	if got := p.do(t, "PUT", "/api/v1/messages", "{}").Header.Get("Allow"); got != "GET, HEAD, POST" {
		t.Errorf("Allow %q", got)
	}
	a := p.do(t, "HEAD", "/api/v1/health", "", "X-API-Key", "")
	if a.Status != 200 || a.Body != "" {
		t.Errorf("HEAD: %d %q", a.Status, a.Body)
	}
}

func TestServerCutsTooManyConnections(t *testing.T) {
	p := start(t, options{})
	addr := serve(t, api.ServerOptions{Handler: p.api, MaxConns: 2})
	get := func() (*http.Response, net.Conn) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, "GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return nil, c
		}
		resp.Body.Close()
		return resp, c
	}
	first, c1 := get()
	second, c2 := get()
	third, c3 := get()
	if first == nil || second == nil || third != nil {
		t.Errorf("answers %v %v %v: the third connection is one too many", first, second, third)
	}
	for _, c := range []net.Conn{c1, c2, c3} {
		c.Close()
	}
	resp, c := get() // room again, maybe after the server has seen the closes
	for tries := 0; resp == nil && tries < 1000; tries++ {
		c.Close()
		resp, c = get()
	}
	c.Close()
	if resp == nil {
		t.Error("no room after all connections were closed")
	}
}
