package api_test

import (
	"strings"
	"testing"
	"time"
)

func (p *platform) newKey(t *testing.T, path, body string) (key, prefix string) {
	t.Helper()
	a := p.do(t, "POST", path+"/keys", body, "X-API-Key", p.admin)
	a.want(t, 201, "")
	return a.JSON["api_key"].(string), a.JSON["prefix"].(string)
}

func TestScopesCloseEverythingElse(t *testing.T) {
	p := start(t, options{})
	calls := map[string][3]string{ // scope → a call that it opens, and its answer's status
		"messages:send": {"POST", "/api/v1/messages", hello},
		"messages:read": {"GET", "/api/v1/messages", ""},
		"campaigns":     {"GET", "/api/v1/campaigns", ""},
		"account:read":  {"GET", "/api/v1/accounts/me", ""},
		"account:write": {"PATCH", "/api/v1/accounts/me", `{"default_sender":"X"}`},
		"keys":          {"DELETE", "/api/v1/accounts/me/keys/pb_nothing", ""},
		"webhooks":      {"GET", "/api/v1/webhooks", ""},
	}
	for scope := range calls {
		key, prefix := p.newKey(t, "/api/v1/accounts/2", `{"name":"one scope","scopes":["`+scope+`"]}`)
		for other, call := range calls {
			a := p.do(t, call[0], call[1], call[2], "X-API-Key", key)
			if other == scope {
				if a.Status == 401 || a.Status == 403 {
					t.Errorf("%s: %s %s: %s", scope, call[0], call[1], a.Body)
				}
				continue
			}
			a.want(t, 403, "missing_scope")
			if detail := a.JSON["detail"].(string); !strings.HasSuffix(detail, "this needs "+other) || !strings.Contains(detail, prefix) {
				t.Errorf("a call of %s with %s: %s", other, scope, detail)
			}
		}
		p.do(t, "POST", "/api/v1/accounts/me/password", `{}`, "X-API-Key", key).want(t, 403, "missing_scope")
		p.do(t, "GET", "/api/v1/queues", "", "X-API-Key", key).want(t, 403, "missing_scope")
	}
}

func TestAdminsKeyWithoutAdminScopeIsACustomers(t *testing.T) {
	p := start(t, options{})
	key, _ := p.newKey(t, "/api/v1/accounts/1", `{"scopes":["messages:read","account:read"]}`)
	p.do(t, "POST", "/api/v1/messages", hello).want(t, 201, "")
	if a := p.do(t, "GET", "/api/v1/messages", "", "X-API-Key", p.admin); len(a.JSON["messages"].([]any)) != 1 {
		t.Errorf("the admin sees %s", a.Body)
	}
	if a := p.do(t, "GET", "/api/v1/messages", "", "X-API-Key", key); len(a.JSON["messages"].([]any)) != 0 {
		t.Errorf("the restricted key sees %s", a.Body)
	}
	p.do(t, "GET", "/api/v1/accounts/2", "", "X-API-Key", key).want(t, 404, "not_found")
	p.do(t, "POST", "/api/v1/accounts", `{"name":"x"}`, "X-API-Key", key).want(t, 403, "missing_scope")
	all, _ := p.newKey(t, "/api/v1/accounts/1", `{"scopes":["admin"]}`)
	p.do(t, "POST", "/api/v1/accounts", `{"name":"x"}`, "X-API-Key", all).want(t, 201, "")
	p.do(t, "POST", "/api/v1/messages", hello, "X-API-Key", all).want(t, 201, "")
}

func TestAKeyMakesNoneThatMayMore(t *testing.T) {
	p := start(t, options{})
	key, _ := p.newKey(t, "/api/v1/accounts/2", `{"scopes":["keys","messages:read"]}`)
	own := "/api/v1/accounts/me/keys"
	p.do(t, "POST", own, `{"scopes":["messages:read"]}`, "X-API-Key", key).want(t, 201, "")
	p.do(t, "POST", own, `{"scopes":["messages:send"]}`, "X-API-Key", key).want(t, 403, "missing_scope")
	p.do(t, "POST", own, `{}`, "X-API-Key", key).want(t, 403, "missing_scope")
	p.do(t, "POST", own, `{"scopes":["all"]}`, "X-API-Key", key).want(t, 403, "missing_scope")
}

func TestKeysEndAndAreBoundToAddresses(t *testing.T) {
	p := start(t, options{})
	until := started.Add(time.Hour).Format(time.RFC3339)
	key, _ := p.newKey(t, "/api/v1/accounts/2", `{"expires_at":"`+until+`","allow":["127.0.0.0/8","::1"]}`)
	p.do(t, "GET", "/api/v1/accounts/me", "", "X-API-Key", key).want(t, 200, "")
	away, _ := p.newKey(t, "/api/v1/accounts/2", `{"allow":["192.0.2.7"]}`)
	p.do(t, "GET", "/api/v1/accounts/me", "", "X-API-Key", away).want(t, 403, "address_not_allowed")
	for body, code := range map[string]string{
		`{"scopes":["everything"]}`:             "invalid_scopes",
		`{"allow":["here"]}`:                    "validation_failed",
		`{"expires_at":"soon"}`:                 "invalid_expires_at",
		`{"expires_at":"2020-01-01T0:00:00"}`:   "invalid_expires_at",
		`{"expires_at":"2020-01-01T00:00:00Z"}`: "validation_failed",
	} {
		p.do(t, "POST", "/api/v1/accounts/2/keys", body, "X-API-Key", p.admin).want(t, 422, code)
	}
	list := p.do(t, "GET", "/api/v1/accounts/2/keys", "", "X-API-Key", p.admin)
	first := list.JSON["keys"].([]any)[0].(map[string]any)
	if scopes := first["scopes"].([]any); len(scopes) != 1 || scopes[0] != "all" || first["last_used_at"] != nil {
		t.Errorf("the first key is shown as %v", first)
	}
	if !strings.Contains(list.Body, `"last_used_at":"2030-01-31T09:00:00Z"`) || !strings.Contains(list.Body, `"expires_at":"2030-01-31T10:00:00Z"`) {
		t.Errorf("keys %s", list.Body)
	}
}
