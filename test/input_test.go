package test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// TestBadRequests sends what customers get wrong. Each gets an answer that names the
// place, and leaves the platform as it was.
func TestBadRequests(t *testing.T) {
	p := serveDev(t)
	before := p.rest()
	const single, bulk = "/api/v1/messages", "/api/v1/messages/bulk"
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		code                     int
		problem                  string // code of the problem document
		pointer                  string // of the first error, if any
		says                     string // in the detail
	}{
		{name: "no JSON", path: single, body: `{"to":`, code: 400, problem: "malformed_json", says: "line 1, column 7"},
		{name: "JSON with a comma too many", path: single, body: "{\n  \"to\":\"+15550001111\",\n}", code: 400, problem: "malformed_json", says: "line 3, column 1"},
		{name: "two documents", path: single, body: `{} {}`, code: 400, problem: "malformed_json", says: "column 4"},
		{name: "deep nesting", path: single, body: strings.Repeat(`{"a":`, 10_000), code: 400, problem: "malformed_json"},
		{name: "not UTF-8", path: single, body: "{\"text\":\"\xff\xfe\"}", code: 400, problem: "invalid_utf8", says: "octet 10"},
		{name: "empty body", path: single, code: 400, problem: "empty_body"},
		{name: "blanks", path: single, body: " \n\t ", code: 400, problem: "empty_body"},
		{name: "array", path: single, body: `[]`, code: 422, problem: "wrong_type", says: "object"},
		{name: "empty object", path: single, body: `{}`, code: 422, problem: "validation_failed"},
		{name: "number as recipient", path: single, body: `{"from":"A","to":15550001111,"text":"x"}`, code: 422, problem: "wrong_type", pointer: "/to"},
		{name: "object as text", path: single, body: `{"from":"A","to":"+15550001111","text":{"a":1}}`, code: 422, problem: "wrong_type", pointer: "/text"},
		{name: "string as flash", path: single, body: `{"from":"A","to":"+15550001111","text":"x","flash":"yes"}`, code: 422, problem: "wrong_type", pointer: "/flash"},
		{name: "letters in the number", path: single, body: `{"from":"A","to":"+1555CALLME","text":"x"}`, code: 422, problem: "invalid_recipient", pointer: "/to"},
		{name: "number too long", path: single, body: `{"from":"A","to":"+123456789012345678901234","text":"x"}`, code: 422, problem: "invalid_recipient", pointer: "/to"},
		{name: "number by its alias", path: single, body: `{"from":"A","msisdn":"abc","text":"x"}`, code: 422, problem: "invalid_recipient", pointer: "/msisdn"},
		{name: "sender too long", path: single, body: `{"from":"ABCDEFGHIJKLMNOP","to":"+15550001111","text":"x"}`, code: 422, problem: "invalid_sender", pointer: "/from"},
		{name: "text of too many parts", path: single, body: `{"from":"A","to":"+15550001111","text":"` + long + `"}`, code: 422, problem: "text_too_long", pointer: "/text", says: "10"},
		{name: "client_ref too long", path: single, body: `{"from":"A","to":"+15550001111","text":"x","client_ref":"` + long + `"}`, code: 422, problem: "invalid_client_ref", pointer: "/client_ref"},
		{name: "dlr_url too long", path: single, body: `{"from":"A","to":"+15550001111","text":"x","dlr_url":"http://127.0.0.1/` + long + `"}`, code: 422, problem: "invalid_dlr_url", pointer: "/dlr_url"},
		{name: "dlr_url of another scheme", path: single, body: `{"from":"A","to":"+15550001111","text":"x","dlr_url":"file:///etc/passwd"}`, code: 422, pointer: "/dlr_url"},
		{name: "dlr_url in a private network", path: single, body: `{"from":"A","to":"+15550001111","text":"x","dlr_url":"http://169.254.169.254/"}`, code: 422, problem: "dlr_url_not_allowed", pointer: "/dlr_url"},
		{name: "unmappable in GSM7", path: single, body: `{"from":"A","to":"+15550001111","text":"price 😀","encoding":"GSM7"}`, code: 422, problem: "unmappable_character", pointer: "/text", says: "U+1F600"},
		{name: "unknown encoding", path: single, body: `{"from":"A","to":"+15550001111","text":"x","encoding":"EBCDIC"}`, code: 422, problem: "invalid_encoding", pointer: "/encoding"},
		{name: "unknown priority", path: single, body: `{"from":"A","to":"+15550001111","text":"x","priority":"HUGE"}`, code: 422, problem: "invalid_priority", pointer: "/priority"},
		{name: "schedule without zone", path: single, body: `{"from":"A","to":"+15550001111","text":"x","schedule_at":"tomorrow"}`, code: 422, problem: "invalid_schedule_at", pointer: "/schedule_at"},
		{name: "validity of nonsense", path: single, body: `{"from":"A","to":"+15550001111","text":"x","validity_period":"-3"}`, code: 422, problem: "invalid_validity_period", pointer: "/validity_period"},
		{name: "field twice", path: single, body: `{"from":"A","sender":"B","to":"+15550001111","text":"x"}`, code: 422, problem: "duplicate_field", pointer: "/sender"},
		{name: "bulk of nothing", path: bulk, body: `{"from":"A","messages":[]}`, code: 422},
		{name: "bulk that is no array", path: bulk, body: `{"from":"A","messages":"x"}`, code: 422, problem: "wrong_type", pointer: "/messages"},
		{name: "bulk all bad", path: bulk, body: `{"from":"A","messages":[{"to":"x","text":"y"},{"to":5,"text":"y"}]}`, code: 422, problem: "all_rejected"},
		{name: "bulk of too many", path: bulk, body: `{"from":"A","messages":[` + strings.Repeat(`{"to":"1","text":"y"},`, 10_000) + `{}]}`, code: 413, problem: "too_many_items"},
		{name: "campaign of a wrong type", path: "/api/v1/campaigns", body: `{"name":7}`, code: 422, problem: "wrong_type", pointer: "/name"},
		{name: "campaign with a negative rate", path: "/api/v1/campaigns", body: `{"name":"a","sender_id":"A","message_content":"x","max_tps":-1}`, code: 422, problem: "out_of_range", pointer: "/max_tps"},
		{name: "account of nothing", path: "/api/v1/accounts", body: `{}`, code: 422},
		{name: "account with a long password", path: "/api/v1/accounts", body: `{"name":"a","system_id":"a","password":"` + long + `"}`, code: 422, pointer: "/password"},
		{name: "wrong content type", path: single, body: `<a/>`, header: []string{"Content-Type", "text/xml"}, code: 415, problem: "unsupported_media_type", says: "text/xml"},
		{name: "compressed body", path: single, body: "\x1f\x8b", header: []string{"Content-Encoding", "gzip"}, code: 415, problem: "unsupported_media_type", says: "gzip"},
		{name: "wrong method", method: "PUT", path: single, body: `{}`, code: 405, problem: "method_not_allowed"},
		{name: "unknown path", method: "GET", path: "/api/v1/mesages", code: 404, problem: "not_found", says: "/api/v1/mesages"},
		{name: "unknown id", method: "GET", path: single + "/0123456789abcdef", code: 404, problem: "not_found"},
		{name: "id that is none", method: "GET", path: single + "/xyz", code: 404, problem: "not_found", says: "hex"},
		{name: "limit too high", method: "GET", path: single + "?limit=5000", code: 400, problem: "invalid_parameter", pointer: "?limit", says: "1000"},
		{name: "unknown status", method: "GET", path: single + "?status=LOST", code: 400, problem: "invalid_parameter", pointer: "?status"},
		{name: "no API key of ours", path: single, body: `{}`, header: []string{"X-API-Key", "nonsense"}, code: 401, problem: "invalid_credentials"},
		{name: "no Basic of ours", path: single, body: `{}`, header: []string{"X-API-Key", "", "Authorization", "Basic !!!"}, code: 401, problem: "invalid_credentials"},
	} {
		t.Run(c.name, func(t *testing.T) {
			method := c.method
			if method == "" {
				method = http.MethodPost
			}
			a := p.do(method, c.path, strings.NewReader(c.body), c.header...)
			if a.code != c.code {
				t.Fatalf("answered %d, want %d: %.500s", a.code, c.code, a.body)
			}
			doc := a.problem(t)
			if c.problem != "" && doc.Code != c.problem {
				t.Errorf("code %q, want %q: %s", doc.Code, c.problem, doc.Detail)
			}
			if c.pointer != "" && (len(doc.Errors) == 0 || doc.Errors[0].Pointer != c.pointer) {
				t.Errorf("errors %v, want the first at %s", doc.Errors, c.pointer)
			}
			if !strings.Contains(doc.Detail, c.says) {
				t.Errorf("detail %q does not say %q", doc.Detail, c.says)
			}
			if len(a.body) > 20_000 {
				t.Errorf("the answer has %d octets", len(a.body))
			}
		})
	}
	p.assertWell()
	p.assertRest(before)
	if accepted, by := p.byStatus(); accepted != by["DELIVERED"] {
		t.Errorf("a bad request was accepted: %d, %v", accepted, by)
	}
}

