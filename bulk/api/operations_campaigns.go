package api

import "protei-bulk/bulk/campaign"

// recipientFiles are the types of files that recipients are read from.
var recipientFiles = []string{"text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/x-ndjson", "multipart/form-data"}

// uploadParameters say how a file is read.
var uploadParameters = []parameter{
	{"to", "", "column with the numbers"},
	{"header", enum{"auto", "yes", "no"}, "whether the first line names the columns"},
	{"delimiter", "", "between columns of CSV: one character, or tab"},
	{"charset", "", "of CSV, when it is no UTF-8"},
	{"sheet", "", "of XLSX"},
	{"map", "", "name:column,…: columns under other names in the text"},
	{"duplicates", enum{"skip", "keep"}, "numbers that come twice"},
	{"name", "", "of the file, as it is shown"},
}

// campaignMembers are those that campaignReaders knows, under their first names; a test
// compares them.
func campaignMembers() shape {
	return shape{
		"name?": "", "encoding?": encodings, "priority?": priorities, "recipient_type?": "", "schedule_type?": "", "schedule_at?": "", "dlr_url?": "",
		"validity_period?": "", "tag?": "", "flash?": false, "transliterate?": false, "udh?": "", "timezone?": "", "windows?": []campaign.Window{},
		"duplicates?": "", "auto_resume?": false, "dest_port?": uint16(0), "source_port?": uint16(0), "total_recipients?": uint32(0),
		"max_tps?": uint32(0), "sender_id?": "", "message_content?": "",
	}
}

// recipientsBody is what inline reads: numbers, or objects with "to" and values for the text.
func recipientsBody() shape { return shape{"recipients?": []any{}, "list?": ""} }

func campaignOperations() map[string]operation {
	create := campaignMembers()
	create["recipients?"], create["list?"] = []any{}, ""
	fileCodes := []string{"unreadable_file", "import_running", "illegal_transition", "conflict"}
	members := func(name string) shape { return shape{name: []memberView{}, "next_after": nullable{uint32(0)}} }
	paging := []parameter{{"after", 0, "next_after of the answer before"}, limitParameter}
	all := map[string]operation{
		"GET /campaigns": {
			id: "listCampaigns", summary: "Campaigns, newest first",
			query: []parameter{
				limitParameter, cursorParameter, {"status", "", "in this status"}, {"name", "", "with this in the name"}, accountNumber, sinceParameter, untilParameter,
			},
			answer: shape{"campaigns": []campaignView{}, "limit": 0, "next_cursor": nullable{""}, "warnings?": warnings},
		},
		"POST /campaigns": {
			id: "createCampaign", summary: "Make a campaign, as a DRAFT", body: create, status: 201, answer: campaignView{}, codes: fileCodes,
			example: `{"name":"spring","sender_id":"SHOP","message_content":"Hello {name}","recipients":["+4915112345678",{"to":"+4915112345679","name":"Ada"}]}`,
		},
		"GET /campaigns/{id}": {id: "getCampaign", summary: "A campaign and its progress", answer: campaignView{}},
		"PATCH /campaigns/{id}": {
			id: "updateCampaign", summary: "Change the members that are given", body: campaignMembers(), answer: campaignView{},
			codes: []string{"illegal_transition", "import_running"}, example: `{"max_tps":50}`,
		},
		"DELETE /campaigns/{id}":         {id: "deleteCampaign", summary: "Delete a campaign that was not started", status: 204, codes: []string{"illegal_transition", "import_running"}},
		"GET /campaigns/{id}/recipients": {id: "listRecipients", summary: "Recipients in their order", query: paging, answer: members("recipients")},
		"POST /campaigns/{id}/recipients": {
			id: "addRecipients", summary: "Add recipients: JSON, or a file", query: uploadParameters, body: recipientsBody(), files: recipientFiles,
			answer: campaignView{}, codes: append([]string{"no_recipients"}, fileCodes...), example: `{"recipients":["+4915112345678"]}`,
		},
		"DELETE /campaigns/{id}/recipients": {id: "clearRecipients", summary: "Take all recipients away", answer: campaignView{}, codes: []string{"illegal_transition", "import_running"}},
		"GET /campaigns/{id}/errors":        {id: "getCampaignErrors", summary: "Rows that were refused, as CSV", media: "text/csv"},
		"POST /campaigns/{id}/test": {
			id: "testCampaign", summary: "Send the campaign's text to one number", body: shape{"to": "", "values?": map[string]string{}}, status: 201, traced: true,
			answer: acceptedAnswer(), codes: submitCodes, example: `{"to":"+4915112345678","values":{"name":"Ada"}}`,
		},
	}
	for method, id := range map[string]string{"GET": "previewCampaign", "POST": "previewCampaignAgain"} {
		all[method+" /campaigns/{id}/preview"] = operation{
			id: id, summary: "The first messages that a campaign would make", query: []parameter{{"limit", 0, "1 to 100"}},
			answer: shape{"messages": []sampleView{}},
		}
	}
	for action, summary := range map[string]string{
		"start": "Start a campaign", "approve": "Approve a campaign", "reject": "Reject a campaign", "pause": "Pause a campaign",
		"resume": "Resume a campaign", "cancel": "Cancel a campaign",
	} {
		op := operation{id: action + "Campaign", summary: summary, answer: campaignView{}, codes: []string{"illegal_transition", "import_running", "own_approval", "no_recipients"}}
		if action == "reject" {
			op.body, op.optional = shape{"reason?": ""}, true
		}
		all["POST /campaigns/{id}/"+action] = op
	}
	return all
}

