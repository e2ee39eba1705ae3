package api_test

import (
	"strings"
	"testing"

	"protei-bulk/bulk/account"
)

func TestAReplacedSenderIsTold(t *testing.T) {
	p := start(t, options{spec: account.Spec{Senders: []string{"ACME", "Shop*"}, SenderPolicy: account.ReplaceSender, DefaultSender: "ACME"}})
	a := p.do(t, "POST", "/api/v1/messages", `{"from":"Other","to":"1512345678","text":"x"}`)
	a.want(t, 201, "")
	if a.JSON["sender_replaced"] != true || a.JSON["from"] != "ACME" {
		t.Errorf("answer %s", a.Body)
	}
	a = p.do(t, "POST", "/api/v1/messages", `{"from":"Shop1","to":"1512345678","text":"x"}`)
	if a.want(t, 201, ""); a.JSON["sender_replaced"] != nil {
		t.Errorf("answer %s", a.Body)
	}
	a = p.do(t, "POST", "/api/v1/messages/bulk", `{"messages":[{"from":"ACME","to":"1512345678","text":"x"},{"from":"No","to":"x","text":"x"},{"from":"No","to":"1512345678","text":"x"}]}`)
	if a.want(t, 201, ""); !strings.Contains(a.Body, `"sender_replaced":[2]`) {
		t.Errorf("answer %s", a.Body)
	}
	p.do(t, "PATCH", "/api/v1/accounts/2", `{"sender_policy":"refuse"}`, "X-API-Key", p.admin).want(t, 200, "")
	p.do(t, "POST", "/api/v1/messages", `{"from":"Other","to":"1512345678","text":"x"}`).want(t, 422, "sender_not_allowed")
	p.do(t, "PATCH", "/api/v1/accounts/me", `{"default_sender":"Other"}`).want(t, 422, "validation_failed")
	p.do(t, "PATCH", "/api/v1/accounts/me", `{"default_sender":"Shop9"}`).want(t, 200, "")
	p.do(t, "PATCH", "/api/v1/accounts/me", `{"senders":[]}`).want(t, 403, "forbidden")
}