// TestUnknownMembersAreNamed: what is not read is said, and does not stop the message.
func TestUnknownMembersAreNamed(t *testing.T) {
	p := serveDev(t)
	var sent struct {
		MessageID string `json:"message_id"`
		Warnings  []string
	}
	p.want(http.StatusCreated, "POST", "/api/v1/messages", `{"from":"A","to":"+15550001111","text":"x","texxt":"y","nested":{"a":[1,{}]}}`, &sent)
	if got := fmt.Sprint(sent.Warnings); !strings.Contains(got, "texxt") || !strings.Contains(got, "nested") {
		t.Errorf("warnings %v, want texxt and nested", sent.Warnings)
	}
	p.becomes(sent.MessageID, "DELIVERED")
	var many struct {
		Accepted, Rejected int
		Errors             []struct {
			Index int
			Code  string
		}
		Warnings []string
	}
	p.want(http.StatusCreated, "POST", "/api/v1/messages/bulk",
		`{"from":"A","color":1,"messages":[{"to":"+15550001111","text":"x","size":2},{"to":"nobody","text":"x"}]}`, &many)
	if many.Accepted != 1 || many.Rejected != 1 || len(many.Errors) != 1 || many.Errors[0].Index != 1 || many.Errors[0].Code != "invalid_recipient" {
		t.Errorf("bulk with one bad item: %+v", many)
	}
	if got := fmt.Sprint(many.Warnings); !strings.Contains(got, "color") || !strings.Contains(got, "size") {
		t.Errorf("warnings %v, want color and size", many.Warnings)
	}
}

