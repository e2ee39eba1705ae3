package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"protei-bulk/bulk/message"
)

const hello = `{"from":"ACME","to":"+4915112345678","text":"hello","client_ref":"r-1"}`

func TestPostMessageAnswersWhatTheContractSays(t *testing.T) {
	p := start(t, options{})
	a := p.do(t, "POST", "/api/v1/messages", hello)
	a.want(t, 201, "")
	msgs := p.sink.Messages()
	if len(msgs) != 1 {
		t.Fatalf("%d messages accepted, want 1", len(msgs))
	}
	m := msgs[0]
	want := fmt.Sprintf(`{"message_id":"%s","status":"PENDING","parts":1,"encoding":"GSM7","submitted_at":"2030-01-31T09:00:00.000Z","client_ref":"r-1"}`+"\n", m.ID)
	if a.Body != want {
		t.Errorf("body\n%swant\n%s", a.Body, want)
	}
	if got := a.Header.Get("Location"); got != "/api/v1/messages/"+m.ID.String() {
		t.Errorf("Location %q", got)
	}
	if m.Source.Addr != "ACME" || m.Source.TON != 5 || m.Dest.Addr != "4915112345678" || m.Dest.TON != 1 || string(m.Payload) != "hello" ||
		m.ClientRef != "r-1" || m.Priority != message.Normal || m.Account != p.acme.ID {
		t.Errorf("message %+v", m)
	}
}

