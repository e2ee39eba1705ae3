package api

import (
	"time"

	"protei-bulk/bulk/audit"
	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/inbound"
	"protei-bulk/bulk/route"
)

func inboundOperations() map[string]operation {
	// Those that readInboundRoute knows.
	body := shape{
		"name?": "", "order?": uint(0), "to?": "", "from?": "", "keyword?": "", "pattern?": "", "account_id?": uint32(0), "url?": "", "disabled?": false,
	}
	return map[string]operation{
		"GET /inbound/messages": {
			id: "listInbound", summary: "Messages from mobiles, newest first",
			query:  []parameter{limitParameter, cursorParameter, {"status", "", "in this status"}, {"from", "", "from this number"}, {"to", "", "to this number"}, accountNumber},
			answer: shape{"messages": []inbound.Event{}, "limit": 0, "next_cursor": nullable{""}},
		},
		"GET /inbound/messages/{id}":         {id: "getInbound", summary: "A message from a mobile", answer: inbound.Event{}},
		"POST /inbound/messages/{id}/replay": {id: "replayInbound", summary: "Deliver a message from a mobile again", status: 202, answer: inbound.Event{}, codes: []string{"not_replayable"}},
		"GET /inbound/routes":                {id: "listInboundRoutes", summary: "Where messages from mobiles go", answer: shape{"routes": []inboundRoute{}}},
		"POST /inbound/routes": {
			id: "createInboundRoute", summary: "Make an inbound route", body: body, status: 201, answer: inboundRoute{}, codes: []string{"conflict"},
			example: `{"name":"help","to":"4000","keyword":"HELP","url":"https://shop.example/inbound"}`,
		},
		"POST /inbound/routes/test": {
			id: "testInboundRoutes", summary: "What inbound routing would do with a message", body: shape{"from": "", "to": "", "text?": ""},
			answer:  shape{"route": nullable{inboundRoute{}}, "passed_over": []shape{{"route": inboundRoute{}, "reason": ""}}},
			example: `{"from":"+4915112345678","to":"4000","text":"HELP"}`,
		},
		"GET /inbound/routes/{id}":    {id: "getInboundRoute", summary: "An inbound route", answer: inboundRoute{}},
		"PATCH /inbound/routes/{id}":  {id: "updateInboundRoute", summary: "Change the members that are given", body: body, answer: inboundRoute{}, codes: []string{"conflict"}},
		"DELETE /inbound/routes/{id}": {id: "deleteInboundRoute", summary: "Delete an inbound route", status: 204},
	}
}

// connectorBody is a connector's settings with the secrets that are set and never shown.
type connectorBody struct {
	connector.Spec
	Password        string `json:"password"`
	CallbackSecret  string `json:"callback_secret"`
	OutbindPassword string `json:"outbind_password"`
	URL             string `json:"url"` // smpp://system_id:password@host:port?…, in place of single members
}

func connectorOperations() map[string]operation {
	conflict := []string{"conflict"}
	text := []string{"invalid_receipt", "unavailable", "unauthorized"}
	all := map[string]operation{
		"GET /connectors": {id: "listConnectors", summary: "The ways to SMSCs and their state", answer: shape{"connectors": []Connector{}}},
		"POST /connectors": {
			id: "createConnector", summary: "Make a connector, of its members or a URL", body: connectorBody{}, status: 201, answer: Connector{}, codes: conflict,
			example: `{"name":"operator","url":"smpp://bulk:secret@smsc.example:2775?binds=2"}`,
		},
		"GET /connectors/{name}":        {id: "getConnector", summary: "A connector, by name or number", answer: Connector{}},
		"PATCH /connectors/{name}":      {id: "updateConnector", summary: "Change the members that are given", body: connectorBody{}, answer: Connector{}, codes: conflict, example: `{"tps":200}`},
		"DELETE /connectors/{name}":     {id: "deleteConnector", summary: "Delete a connector", status: 204, codes: conflict},
		"POST /connectors/{name}/move":  {id: "moveConnector", summary: "Give what waits for a connector to another", body: shape{"to": ""}, answer: shape{"moved": 0}, codes: conflict, example: `{"to":"operator"}`},
		"POST /connectors/{name}/test":  {id: "testConnector", summary: "What would be sent to an aggregator, and how its answers would be understood", body: GatewayTrial{}, answer: GatewayReport{}, codes: conflict},
		"POST /connectors/{name}/start": {id: "startConnector", summary: "Start a connector", answer: Connector{}, codes: conflict},
		"POST /connectors/{name}/pause": {id: "pauseConnector", summary: "Send nothing more, stay bound", answer: Connector{}, codes: conflict},
		"POST /connectors/{name}/stop":  {id: "stopConnector", summary: "Stop a connector", answer: Connector{}, codes: conflict},
		"GET /routes":                   {id: "listRoutes", summary: "Rules in the order in which they decide", answer: shape{"routes": []routeView{}, "implied?": ""}},
		"PUT /routes":                   {id: "replaceRoutes", summary: "Make these rules the whole table", query: []parameter{{"dry_run", false, "only say what would change"}}, body: shape{"routes": []routeView{}}, answer: route.Difference{}, codes: conflict},
		"POST /routes":                  {id: "createRoute", summary: "Make a rule", body: route.Rule{}, status: 201, answer: routeView{}, codes: conflict, example: `{"name":"all","targets":[{"connector":"default"}]}`},
		"GET /routes/{name}":            {id: "getRoute", summary: "A rule, by name or number", answer: routeView{}},
		"PATCH /routes/{name}":          {id: "updateRoute", summary: "Change the members that are given", body: route.Rule{}, answer: routeView{}, codes: conflict, example: `{"priority":10}`},
		"DELETE /routes/{name}":         {id: "deleteRoute", summary: "Delete a rule", status: 204, codes: conflict},
		"POST /routes/test":             {id: "testRoute", summary: "What routing would do with a message, and why", body: trial{At: time.Time{}}, answer: route.Explanation{}, example: `{"to":"+4915112345678","text":"test"}`},
	}
	for _, method := range []string{"GET", "POST"} {
		for path, id := range map[string]string{"/connectors/{name}/dlr": "callback", "/connectors/{name}/dlr/{secret}": "callbackWithSecret"} {
			op := operation{id: id, summary: "Receipts of an aggregator, with the connector's secret", media: "text/plain", codes: text}
			if method == "POST" {
				op.id, op.files, op.optional = id+"Post", []string{"application/json", "application/x-www-form-urlencoded", "text/plain"}, true
			}
			all[method+" "+path] = op
		}
	}
	return all
}

