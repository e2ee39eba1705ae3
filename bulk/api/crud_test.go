package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/message"
)

func TestCampaignFromDraftToTheEnd(t *testing.T) {
	p := start(t, options{})
	a := p.do(t, "POST", "/api/v1/campaigns", `{"name":"Spring","sender_id":"ACME","message_content":"Sale!","recipient_type":"MANUAL",
		"total_recipients":1000,"schedule_type":"IMMEDIATE","priority":"NORMAL","max_tps":100}`)
	a.want(t, 201, "")
	if a.JSON["status"] != "DRAFT" || a.JSON["total_recipients"] != 1000.0 || a.JSON["max_tps"] != 100.0 {
		t.Fatalf("campaign %s", a.Body)
	}
	path := "/api/v1/campaigns/" + a.JSON["campaign_id"].(string)
	if got := a.Header.Get("Location"); got != path {
		t.Errorf("Location %q", got)
	}
	p.do(t, "POST", path+"/start", "").want(t, 422, "no_recipients")
	p.do(t, "POST", path+"/pause", "").want(t, 409, "illegal_transition")
	a = p.do(t, "PATCH", path, `{"message_content":"Sale today!","max_tps":0,"colour":1}`)
	a.want(t, 200, "")
	if a.JSON["message_content"] != "Sale today!" || a.JSON["name"] != "Spring" || a.JSON["max_tps"] != 0.0 || a.JSON["warnings"] == nil {
		t.Errorf("changed campaign %s", a.Body)
	}
	p.do(t, "PATCH", path, `{"text":"a","message_content":"b"}`).want(t, 422, "duplicate_field")
	p.do(t, "PATCH", path, `{"name":""}`).want(t, 422, "validation_failed")
	p.do(t, "POST", path+"/recipients", `{"recipients":[]}`).want(t, 422, "no_recipients")
	a = p.do(t, "POST", path+"/recipients", `{"recipients":["1512345670",{"to":"1512345671","name":"Ann"},{"msisdn":"x1"}]}`)
	a.want(t, 200, "")
	if a.JSON["total_recipients"] != 2.0 || !strings.Contains(a.Body, `"import":{"state":"DONE",`) || !strings.Contains(a.Body, `"rows":3,"added":2,"refused":1,"duplicates":0}`) {
		t.Errorf("campaign %s", a.Body)
	}
	if file := p.do(t, "GET", path+"/errors", ""); !strings.Contains(file.Body, "3,to,invalid_recipient,") {
		t.Errorf("error file %s", file.Body)
	}
	if got := p.do(t, "GET", path+"/recipients", ""); !strings.Contains(got.Body, `{"ordinal":2,"to":"1512345671","values":{"name":"Ann"}}`) {
		t.Errorf("recipients %s", got.Body)
	}
	p.do(t, "POST", path+"/test", `{"to":"nobody"}`).want(t, 422, "invalid_recipient")
	p.do(t, "POST", path+"/test", `{"to":"1512345699"}`).want(t, 201, "")
	if m := p.sink.Messages()[0]; string(m.Payload) != "Sale today!" || m.Campaign != 0 {
		t.Errorf("test message %+v", m)
	}
	p.do(t, "POST", path+"/start", "").want(t, 200, "")

	id, err := message.ParseID(a.JSON["campaign_id"].(string))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := p.store.Wait(ctx, id, func(r campaign.Row) bool { return r.Status == campaign.Completed }); err != nil {
		t.Fatal(err)
	}
	a = p.do(t, "GET", path, "")
	a.want(t, 200, "")
	progress := a.JSON["progress"].(map[string]any)
	if progress["accepted"] != 2.0 || progress["refused"] != 0.0 || progress["processed"] != 2.0 || !strings.Contains(a.Body, `"PENDING":2`) {
		t.Errorf("progress %v", progress)
	}
	if got := p.do(t, "GET", "/api/v1/messages?campaign_id="+id.String(), ""); len(got.JSON["messages"].([]any)) != 2 {
		t.Errorf("messages %s", got.Body)
	}
	p.do(t, "GET", path, "", "X-API-Key", p.admin).want(t, 200, "")
	if got := p.do(t, "GET", "/api/v1/campaigns", ""); len(got.JSON["campaigns"].([]any)) != 1 {
		t.Errorf("list %s", got.Body)
	}
	p.do(t, "DELETE", path, "").want(t, 204, "")
	p.do(t, "GET", path, "").want(t, 404, "not_found")
}

