package api

import "protei-bulk/bulk/alert"

func alertOperations() map[string]operation {
	return map[string]operation{
		"GET /alerts": {
			id: "listAlerts", summary: "What fires now, and what changed before, newest first", query: []parameter{limitParameter},
			answer: shape{"firing": []alert.Alert{}, "history": nullable{[]alert.Alert{}}},
		},
		"GET /alerts/rules": {id: "listAlertRules", summary: "Rules with their thresholds", answer: shape{"rules": []alert.Rule{}}},
		"PATCH /alerts/rules/{name}": {
			id: "updateAlertRule", summary: "Change the members that are given", body: alert.Rule{}, answer: alert.Rule{},
		},
		"GET /alerts/channels":        {id: "listAlertChannels", summary: "Ways to people, without secrets", answer: shape{"channels": []channelView{}}},
		"GET /alerts/channels/{name}": {id: "getAlertChannel", summary: "A way to people, without its secret", answer: channelView{}},
		"PUT /alerts/channels/{name}": {
			id: "putAlertChannel", summary: "Make or replace a way to people", body: alert.Channel{}, answer: channelView{},
		},
		"DELETE /alerts/channels/{name}": {id: "deleteAlertChannel", summary: "Delete a way to people", status: 204},
		"POST /alerts/channels/{name}/test": {
			id: "testAlertChannel", summary: "Send a test, and say what came of it", answer: shape{"sent": false, "error?": ""},
		},
	}
}
