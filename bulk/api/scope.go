package api

import (
	"net/http"
	"strings"

	"protei-bulk/bulk/account"
)

// scopeRule says which scopes the calls under a path need.
type scopeRule struct {
	path        string // "{}" stands for any one element
	read, write account.Scopes
}

// scopeRules are looked at from the first on. What has no rule needs a key with all scopes:
// a new call is closed to restricted keys until somebody thinks about it.
func scopeRules() []scopeRule {
	return []scopeRule{
		{"/api/v1/messages", account.ReadMessages, account.SendMessages},
		{"/api/v1/campaigns", account.ManageCampaign, account.ManageCampaign},
		{"/api/v1/lists", account.ManageContacts, account.ManageContacts},
		{"/api/v1/inbound/messages/{}/replay", account.ManageWebhooks, account.ManageWebhooks},
		{"/api/v1/inbound/messages", account.ReadMessages, account.ReadMessages},
		{"/api/v1/inbound/routes", account.ReadMessages, account.AdminScope},
		{"/api/v1/accounts/{}/keys", account.ReadAccount, account.ManageKeys},
		{"/api/v1/accounts/{}/password", account.ManageKeys, account.ManageKeys},
		{"/api/v1/accounts/{}/transfer", account.AdminScope, account.AdminScope},
		{"/api/v1/accounts/{}", account.ReadAccount, account.WriteAccount},
		{"/api/v1/accounts", account.ReadAccount, account.AdminScope},
		{"/api/v1/blacklist", account.ManageContacts, account.ManageContacts},
		{"/api/v1/optouts", account.ManageContacts, account.ManageContacts},
		{"/api/v1/balance", account.ReadAccount, account.AdminScope},
		{"/api/v1/live", account.ReadMessages, account.AdminScope},
		{"/api/v1/statistics", account.ReadMessages, account.AdminScope},
		{"/api/v1/webhooks", account.ManageWebhooks, account.ManageWebhooks},
	}
}

// scopesOf returns what the calls of a path need, for reading and for anything else.
func scopesOf(path string, who access) (read, write account.Scopes) {
	if who == admins {
		return account.AdminScope, account.AdminScope
	}
	for _, rule := range scopeRules() {
		if under(path, rule.path) {
			return rule.read, rule.write
		}
	}
	return 0, 0
}

// under reports whether path is rule's or below it.
func under(path, rule string) bool {
	have, want := strings.Split(path, "/"), strings.Split(rule, "/")
	if len(have) < len(want) {
		return false
	}
	for i, element := range want {
		if element != have[i] && (element != "{}" || !strings.HasPrefix(have[i], "{")) {
			return false
		}
	}
	return true
}

func (e *endpoint) scope(method string) account.Scopes {
	if method == http.MethodGet || method == http.MethodHead {
		return e.read
	}
	return e.write
}
