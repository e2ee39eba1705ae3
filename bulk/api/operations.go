package api

import (
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

// operation says of a call what its registration cannot: what it is for, and the types that
// its handler reads and writes. Tests hold the answers of the API to it.
type operation struct {
	id, summary string
	query       []parameter
	body        any      // like what is read; nil: no body
	optional    bool     // the body may be missing
	files       []string // other types of body
	status      int      // of success; 0: 200
	answer      any      // like what is written; nil: no body
	media       string   // of an answer that is no JSON
	codes       []string // of its problems, beside those that the kind of call has
	once        bool     // takes Idempotency-Key
	traced      bool     // takes traceparent
	ranges      bool     // takes Range
	example     string   // of a body
}

// parameter is one of the query.
type parameter struct {
	name  string
	like  any
	about string
}

var (
	limitParameter  = parameter{"limit", 0, "at most so many, 1 to 1,000"}
	cursorParameter = parameter{"cursor", "", "next_cursor of the answer before"}
	accountNumber   = parameter{"account_id", 0, "of this account"}
	sinceParameter  = parameter{"since", "", "from this moment on (RFC 3339)"}
	untilParameter  = parameter{"until", "", "before this moment (RFC 3339)"}
	listOwner       = parameter{"account_id", "", "whose list: an account's number, me, or all for everybody's"}
	listSender      = parameter{"sender", "", "entries for messages of this sender only"}
)

var (
	encodings  = enum{"AUTO", "GSM7", "UCS2", "LATIN1", "BINARY"}
	priorities = enum{"LOW", "NORMAL", "HIGH", "CRITICAL"}
	warnings   = []string{}
)

func statuses() enum {
	var all enum
	for _, s := range message.Statuses() {
		all = append(all, s.String())
	}
	return all
}

// messageMembers are those of a message that is sent, under their first names. The scanner
// reads them without a Go type; a test compares them with what it knows.
func messageMembers() shape {
	return shape{
		"from?": "", "to?": "", "text?": "", "encoding?": encodings, "priority?": priorities, "schedule_at?": "", "validity_period?": "",
		"dlr_url?": "", "client_ref?": "", "flash?": false, "tag?": "", "udh?": "", "data?": "", "dest_port?": uint16(0),
		"source_port?": uint16(0), "transliterate?": false, "ordered?": false,
	}
}

// messageAnswer is what appendMessage writes.
func messageAnswer(whole bool) shape {
	all := shape{
		"message_id": "", "status": statuses(), "from": "", "to": "", "text": "", "encoding": encodings, "priority": priorities, "parts": 0,
		"client_ref?": "", "dlr_url?": "", "batch_id?": "", "campaign_id?": "", "account_id": uint32(0), "smsc?": "", "route?": "", "price?": 0.5, "charged?": 0.5,
		"submitted_at": "", "schedule_at?": "", "valid_until?": "", "sent_at?": "", "done_at?": "", "delivered_at?": "", "attempts": 0,
		"error_code?": 0, "possible_duplicate?": false,
	}
	if whole {
		all["segments"] = []shape{{
			"part": 0, "status": statuses(), "smsc_message_id?": "", "attempts": 0, "error_code?": 0, "sent_at?": "", "done_at?": "",
		}}
	}
	return all
}

// acceptedAnswer is what accepted writes.
func acceptedAnswer() shape {
	return shape{
		"message_id": "", "status": statuses(), "parts": 0, "encoding": enum{gsm.GSM7.String(), gsm.UCS2.String(), gsm.Latin1.String(), gsm.Binary.String()},
		"submitted_at": "", "client_ref?": "", "transliterated?": false, "from?": "", "sender_replaced?": false, "warnings?": warnings,
	}
}

func bulkBody() shape {
	body := messageMembers()
	delete(body, "to?")
	body["messages"] = []shape{messageMembers()}
	return body
}

func bulkAnswer() shape {
	return shape{
		"batch_id": "", "total": 0, "accepted": 0, "rejected": 0, "message_ids": []string{},
		"errors":          []shape{{"index": 0, "code": "", "detail": "", "pointer": ""}},
		"transliterated?": []int{}, "sender_replaced?": []int{}, "warnings?": warnings,
	}
}

// submitCodes are why nothing was accepted, for another reason than the message itself.
var submitCodes = []string{
	"insufficient_balance", "rate_limited", "quota_exceeded", "queue_full", "disk_full", "unavailable", "account_disabled",
	"idempotency_in_progress", "idempotency_key_reused", "request_too_large",
}

// operations are all calls, by method and path below /api/v1.
func operations() map[string]operation {
	all := map[string]operation{}
	for _, some := range []map[string]operation{
		messageOperations(), accountOperations(), campaignOperations(), contactOperations(), inboundOperations(), connectorOperations(), alertOperations(), systemOperations(), userOperations(),
	} {
		for call, op := range some {
			all[call] = op
		}
	}
	return all
}

func messageOperations() map[string]operation {
	became := shape{"message_id": "", "status": statuses()}
	return map[string]operation{
		"POST /messages": {
			id: "sendMessage", summary: "Send one message", once: true, traced: true, body: messageMembers(), status: 201, answer: acceptedAnswer(), codes: submitCodes,
			example: `{"from":"SHOP","to":"+4915112345678","text":"Your code is 1234","client_ref":"order-17"}`,
		},
		"GET /messages": {
			id: "listMessages", summary: "Messages, newest first",
			query: []parameter{
				limitParameter,
				{"page", 0, "from 1; further back than 100,000 messages take a cursor"},
				cursorParameter,
				{"status", statuses(), "in this status"},
				{"from", "", "of this sender"},
				{"to", "", "to this number"},
				{"campaign_id", "", "of this campaign"},
				{"batch_id", "", "of this bulk request"},
				accountNumber, sinceParameter, untilParameter,
			},
			answer: shape{"messages": []shape{messageAnswer(false)}, "page?": 0, "limit": 0, "next_cursor": nullable{""}, "as_of": "", "warnings?": warnings},
		},
		"POST /messages/bulk": {
			id: "sendBulk", summary: "Send up to 10,000 messages", once: true, traced: true, body: bulkBody(), files: []string{"application/x-ndjson"}, status: 201,
			answer: bulkAnswer(), codes: append([]string{"too_many_items", "all_rejected"}, submitCodes...),
			example: `{"from":"SHOP","text":"We open at nine","messages":[{"to":"+4915112345678"},{"to":"+4915112345679","text":"We open at ten"}]}`,
		},
		"GET /messages/{id}":          {id: "getMessage", summary: "A message with its parts", answer: messageAnswer(true)},
		"DELETE /messages/{id}":       {id: "cancelMessage", summary: "Cancel a message that waits", answer: became, codes: []string{"not_cancellable", "not_ready"}},
		"POST /messages/{id}/release": {id: "releaseMessage", summary: "Let a HELD message be sent again", answer: became, codes: []string{"not_held"}},
		"GET /statistics": {
			id: "getStatistics", summary: "Messages by status, and whether the ledger closes",
			answer: shape{"accepted": int64(0), "by_status": map[string]int64{}, "in_flight": int64(0), "closes": false, "as_of": ""},
		},
	}
}
