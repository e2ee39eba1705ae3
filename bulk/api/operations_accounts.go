package api

import "protei-bulk/bulk/money"

// accountMembers are those that readAccount knows; a test compares them.
func accountMembers() shape {
	return shape{
		"name?": "", "role?": enum{"admin", "customer", "reseller"}, "system_id?": "", "password?": "", "tps?": 0.5, "burst?": uint(0), "tps_counts?": "",
		"daily_quota?": uint(0), "monthly_quota?": uint(0), "time_zone?": "", "window?": uint(0), "max_binds?": uint(0), "default_sender?": "",
		"default_encoding?": encodings, "dlr_url?": "", "webhook_secret?": "", "message_ids?": "", "opt_out?": "", "stop_reply?": "", "start_reply?": "",
		"senders?": []string{}, "sender_types?": "", "sender_policy?": "", "smpp_allow?": []string{}, "outbind?": "", "outbind_password?": "",
		"campaign_approval?": false, "disabled?": false, "ordered?": false, "billing?": "", "currency?": "", "credit_limit?": money.Amount(0),
		"price?": nullable{money.Amount(0)}, "refunds?": []string{}, "parent?": uint32(0), "shared_balance?": false,
	}
}

func accountOperations() map[string]operation {
	movement := shape{"amount": money.Amount(0), "reference?": "", "note?": ""}
	webhook := shape{"dlr_url": "", "webhook_secret": "", "warnings?": warnings}
	moved := []string{"insufficient_balance", "reference_used", "conflict"}
	move := func(id, summary string) operation {
		return operation{
			id: id, summary: summary + "; a reference makes it safe to repeat", body: movement, status: 201, answer: movementView{}, codes: moved,
			example: `{"amount":100,"reference":"invoice-7"}`,
		}
	}
	return map[string]operation{
		"GET /accounts": {id: "listAccounts", summary: "The accounts that the caller manages", answer: shape{"accounts": []accountView{}}},
		"POST /accounts": {
			id: "createAccount", summary: "Make an account; its API key and password are shown once", body: accountMembers(), status: 201, answer: accountView{},
			codes: []string{"conflict", "forbidden"}, example: `{"name":"shop","tps":50,"default_sender":"SHOP"}`,
		},
		"GET /accounts/{id}": {id: "getAccount", summary: "An account; me is the caller's own", answer: accountView{}},
		"PATCH /accounts/{id}": {
			id: "updateAccount", summary: "Change the members that are given", body: accountMembers(), answer: accountView{},
			codes: []string{"conflict", "forbidden"}, example: `{"tps":100}`,
		},
		"GET /accounts/{id}/usage": {
			id: "getUsage", summary: "What an account used of its quotas",
			answer: shape{"account_id": uint32(0), "time_zone": "", "day": periodView{}, "month": periodView{}, "tps": 0.5, "burst": 0, "tps_counts": ""},
		},
		"POST /accounts/{id}/password": {
			id: "setPassword", summary: "Set the password of SMPP and Basic; a random one without a body", body: shape{"password?": ""}, optional: true,
			answer: shape{"account_id": uint32(0), "system_id": "", "password": ""}, codes: []string{"conflict"},
		},
		"GET /accounts/{id}/keys": {id: "listKeys", summary: "The API keys of an account", answer: shape{"keys": []keyView{}}},
		"POST /accounts/{id}/keys": {
			id: "createKey", summary: "Make an API key; it is shown once", optional: true, status: 201, answer: keyView{}, codes: []string{"conflict"},
			body:    shape{"name?": "", "label?": "", "scopes?": []string{}, "allow?": []string{}, "expires_at?": ""},
			example: `{"name":"shop-server","scopes":["messages:send"]}`,
		},
		"DELETE /accounts/{id}/keys/{prefix}": {id: "revokeKey", summary: "Revoke an API key", status: 204},
		"GET /webhooks":                       {id: "getWebhook", summary: "Where the caller's final states go", answer: webhook},
		"PUT /webhooks": {
			id: "setWebhook", summary: "Set the caller's default webhook", body: shape{"dlr_url?": "", "webhook_secret?": ""}, answer: webhook,
			example: `{"dlr_url":"https://shop.example/receipts"}`,
		},
		"GET /webhooks/endpoints": {id: "listWebhookEndpoints", summary: "Addresses that have something to be told", answer: shape{"endpoints": []WebhookEndpoint{}}},
		"GET /webhooks/failed": {
			id: "listFailedWebhooks", summary: "Webhooks that were given up", query: []parameter{limitParameter, cursorParameter},
			answer: shape{"failed": []FailedWebhook{}, "limit": 0, "next_cursor": nullable{""}},
		},
		"POST /webhooks/replay": {
			id: "replayWebhooks", summary: "Have final states told again: of messages by id, or of a time", status: 202, codes: []string{"too_many_items"},
			body:    shape{"message_ids?": []string{}, "since?": "", "until?": "", "status?": "", "cursor?": ""},
			answer:  shape{"replayed": 0, "skipped": []NotReplayed{}, "next_cursor": nullable{""}},
			example: `{"since":"2030-01-31T00:00:00Z","status":"DELIVERED"}`,
		},
		"GET /balance":               {id: "getOwnBalance", summary: "What the caller can spend", answer: balanceView{}},
		"GET /accounts/{id}/balance": {id: "getBalance", summary: "What an account can spend", answer: balanceView{}},
		"GET /accounts/{id}/movements": {
			id: "listMovements", summary: "Movements of money, newest first", query: []parameter{limitParameter, cursorParameter},
			answer: shape{"movements": []movementView{}, "next_cursor": nullable{""}},
		},
		"POST /accounts/{id}/topup":    move("topUp", "Add money"),
		"POST /accounts/{id}/adjust":   move("adjustBalance", "Correct a balance, up or down"),
		"POST /accounts/{id}/transfer": move("transferMoney", "Move money from the parent to a child, or back"),
	}
}
