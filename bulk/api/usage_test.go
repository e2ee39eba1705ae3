package api_test

import (
	"strings"
	"testing"

	"protei-bulk/bulk/account"
)

func TestLimitsOverREST(t *testing.T) {
	p := start(t, options{spec: account.Spec{DailyQuota: 3, TimeZone: "Asia/Dubai"}})
	a := p.do(t, "PATCH", "/api/v1/accounts/2", `{"tps":5,"burst":7,"tps_counts":"parts","daily_quota":2,"monthly_quota":1000,"time_zone":"Asia/Dubai","window":10}`, "X-API-Key", p.admin)
	a.want(t, 200, "")
	for field, want := range map[string]any{
		"burst": 7.0, "tps_counts": "parts", "daily_quota": 2.0, "monthly_quota": 1000.0, "time_zone": "Asia/Dubai", "window": 10.0,
	} {
		if a.JSON[field] != want {
			t.Errorf("%s is %v", field, a.JSON[field])
		}
	}
	p.do(t, "PATCH", "/api/v1/accounts/me", `{"daily_quota":5}`).want(t, 403, "forbidden")
	p.do(t, "PATCH", "/api/v1/accounts/2", `{"time_zone":"Nowhere"}`, "X-API-Key", p.admin).want(t, 422, "validation_failed")

	p.do(t, "POST", "/api/v1/messages", hello).want(t, 201, "")
	p.do(t, "POST", "/api/v1/messages", hello).want(t, 201, "")
	a = p.do(t, "POST", "/api/v1/messages", hello)
	a.want(t, 429, "quota_exceeded")
	// The day of Dubai ends at 20:00 UTC: 11 hours after the clock of these tests.
	if got := a.Header.Get("Retry-After"); got != "39600" || !strings.Contains(a.Body, "2030-02-01T00:00:00+04:00") {
		t.Errorf("Retry-After %s, %s", got, a.Body)
	}
	p.do(t, "POST", "/api/v1/messages/bulk", `{"from":"ACME","messages":[{"to":"1512345678","text":"x"}]}`).want(t, 429, "quota_exceeded")
	u := p.do(t, "GET", "/api/v1/accounts/me/usage", "")
	u.want(t, 200, "")
	day := u.JSON["day"].(map[string]any)
	if day["parts"] != 2.0 || day["quota"] != 2.0 || day["left"] != 0.0 || day["until"] != "2030-02-01T00:00:00+04:00" || u.JSON["tps_counts"] != "parts" {
		t.Errorf("usage %s", u.Body)
	}
	p.do(t, "GET", "/api/v1/accounts/1/usage", "").want(t, 404, "not_found")
}
