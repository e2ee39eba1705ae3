package compat_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/compat"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

func jasminQuery(pairs ...string) string {
	return query(append([]string{"username", "acmesys", "password", "acmepass"}, pairs...)...)
}

// What Jasmin's users send, and what becomes of it.
func TestJasminSend(t *testing.T) {
	r := start(t, nil)
	const hook = "http://203.0.113.9/dlr"
	final := int(message.TellDelivered | message.TellFailed | message.TellRefused)
	sent := int(message.TellSent | message.TellRefused)
	for name, c := range map[string]struct {
		args []string
		want map[string]any
	}{
		"plain":            {[]string{"content", "Hello €"}, map[string]any{"dcs": "00", "octets": octets("Hello \x1be"), "priority": "LOW", "form": 0, "tells": 0}},
		"chosen alphabet":  {[]string{"content", "Привет"}, map[string]any{"dcs": "08", "octets": "041f04400438043204350442"}},
		"coding 0":         {[]string{"content", "Hi", "coding", "0", "priority", "3"}, map[string]any{"dcs": "00", "octets": octets("Hi"), "priority": "CRITICAL"}},
		"UCS-2 as octets":  {[]string{"content", "\x06\x23\x06\x31", "coding", "8"}, map[string]any{"dcs": "08", "octets": "06230631"}},
		"hex UCS-2":        {[]string{"hex-content", "06230631", "coding", "8"}, map[string]any{"dcs": "08", "octets": "06230631"}},
		"hex 8-bit":        {[]string{"hex-content", "0001ff", "coding", "4"}, map[string]any{"dcs": "04", "octets": "0001ff"}},
		"Latin-1 as octet": {[]string{"content", "\xfc", "coding", "3"}, map[string]any{"dcs": "03", "octets": "fc"}},
		"JIS":              {[]string{"hex-content", "81", "coding", "5"}, map[string]any{"dcs": "05", "octets": "81"}},
		"dlr":              {[]string{"content", "x", "dlr", "yes", "dlr-url", hook}, map[string]any{"url": hook, "tells": sent, "form": int(message.JasminPOST)}},
		"dlr level 2 GET":  {[]string{"content", "x", "dlr-url", hook, "dlr-level", "2", "dlr-method", "get"}, map[string]any{"url": hook, "tells": final, "form": int(message.JasminGET)}},
		"dlr level 3":      {[]string{"content", "x", "dlr-url", hook, "dlr-level", "3"}, map[string]any{"tells": final | sent}},
		"dlr without URL":  {[]string{"content", "x", "dlr", "yes", "dlr-level", "2"}, map[string]any{"url": "", "tells": 0, "form": 0}},
	} {
		args := jasminQuery(append([]string{"to", "4915112345678", "from", "Shop"}, c.args...)...)
		for method, ask := range map[string]func() (int, string){
			"GET": func() (int, string) { s, text, _ := r.ask("GET", "/send?"+args, ""); return s, text },
			"POST": func() (int, string) {
				s, text, _ := r.ask("POST", "/send", args, "Content-Type", "application/x-www-form-urlencoded")
				return s, text
			},
		} {
			status, text := ask()
			if m := regexp.MustCompile(`^Success "([0-9a-f]{16})"$`).FindStringSubmatch(text); status != 200 || m == nil {
				t.Errorf("%s %s: %d %s", method, name, status, text)
				continue
			}
			r.wantLast(name, c.want)
		}
	}
	if n := len(r.sink.Messages()); n != 24 {
		t.Errorf("%d messages", n)
	}
}

func TestJasminTimes(t *testing.T) {
	r := start(t, nil)
	before := time.Now()
	if status, text, _ := r.ask("GET", "/send?"+jasminQuery("to", "4915112345678", "from", "Shop", "content", "x", "sdt", "000001000000000R", "validity-period", "30"), ""); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	m := r.sink.Messages()[0]
	at := time.UnixMilli(m.ScheduleAt).Sub(before)
	if at < 24*time.Hour-time.Second || at > 24*time.Hour+time.Minute || m.ValidUntil-m.ScheduleAt != 30*60*1000 {
		t.Errorf("in %v, valid for %d ms", at, m.ValidUntil-m.ScheduleAt)
	}
}

