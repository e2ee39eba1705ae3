package compat_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/compat"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/intake/intaketest"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a Handler over a door that keeps what it takes.
type rig struct {
	t      testing.TB
	server *httptest.Server
	answer *compat.Handler // without the server in front
	sink   *intaketest.Sink
	acme   *account.Account
	key    string
	told   []string
}

type money struct{ limited bool }

func (m money) Balance(*account.Account) (amount, currency string, limited bool) {
	return "12.5000", "EUR", m.limited
}
func (money) Price(*account.Account, *message.Message) string { return "0.0250" }

type reader struct{ sink *intaketest.Sink }

func (r reader) Message(_ context.Context, id message.ID) (*message.Message, error) {
	for _, m := range r.sink.Messages() {
		if m.ID == id {
			return m, nil
		}
	}
	return nil, errors.New("no such message")
}

func (r reader) Batch(_ context.Context, who uint32, batch message.ID, limit int) (all []*message.Message, _ error) {
	for _, m := range r.sink.Messages() {
		if m.Batch == batch && m.Account == who && len(all) < limit {
			all = append(all, m)
		}
	}
	return all, nil
}

func start(t testing.TB, change func(*compat.Options)) *rig {
	t.Helper()
	ctx := t.Context()
	accounts, err := account.Open(ctx, account.Options{Store: new(accounttest.Store)})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, sink: new(intaketest.Sink)}
	var secret account.Secrets
	if r.acme, secret, err = accounts.Create(ctx, account.Spec{Name: "acme", SystemID: "acmesys"}, "acmepass"); err != nil {
		t.Fatal(err)
	}
	r.key = secret.APIKey
	table, err := route.NewTable([]route.Connector{{ID: 1, Name: "default"}})
	if err != nil {
		t.Fatal(err)
	}
	router, err := route.NewRouter(table)
	if err != nil {
		t.Fatal(err)
	}
	ids := message.NewIDSource(1, 0, time.Now)
	door, err := intake.New(intake.Options{Sink: r.sink, IDs: ids, Router: router})
	if err != nil {
		t.Fatal(err)
	}
	opts := compat.Options{
		Accounts: accounts, Intake: door, IDs: ids, Messages: reader{r.sink}, Money: money{limited: true},
		Legacy: true, Jasmin: true, Kannel: true, Next: http.NotFoundHandler(), CheckURL: (&callback.Guard{}).CheckURL,
		Tell: func(who uint32, req *callback.Request) {
			r.told = append(r.told, fmt.Sprint(who == r.acme.ID, " ", req.Method, " ", req.URL))
		},
	}
	if change != nil {
		change(&opts)
	}
	h, err := compat.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	r.answer, r.server = h, httptest.NewServer(h)
	t.Cleanup(func() {
		r.server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

// ask sends a request and returns status, body and headers.
func (r *rig) ask(method, path, body string, header ...string) (int, string, http.Header) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.server.URL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSuffix(string(text), "\n"), resp.Header
}

// last is the last message that was taken, as a test looks at it.
func (r *rig) last() map[string]any {
	r.t.Helper()
	msgs := r.sink.Messages()
	if len(msgs) == 0 {
		r.t.Fatal("nothing was taken")
	}
	m := msgs[len(msgs)-1]
	return map[string]any{
		"from": m.Source.Addr, "to": m.Dest.Addr, "dcs": fmt.Sprintf("%02x", m.DataCoding), "octets": hex.EncodeToString(m.Payload),
		"priority": m.Priority.String(), "url": m.DLRURL, "tells": int(m.Callback.Tells), "form": int(m.Callback.Form), "pid": int(m.ProtocolID),
	}
}

func (r *rig) wantLast(name string, want map[string]any) {
	r.t.Helper()
	got := r.last()
	for key := range got {
		if _, ok := want[key]; !ok {
			delete(got, key)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("%s: %s", name, diff)
	}
}

func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

func octets(s string) string { return hex.EncodeToString([]byte(s)) }

// Each API can be switched off; its paths go on to the next handler then.
func TestSwitches(t *testing.T) {
	r := start(t, func(o *compat.Options) { o.Jasmin, o.Kannel = false, false })
	for path, want := range map[string]int{"/send": 404, "/ping": 404, "/secure/send": 404, "/cgi-bin/sendsms": 404, "/api/getBalance": 401, "/other": 404} {
		if got, _, _ := r.ask("GET", path, ""); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

// A page of another site cannot make a browser send.
func TestOtherSites(t *testing.T) {
	r := start(t, nil)
	for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200} {
		if got, _, _ := r.ask("GET", "/send?"+jasminQuery("to", "4915112345678", "from", "Shop", "content", "x"), "", "Sec-Fetch-Site", site); got != want {
			t.Errorf("%s: %d", site, got)
		}
	}
}

func TestLegacy(t *testing.T) {
	r := start(t, nil)
	var sent struct {
		Status, BatchID    string
		Accepted, Rejected int
		Messages           []struct{ MessageID, MSISDN, Status, Code string }
	}
	into := func(text string, v any) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), v); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	status, text, _ := r.ask("GET", "/api/sendBulk?"+query("username", "acmesys", "password", "acmepass", "sender", "Shop", "msisdn", "4915112345678,4915112345679;abc", "message", "Hi"), "")
	into(text, &sent)
	if status != 200 || sent.Status != "success" || sent.Accepted != 2 || sent.Rejected != 1 || sent.Messages[2].Code != "invalid_recipient" {
		t.Errorf("%d %s", status, text)
	}
	r.wantLast("GET", map[string]any{"from": "Shop", "to": "4915112345679", "octets": octets("Hi")})

	for name, c := range map[string][]string{
		"form":    {"application/x-www-form-urlencoded", query("apiKey", r.key, "from", "Shop", "to", "4915112345670", "text", "über")},
		"JSON":    {"application/json", `{"apiKey":"` + r.key + `","from":"Shop","to":["4915112345670"],"text":"über"}`},
		"numbers": {"", `{"username":"acme","password":"` + r.key + `","senderId":"Shop","recipients":[4915112345670],"msg":"über"}`},
	} {
		if status, text, _ := r.ask("POST", "/api/sendBulk", c[1], "Content-Type", c[0]); status != 200 {
			t.Errorf("%s: %d %s", name, status, text)
		}
		r.wantLast(name, map[string]any{"from": "Shop", "to": "4915112345670"})
	}

	var dlr struct {
		Status   string
		Messages []struct{ MessageID, MSISDN, Status, SubmittedAt string }
	}
	status, text, _ = r.ask("GET", "/api/getDLR?"+query("apiKey", r.key, "messageId", sent.Messages[0].MessageID+",ffffffffffffffff"), "")
	into(text, &dlr)
	if status != 200 || len(dlr.Messages) != 2 || dlr.Messages[0].Status != "PENDING" || dlr.Messages[0].MSISDN != "+4915112345678" || dlr.Messages[1].Status != "NOT_FOUND" {
		t.Errorf("getDLR: %d %s", status, text)
	}
	status, text, _ = r.ask("POST", "/api/getDLR", `{"batchId":"`+sent.BatchID+`"}`, "X-API-Key", r.key)
	into(text, &dlr)
	if status != 200 || len(dlr.Messages) != 2 {
		t.Errorf("getDLR of a batch: %d %s", status, text)
	}
	if status, text, _ := r.ask("GET", "/api/getBalance?"+query("apiKey", r.key), ""); status != 200 ||
		text != `{"status":"success","balance":"12.5000","currency":"EUR","unlimited":false}` {
		t.Errorf("getBalance: %d %s", status, text)
	}
	for path, want := range map[string]string{
		"/api/sendBulk?" + query("username", "acmesys", "password", "wrong"):          `401 {"status":"error","code":"invalid_credentials",`,
		"/api/sendBulk?" + query("apiKey", r.key):                                     `422 {"status":"error","code":"missing_recipient",`,
		"/api/sendBulk?" + query("apiKey", r.key, "to", "4915112345678", "from", "x"): `422 {"status":"error","code":"missing_text",`,
		"/api/getDLR?" + query("apiKey", r.key):                                       `422 {"status":"error","code":"missing_message_id",`,
		"/api/getDLR?" + query("apiKey", r.key, "id", "1"):                            `404 {"status":"error","code":"not_found",`,
		"/api/getDLR?" + query("apiKey", r.key, "batchId", "zz"):                      `404 {"status":"error","code":"not_found",`,
		"/api/getBalance":   `401 {"status":"error","code":"invalid_credentials",`,
		"/api/getDLR?a=%zz": `400 {"status":"error","code":"malformed_request",`,
	} {
		if status, text, _ := r.ask("GET", path, ""); !strings.HasPrefix(fmt.Sprint(status, " ", text), want) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if status, _, _ := r.ask("POST", "/api/sendBulk", strings.Repeat("x", 9<<20), "Content-Type", "application/json"); status != 413 {
		t.Errorf("a huge body: %d", status)
	}
}
