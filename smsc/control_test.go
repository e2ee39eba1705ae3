package smsc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/smpp"
	"protei-bulk/smsc"
)

// call makes a request of the control port and returns status and body.
func call(t *testing.T, sim *smsc.Simulator, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+sim.ControlAddr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func startControlled(t *testing.T) *smsc.Simulator {
	return start(t, smsc.Options{ControlAddr: "127.0.0.1:0"})
}

func TestControlChangesBehaviour(t *testing.T) {
	sim := startControlled(t)
	status, text := call(t, sim, "PATCH", "/behaviour", `{"latency":"5ms-50ms","errors":"RTHROTTLED=1%,0x45=2%",
		"tps":500,"receipts":"UNDELIV=2%","receipt_loss":0.015,"refuse_binds":true,"receipt_id_format":"dec","seed":18446744073709551615}`)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	_, again := call(t, sim, "GET", "/behaviour", "")
	if again != text {
		t.Errorf("PATCH answered %s, GET %s", text, again)
	}
	var got map[string]any
	in := json.NewDecoder(strings.NewReader(text))
	in.UseNumber()
	if err := in.Decode(&got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"latency": "5ms-50ms", "errors": "RTHROTTLED=1%,RSUBMITFAIL=2%", "tps": json.Number("500"), "receipts": "UNDELIV=2%",
		"receipt_loss": "1.5%", "refuse_binds": true, "receipt_id_format": "dec", "seed": json.Number("18446744073709551615"),
		"receipt_delay": "0s", "disconnect_share": "0%",
	} {
		if got[name] != want {
			t.Errorf("%s is %v, not %v", name, got[name], want)
		}
	}
	if len(got) != len(smsc.Fields()) {
		t.Errorf("%d settings in JSON, %d fields", len(got), len(smsc.Fields()))
	}
	// What GET shows, PATCH takes back.
	if status, text := call(t, sim, "PATCH", "/behaviour", again); status != http.StatusOK {
		t.Errorf("%d %s", status, text)
	}
}

func TestControlNamesEveryMistake(t *testing.T) {
	sim := startControlled(t)
	before := sim.Behaviour()
	status, text := call(t, sim, "PATCH", "/behaviour", `{"tps":-1,"latency":"soon","errors":"RTHROTTLED=60%,RSYSERR=60%",
		"receipt_losses":"1%","refuse_binds":"maybe","seed":1.5,"receipt_form":["both"]}`)
	if status != http.StatusBadRequest {
		t.Fatalf("%d %s", status, text)
	}
	var got struct{ Errors []smsc.FieldError }
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"tps": "whole number", "latency": "20ms", "errors": "120% together", "refuse_binds": "true or false",
		"seed": "whole number", "receipt_form": "both, text, tlv", "receipt_losses": "did you mean receipt_loss?",
	}
	for _, e := range got.Errors {
		if !strings.Contains(e.Detail, want[e.Field]) || want[e.Field] == "" {
			t.Errorf("%s: %s", e.Field, e.Detail)
		}
		delete(want, e.Field)
	}
	if len(want) != 0 {
		t.Errorf("not named: %v", want)
	}
	if diff := cmp.Diff(before, sim.Behaviour(), cmp.AllowUnexported(smsc.Delay{})); diff != "" {
		t.Errorf("changed all the same: %s", diff)
	}
}