func TestJasminRefusals(t *testing.T) {
	r := start(t, nil)
	good := []string{"to", "4915112345678", "from", "Shop", "content", "x"}
	for name, c := range map[string]struct {
		path, want string
	}{
		"no arguments":     {"/send", `400 Error "Mandatory arguments not found, please refer to the HTTPAPI specifications."`},
		"unknown argument": {"/send?" + jasminQuery(append(good, "foo", "1")...), `400 Error "Argument [foo] is unknown."`},
		"no recipient":     {"/send?" + jasminQuery("content", "x"), `400 Error "Mandatory argument [to] is not found."`},
		"bad value":        {"/send?" + jasminQuery(append(good, "priority", "7")...), `400 Error "Argument [priority] has an invalid value: [7]."`},
		"bad password":     {"/send?" + query(append(good, "username", "acmesys", "password", "no")...), `403 Error "Authentication failure for username:acmesys"`},
		"no content":       {"/send?" + jasminQuery("to", "4915112345678"), `400 Error "content or hex-content not present."`},
		"both contents":    {"/send?" + jasminQuery(append(good, "hex-content", "00")...), `400 Error "content and hex-content cannot be used both in same request."`},
		"bad hex":          {"/send?" + jasminQuery("to", "4915112345678", "hex-content", "0g"), `400 Error "Invalid hex-content data: '0g'"`},
		"not GSM":          {"/send?" + jasminQuery("to", "4915112345678", "from", "Shop", "content", "Я", "coding", "0"), `400 Error "text: `},
		"private hook":     {"/send?" + jasminQuery(append(good, "dlr-url", "ftp://x")...), `400 Error "Argument [dlr-url] has an invalid value: [ftp://x]."`},
		"balance, no user": {"/balance?" + query("username", "x", "password", "y"), `403 "Authentication failure for username:x"`},
	} {
		if status, text, _ := r.ask("GET", c.path, ""); !strings.HasPrefix(fmt.Sprint(status, " ", text), c.want) {
			t.Errorf("%s: %d %s, want %s", name, status, text, c.want)
		}
	}
	r.sink.Fail(intake.ErrDiskFull)
	status, text, header := r.ask("GET", "/send?"+jasminQuery(good...), "")
	if status != 503 || header.Get("Retry-After") == "" || !strings.HasPrefix(text, `Error "`) {
		t.Errorf("a full disk: %d %s %v", status, text, header)
	}
	if len(r.sink.Messages()) != 0 {
		t.Error("something was taken")
	}
}

