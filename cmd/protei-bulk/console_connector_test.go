package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
)

// Connectors with everything that a form shows.
const (
	richSMPP = `{"name":"rich","mode":"stopped","address":"127.0.0.1:1","system_id":"x","password":"secret","system_type":"VMA","tls":true,"tls_server_name":"smsc.example",
		"bind":"outbind","outbind_listen":"127.0.0.1:0","outbind_system_id":"back","outbind_password":"pw","binds":3,"window":7,"tps":12.5,"response_timeout":"1m30s",
		"message_ids":"hex2dec","unknown":"hold","trace_tlv":true,"throttle_scope":"bind","charset":"latin1","failover_after":"0s",
		"source_rules":[{"kind":"alphanumeric","ton":5,"npi":0},{"kind":"short","prefix":" 1","ton":0,"strip":1,"prepend":"+"},{},{"replace":"SHOP"}],
		"dest_rules":[{"kind":"international","strip":2,"prepend":"00"}],"statuses":{"0x400":"temporary","ESME_RINVDSTADR":"no_route"}}`
	richHTTP = `{"name":"agg","kind":"http","mode":"stopped","system_id":"user","password":"secret","callback_secret":"0123456789abcdef","binds":1,"window":20,"tls_insecure":true,
		"dest_rules":[{"prepend":"+"}],"http":{"url":"https://127.0.0.1:1/sms?a=1","method":"PUT","auth":"basic","format":"form","split":"part",
		"headers":{"X-A":" spaced ","X-B":"{{ref}}"},"body":"to={{to}}\r\n&t={{hex}}&u={{udh}}","id":"json:messages.0.id","error":"json:error.code",
		"rules":[{"status":"2xx","value":"json:error.code","is":"12|13","class":"throttled"},{"value":"text","like":"(?i)no route","class":"no_route"},{"class":"rejected"}],
		"callback":{"base":"https://sms.example.net","items":"results","id":"json:messageId","status":"json:status.name","to":"json:to","states":{"DELIVERED_TO_HANDSET":"delivered","gone":"expired"},"answer":"ACK"}}}`
	bareHTTP = `{"name":"bare","kind":"http","mode":"stopped","http":{"url":"http://127.0.0.1:1/?to={{to}}&t={{text}}","method":"GET"}}`
)

// fields brings the functions between settings and the form into the page, as m.
func (b visitor) fields() {
	b.t.Helper()
	b.JS(`(import('/connectorfields.js').then(m => { window.m = m; }), '')`)
	b.Until("the functions of the form", `window.m`)
}

// sent is the JSON that the form sends after change, a statement of the fields v; or what it finds wrong.
func (b visitor) sent(settings, change string) string {
	b.t.Helper()
	return b.JS(fmt.Sprintf(`(s => { const was = m.fieldsOf(s), v = structuredClone(was); %s; try { return JSON.stringify(m.bodyOf(v, s && was)); } catch (e) { return JSON.stringify(e.fields ?? String(e)); } })(%s)`, change, settings))
}

func sameJSON(t *testing.T, got, want string) bool {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	return reflect.DeepEqual(a, b)
}