// contactOperations are contact lists and lists of numbers that are not written to.
func contactOperations() map[string]operation {
	fileCodes := []string{"unreadable_file", "import_running", "conflict"}
	all := map[string]operation{
		"GET /lists":           {id: "listLists", summary: "The caller's contact lists", answer: shape{"lists": []listView{}}},
		"POST /lists":          {id: "createList", summary: "Make a contact list", body: shape{"name": ""}, status: 201, answer: listView{}, codes: []string{"conflict"}, example: `{"name":"customers"}`},
		"GET /lists/{list}":    {id: "getList", summary: "A contact list, by id or name", answer: listView{}},
		"DELETE /lists/{list}": {id: "deleteList", summary: "Delete a contact list", status: 204, codes: []string{"import_running"}},
		"GET /lists/{list}/members": {
			id: "listMembers", summary: "Members in their order", query: []parameter{{"after", 0, "next_after of the answer before"}, limitParameter},
			answer: shape{"members": []memberView{}, "next_after": nullable{uint32(0)}},
		},
		"POST /lists/{list}/members": {
			id: "addMembers", summary: "Add members: JSON, or a file", query: uploadParameters, body: recipientsBody(), files: recipientFiles,
			answer: listView{}, codes: append([]string{"no_recipients"}, fileCodes...), example: `{"recipients":["+4915112345678"]}`,
		},
		"GET /lists/{list}/errors": {id: "getListErrors", summary: "Rows that were refused, as CSV", media: "text/csv"},
	}
	for path, name := range map[string]string{"/blacklist": "Blacklist", "/optouts": "OptOuts"} {
		numbers := shape{"numbers": []string{}, "sender?": ""}
		changed := func(what string) shape {
			return shape{"total": 0, what: 0, "unchanged": 0, "refused": 0, "errors": []numberFault{}, "warnings": nullable{warnings}}
		}
		change := []parameter{listOwner, listSender}
		all["GET "+path] = operation{
			id: "list" + name, summary: "Numbers on the list", query: []parameter{listOwner, {"number", "", "only this one"}, limitParameter, cursorParameter},
			answer: shape{"numbers": []numberView{}, "limit": 0, "next_cursor": nullable{""}},
		}
		all["POST "+path] = operation{
			id: "addTo" + name, summary: "Put numbers on the list", query: change, body: numbers, files: []string{"text/csv", "text/plain"},
			answer: changed("added"), codes: []string{"invalid_number"}, example: `{"numbers":["+4915112345678"]}`,
		}
		all["POST "+path+"/remove"] = operation{
			id: "removeFrom" + name, summary: "Take numbers off the list", query: change, body: numbers, files: []string{"text/csv", "text/plain"},
			answer: changed("removed"), codes: []string{"invalid_number"}, example: `{"numbers":["+4915112345678"]}`,
		}
		all["DELETE "+path+"/{number}"] = operation{id: "deleteFrom" + name, summary: "Take one number off the list", query: change, status: 204}
	}
	return all
}
