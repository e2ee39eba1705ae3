package api_test

import (
	"fmt"
	"strings"
	"testing"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/money"
)

func amount(text string) *money.Amount {
	a, err := money.Parse(text)
	if err != nil {
		panic(err)
	}
	return &a
}

// prepaid is a customer who pays 0.05 for a part.
func prepaid() options {
	return options{spec: account.Spec{Name: "acme", Billing: account.Billing{Mode: account.Prepaid, Price: amount("0.05"), Currency: "TMT"}}}
}

func (p *platform) asAdmin() []string { return []string{"X-API-Key", p.admin} }

func (p *platform) path(rest string) string {
	return fmt.Sprintf("/api/v1/accounts/%d/%s", p.acme.ID, rest)
}

func TestPrepaidAccount(t *testing.T) {
	p := start(t, prepaid())
	refused := p.do(t, "POST", "/api/v1/messages", hello)
	refused.want(t, 402, "insufficient_balance")
	if !strings.Contains(refused.Body, "costs 0.05") {
		t.Errorf("the refusal does not name the price: %s", refused.Body)
	}
	p.do(t, "POST", p.path("topup"), `{"amount":1}`).want(t, 403, "forbidden")
	top := p.do(t, "POST", p.path("topup"), `{"amount":"0.12","reference":"inv-1","note":"cash"}`, p.asAdmin()...)
	top.want(t, 201, "")
	again := p.do(t, "POST", p.path("topup"), `{"amount":0.12,"reference":"inv-1"}`, p.asAdmin()...)
	again.want(t, 200, "")
	if top.JSON["movement_id"] != again.JSON["movement_id"] || again.JSON["repeated"] != true || top.JSON["currency"] != "TMT" {
		t.Errorf("the repeat is answered with %s", again.Body)
	}
	p.do(t, "POST", p.path("topup"), `{"amount":0.13,"reference":"inv-1"}`, p.asAdmin()...).want(t, 409, "reference_used")

	bulk := p.do(t, "POST", "/api/v1/messages/bulk", `{"messages":[`+hello+`,`+hello+`,`+hello+`]}`)
	bulk.want(t, 201, "")
	if bulk.JSON["accepted"] != 2.0 || !strings.Contains(bulk.Body, `"code":"insufficient_balance"`) {
		t.Errorf("with money for two of three: %s", bulk.Body)
	}
	b := p.do(t, "GET", "/api/v1/balance", "")
	b.want(t, 200, "")
	for _, want := range []string{`"balance":0.02`, `"reserved":0.1`, `"available":0.02`, `"unlimited":false`, `"billing":"prepaid"`, `"charged":0.1`} {
		if !strings.Contains(b.Body, want) {
			t.Errorf("%s is not in %s", want, b.Body)
		}
	}
	p.do(t, "POST", "/api/v1/messages/bulk", `{"messages":[`+hello+`]}`).want(t, 402, "insufficient_balance")
	list := p.do(t, "GET", p.path("movements"), "")
	if n := len(list.JSON["movements"].([]any)); list.Status != 200 || n != 1 {
		t.Errorf("movements %s", list.Body)
	}
	p.do(t, "POST", p.path("adjust"), `{"amount":-0.03}`, p.asAdmin()...).want(t, 402, "insufficient_balance")
	p.do(t, "POST", p.path("adjust"), `{"amount":-0.02,"note":"wrong price"}`, p.asAdmin()...).want(t, 201, "")
	p.do(t, "PATCH", p.path(""), "").want(t, 404, "not_found")
	p.do(t, "PATCH", strings.TrimSuffix(p.path(""), "/"), `{"credit_limit":0.05}`, p.asAdmin()...).want(t, 200, "")
	m := p.do(t, "POST", "/api/v1/messages", hello)
	m.want(t, 201, "")
	if got := p.do(t, "GET", m.Header.Get("Location"), ""); !strings.Contains(got.Body, `"price":0.05,"charged":0.05`) {
		t.Errorf("message %s", got.Body)
	}
	p.do(t, "POST", "/api/v1/messages", hello).want(t, 402, "insufficient_balance")
}