func TestControlRefusesWhatItCannotRead(t *testing.T) {
	sim := startControlled(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"PATCH", "/behaviour", `{"tps":`, 400, "not a JSON object"},
		{"PATCH", "/behaviour", `[1]`, 400, "not a JSON object"},
		{"PATCH", "/behaviour", `null`, 200, ""},
		{"PATCH", "/behaviour", `{"latency":"` + strings.Repeat("9", 70_000) + `"}`, 413, "too large"},
		{"PUT", "/behaviour", `{}`, 405, ""},
		{"GET", "/nowhere", ``, 404, ""},
		{"GET", "/seen", ``, 400, "id"},
		{"POST", "/seen", `{"id":1}`, 400, "JSON array"},
		{"POST", "/seen", `{}`, 400, "ids is missing"},
		{"POST", "/seen", `["a"`, 400, "JSON array"},
		{"POST", "/seen", `{"ids":["a"]}`, 200, `"missing_total": 1`},
		{"POST", "/mo", `{"from":"1"`, 400, "not a message"},
		{"POST", "/mo", `{"form":"1"}`, 400, "unknown field"},
		{"POST", "/mo", `{"from":"","to":"123456789012345678901"}`, 400, "to"},
		{"POST", "/mo", `{"from":"1","to":"2","text":"ж","encoding":"GSM7"}`, 400, "does not exist in GSM7"},
		{"POST", "/mo", `{"from":"1","to":"2","text":"hi"}`, 503, "no receiver"},
		{"POST", "/mo", `{"from":"1","to":"2","hex":"xy"}`, 400, "hexadecimal"},
		{"POST", "/mo", `{"from":"1","to":"2","hex":"00","text":"a"}`, 400, "instead of text"},
		{"POST", "/mo", `{"from":"1","to":"2","text":"a","udh":"0500"}`, 400, "udh"},
		{"POST", "/mo", `{"from":"1","to":"2","text":"a","data_coding":256}`, 400, "data_coding"},
		{"POST", "/mo", `{"from":"1","to":"2","hex":"` + strings.Repeat("00", 255) + `"}`, 400, "payload"},
		{"POST", "/outbind", `{"address":"127.0.0.1:1"}`, 502, "outbind"},
		{"POST", "/outbind", `{"address":"nowhere"}`, 400, "address"},
	} {
		status, text := call(t, sim, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s %s %.40s: %d %s", c.method, c.path, c.body, status, text)
		}
	}
}

func TestControlCountersSeenAndReset(t *testing.T) {
	sim := startControlled(t)
	c := dial(t, sim, "trx", smpp.Transceiver)
	c.must(traced("0123456789abcdef/1"))
	c.receipts(1)
	settled(t, sim)
	_, text := call(t, sim, "GET", "/counters", "")
	var got smsc.Counters
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.Submits != 1 || got.Unique != 1 || got.Answered["ESME_ROK"] != 1 || got.Receipts.Acked != 1 || got.Binds.Current != 1 ||
		got.Memory.Messages != 1 || got.Seconds <= 0 {
		t.Errorf("%s", text)
	}
	if _, text := call(t, sim, "GET", "/seen?id=0123456789abcdef", ""); !strings.Contains(text, `"times": 1`) {
		t.Error(text)
	}
	if _, text := call(t, sim, "POST", "/seen", `["0123456789abcdef","0000000000000000"]`); !strings.Contains(text, `"missing_total": 1`) {
		t.Error(text)
	}
	_, text = call(t, sim, "GET", "/metrics", "")
	for _, line := range []string{"\nsmsc_submits_total 1\n", "\nsmsc_answers_total{status=\"ESME_ROK\"} 1\n", "\nsmsc_binds 1\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("no line %q in %s", line, text)
		}
	}
	if status, _ := call(t, sim, "GET", "/health", ""); status != http.StatusOK {
		t.Error(status)
	}
	if _, text := call(t, sim, "POST", "/reset", ""); !strings.Contains(text, `"unique": 0`) {
		t.Error(text)
	}
	if _, text := call(t, sim, "POST", "/disconnect?system_id=nobody", ""); !strings.Contains(text, `"disconnected": 0`) {
		t.Error(text)
	}
	call(t, sim, "POST", "/disconnect", "")
	<-c.session.Done()
}

func TestControlIsAlsoAHandler(t *testing.T) {
	sim := start(t, smsc.Options{})
	w := httptest.NewRecorder()
	sim.Control().ServeHTTP(w, httptest.NewRequest("GET", "/counters", nil))
	if w.Code != http.StatusOK || sim.ControlAddr() != "" {
		t.Error(w.Code, sim.ControlAddr())
	}
}