// pour writes n octets that begin like a request of the API.
type pour struct {
	head string
	left int
}

func (r *pour) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), r.left)
	copied := copy(b[:n], r.head)
	r.head = r.head[copied:]
	for i := copied; i < n; i++ {
		b[i] = 'x'
	}
	r.left -= n
	return n, nil
}

// TestHugeBodies streams 100 MB, announced and not: 413, and the memory stays.
func TestHugeBodies(t *testing.T) {
	// The bound is far below the body, and above what the collector of a busy machine leaves.
	const size, mostMiB = 100_000_000, 60
	p := serveDev(t)
	before := p.rest()
	for _, path := range []string{"/api/v1/messages", "/api/v1/messages/bulk", "/api/v1/campaigns", "/api/v1/accounts"} {
		for _, chunked := range []bool{false, true} {
			status, peak := p.flood(t, path, size, chunked)
			if status != http.StatusRequestEntityTooLarge {
				t.Errorf("100 MB to %s (chunked %v) answered %d, want 413", path, chunked, status)
			}
			if peak > before.rss+mostMiB {
				t.Errorf("100 MB to %s (chunked %v): %.0f MiB resident, %.0f before", path, chunked, peak, before.rss)
			}
		}
	}
	p.assertWell()
	p.assertRest(before)
}