// TestConnectorFields: the form sends what was changed, and of what it cannot be each fault at its field.
func TestConnectorFields(t *testing.T) {
	url, _ := startConsole(t)
	b := visitConsole(t, url)
	b.fields()
	for name, c := range map[string]struct{ settings, change, want string }{
		"SMPP as it is":                     {richSMPP, ``, `{}`},
		"HTTP as it is":                     {richHTTP, ``, `{}`},
		"HTTP bare":                         {bareHTTP, ``, `{}`},
		"typed and taken back":              {richSMPP, `v.statuses.push({name: '0x1', value: 'rejected'}); v.statuses.pop(); v.dest_rules = [...v.dest_rules]; v.tps = '12.50'`, `{}`},
		"a space around":                    {richSMPP, `v.address = ' 127.0.0.1:1 '`, `{}`},
		"any is no kind":                    {`{"kind":"smpp","dest_rules":[{"kind":"any","ton":1}]}`, ``, `{}`},
		"another host":                      {richSMPP, `v.address = 'h:1'`, `{"address":"h:1"}`},
		"a secret":                          {richSMPP, `v.password = ' new '`, `{"password":" new "}`},
		"TON 0 is not none":                 {richSMPP, `v.source_rules[0].npi = ''`, `{"source_rules":[{"kind":"alphanumeric","ton":5},{"kind":"short","prefix":" 1","ton":0,"strip":1,"prepend":"+"},{},{"replace":"SHOP"}]}`},
		"the last rule":                     {richSMPP, `v.dest_rules = []`, `{"dest_rules":[]}`},
		"an order":                          {`{"kind":"smpp","dest_rules":[{"ton":1},{"ton":2}]}`, `v.dest_rules.reverse()`, `{"dest_rules":[{"ton":2},{"ton":1}]}`},
		"a status less":                     {richSMPP, `v.statuses = v.statuses.filter(r => r.name !== '0x400')`, `{"statuses":{"ESME_RINVDSTADR":"no_route"}}`},
		"any name":                          {richSMPP, `v.statuses = [{name: '__proto__', value: 'rejected'}]`, `{"statuses":{"__proto__":"rejected"}}`},
		"without TLS":                       {richSMPP, `v.tls = false`, `{"tls":false,"tls_server_name":""}`},
		"without outbind":                   {richSMPP, `v.bind = 'trx'`, `{"bind":"trx","outbind_listen":""}`},
		"what is no number the API refuses": {richSMPP, `v.tps = 'fast'; v.binds = ''`, `{"tps":"fast","binds":0}`},
		"a header more":                     {bareHTTP, `v['http/headers'].push({name: ' X-A ', value: ' 1'})`, `{"http":{"headers":{"X-A":" 1"}}}`},
		"no header":                         {richHTTP, `v['http/headers'] = []`, `{"http":{"headers":{}}}`},
		"no receipts":                       {richHTTP, `v.receipts = false`, `{"http":{"callback":null}}`},
		"one member of a receipt":           {`{"kind":"http","http":{"url":"http://h/","callback":{"id":"text","status":"text"}}}`, `v['http/callback/to'] = 'param:to'`, `{"http":{"callback":{"base":"","items":"","id":"text","status":"text","error":"","to":"param:to","answer":"","states":{}}}}`},
		"a rule of an answer":               {bareHTTP, `v['http/rules'].push({...m.blank['http/rules'], status: '500'})`, `{"http":{"rules":[{"status":"500","value":"","is":"","like":"","class":"rejected"}]}}`},
		"http without TLS":                  {richHTTP, `v['http/url'] = 'http://h/'`, `{"tls_insecure":false,"http":{"url":"http://h/"}}`},
		"a new one":                         {`null`, `v.name = 'n'; v.address = 'h:1'; v.system_id = 'x'`, `{"name":"n","kind":"smpp","address":"h:1","system_id":"x"}`},
		"a new one by HTTP":                 {`null`, `v.address = 'h:1'; v.name = 'n'; v.kind = 'http'; v['http/url'] = 'http://h/'`, `{"name":"n","kind":"http","http":{"url":"http://h/","method":"POST","body":"","format":"json","split":"message","auth":"none","id":"","error":"","headers":{},"rules":[],"callback":null}}`},
		"two faults":                        {richSMPP, `v.source_rules[1].ton = 'five'; v.statuses.push({name: ' ', value: 'rejected'})`, `{"source_rules/1/ton":"is a whole number","statuses/2/name":"is needed"}`},
		"a name twice":                      {richSMPP, `v.statuses.push({name: '0x400', value: 'rejected'})`, `{"statuses/2/name":"0x400 is there twice"}`},
		"not below zero":                    {richSMPP, `v.dest_rules[0].strip = '-1'`, `{"dest_rules/0/strip":"is a whole number"}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := b.sent(c.settings, c.change); !sameJSON(t, got, c.want) {
				t.Errorf("sends %s, want %s", got, c.want)
			}
		})
	}
}

// settingsOf is what REST says of a connector now: its settings, and when they were changed.
func (b visitor) settingsOf(name string) (settings, updated string) {
	b.t.Helper()
	b.JS(fmt.Sprintf(`(window.read = null, fetch('/api/v1/connectors/%s').then(r => r.json()).then(d => { window.read = d; }), '')`, name))
	b.Until("connector "+name, `window.read?.settings`)
	return b.JS(`JSON.stringify(read.settings)`), b.JS(`read.updated_at`)
}

// focusIn waits until the focus is in a field or on a button.
func (b visitor) focusIn(selector string) {
	b.t.Helper()
	b.Until("the focus in "+selector, fmt.Sprintf(`document.activeElement.matches(%q)`, selector))
}

// TestConnectorForm edits connectors in the form: without a change nothing changes, rows are made and removed by keys, what the
// API refuses stands at its field, and what was removed is gone.
func TestConnectorForm(t *testing.T) {
	url, _ := startConsole(t)
	for _, body := range []string{richSMPP, richHTTP, bareHTTP} {
		post(t, url, "connectors", body)
	}
	b := visitConsole(t, url)
	b.signIn("dev", "dev-console-pass")
	b.Has("#state", "Running")
	b.visit("connectors")
	edit := func(name string) {
		b.Click("[data-name=" + name + "] [data-act=edit]")
		b.Until("the form", `document.querySelector('#connectorform')`)
	}
	saved := func() {
		b.Until("saved", `!document.querySelector('#connectorform')`)
	}
	for _, name := range []string{"rich", "agg", "bare"} {
		before, at := b.settingsOf(name)
		edit(name)
		b.Click("#save")
		saved()
		if after, then := b.settingsOf(name); after != before || then != at {
			t.Errorf("%s saved as it was: %s at %s, before %s at %s", name, after, then, before, at)
		}
	}

	edit("rich")
	b.look("connector-smpp")
	b.With("#c-statuses .add", `e.focus();`)
	b.Press("\r")
	b.focusIn("#c-statuses-2-name")
	b.Press("ESME_RNONE")
	b.Press("\t")
	b.focusIn("#c-statuses-2-value")
	b.Fill("#c-dest_rules-0-ton", "256")
	b.With("#c-source_rules-0-ton", `e.focus();`)
	b.Press("\r") // Enter in a field saves
	b.Has("#c-statuses [data-row='2'] .error", "no command_status")
	b.Has("#c-dest_rules-0-ton-says", "between 0 and 255")
	b.Until("the errors are told with the fields", `document.querySelector('#c-statuses-2-name').getAttribute('aria-describedby') === document.querySelector('#c-statuses .line.wrong .error').id && document.querySelector('#c-dest_rules-0-ton').ariaInvalid === 'true'`)
	b.look("connector-smpp-errors")
	b.Fill("#c-dest_rules-0-ton", "1")
	b.Fill("#c-statuses-2-name", "0x401")
	b.Until("what was said of the old name is gone", `!document.querySelector('#c-statuses .error')`)
	b.Fill("#c-dest_rules-0-ton", "x")
	b.Click("#save")
	b.Has("#c-dest_rules-0-ton-says", "whole number")
	b.Fill("#c-dest_rules-0-ton", "1")
	b.With("#c-source_rules [data-row='1'] [data-row-act=up]", `e.focus();`)
	b.Press(" ")
	b.focusIn("#c-source_rules [data-row='0'] [data-row-act=down]") // at the top its other button
	b.Until("the second one is first", `document.querySelector('#c-source_rules-0-kind').value === 'short'`)
	b.With("#c-source_rules [data-row='3'] [data-row-act=remove]", `e.focus();`)
	b.Press(" ")
	b.focusIn("#c-source_rules [data-row='2'] [data-row-act=remove]")
	b.With("#c-dest_rules [data-row='0'] [data-row-act=remove]", `e.focus();`)
	b.Press(" ")
	b.focusIn("#c-dest_rules .add")
	b.Click("#save")
	saved()
	settings, _ := b.settingsOf("rich")
	var got struct {
		Source   json.RawMessage   `json:"source_rules"`
		Dest     json.RawMessage   `json:"dest_rules"`
		Statuses map[string]string `json:"statuses"`
	}
	if err := json.Unmarshal([]byte(settings), &got); err != nil {
		t.Fatal(err)
	}
	if string(got.Source) != `[{"kind":"short","prefix":" 1","ton":0,"strip":1,"prepend":"+"},{"kind":"alphanumeric","ton":5,"npi":0},{}]` || len(got.Dest) != 0 || got.Statuses["0x401"] != "temporary" || len(got.Statuses) != 3 {
		t.Errorf("saved: %s", settings)
	}

	edit("agg")
	b.look("connector-http")
	b.Click("#c-http-headers [data-row='0'] [data-row-act=remove]")
	b.Fill("#c-http-headers-0-value", "{{nobody}}")
	b.Fill("#c-http-rules-1-like", "(")
	b.Fill("#c-http-callback-id", "somewhere")
	b.Click("#save")
	b.Has("#c-http-headers .error", "is no field")
	b.Has("#c-http-rules-1-like-says", "no regular expression")
	b.Has("#c-http-callback-id-says", "none of json:path")
	b.look("connector-http-errors")
	b.Fill("#c-http-headers-0-value", "1")
	b.Fill("#c-http-rules-1-like", "no")
	b.Fill("#c-http-callback-id", "text")
	b.Click("#c-http-callback-states [data-row='0'] [data-row-act=remove]")
	b.Click("#save")
	saved()
	settings, _ = b.settingsOf("agg")
	var http struct {
		HTTP struct {
			Headers  map[string]string `json:"headers"`
			Body     string            `json:"body"`
			Rules    []map[string]any  `json:"rules"`
			Callback struct {
				ID, To string
				States map[string]string
			} `json:"callback"`
		} `json:"http"`
	}
	if err := json.Unmarshal([]byte(settings), &http); err != nil {
		t.Fatal(err)
	}
	h := http.HTTP
	if !reflect.DeepEqual(h.Headers, map[string]string{"X-B": "1"}) || !reflect.DeepEqual(h.Callback.States, map[string]string{"gone": "expired"}) ||
		h.Callback.ID != "text" || h.Callback.To != "json:to" || h.Rules[1]["like"] != "no" || h.Body != "to={{to}}\r\n&t={{hex}}&u={{udh}}" {
		t.Errorf("saved: %s", settings)
	}

	b.Click("#new")
	b.Fill("#c-name", "made")
	b.With("#c-kind", `e.value = 'http'; e.dispatchEvent(new Event('input', {bubbles: true}));`)
	b.Fill("#c-http-url", "http://127.0.0.1:1/?to={{to}}&text={{text}}")
	b.Click("#save")
	b.Has("[data-name=made] .badge", "up")
}

// TestConnectorCalls moves what waits to another connector and tries an aggregator's API out, as an operator; the log of changes
// has it, and neither an auditor nor a customer is offered it, nor may do it.
func TestConnectorCalls(t *testing.T) {
	url, _ := startConsole(t)
	post(t, url, "connectors", richHTTP)
	post(t, url, "connectors", `{"name":"idle","mode":"stopped","address":"127.0.0.1:1","system_id":"x"}`)
	post(t, url, "routes", `{"name":"waits","match":{"prefixes":["+49"]},"targets":[{"connector":"idle"}]}`)
	for _, to := range []string{"+4915112345670", "+4915112345671"} {
		post(t, url, "messages", `{"from":"SHOP","to":"`+to+`","text":"x"}`)
	}
	post(t, url, "accounts", `{"name":"shop"}`)
	for name, role := range map[string]string{"olga": "operator", "aude": "auditor", "cara": "customer"} {
		account := 1
		if role == "customer" {
			account = 2
		}
		post(t, url, "users", fmt.Sprintf(`{"name":%q,"role":%q,"account_id":%d,"password":"correct horse battery"}`, name, role, account))
	}
	b := visitConsole(t, url)
	in := func(name string) {
		b.signIn(name, "correct horse battery")
		b.Has(".banner.warn", "password")
		b.ownPassword("correct horse battery")
	}
	in("olga")
	b.visit("connectors")
	b.Has("[data-name=idle] dd", "2")
	b.Until("no template to try of SMPP", `document.querySelector('[data-name=agg] [data-act=test]') && !document.querySelector('[data-name=idle] [data-act=test]')`)
	b.Click("[data-name=idle] [data-act=move]")
	b.Has("dialog", "2 messages wait")
	b.Until("every other connector", `[...document.querySelectorAll('#moveto option')].map(o => o.value).join() === 'default,agg'`)
	b.look("connector-move")
	b.Click("dialog button.danger")
	b.Has("#moved", "2 messages moved from idle to default")
	b.answer("messages?limit=2", "d.messages.every(m => m.status === 'DELIVERED')")

	b.Click("[data-name=agg] [data-act=test]")
	b.Fill("#t-text", "a&b?")
	b.Fill("#t-answer", `{"error":{"code":12}}`)
	b.Fill("#t-receipt", `{"results":[{"messageId":"7","to":"15550001234","status":{"name":"DELIVERED_TO_HANDSET"}}]}`)
	b.Click("#try")
	b.Has("#tried pre", "PUT https://127.0.0.1:1/sms?a=1")
	b.Has("#tried .badge", "throttled")
	b.Has("#tried .badge.go", "DELIVRD")
	b.Until("no secret", `!document.querySelector('#tried').textContent.includes('secret')`)
	b.look("connector-trial")
	b.Fill("#t-receipt", `{}`)
	b.Click("#try")
	b.Has("#t-receipt-says", "results")
	b.Click("[data-name=default] [data-act=pause]")
	b.Has("dialog", "Nothing more is sent")
	b.Click("dialog button")
	b.Until("still running", `!document.querySelector('dialog') && document.querySelector('[data-name=default] [data-act=pause]')`)
	b.answer("audit?limit=20", `d.entries.some(e => e.user === 'olga' && e.path.endsWith('/connectors/idle/move') && e.request.to === 'default')`)

	const tries = `Promise.all(['move', 'test', 'stop'].map(what => fetch('/api/v1/connectors/agg/' + what, { method: 'POST', headers: { 'X-CSRF-Token': me.csrf_token, 'Content-Type': 'application/json' }, body: '{"to":"default"}' }).then(r => r.status)))`
	refused := func(who string) {
		b.JS(`(window.codes = null, fetch('/api/v1/session').then(r => r.json()).then(me => ` + tries + `).then(codes => { window.codes = String(codes); }), '')`)
		b.Until("answers", `window.codes`)
		if codes := b.JS(`codes`); codes != "403,403,403" {
			t.Errorf("move, test and stop by %s: %s", who, codes)
		}
	}
	b.Click("#signout")
	in("aude")
	b.visit("connectors")
	b.Has("[data-name=idle] h2", "idle")
	if b.JS(`document.querySelectorAll('main [data-act]').length`) != "0" {
		t.Error("an auditor is offered to change connectors")
	}
	refused("an auditor")
	b.Click("#signout")
	in("cara")
	refused("a customer")
}
