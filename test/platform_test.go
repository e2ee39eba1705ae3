package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// platform is one `serve` of the binary with what tests ask of it.
type platform struct {
	*child
	serveAt
	key string // X-API-Key of requests
}

// serveDev starts the platform in development mode with its own simulator behind it.
func serveDev(t *testing.T, args ...string) *platform {
	t.Helper()
	p := &platform{key: "dev-api-key"}
	args = append([]string{"serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0"}, args...)
	if !strings.Contains(strings.Join(args, " "), "--data") {
		args = append(args, "--data", t.TempDir())
	}
	p.child = launch(t, "serve", &p.serveAt, args...)
	return p
}

// serveProduction starts the platform as an operator does: without --dev.
func serveProduction(t *testing.T, key, data string, args ...string) *platform {
	t.Helper()
	p := &platform{key: key}
	args = append([]string{"serve", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", data}, args...)
	p.child = launch(t, "serve", &p.serveAt, args...)
	return p
}

// simulator starts the SMSC simulator; listen is "127.0.0.1:0" unless it has to be known.
func simulator(t *testing.T, args ...string) (*child, smscAt) {
	t.Helper()
	var at smscAt
	if !strings.Contains(strings.Join(args, " "), "--listen") {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	args = append([]string{"smsc", "--control", "127.0.0.1:0"}, args...)
	return launch(t, "smsc", &at, args...), at
}

func upstreamOf(at smscAt) string { return "smpp://x:y@" + at.SMPP + "?binds=2&window=50&trace_tlv=1" }

// answer is what the API said.
type answer struct {
	code   int
	header http.Header
	body   []byte
}

// problemText is a problem document as far as tests look at it.
type problemText struct {
	Type, Title, Detail, Code string
	Status                    int
	RequestID                 string `json:"request_id"`
	Errors                    []struct{ Pointer, Code, Detail string }
}

func (a *answer) problem(t *testing.T) problemText {
	t.Helper()
	var p problemText
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("%d %q is not a problem document: %v", a.code, a.body, err)
	}
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("Content-Type %q of a problem", kind)
	}
	if p.Status != a.code || p.Code == "" || p.Title == "" || p.Detail == "" || p.RequestID == "" {
		t.Errorf("problem of a %d lacks something: %s", a.code, a.body)
	}
	return p
}

func (a *answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%d %q: %v", a.code, a.body, err)
	}
}

// do sends a request as the platform's account; header are pairs of name and value.
func (p *platform) do(method, path string, body io.Reader, header ...string) answer {
	p.t.Helper()
	a, err := p.try(method, path, body, header...)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, path, err, p.out)
	}
	return a
}

// try is do for goroutines that may not end the test.
func (p *platform) try(method, path string, body io.Reader, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url()+path, body)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("X-API-Key", p.key)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Del(header[i])
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	return answer{resp.StatusCode, resp.Header, text}, err
}

func (p *platform) url() string { return "http://" + p.HTTP }

func (p *platform) post(path, body string, header ...string) answer {
	p.t.Helper()
	return p.do(http.MethodPost, path, strings.NewReader(body), header...)
}

func (p *platform) get(path string) answer {
	p.t.Helper()
	return p.do(http.MethodGet, path, nil)
}

// want is post or get that must succeed with this code; the answer is decoded into v.
func (p *platform) want(code int, method, path, body string, v any) {
	p.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	a := p.do(method, path, reader)
	if a.code != code {
		p.t.Fatalf("%s %s answered %d, want %d: %s", method, path, a.code, code, a.body)
	}
	if v != nil {
		a.into(p.t, v)
	}
}