// flood posts a body over a plain connection, as a client that does not look at the
// answer before it has written everything, and returns the status and the highest
// resident memory meanwhile.
func (p *platform) flood(t *testing.T, path string, size int, chunked bool) (status int, peak float64) {
	t.Helper()
	conn, err := net.Dial("tcp", p.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	body := &pour{head: `{"from":"A","text":"`, left: size}
	req, err := http.NewRequest(http.MethodPost, "http://"+p.HTTP+path, io.NopCloser(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", p.key)
	req.Header.Set("Content-Type", "application/json")
	if req.ContentLength = int64(size); chunked {
		req.ContentLength = -1
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_ = req.Write(conn) // the server hangs up: that is its right
	}()
	answered := make(chan int, 1)
	go func() {
		resp, err := http.ReadResponse(bufio.NewReader(conn), req)
		if err != nil {
			t.Errorf("100 MB to %s (chunked %v): no answer: %v", path, chunked, err)
			answered <- 0
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			peak = max(peak, p.rss())
		case status = <-answered:
			peak = max(peak, p.rss())
			conn.Close()
			<-written
			return status, peak
		}
	}
}

// TestManyLargeBodiesAtOnce: bulks of 9 MB that never end share one budget.
func TestManyLargeBodiesAtOnce(t *testing.T) {
	const clients, each, budgetMiB = 40, 9 << 20, 300
	p := serveDev(t)
	before := p.rest()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	peak := 0.0
	head := fmt.Sprintf("POST /api/v1/messages/bulk HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", p.key, each+1)
	block := bytes.Repeat([]byte{' '}, 64<<10)
	for range clients {
		conn, err := net.Dial("tcp", p.HTTP)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		for sent := 0; sent < each; sent += len(block) {
			if _, err := conn.Write(block); err != nil {
				break // refused: overloaded
			}
		}
		peak = max(peak, p.rss())
	}
	if peak > before.rss+budgetMiB {
		t.Errorf("%d bulks that do not end take %.0f MiB", clients, peak-before.rss)
	}
	p.assertWell()
	for _, c := range conns {
		c.Close()
	}
	conns = nil
	var now float64
	waitUntil(t, 15*time.Second, func() bool {
		now = p.metric("go_goroutines")
		return now <= before.goroutines+4
	})
	if now > before.goroutines+4 {
		t.Errorf("%v goroutines, %v before", now, before.goroutines)
	}
}

// TestCredentialsTakeTheSameTime: neither the answer nor its delay tells whether a user
// exists.
func TestCredentialsTakeTheSameTime(t *testing.T) {
	p := serveDev(t)
	p.assertWell()
	// Each try comes from an address of its own: of one, ten are looked at.
	var host uint32
	elsewhere := func(ctx context.Context, network, addr string) (net.Conn, error) {
		host++
		from := net.IPv4(127, 0, 1+byte(host>>8), byte(host))
		return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).DialContext(ctx, network, addr)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: elsewhere, DisableKeepAlives: true}}
	basic := func(user string) func() {
		return func() {
			req, err := http.NewRequest("GET", p.url()+"/api/v1/messages", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth(user, "wrong-one")
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(text), "user or password is wrong") {
				t.Errorf("Basic as %s: %d %s", user, resp.StatusCode, text)
			}
			if resp.Header.Get("Www-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
		}
	}
	assertAlike(t, "HTTP", basic("dev"), basic("nobody"))

	bind := func(user, status string) func() {
		return func() {
			s, err := smpp.Dial(t.Context(), smpp.DialOptions{
				Addr: p.SMPP, BindType: smpp.Transceiver, SystemID: user, Password: "wrong", DialContext: elsewhere,
			})
			if err == nil {
				s.Close()
				t.Fatalf("%s is bound with a wrong password", user)
			}
			if !strings.Contains(err.Error(), status) {
				t.Errorf("bind as %s: %v, want %s", user, err, status)
			}
		}
	}
	assertAlike(t, "SMPP", bind("dev", "ESME_RINVPASWD"), bind("nobody", "ESME_RINVSYSID"))
	p.assertWell()
}

// assertAlike compares the tries that the machine disturbed least, of 6 in turn, or of up to 60 as
// long as they differ: what always takes longer never gets alike.
func assertAlike(t *testing.T, what string, known, unknown func()) {
	t.Helper()
	const few, many = 6, 60
	var least [2]time.Duration
	for try := 1; ; try++ {
		for i, ask := range []func(){known, unknown} {
			began := time.Now()
			ask()
			if took := time.Since(began); try == 1 || took < least[i] {
				least[i] = took
			}
		}
		alike := (least[0] - least[1]).Abs() <= max(least[0], least[1])/3+5*time.Millisecond
		switch {
		case try < few || !alike && try < many:
			continue
		case !alike:
			t.Errorf("%s: a wrong password takes %v and an unknown user %v", what, least[0], least[1])
		}
		t.Logf("%s: known user %v, unknown user %v", what, least[0], least[1])
		return
	}
}