func TestJasminBalanceRatePing(t *testing.T) {
	r := start(t, nil)
	for path, want := range map[string]string{
		"/balance?" + jasminQuery(): `200 {"balance":12.5000,"sms_count":"ND"}`,
		"/rate?" + jasminQuery("to", "4915112345678", "from", "Shop", "content", strings.Repeat("x", 161)): `200 {"submit_sm_count":2,"unit_rate":0.0250}`,
		"/rate?" + jasminQuery("to", "4915112345678", "from", "Shop"):                                      `200 {"submit_sm_count":1,"unit_rate":0.0250}`,
		"/ping": `200 Jasmin/PONG`,
	} {
		if status, text, _ := r.ask("GET", path, ""); fmt.Sprint(status, " ", text) != want {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if len(r.sink.Messages()) != 0 {
		t.Error("a question was taken for a message")
	}
	free := start(t, func(o *compat.Options) { o.Money = money{} })
	if _, text, _ := free.ask("GET", "/balance?"+jasminQuery(), ""); text != `{"balance":"ND","sms_count":"ND"}` {
		t.Errorf("without a limit: %s", text)
	}
}

func TestJasminREST(t *testing.T) {
	r := start(t, nil)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("acmesys:acmepass"))
	ask := func(method, path, body string) string {
		status, text, _ := r.ask(method, path, body, "Authorization", basic)
		return fmt.Sprint(status, " ", text)
	}
	got := ask("POST", "/secure/send", `{"to":4915112345678,"from":"Shop","content":"Grüße","dlr":"yes","dlr_url":"http://203.0.113.9/d","dlr-level":3}`)
	if !regexp.MustCompile(`^200 \{"data":"Success \\"[0-9a-f]{16}\\""\}$`).MatchString(got) {
		t.Errorf("send: %s", got)
	}
	r.wantLast("send", map[string]any{"to": "4915112345678", "octets": "4772" + "7e1e65", "url": "http://203.0.113.9/d", "form": int(message.JasminPOST)})
	if got := ask("POST", "/secure/send", `{"to":"4915112345678","from":"Shop","coding":8,"hex_content":"06230631"}`); !strings.HasPrefix(got, "200 ") {
		t.Errorf("hex_content: %s", got)
	}
	r.wantLast("hex", map[string]any{"dcs": "08", "octets": "06230631"})
	if got := ask("POST", "/secure/send", `{"to":"4915112345678"}`); got != `400 {"message":"Error \"content or hex-content not present.\""}` {
		t.Errorf("no content: %s", got)
	}
	if got := ask("GET", "/secure/balance", ""); got != `200 {"data":{"balance":12.5000,"sms_count":"ND"}}` {
		t.Errorf("balance: %s", got)
	}
	if got := ask("GET", "/secure/rate?to=4915112345678&from=Shop", ""); got != `200 {"data":{"submit_sm_count":1,"unit_rate":0.0250}}` {
		t.Errorf("rate: %s", got)
	}
	before := len(r.sink.Messages())
	got = ask("POST", "/secure/sendbatch", `{"globals":{"from":"Brand2","dlr-level":3,"dlr":"yes","dlr-url":"http://203.0.113.9/u"},
		"messages":[{"from":"Brand1","to":["55555551","55555552"],"content":"one"},{"to":"7777771","content":"two"},{"to":"1"},{"content":"x"}],
		"batch_config":{"schedule_at":"86400s"}}`)
	var batch struct {
		Data struct {
			BatchID      string `json:"batchId"`
			MessageCount int    `json:"messageCount"`
			Scheduled    string `json:"scheduled"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "200 ")), &batch); err != nil || batch.Data.MessageCount != 3 || batch.Data.Scheduled != "86400s" {
		t.Errorf("batch: %s %v", got, err)
	}
	msgs := r.sink.Messages()[before:]
	if len(msgs) != 3 || msgs[0].Source.Addr != "Brand1" || msgs[2].Source.Addr != "Brand2" || msgs[1].Dest.Addr != "55555552" || msgs[0].Batch.String() != batch.Data.BatchID || msgs[0].ScheduleAt == 0 {
		t.Errorf("batch: %d messages, %+v", len(msgs), msgs)
	}
	if got := ask("POST", "/secure/sendbatch", `{"messages":[{"to":"1234567","content":"x"},{"to":"12x","content":"x"}]}`); !strings.HasPrefix(got, `400 {"message":"messages[1]: Argument [to]`) {
		t.Errorf("bad batch: %s", got)
	}
	if got := ask("POST", "/secure/sendbatch", `{"messages":[],"batch_config":{"schedule_at":"2001-01-01 00:00:00"}}`); !strings.HasPrefix(got, `412 `) {
		t.Errorf("past: %s", got)
	}
	r.told = nil
	got = ask("POST", "/secure/sendbatch", `{"messages":[{"to":["1234567","1"],"from":"A","content":"x"}],"batch_config":{"callback_url":"http://203.0.113.9/ok?x=1","errback_url":"http://203.0.113.9/no"}}`)
	if !strings.HasPrefix(got, `400 {"message":"batch_config/`) {
		t.Errorf("a callback to an address that is not allowed: %s", got)
	}
	got = ask("POST", "/secure/sendbatch", `{"messages":[{"to":["1234567","1"],"from":"A","content":"x"}],"batch_config":{"callback_url":"http://example.org/ok?x=1","errback_url":"http://example.org/no"}}`)
	if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "200 ")), &batch); err != nil || batch.Data.MessageCount != 1 || len(r.told) != 2 {
		t.Fatalf("batch with callbacks: %s, %q", got, r.told)
	}
	last := r.sink.Messages()
	for i, want := range []string{
		"true GET http://example.org/ok?x=1&batchId=" + batch.Data.BatchID + "&status=1&statusText=Success+%22" + last[len(last)-1].ID.String() + "%22&to=1234567",
		"true GET http://example.org/no?batchId=" + batch.Data.BatchID + "&status=0&statusText=HTTPAPI+error%3A+Error+%22to%3A",
	} {
		if !strings.HasPrefix(r.told[i], want) {
			t.Errorf("told %s, want %s", r.told[i], want)
		}
	}
	if got := ask("GET", "/secure/send", ""); !strings.HasPrefix(got, "405 ") {
		t.Errorf("GET: %s", got)
	}
	if status, _, header := r.ask("POST", "/secure/send", "{}"); status != 401 || header.Get("WWW-Authenticate") == "" {
		t.Errorf("no user: %d", status)
	}
}
