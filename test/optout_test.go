package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"protei-bulk/smpp"
)

// TestStopIsDurableBeforeTheAnswer: a mobile that writes STOP is written to no more by the
// account that owns the number, also when the platform is killed right after it has told the
// SMSC that it has the message; the customer gets the message all the same, and START undoes it.
func TestStopIsDurableBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	const mobile, number = "15550007001", "1000"
	data, carrier := t.TempDir(), newCarrier(t)
	start := func() *platform { // with an SMSC of the test behind it
		return serveDev(t, "--data", data, "--upstream", carrier.upstream())
	}
	p := start()
	var shop, other struct {
		ID  int    `json:"account_id"`
		Key string `json:"api_key"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"shop","stop_reply":"You will hear no more of us."}`, &shop)
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"other","opt_out":"off"}`, &other)
	p.want(http.StatusCreated, "POST", "/api/v1/inbound/routes", fmt.Sprintf(`{"to":%q,"account_id":%d}`, number, shop.ID), nil)
	p.want(http.StatusCreated, "POST", "/api/v1/inbound/routes", fmt.Sprintf(`{"to":"2000","account_id":%d}`, other.ID), nil)

	as := func(key string) *platform { q := *p; q.key = key; return &q }
	send := func(key string) (int, string) {
		t.Helper()
		a := as(key).post("/api/v1/messages", fmt.Sprintf(`{"from":"Shop","to":"+%s","text":"Sale!"}`, mobile))
		return a.code, string(a.body)
	}
	write := func(to, text string) {
		t.Helper()
		if st, err := carrier.deliver(carrier.session(), fromMobile(mobile, to, text)); err != nil || st != smpp.ROK {
			t.Fatalf("%s to %s was answered %s, %v", text, to, st, err)
		}
	}
	if code, body := send(shop.Key); code != http.StatusCreated {
		t.Fatal(code, body)
	}
	write("2000", "STOP")         // to an account that looks after it itself
	write(number, "do not stop!") // asks for nothing
	if code, body := send(shop.Key); code != http.StatusCreated {
		t.Fatal(code, body)
	}
	write(number, "إيقاف") // in octets that are not UCS-2: asks for nothing that we can read
	write(number, "Stop.")
	p.kill()
	p = start()
	if code, body := send(shop.Key); code != http.StatusUnprocessableEntity || !strings.Contains(body, `"opted_out"`) {
		t.Errorf("after STOP and a kill: %d %s", code, body)
	}
	if code, body := send(other.Key); code != http.StatusCreated {
		t.Errorf("another account: %d %s", code, body)
	}
	var listed struct {
		Numbers []struct{ Number, Source string }
	}
	as(shop.Key).want(http.StatusOK, "GET", "/api/v1/optouts", "", &listed)
	if len(listed.Numbers) != 1 || listed.Numbers[0].Number != mobile || !strings.HasPrefix(listed.Numbers[0].Source, "message ") {
		t.Errorf("opt-outs %+v", listed)
	}
	var inbound struct {
		Messages []struct{ Text string }
	}
	p.want(http.StatusOK, "GET", "/api/v1/inbound/messages?to="+number, "", &inbound)
	if len(inbound.Messages) != 3 || inbound.Messages[0].Text != "Stop." {
		t.Errorf("the customer has %+v", inbound)
	}
	write(number, "START")
	if code, body := send(shop.Key); code != http.StatusCreated {
		t.Errorf("after START: %d %s", code, body)
	}
	write(number, "STOP")
	write(number, "STOP") // again: it is not confirmed twice
	var sent struct {
		Messages []struct{ From, To string }
	}
	replies := func() (n int) {
		as(shop.Key).want(http.StatusOK, "GET", "/api/v1/messages?limit=100&from="+number, "", &sent)
		return len(sent.Messages)
	}
	before := 0 // the kill may have taken the first confirmation
	waitUntil(t, 10e9, func() bool { before = replies(); return before >= 1 })
	if before < 1 || before > 2 {
		t.Errorf("%d confirmations: %+v", before, sent)
	}
	if code, _ := send(shop.Key); code != http.StatusUnprocessableEntity {
		t.Errorf("after the second STOP: %d", code)
	}
}