func TestPostMessageTakesAliasesAndNamesUnknownFields(t *testing.T) {
	p := start(t, options{})
	for _, body := range []string{
		`{"sender":"ACME","msisdn":"1512345678","message":"x"}`,
		`{"sender_id":"ACME","recipient":"1512345678","message_content":"x"}`,
		`{"from":"ACME","phone":"151-234 56.78","text":"x","to":null,"encoding":null}`,
	} {
		p.do(t, "POST", "/api/v1/messages", body).want(t, 201, "")
	}
	for _, m := range p.sink.Messages() {
		if m.Dest.Addr != "1512345678" || m.Source.Addr != "ACME" {
			t.Errorf("message to %q from %q", m.Dest.Addr, m.Source.Addr)
		}
	}
	a := p.do(t, "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":"x","colour":{"a":[1]},"size":1}`)
	a.want(t, 201, "")
	if got := fmt.Sprint(a.JSON["warnings"]); !strings.Contains(got, "colour") || !strings.Contains(got, "size") {
		t.Errorf("warnings %s", got)
	}
}

func TestBulkMixesGoodAndBad(t *testing.T) {
	p := start(t, options{})
	a := p.do(t, "POST", "/api/v1/messages/bulk", `{"messages":[
		{"to":"1512345678","text":"own"},
		{"to":"nonsense","text":"a"},
		{"to":"1512345679"},
		{"to":5,"text":"b"},
		7,
		{"to":"1512345670","from":"OTHER","priority":"HIGH"}
	],"from":"ACME","text":"common","priority":"LOW"}`)
	a.want(t, 201, "")
	if a.JSON["total"] != 6.0 || a.JSON["accepted"] != 3.0 || a.JSON["rejected"] != 3.0 || len(a.JSON["message_ids"].([]any)) != 3 {
		t.Fatalf("answer %s", a.Body)
	}
	var got []string
	for _, e := range a.JSON["errors"].([]any) {
		e := e.(map[string]any)
		got = append(got, fmt.Sprint(e["index"], e["code"], e["pointer"]))
	}
	want := []string{"1invalid_recipient/messages/1/to", "3wrong_type/messages/3/to", "4wrong_type/messages/4"}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("errors %v, want %v", got, want)
	}
	var texts []string
	for _, m := range p.sink.Messages() {
		texts = append(texts, m.Source.Addr+":"+string(m.Payload)+":"+m.Priority.String())
		if m.Batch.String() != a.JSON["batch_id"] {
			t.Errorf("batch %s", m.Batch)
		}
	}
	if got := strings.Join(texts, " "); got != "ACME:own:LOW ACME:common:LOW OTHER:common:HIGH" {
		t.Errorf("messages %s", got)
	}
}

func TestBulkAsLines(t *testing.T) {
	p := start(t, options{})
	body := `{"from":"A","to":"1512345678","text":"1"}` + "\n\n" + `{"from":"A","to":"x","text":"2"}` + "\r\n" + `{"from":"A","to":"1512345679","text":"3"}`
	a := p.do(t, "POST", "/api/v1/messages/bulk", body, "Content-Type", "application/x-ndjson")
	a.want(t, 201, "")
	if a.JSON["accepted"] != 2.0 || !strings.Contains(a.Body, `"pointer":"/1/to"`) {
		t.Errorf("answer %s", a.Body)
	}
	a = p.do(t, "POST", "/api/v1/messages/bulk", `{"from":"A","to":"1512345678","text":"1"}`+"\n{oops}\n", "Content-Type", "application/x-ndjson")
	a.want(t, 400, "malformed_json")
	if !strings.Contains(a.Body, "line 2, column 2") {
		t.Errorf("detail %v", a.JSON["detail"])
	}
}

func TestBulkOfNothingGood(t *testing.T) {
	p := start(t, options{})
	a := p.do(t, "POST", "/api/v1/messages/bulk", `{"from":"A","text":"x","messages":[{"to":"a"},{"to":"b"}]}`)
	a.want(t, 422, "all_rejected")
	if a.JSON["rejected"] != 2.0 || len(a.JSON["errors"].([]any)) != 2 {
		t.Errorf("answer %s", a.Body)
	}
	if n := len(p.sink.Messages()); n != 0 {
		t.Errorf("%d messages accepted", n)
	}
}

func TestGetListAndCancel(t *testing.T) {
	p := start(t, options{})
	id := p.do(t, "POST", "/api/v1/messages", hello).JSON["message_id"].(string)
	a := p.do(t, "GET", "/api/v1/messages/"+id, "")
	a.want(t, 200, "")
	for name, want := range map[string]any{"text": "hello", "from": "ACME", "to": "+4915112345678", "status": "PENDING", "smsc": "default", "parts": 1.0, "client_ref": "r-1", "attempts": 0.0} {
		if a.JSON[name] != want {
			t.Errorf("%s = %v, want %v", name, a.JSON[name], want)
		}
	}
	p.do(t, "GET", "/api/v1/messages/0000000000000001", "").want(t, 404, "not_found")
	p.do(t, "GET", "/api/v1/messages/nonsense", "").want(t, 404, "not_found")
	p.do(t, "DELETE", "/api/v1/messages/"+id, "").want(t, 200, "")
	p.do(t, "DELETE", "/api/v1/messages/"+id, "").want(t, 200, "") // again
	p.sink.Messages()[0].Status = message.Sent
	p.do(t, "DELETE", "/api/v1/messages/"+id, "").want(t, 409, "not_cancellable")

	for range 4 {
		p.do(t, "POST", "/api/v1/messages", hello).want(t, 201, "")
	}
	var seen int
	for path := "/api/v1/messages?limit=2"; ; {
		a := p.do(t, "GET", path, "")
		a.want(t, 200, "")
		seen += len(a.JSON["messages"].([]any))
		if a.JSON["next_cursor"] == nil {
			break
		}
		path = "/api/v1/messages?limit=2&cursor=" + a.JSON["next_cursor"].(string)
	}
	if seen != 5 {
		t.Errorf("a walk saw %d messages, want 5", seen)
	}
	if a := p.do(t, "GET", "/api/v1/messages?to=%2B49%20151%2012345678&status=pending", ""); len(a.JSON["messages"].([]any)) != 4 {
		t.Errorf("filtered list %s", a.Body)
	}
}

func TestReleaseAndCancelOfHeldMessages(t *testing.T) {
	p := start(t, options{})
	id := p.do(t, "POST", "/api/v1/messages", hello).JSON["message_id"].(string)
	release := "/api/v1/messages/" + id + "/release"
	p.do(t, "POST", release, "").want(t, 409, "not_held")
	p.sink.Messages()[0].Status = message.Held
	p.do(t, "GET", release, "").want(t, 405, "method_not_allowed")
	other := p.do(t, "POST", "/api/v1/accounts", `{"name":"other"}`, "X-API-Key", p.admin).JSON["api_key"].(string)
	p.do(t, "POST", release, "", "X-API-Key", other).want(t, 404, "not_found")
	a := p.do(t, "POST", release, "")
	if a.want(t, 200, ""); a.JSON["status"] != "PENDING" || a.JSON["message_id"] != id {
		t.Errorf("answer %s", a.Body)
	}
	p.do(t, "POST", release, "").want(t, 409, "not_held")
	p.sink.Messages()[0].Status = message.Held
	p.do(t, "POST", release, "", "X-API-Key", p.admin).want(t, 200, "")
	p.sink.Messages()[0].Status = message.Held
	p.do(t, "DELETE", "/api/v1/messages/"+id, "").want(t, 200, "")
	p.do(t, "POST", release, "").want(t, 409, "not_held")
}

func TestAccountsSeeOnlyTheirOwn(t *testing.T) {
	p := start(t, options{})
	id := p.do(t, "POST", "/api/v1/messages", hello).JSON["message_id"].(string)
	other := p.do(t, "POST", "/api/v1/accounts", `{"name":"other"}`, "X-API-Key", p.admin)
	other.want(t, 201, "")
	key := other.JSON["api_key"].(string)
	p.do(t, "GET", "/api/v1/messages/"+id, "", "X-API-Key", key).want(t, 404, "not_found")
	p.do(t, "DELETE", "/api/v1/messages/"+id, "", "X-API-Key", key).want(t, 404, "not_found")
	if a := p.do(t, "GET", "/api/v1/messages", "", "X-API-Key", key); len(a.JSON["messages"].([]any)) != 0 {
		t.Errorf("another account's list shows %s", a.Body)
	}
	p.do(t, "GET", fmt.Sprintf("/api/v1/messages?account_id=%d", p.acme.ID), "", "X-API-Key", key).want(t, 403, "forbidden")
	p.do(t, "GET", "/api/v1/messages/"+id, "", "X-API-Key", p.admin).want(t, 200, "")
	if a := p.do(t, "GET", "/api/v1/messages", "", "X-API-Key", p.admin); len(a.JSON["messages"].([]any)) != 1 {
		t.Errorf("the admin's list shows %s", a.Body)
	}
}

func TestCredentials(t *testing.T) {
	p := start(t, options{})
	none := p.do(t, "GET", "/api/v1/messages", "", "X-API-Key", "")
	none.want(t, 401, "unauthorized")
	if none.Header.Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
	p.do(t, "GET", "/api/v1/messages", "", "X-API-Key", "pb_wrong").want(t, 401, "invalid_credentials")
	p.do(t, "GET", "/api/v1/messages", "", "X-API-Key", "", "Authorization", "Bearer "+p.key).want(t, 200, "")
	p.do(t, "GET", "/api/v1/messages", "", "X-API-Key", "", "Authorization", "Bearer x").want(t, 401, "invalid_credentials")
	p.do(t, "GET", "/api/v1/messages", "", "X-API-Key", "", "Authorization", "Digest x").want(t, 401, "invalid_credentials")

	made := p.do(t, "POST", "/api/v1/accounts", `{"name":"smpp","system_id":"box","password":"geheim12"}`, "X-API-Key", p.admin)
	made.want(t, 201, "")
	basic := func(user, password string) answer {
		req, err := http.NewRequest("GET", p.URL+"/api/v1/messages", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(user, password)
		return p.send(t, req)
	}
	basic("box", "geheim12").want(t, 200, "")
	basic("box", "geheim12").want(t, 200, "")
	basic("box", "wrong").want(t, 401, "invalid_credentials")
	basic("nobody", "geheim12").want(t, 401, "invalid_credentials")
	p.do(t, "PATCH", fmt.Sprintf("/api/v1/accounts/%v", made.JSON["account_id"]), `{"disabled":true}`, "X-API-Key", p.admin).want(t, 200, "")
	basic("box", "geheim12").want(t, 403, "account_disabled")
	p.do(t, "GET", "/api/v1/messages", "", "X-API-Key", made.JSON["api_key"].(string)).want(t, 403, "account_disabled")
}

func TestDevNeedsNoCredentials(t *testing.T) {
	p := start(t, options{dev: true})
	p.do(t, "POST", "/api/v1/messages", hello, "X-API-Key", "").want(t, 201, "")
	p.do(t, "POST", "/api/v1/messages", hello, "X-API-Key", "dev-api-key").want(t, 201, "")
	p.do(t, "POST", "/api/v1/messages", hello, "X-API-Key", "wrong").want(t, 401, "invalid_credentials")

	// A page of another site must not use the browser on this machine.
	p.do(t, "POST", "/api/v1/messages", hello, "X-API-Key", "", "Origin", "https://evil.example").want(t, 403, "forbidden")
	p.do(t, "POST", "/api/v1/messages", hello, "X-API-Key", "", "Origin", p.URL).want(t, 201, "")
	req, err := http.NewRequest("GET", p.URL+"/api/v1/messages", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "rebound.example"
	p.send(t, req).want(t, 403, "forbidden")
}

func TestSpecialMessages(t *testing.T) {
	p := start(t, options{})
	a := p.do(t, "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","data":"AQL/","udh":"0605040b8423f0"}`)
	a.want(t, 201, "")
	if m := p.sink.Messages()[0]; string(m.Payload) != "\x06\x05\x04\x0b\x84\x23\xf0\x01\x02\xff" || a.JSON["encoding"] != "BINARY" {
		t.Errorf("% x, %v", m.Payload, a.JSON)
	}
	a = p.do(t, "POST", "/api/v1/messages", `{"from":"ACME","to":"1512345678","text":"“x”","transliterate":true}`)
	a.want(t, 201, "")
	if a.JSON["transliterated"] != true || a.JSON["encoding"] != "GSM7" {
		t.Errorf("%v", a.JSON)
	}
	a = p.do(t, "POST", "/api/v1/messages/bulk", `{"from":"ACME","transliterate":true,"dest_port":2948,"messages":[
		{"to":"1512345678","text":"plain"},{"to":"12","text":"bad"},{"to":"1512345678","text":"it’s","dest_port":7}]}`)
	a.want(t, 201, "")
	if got := fmt.Sprint(a.JSON["transliterated"]); got != "[2]" {
		t.Errorf("transliterated %s: %s", got, a.Body)
	}
	msgs := p.sink.Messages()
	if got := msgs[len(msgs)-2].Payload; string(got) != "\x06\x05\x04\x0b\x84\x00\x00plain" {
		t.Errorf("a common port: % x", got)
	}
	if got := msgs[len(msgs)-1].Payload; string(got) != "\x06\x05\x04\x00\x07\x00\x00it's" {
		t.Errorf("a port of its own: % x", got)
	}
	for body, code := range map[string]string{
		`{"from":"ACME","to":"1512345678","text":"x","udh":"05"}`:           "invalid_user_data_header",
		`{"from":"ACME","to":"1512345678","text":"x","dest_port":65536}`:    "out_of_range",
		`{"from":"ACME","to":"1512345678","text":"x","udh":7}`:              "wrong_type",
		`{"from":"ACME","to":"1512345678","transliterate":true}`:            "missing_text",
		`{"from":"ACME","to":"1512345678","text":"x","transliterate":"no"}`: "wrong_type",
	} {
		p.do(t, "POST", "/api/v1/messages", body).want(t, 422, code)
	}
}

func TestOrderedIsHandedOn(t *testing.T) {
	p := start(t, options{})
	for body, want := range map[string]string{
		`{"messages":[{"from":"ACME","to":"1512345678","text":"x","ordered":true},{"from":"ACME","to":"1512345679","text":"x"}]}`:                 "true false",
		`{"ordered":true,"messages":[{"from":"ACME","to":"1512345678","text":"x"},{"from":"ACME","to":"1512345679","text":"x","ordered":false}]}`: "true false",
	} {
		before := len(p.sink.Messages())
		p.do(t, "POST", "/api/v1/messages/bulk", body)
		msgs := p.sink.Messages()[before:]
		if len(msgs) != 2 {
			t.Fatalf("%d messages of %s", len(msgs), body)
		}
		if got := fmt.Sprint(msgs[0].Flags&message.Ordered != 0, msgs[1].Flags&message.Ordered != 0); got != want {
			t.Errorf("%s of %s", got, body)
		}
	}
}