func TestAccountsAndKeys(t *testing.T) {
	p := start(t, options{})
	a := p.do(t, "POST", "/api/v1/accounts", `{"name":"shop","system_id":"shop","tps":50,"default_encoding":"UCS2","max_binds":3}`, "X-API-Key", p.admin)
	a.want(t, 201, "")
	if a.JSON["api_key"] == nil || len(a.JSON["password"].(string)) != 8 || a.JSON["tps"] != 50.0 || a.JSON["default_encoding"] != "UCS2" {
		t.Fatalf("account %s", a.Body)
	}
	key, path := a.JSON["api_key"].(string), a.Header.Get("Location")
	p.do(t, "POST", "/api/v1/accounts", `{"name":"shop"}`, "X-API-Key", p.admin).want(t, 409, "conflict")
	p.do(t, "POST", "/api/v1/accounts", `{"name":"","tps":-1}`, "X-API-Key", p.admin).want(t, 422, "validation_failed")
	p.do(t, "POST", "/api/v1/accounts", `{"name":"x","role":"king"}`, "X-API-Key", p.admin).want(t, 422, "invalid_role")

	get := p.do(t, "GET", path, "", "X-API-Key", key)
	get.want(t, 200, "")
	for _, secret := range []string{"api_key", "password", "webhook_secret"} {
		if get.JSON[secret] != nil {
			t.Errorf("%s is shown again", secret)
		}
	}
	p.do(t, "GET", path, "").want(t, 404, "not_found") // acme must not see it
	if all := p.do(t, "GET", "/api/v1/accounts", ""); len(all.JSON["accounts"].([]any)) != 1 {
		t.Errorf("a customer sees %s", all.Body)
	}
	p.do(t, "PATCH", path, `{"tps":1000}`, "X-API-Key", key).want(t, 403, "forbidden")
	own := p.do(t, "PATCH", "/api/v1/accounts/me", `{"default_sender":"SHOP"}`, "X-API-Key", key)
	own.want(t, 200, "")
	if own.JSON["default_sender"] != "SHOP" || own.JSON["tps"] != 50.0 {
		t.Errorf("account %s", own.Body)
	}
	p.do(t, "POST", "/api/v1/messages", `{"to":"1512345678","text":"x"}`, "X-API-Key", key).want(t, 201, "")
	if m := p.sink.Messages()[0]; m.Source.Addr != "SHOP" || m.DataCoding != 8 {
		t.Errorf("the account's defaults were not used: %+v", m)
	}

	made := p.do(t, "POST", path+"/keys", `{"name":"laptop"}`, "X-API-Key", key)
	made.want(t, 201, "")
	second, prefix := made.JSON["api_key"].(string), made.JSON["prefix"].(string)
	if all := p.do(t, "GET", path+"/keys", "", "X-API-Key", second); len(all.JSON["keys"].([]any)) != 2 || strings.Contains(all.Body, second) {
		t.Errorf("keys %s", all.Body)
	}
	p.do(t, "DELETE", path+"/keys/"+prefix, "", "X-API-Key", key).want(t, 204, "")
	p.do(t, "GET", path, "", "X-API-Key", second).want(t, 401, "invalid_credentials")
	p.do(t, "POST", path+"/password", `{"password":"neues123"}`, "X-API-Key", key).want(t, 200, "")
	p.do(t, "POST", path+"/password", `{"password":"has space"}`, "X-API-Key", key).want(t, 422, "validation_failed")
	if _, err := p.accounts.Verify("shop", "neues123", "192.0.2.1"); err != nil {
		t.Error(err)
	}
}

func TestWebhookSettings(t *testing.T) {
	p := start(t, options{})
	p.do(t, "PUT", "/api/v1/webhooks", `{"dlr_url":"https://example.com/dlr"}`).want(t, 200, "")
	a := p.do(t, "GET", "/api/v1/webhooks", "")
	if a.JSON["dlr_url"] != "https://example.com/dlr" || !strings.HasPrefix(fmt.Sprint(a.JSON["webhook_secret"]), "whsec_") {
		t.Errorf("webhook %s", a.Body)
	}
	p.do(t, "PUT", "/api/v1/webhooks", `{"dlr_url":"gopher://x"}`).want(t, 422, "validation_failed")
	p.do(t, "POST", "/api/v1/messages", hello).want(t, 201, "")
	if m := p.sink.Messages()[0]; m.Flags&message.NotifyFinal == 0 || m.DLRURL != "" {
		t.Errorf("flags %b, url %q: the account's webhook is to be used", m.Flags, m.DLRURL)
	}
}

func TestInsight(t *testing.T) {
	p := start(t, options{})
	a := p.do(t, "GET", "/api/v1/health", "", "X-API-Key", "")
	a.want(t, 200, "")
	if a.JSON["status"] != "healthy" || a.JSON["version"] != "1.2.3" || a.JSON["uptime"] == nil {
		t.Errorf("health %s", a.Body)
	}
	p.do(t, "GET", "/api/v1/health/ready", "", "X-API-Key", "").want(t, 200, "")
	p.insight.notReady = errors.New("the connector default is down")
	ready := p.do(t, "GET", "/api/v1/health/ready", "", "X-API-Key", "")
	ready.want(t, 503, "not_ready")
	if !strings.Contains(ready.Body, "connector default") || ready.Header.Get("Retry-After") == "" {
		t.Errorf("not ready: %s", ready.Body)
	}
	if a := p.do(t, "GET", "/metrics", "", "X-API-Key", ""); a.Status != 200 || a.Body != "# metrics\n" {
		t.Errorf("metrics: %d %q", a.Status, a.Body)
	}
	own := p.do(t, "GET", "/api/v1/statistics", "")
	all := p.do(t, "GET", "/api/v1/statistics", "", "X-API-Key", p.admin)
	if own.JSON["accepted"] != float64(p.acme.ID)+11 || all.JSON["accepted"] != 11.0 {
		t.Errorf("statistics %s and %s", own.Body, all.Body)
	}
	for path, want := range map[string]string{"connectors": `"name":"default"`, "queues": `"priority":"HIGH"`, "routes": `everything goes to`} {
		a := p.do(t, "GET", "/api/v1/"+path, "", "X-API-Key", p.admin)
		if a.Status != 200 || !strings.Contains(a.Body, want) {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	p.do(t, "GET", "/api/v1/balance", "").want(t, 200, "")
	if a.Header.Get("Cache-Control") == "" {
		t.Error("no Cache-Control")
	}
}