func TestMOIsDelivered(t *testing.T) {
	sim := startControlled(t)
	c := dial(t, sim, "trx", smpp.Transceiver)
	_, text := call(t, sim, "POST", "/mo", `{"from":"79161234567","to":"1000","text":"hi"}`)
	if !strings.Contains(text, `"parts": 1`) || !strings.Contains(text, "ESME_ROK") {
		t.Error(text)
	}
	got := c.receipts(1)[0]
	if got.source != "79161234567" || got.dest != "1000" || got.text != "hi" || got.class != 0 {
		t.Errorf("%+v", got)
	}
	_, text = call(t, sim, "POST", "/mo", `{"from":"79161234567","to":"1000","system_id":"esme","text":"`+strings.Repeat("я", 100)+`"}`)
	if !strings.Contains(text, `"parts": 2`) {
		t.Error(text)
	}
	for _, part := range c.receipts(3)[1:] {
		if part.class != smpp.ESMUDHI || len(part.text) > 140 {
			t.Errorf("%+v", part)
		}
	}
	c.answer(smpp.RXPAPPN, false)
	if _, text = call(t, sim, "POST", "/mo", `{"from":"1","to":"2","text":"hi"}`); !strings.Contains(text, "ESME_RX_P_APPN") {
		t.Error(text)
	}
	if m := sim.Counters().MO; m.Sent != 4 || m.Acked != 3 {
		t.Errorf("%+v", m)
	}
}

func TestMOInEveryForm(t *testing.T) {
	sim := startControlled(t)
	c := dial(t, sim, "trx", smpp.Transceiver)
	seen := 0
	next := func(body string, parts int) []receipt {
		t.Helper()
		status, text := call(t, sim, "POST", "/mo", `{"from":"79161234567","to":"1000",`+body+`}`)
		if status != 200 || !strings.Contains(text, "ESME_ROK") {
			t.Fatalf("%s: %d %s", body, status, text)
		}
		seen += parts
		return c.receipts(seen)[seen-parts:]
	}
	got := next(`"hex":"dead","udh":"0605040b8423f0","data_coding":4,"protocol_id":1`, 1)[0]
	if got.text != "\x06\x05\x04\x0b\x84\x23\xf0\xde\xad" || got.class != smpp.ESMUDHI || got.coding != 4 || got.protocol != 1 {
		t.Errorf("octets came as %+v", got)
	}
	if got = next(`"text":"hi","data_coding":246,"esm_class":128`, 1)[0]; got.text != "hi" || got.coding != 246 || got.class != 128 {
		t.Errorf("a text with data_coding of its own: %+v", got)
	}
	if got = next(`"text":"hi","payload":true`, 1)[0]; got.text != "" || !strings.HasSuffix(got.raw, "hi") {
		t.Errorf("in message_payload: %+v", got)
	}
	long := strings.Repeat("0123456789", 40)
	numbers := ""
	for _, p := range next(`"ref":7,"order":[3,1,1,2],"text":"`+long+`"`, 4) {
		numbers += fmt.Sprintf("%x ", p.text[3:6])
	}
	if numbers != "070303 070301 070301 070302 " {
		t.Errorf("parts came as %s", numbers)
	}
	for i, p := range next(`"sar":true,"ref":258,"text":"`+long+`"`, 3) {
		if p.class != 0 || p.text != long[min(i*153, 400):min((i+1)*153, 400)] || !strings.HasSuffix(p.raw, "\x02\x0f\x00\x01"+string(rune(i+1))) || !strings.Contains(p.raw, "\x02\x0c\x00\x02\x01\x02") {
			t.Errorf("part %d by sar: %+v", i+1, p)
		}
	}
	if status, text := call(t, sim, "POST", "/mo", `{"from":"1","to":"2","text":"hi","order":[2]}`); status != 400 || !strings.Contains(text, "order") {
		t.Errorf("a part that there is not: %d %s", status, text)
	}
}

func TestOutbindAsksAnESMEToBind(t *testing.T) {
	sim := startControlled(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	bound := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			bound <- err
			return
		}
		s, err := smpp.AcceptOutbind(context.Background(), conn, smpp.Outbind{SystemID: []byte("smsc"), Password: []byte("pw")},
			smpp.DialOptions{SystemID: "esme", Password: "secret", Session: smpp.SessionOptions{Handler: smpp.HandlerFunc(func(*smpp.Session, *smpp.Request) {})}})
		bound <- err
		if err == nil {
			t.Cleanup(func() { s.Close(); <-s.Done() })
		}
	}()
	if status, text := call(t, sim, "POST", "/outbind", `{"address":"`+ln.Addr().String()+`","system_id":"smsc","password":"pw"}`); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	if err := <-bound; err != nil {
		t.Error(err)
	}
}