// sendOne accepts one message and returns its id.
func (p *platform) sendOne(body string) string {
	p.t.Helper()
	var sent struct {
		MessageID string `json:"message_id"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/messages", body, &sent)
	return sent.MessageID
}

// sendBulk accepts n messages to numbers that follow each other and returns their ids.
func (p *platform) sendBulk(n int, members string) []string {
	p.t.Helper()
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(`{"to":"+1555%07d","text":"bulk %d"}`, i, i)
	}
	var sent struct {
		IDs []string `json:"message_ids"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/messages/bulk", `{"from":"Test",`+members+`"messages":[`+strings.Join(items, ",")+`]}`, &sent)
	if len(sent.IDs) != n {
		p.t.Fatalf("%d of %d messages were accepted", len(sent.IDs), n)
	}
	return sent.IDs
}

func (p *platform) statusOf(id string) string {
	p.t.Helper()
	var m struct{ Status string }
	p.want(http.StatusOK, "GET", "/api/v1/messages/"+id, "", &m)
	return m.Status
}

// becomes waits until the message has the status.
func (p *platform) becomes(id, status string) {
	p.t.Helper()
	last := ""
	waitUntil(p.t, 20*time.Second, func() bool {
		last = p.statusOf(id)
		return last == status
	})
	if last != status {
		p.t.Errorf("message %s is %s, want %s\n%s", id, last, status, p.out)
	}
}

// byStatus is the platform's ledger.
func (p *platform) byStatus() (accepted int, by map[string]int) {
	p.t.Helper()
	var s struct {
		Accepted int
		ByStatus map[string]int `json:"by_status"`
	}
	p.want(http.StatusOK, "GET", "/api/v1/statistics", "", &s)
	return s.Accepted, s.ByStatus
}

// allBecome waits until the ledger shows n messages in the status and nothing else.
func (p *platform) allBecome(n int, status string) {
	p.t.Helper()
	var accepted int
	var by map[string]int
	waitUntil(p.t, 30*time.Second, func() bool {
		accepted, by = p.byStatus()
		return accepted == n && by[status] == n
	})
	if accepted != n || by[status] != n {
		p.t.Errorf("the ledger shows %d accepted, %v; want %d %s", accepted, by, n, status)
	}
}

// assertWell asks for health and carries one good message from end to end.
func (p *platform) assertWell() {
	p.t.Helper()
	p.want(http.StatusOK, "GET", "/api/v1/health", "", nil)
	p.becomes(p.sendOne(`{"from":"Good","to":"+15550001111","text":"still here"}`), "DELIVERED")
}

// metric reads one value without labels of /metrics.
func (p *platform) metric(name string) float64 {
	p.t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(p.get("/metrics").body))
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				p.t.Fatalf("metric %s: %v", name, err)
			}
			return v
		}
	}
	p.t.Fatalf("there is no metric %s", name)
	return 0
}

// rss is the resident memory of the process in MiB.
func (p *platform) rss() float64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return kib / 1024
		}
	}
	p.t.Fatal("no VmRSS in /proc/PID/status")
	return 0
}

// level is what a server at rest uses.
type level struct {
	goroutines float64
	rss        float64 // MiB
}

// rest returns the level after the caches of a first message are filled.
func (p *platform) rest() level {
	p.t.Helper()
	p.assertWell()
	http.DefaultClient.CloseIdleConnections()
	return level{p.metric("go_goroutines"), p.rss()}
}

// assertRest waits until the server is back at the level: a few goroutines of our own
// HTTP connections, and the memory that the garbage collector has not returned yet, aside.
func (p *platform) assertRest(before level) {
	p.t.Helper()
	p.assertRestWithin(before, 30)
}

func (p *platform) assertRestWithin(before level, slackMiB float64) {
	p.t.Helper()
	const slackGoroutines = 4
	http.DefaultClient.CloseIdleConnections()
	var now level
	waitUntil(p.t, 15*time.Second, func() bool {
		now = level{p.metric("go_goroutines"), p.rss()}
		return now.goroutines <= before.goroutines+slackGoroutines && now.rss <= before.rss+slackMiB
	})
	if now.goroutines > before.goroutines+slackGoroutines {
		p.t.Errorf("%v goroutines, %v before", now.goroutines, before.goroutines)
	}
	if now.rss > before.rss+slackMiB {
		p.t.Errorf("%.0f MiB resident, %.0f before", now.rss, before.rss)
	}
}

// bind binds to the platform as an ESME whose receipts go to handler (nil: none expected).
func (p *platform) bind(systemID, password string, handler smpp.Handler) (*smpp.Session, error) {
	return smpp.Dial(p.t.Context(), smpp.DialOptions{
		Addr: p.SMPP, BindType: smpp.Transceiver, SystemID: systemID, Password: password,
		Session: smpp.SessionOptions{Window: 50, Handler: handler},
	})
}

// submit sends one text over SMPP and returns the id.
func (p *platform) submit(s *smpp.Session, to, text string) string {
	p.t.Helper()
	st, resp, err := s.Do(p.t.Context(), &smpp.SubmitSM{
		Source: smpp.Address{TON: 5, Addr: []byte("Test")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte(to)},
		RegisteredDelivery: 1, ShortMessage: []byte(text),
	})
	if err != nil || st != smpp.ROK {
		p.t.Fatalf("submit_sm: %v %v", st, err)
	}
	return string(resp.(*smpp.SubmitSMResp).MessageID)
}