func TestPostpaidAccountsAreCountedOnly(t *testing.T) {
	p := start(t, options{spec: account.Spec{Name: "acme", Billing: account.Billing{Price: amount("0.25")}}})
	p.do(t, "POST", "/api/v1/messages", hello).want(t, 201, "")
	b := p.do(t, "GET", "/api/v1/balance", "")
	if !strings.Contains(b.Body, `"balance":-0.25`) || !strings.Contains(b.Body, `"unlimited":true,"available":null`) {
		t.Errorf("balance %s", b.Body)
	}
}

func TestMoneyNamesWhatIsWrong(t *testing.T) {
	p := start(t, prepaid())
	for body, code := range map[string]string{
		`{}`:                   "validation_failed",
		`{"amount":-1}`:        "validation_failed",
		`{"amount":1e3}`:       "invalid_amount",
		`{"amount":0.0000001}`: "invalid_amount",
		`{"amount":true}`:      "invalid_amount",
		`{"amount":1,"reference":"` + strings.Repeat("r", 65) + `"}`: "validation_failed",
	} {
		if a := p.do(t, "POST", p.path("topup"), body, p.asAdmin()...); a.Status != 422 || !strings.Contains(a.Body, code) {
			t.Errorf("%s: %s", body, a.Body)
		}
	}
	for body, field := range map[string]string{
		`{"billing":"later"}`: "/billing", `{"credit_limit":-1}`: "/credit_limit", `{"price":1001}`: "/price",
		`{"refunds":["LOST"]}`: "/refunds", `{"currency":"euro"}`: "/currency", `{"parent":77}`: "/parent", `{"shared_balance":true}`: "/shared_balance",
	} {
		if a := p.do(t, "PATCH", strings.TrimSuffix(p.path(""), "/"), body, p.asAdmin()...); a.Status != 422 || !strings.Contains(a.Body, `"pointer":"`+field+`"`) {
			t.Errorf("%s: %s", body, a.Body)
		}
	}
	for query, pointer := range map[string]string{"?limit=0": "?limit", "?cursor=x": "?cursor"} {
		a := p.do(t, "GET", p.path("movements")+query, "")
		a.want(t, 400, "invalid_parameter")
		if !strings.Contains(a.Body, `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %s", query, a.Body)
		}
	}
}

// family is a reseller with a child, and a stranger who has one, too.
type family struct {
	*platform
	parent, child, stranger, theirs string // API keys
	childID, theirsID, strangerID   string
}

func newFamily(t *testing.T) *family {
	f := &family{platform: start(t, prepaid())}
	make := func(key, body string) (string, string) {
		a := f.do(t, "POST", "/api/v1/accounts", body, "X-API-Key", key)
		a.want(t, 201, "")
		return a.JSON["api_key"].(string), fmt.Sprint(a.JSON["account_id"])
	}
	var parentID string
	f.parent, parentID = make(f.admin, `{"name":"reseller","role":"reseller","billing":"prepaid","price":0.05,"tps":100}`)
	f.stranger, f.strangerID = make(f.admin, `{"name":"stranger","role":"reseller","billing":"prepaid"}`)
	f.child, f.childID = make(f.parent, `{"name":"child","tps":10}`)
	f.theirs, f.theirsID = make(f.stranger, `{"name":"theirs"}`)
	f.do(t, "POST", "/api/v1/accounts/"+parentID+"/topup", `{"amount":1}`, f.asAdmin()...).want(t, 201, "")
	return f
}

func TestParentAndChild(t *testing.T) {
	f := newFamily(t)
	as := func(key string) []string { return []string{"X-API-Key", key} }
	child := "/api/v1/accounts/" + f.childID
	if a := f.do(t, "GET", child, "", as(f.parent)...); a.JSON["billing"] != "prepaid" || a.JSON["tps"] != 10.0 || a.JSON["role"] != "customer" {
		t.Errorf("child %s", a.Body)
	}
	if a := f.do(t, "GET", "/api/v1/accounts", "", as(f.parent)...); len(a.JSON["accounts"].([]any)) != 2 {
		t.Errorf("the parent's list: %s", a.Body)
	}
	// The child pays with what its parent gave it, at its parent's price.
	f.do(t, "POST", "/api/v1/messages", hello, as(f.child)...).want(t, 402, "insufficient_balance")
	f.do(t, "POST", child+"/transfer", `{"amount":1.01}`, as(f.parent)...).want(t, 402, "insufficient_balance")
	f.do(t, "POST", child+"/transfer", `{"amount":0.06,"reference":"t1"}`, as(f.parent)...).want(t, 201, "")
	m := f.do(t, "POST", "/api/v1/messages", hello, as(f.child)...)
	m.want(t, 201, "")
	f.do(t, "POST", child+"/transfer", `{"amount":-0.02}`, as(f.parent)...).want(t, 402, "insufficient_balance")
	f.do(t, "POST", child+"/transfer", `{"amount":-0.01}`, as(f.parent)...).want(t, 201, "")
	if a := f.do(t, "GET", child+"/movements", "", as(f.parent)...); len(a.JSON["movements"].([]any)) != 2 {
		t.Errorf("movements %s", a.Body)
	}
	// Its messages are seen, and not touched.
	f.do(t, "GET", m.Header.Get("Location"), "", as(f.parent)...).want(t, 200, "")
	f.do(t, "DELETE", m.Header.Get("Location"), "", as(f.parent)...).want(t, 403, "forbidden")
	if a := f.do(t, "GET", "/api/v1/messages?account_id="+f.childID, "", as(f.parent)...); a.Status != 200 || len(a.JSON["messages"].([]any)) != 1 || fmt.Sprint(a.JSON["messages"].([]any)[0].(map[string]any)["account_id"]) != f.childID {
		t.Errorf("messages of the child: %s", a.Body)
	}
	// With the parent's balance it needs none of its own.
	f.do(t, "PATCH", child, `{"shared_balance":true}`, as(f.parent)...).want(t, 200, "")
	f.do(t, "POST", "/api/v1/messages", hello, as(f.child)...).want(t, 201, "")
	if a := f.do(t, "GET", "/api/v1/balance", "", as(f.child)...); !strings.Contains(a.Body, `"balance":0.9,`) {
		t.Errorf("shared balance %s", a.Body)
	}
	f.do(t, "POST", child+"/transfer", `{"amount":0.01}`, as(f.parent)...).want(t, 409, "conflict")
	f.do(t, "PATCH", child, `{"currency":"USD"}`, f.asAdmin()...).want(t, 409, "conflict")
	// What only admins decide.
	for _, body := range []string{
		`{"billing":"postpaid"}`, `{"credit_limit":5}`, `{"price":0}`, `{"role":"admin"}`, `{"parent":0}`, `{"currency":"USD"}`,
		`{"senders":["X"]}`, `{"refunds":["FAILED"]}`,
	} {
		f.do(t, "PATCH", child, body, as(f.parent)...).want(t, 403, "forbidden")
		f.do(t, "POST", "/api/v1/accounts", `{"name":"x",`+body[1:], as(f.parent)...).want(t, 403, "forbidden")
	}
	for _, body := range []string{`{"tps":101}`, `{"tps":0}`} {
		f.do(t, "PATCH", child, body, as(f.parent)...).want(t, 422, "")
	}
	f.do(t, "POST", "/api/v1/accounts", `{"name":"grandchild"}`, as(f.child)...).want(t, 403, "forbidden")
	f.do(t, "PATCH", child, `{"disabled":true}`, as(f.parent)...).want(t, 200, "")
	f.do(t, "GET", "/api/v1/balance", "", as(f.child)...).want(t, 403, "account_disabled")
}

// TestNobodyReachesAnotherFamily makes every call that names an account with the number of
// somebody else's.
func TestNobodyReachesAnotherFamily(t *testing.T) {
	f := newFamily(t)
	f.do(t, "POST", "/api/v1/accounts/"+f.strangerID+"/topup", `{"amount":1}`, f.asAdmin()...).want(t, 201, "")
	f.do(t, "POST", "/api/v1/accounts/"+f.theirsID+"/transfer", `{"amount":1}`, "X-API-Key", f.stranger).want(t, 201, "")
	m := f.do(t, "POST", "/api/v1/messages", hello, "X-API-Key", f.theirs)
	m.want(t, 201, "")
	calls := []struct{ method, path, body string }{
		{"GET", "", ""},
		{"PATCH", "", `{"default_sender":"X"}`},
		{"PATCH", "", `{"disabled":true}`},
		{"POST", "/password", ""},
		{"GET", "/keys", ""},
		{"POST", "/keys", `{"name":"x"}`},
		{"DELETE", "/keys/pb_x", ""},
		{"GET", "/usage", ""},
		{"GET", "/balance", ""},
		{"GET", "/movements", ""},
		{"POST", "/topup", `{"amount":1}`},
		{"POST", "/adjust", `{"amount":-1}`},
		{"POST", "/transfer", `{"amount":1}`},
		{"POST", "/transfer", `{"amount":-1}`},
	}
	for who, key := range map[string]string{"the parent": f.parent, "the child": f.child, "a customer": f.key} {
		for _, id := range []string{f.theirsID, f.strangerID, "1", "999"} {
			for _, c := range calls {
				a := f.do(t, c.method, "/api/v1/accounts/"+id+c.path, c.body, "X-API-Key", key)
				if a.Status != 404 && a.Status != 403 {
					t.Errorf("%s: %s %s%s is answered %d %s", who, c.method, id, c.path, a.Status, a.Body)
				}
			}
			a := f.do(t, "GET", "/api/v1/messages?account_id="+id, "", "X-API-Key", key)
			a.want(t, 403, "forbidden")
		}
		f.do(t, "GET", m.Header.Get("Location"), "", "X-API-Key", key).want(t, 404, "not_found")
		f.do(t, "DELETE", m.Header.Get("Location"), "", "X-API-Key", key).want(t, 404, "not_found")
	}
	c := f.do(t, "POST", "/api/v1/campaigns", `{"name":"x","sender_id":"Shop","message_content":"hi","recipients":["+15551234567"],"schedule_type":"SCHEDULED","schedule_at":"2030-02-01T00:00:00Z"}`, "X-API-Key", f.theirs)
	c.want(t, 201, "")
	campaign := "/api/v1/campaigns/" + c.JSON["campaign_id"].(string)
	foreign := []struct{ method, path, body string }{
		{"GET", campaign, ""},
		{"PATCH", campaign, `{"name":"y"}`},
		{"DELETE", campaign, ""},
		{"POST", campaign + "/start", ""},
		{"POST", campaign + "/pause", ""},
		{"POST", campaign + "/resume", ""},
		{"POST", campaign + "/cancel", ""},
		{"POST", campaign + "/test", `{"to":"+15551234567"}`},
		{"POST", campaign + "/recipients", `{"recipients":["+15551234567"]}`},
		{"GET", campaign + "/errors", ""},
		{"GET", campaign + "/preview", ""},
		{"POST", m.Header.Get("Location") + "/release", ""},
		{"GET", "/api/v1/blacklist?account_id=" + f.theirsID, ""},
		{"GET", "/api/v1/optouts?account_id=" + f.theirsID, ""},
		{"GET", "/api/v1/connectors", ""},
		{"GET", "/api/v1/routes", ""},
		{"GET", "/api/v1/queues", ""},
	}
	for who, key := range map[string]string{"the parent": f.parent, "the child": f.child, "a customer": f.key} {
		for _, call := range foreign {
			a := f.do(t, call.method, call.path, call.body, "X-API-Key", key)
			if a.Status < 400 || a.Status > 404 {
				t.Errorf("%s: %s %s is answered %d %s", who, call.method, call.path, a.Status, a.Body)
			}
		}
	}
	// A child does not reach its own parent, nor move money to itself.
	for _, c := range calls {
		a := f.do(t, c.method, "/api/v1/accounts/3"+c.path, c.body, "X-API-Key", f.child)
		if a.Status != 404 && a.Status != 403 {
			t.Errorf("the child: %s of its parent: %d %s", c.method+c.path, a.Status, a.Body)
		}
	}
	f.do(t, "POST", "/api/v1/accounts/me/transfer", `{"amount":1}`, "X-API-Key", f.child).want(t, 403, "forbidden")
	if got := f.money.Balance(5).Left; fmt.Sprint(5) != f.childID || got != 0 {
		t.Errorf("the child has %s", got)
	}
}