func systemOperations() map[string]operation {
	away := []string{"unavailable"} // Redis
	return map[string]operation{
		"GET /health": {
			id: "getHealth", summary: "Whether the process answers",
			answer: shape{"status": "", "version": "", "time": "", "uptime": "", "uptime_seconds": 0},
		},
		"GET /health/ready": {id: "getReady", summary: "Whether messages can be taken", answer: shape{"status": ""}, codes: []string{"not_ready"}},
		"GET /openapi.json": {id: "getOpenAPI", summary: "This document", answer: map[string]any{}},
		"GET /queues":       {id: "listQueues", summary: "Lanes and what waits in them", answer: shape{"queues": []queueView{}}},
		"GET /queues/dead": {
			id: "listDeadHints", summary: "Hints between nodes that were given up, oldest first", query: []parameter{limitParameter, cursorParameter},
			answer: shape{"dead": []DeadHint{}, "limit": 0, "next_cursor": nullable{""}}, codes: away,
		},
		"DELETE /queues/dead":      {id: "purgeDeadHints", summary: "Forget what was given up", answer: shape{"purged": int64(0)}, codes: away},
		"POST /queues/dead/replay": {id: "replayDeadHints", summary: "Offer what was given up once more", answer: shape{"replayed": int64(0)}, codes: away},
		"GET /live": {
			id: "getLive", summary: "How the platform is doing: server-sent events each second, or one JSON document with once=true",
			query: []parameter{{"once", false, "one document, no stream"}}, answer: liveView{},
		},
		"GET /live/history": {
			id: "getLiveHistory", summary: "The figures of the last hour, of everything or of the own account, oldest first", answer: shape{"every_seconds": 0, "figures": []pastFigure{}},
		},
		"GET /nodes":  {id: "listNodes", summary: "Nodes that share the store", answer: shape{"nodes": []Node{}}},
		"GET /system": {id: "getSystem", summary: "The node that answers and its settings", answer: System{}},
		"PUT /system/log-level": {
			id: "setLogLevel", summary: "Set the log level until the process ends", body: shape{"level": enum{"debug", "info", "warn", "error"}},
			answer: shape{"log_level": ""}, example: `{"level":"debug"}`,
		},
		"POST /backup": {id: "makeBackup", summary: "A copy of the store, made while it works", media: "application/gzip", codes: []string{"conflict", "disk_full"}},
		"GET /cdr": {
			id: "listCDR", summary: "Files of call detail records of the node that answers, newest first", query: []parameter{limitParameter, cursorParameter},
			answer: shape{"files": []CDRFile{}, "limit": 0, "next_cursor": nullable{""}},
		},
		"GET /cdr/{name}": {id: "getCDR", summary: "A complete file of call detail records", media: "text/csv", ranges: true},
		"GET /audit": {
			id: "listAudit", summary: "Administrative changes, newest first",
			query: []parameter{
				limitParameter, cursorParameter, accountNumber,
				{"api_key", "", "prefix of the API key"},
				{"user", "", "who was signed in to the console"},
				{"what", "", "such as account 3"},
				{"method", "", "of the call"},
				{"path", "", "of the call"},
				sinceParameter, untilParameter,
			},
			answer: shape{"entries": []audit.Entry{}, "limit": 0, "next_cursor": nullable{""}},
		},
	}
}
