package api

import "testing"

func TestScopesOf(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/messages":                     "messages:read messages:send",
		"/api/v1/messages/{id}/release":        "messages:read messages:send",
		"/api/v1/campaigns/{id}/start":         "campaigns campaigns",
		"/api/v1/accounts":                     "account:read admin",
		"/api/v1/accounts/{id}":                "account:read account:write",
		"/api/v1/accounts/{id}/keys/{prefix}":  "account:read keys",
		"/api/v1/inbound/messages/{id}/replay": "webhooks webhooks",
		"/api/v1/inbound/routes/test":          "messages:read admin",
		"/api/v1/messagesx":                    "all all",
		"/api/v1/something-new":                "all all",
	} {
		read, write := scopesOf(path, customers)
		if got := read.String() + " " + write.String(); got != want {
			t.Errorf("%s needs %s, want %s", path, got, want)
		}
	}
	if read, write := scopesOf("/api/v1/something-new", admins); read.String() != "admin" || write.String() != "admin" {
		t.Errorf("an admin's call needs %s, %s", read, write)
	}
}
