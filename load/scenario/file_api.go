package scenario

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"protei-bulk/load/scenario/template"
	"protei-bulk/load/stats"
	"protei-bulk/smpp"
)

// messagingAPI says how a platform names things: where the ledger finds the ids of
// messages, and how receipts and states are written.
type messagingAPI struct {
	auth              *template.Template // header line, nil: none
	id, segments      jsonPath           // in the answer to a single message
	ids, refused      jsonPath           // in the answer to many: ids in order, indices of those refused
	statusPath        *template.Template // asks for ${message_id}; nil: the target can not be asked
	statusState       jsonPath
	pending           []string
	form              bool // receipts come as a form or in the query
	plain             bool // receipts are as this project's platform writes them
	events            jsonPath
	ref, eventID      jsonPath // in an event; ref without steps: receipts are found by id
	state             jsonPath
	delivered, failed []string
	byID              bool // receipts are found by the platform's id
}

var (
	pendingStates = []string{"PENDING", "SENT", "SCHEDULED", "QUEUED", "SUBMITTED", "PROCESSING"}
	failedStates  = []string{"FAILED", "REJECTED", "EXPIRED", "CANCELLED", "UNKNOWN", "UNDELIVERABLE"}
)

// messaging reads how the platform's API names things; what is left out is as in the
// platform of this project.
func (p *fileParser) messaging(n ast.Node) {
	a := &p.file.api
	m := p.mappingOr(n, "messaging", "auth", "id", "segments", "ids", "refused", "status", "receipts")
	path := func(f fields, key, def string) jsonPath {
		text, at := def, f.values[key]
		if at != nil {
			text = p.text(at, "messaging: "+key, def)
		}
		return p.jsonPath(at, "messaging: "+key, text)
	}
	p.auth(m)
	a.id, a.segments = path(m, "id", "$.message_id"), path(m, "segments", "$.parts")
	a.ids, a.refused = path(m, "ids", "$.message_ids[*]"), path(m, "refused", "$.errors[*].index")
	if m.has("ids") && !a.ids.all() {
		p.fault(m.values["ids"], "messaging: ids: want a path with [*], as $.message_ids[*] or $.messages[*].id")
	}
	p.statusCall(m)
	a.plain = !m.has("receipts")
	r := p.mappingOr(m.values["receipts"], "messaging: receipts", "format", "events", "ref", "id", "state", "delivered", "failed")
	a.form = p.oneOf(r.values["format"], "messaging: receipts: format", "json", "form") == "form"
	a.events = path(r, "events", "$.events[*]")
	a.eventID, a.state = path(r, "id", "$.message_id"), path(r, "state", "$.status")
	a.ref = path(r, "ref", "$.client_ref")
	if s, _ := p.scalar(r.values["ref"]); s == "none" {
		a.byID = true
	}
	a.delivered = p.states(r.values["delivered"], "messaging: receipts: delivered", []string{"DELIVERED"})
	a.failed = p.states(r.values["failed"], "messaging: receipts: failed", failedStates)
}

// mappingOr is mapping for a part that may be left out.
func (p *fileParser) mappingOr(n ast.Node, what string, known ...string) fields {
	if n == nil {
		return fields{}
	}
	return p.mapping(n, what, known...)
}

func (p *fileParser) auth(m fields) {
	text := "X-API-Key: ${api_key}"
	n := m.values["auth"]
	if n != nil {
		text = p.text(n, "messaging: auth", text)
	}
	if text == "none" {
		return
	}
	name, _, ok := strings.Cut(text, ":")
	if !ok || name == "" || strings.ContainsAny(name, " ${}") || strings.ContainsAny(text, "\r\n") {
		p.fault(n, `messaging: auth: want "Header: value", as "Authorization: Bearer ${api_key}", or none`)
		return
	}
	t, faults := p.env.Compile(text, template.Header)
	p.file.api.auth = t
	p.templateFaults(n, "messaging: auth", text, faults)
}

func (p *fileParser) statusCall(m fields) {
	a := &p.file.api
	n := m.values["status"]
	if s, ok := p.scalar(n); ok && s == "none" {
		return
	}
	f := p.mappingOr(n, "messaging: status", "get", "state", "pending")
	text := p.text(f.values["get"], "messaging: status: get", "/api/v1/messages/${message_id}")
	t, faults := p.env.Compile(text, template.Path)
	p.templateFaults(f.values["get"], "messaging: status: get", text, faults)
	a.statusPath = t
	state := p.text(f.values["state"], "messaging: status: state", "$.status")
	a.statusState = p.jsonPath(f.values["state"], "messaging: status: state", state)
	a.pending = p.states(f.values["pending"], "messaging: status: pending", pendingStates)
}

func (p *fileParser) states(n ast.Node, what string, def []string) []string {
	if n == nil {
		return def
	}
	var out []string
	for _, item := range p.list(n) {
		s, ok := p.scalar(item)
		if !ok {
			p.fault(item, "%s: want a list of states", what)
		}
		out = append(out, s)
	}
	return out
}

// final is the ledger's view of a state in a receipt; ok is false for one that is not final.
func (a *messagingAPI) final(state []byte) (stats.Final, bool) {
	switch {
	case slices.Contains(a.delivered, string(state)):
		return stats.FinalDelivered, true
	case slices.Contains(a.failed, string(state)):
		return stats.FinalFailed, true
	}
	return 0, false
}

// withState adds the final state as SMPP numbers it.
func withState(f stats.Final, state []byte) stats.Final {
	if f == stats.FinalDelivered {
		return f.WithState(uint8(smpp.StateDelivered))
	}
	return f.WithState(receipt{status: state}.state())
}

// eachReceipt calls fn for every event of a webhook's body.
func (a *messagingAPI) eachReceipt(body []byte, query string, fn func(receipt)) error {
	switch {
	case a.form:
		return a.formReceipt(body, query, fn)
	case a.plain:
		return eachReceipt(body, fn)
	}
	seen := false
	a.events.each(body, func(event []byte, _ bool) bool {
		seen = true
		fn(receipt{id: found(&a.eventID, event), ref: found(&a.ref, event), status: found(&a.state, event)})
		return true
	})
	if !seen {
		return errJSON
	}
	return nil
}

func found(p *jsonPath, body []byte) []byte {
	v, _, _ := p.find(body)
	return v
}

// formReceipt reads one receipt from a form, or from the query of a GET.
func (a *messagingAPI) formReceipt(body []byte, query string, fn func(receipt)) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errJSON
	}
	more, err := url.ParseQuery(string(bytes.TrimSpace(body)))
	if err != nil {
		return errJSON
	}
	get := func(p *jsonPath) []byte {
		if len(p.steps) != 1 {
			return nil
		}
		name := p.steps[0].name
		if v := more.Get(name); v != "" {
			return []byte(v)
		}
		return []byte(values.Get(name))
	}
	r := receipt{id: get(&a.eventID), ref: get(&a.ref), status: get(&a.state)}
	if len(r.status) == 0 {
		return errJSON
	}
	fn(r)
	return nil
}
