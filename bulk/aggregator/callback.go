package aggregator

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"protei-bulk/internal/jsonpointer"
	"protei-bulk/smpp"
)

// callback is a Callback made ready.
type callback struct {
	items                 []string
	id, status, error, to finder
	states                map[string]smpp.MessageState
	answer                string
}

// stateNames are our words for states.
var stateNames = map[string]smpp.MessageState{
	"delivered": smpp.StateDelivered, "failed": smpp.StateUndeliverable, "rejected": smpp.StateRejected,
	"expired": smpp.StateExpired, "unknown": smpp.StateUnknown, "pending": smpp.StateEnroute,
}

// commonWords are what aggregators call them.
var commonWords = map[string]string{
	"delivered": "delivered", "delivrd": "delivered", "success": "delivered", "ok": "delivered", "deliveredtohandset": "delivered",
	"failed": "failed", "undelivered": "failed", "undeliverable": "failed", "undeliv": "failed", "undelivrd": "failed",
	"error": "failed", "failure": "failed", "deleted": "failed", "canceled": "failed", "cancelled": "failed", "delivery_failed": "failed",
	"rejected": "rejected", "rejectd": "rejected", "blocked": "rejected",
	"expired": "expired", "timeout": "expired", "unknown": "unknown", "unknwn": "unknown",
	"pending": "pending", "accepted": "pending", "acceptd": "pending", "queued": "pending", "sent": "pending", "sending": "pending",
	"enroute": "pending", "buffered": "pending", "scheduled": "pending", "submitted": "pending", "processing": "pending",
}

func (c *compiler) callback(s *Callback) *callback {
	if s == nil {
		return nil
	}
	b := &callback{
		items: parsePath(s.Items), id: c.finder("callback/id", s.ID), status: c.finder("callback/status", s.Status),
		error: c.finder("callback/error", s.Error), to: c.finder("callback/to", s.To),
		states: make(map[string]smpp.MessageState), answer: s.Answer,
	}
	for field, text := range map[string]string{"callback/id": s.ID, "callback/status": s.Status} {
		if text == "" {
			c.bad(field, "is needed")
		}
	}
	for word, name := range commonWords {
		b.states[word] = stateNames[name]
	}
	for word, name := range s.States {
		state, ok := stateNames[name]
		if !ok {
			c.bad(jsonpointer.Join("callback/states", word), "%.40q is none of delivered, failed, rejected, expired, unknown, pending", name)
		}
		b.states[strings.ToLower(word)] = state
	}
	if s.Base != "" {
		if u, err := url.Parse(s.Base); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			c.bad("callback/base", "%.80q is not https://host", s.Base)
		}
	}
	if b.answer == "" {
		b.answer = "OK"
	}
	return b
}

// Errors of a callback.
var (
	ErrNoCallback = errors.New("the connector takes no receipts: its setting http.callback is missing")
	ErrCallback   = errors.New("not a receipt")
)

// maxItems is how many receipts one callback may have.
const maxItems = 10_000

// Report is one receipt of a callback. State is final, or ENROUTE.
type Report struct {
	ID, Dest string
	State    smpp.MessageState
	Error    uint32
}

// Receipts reads a callback: all of it, or an error that wraps ErrCallback and says what is
// wrong where. answer is what the aggregator is to be answered.
func (g *Gateway) Receipts(r *http.Request, body []byte) (all []Report, answer string, err error) {
	if g.back == nil {
		return nil, "", ErrNoCallback
	}
	d := &document{header: r.Header, params: r.URL.Query(), body: body}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, "", fmt.Errorf("%w: the form cannot be read", ErrCallback)
		}
		for name, values := range form {
			d.params[name] = append(values, d.params[name]...)
		}
	}
	items := []*document{d}
	v, ok := walk(d.value(), g.back.items)
	if !ok && len(g.back.items) > 0 {
		return nil, "", fmt.Errorf("%w: there is nothing at %s", ErrCallback, strings.Join(g.back.items, "."))
	}
	if list, ok := v.([]any); ok {
		if len(list) > maxItems {
			return nil, "", fmt.Errorf("%w: more than %d at once", ErrCallback, maxItems)
		}
		items = items[:0]
		for _, item := range list {
			items = append(items, &document{header: d.header, params: d.params, body: body, json: item, parsed: true})
		}
	} else if len(g.back.items) > 0 {
		items[0] = &document{header: d.header, params: d.params, body: body, json: v, parsed: true}
	}
	for i, item := range items {
		rec, err := g.back.receipt(item)
		if err != nil {
			return nil, "", fmt.Errorf("%w: number %d: %w", ErrCallback, i+1, err)
		}
		all = append(all, rec)
	}
	return all, g.back.answer, nil
}

func (b *callback) receipt(d *document) (r Report, err error) {
	id, ok := b.id.find(d)
	if !ok || id == "" || len(id) > maxID {
		return r, fmt.Errorf("no id at %s:%s", b.id.kind, b.id.arg)
	}
	word, ok := b.status.find(d)
	if !ok {
		return r, fmt.Errorf("no status at %s:%s", b.status.kind, b.status.arg)
	}
	state, ok := b.states[strings.ToLower(word)]
	if !ok {
		return r, fmt.Errorf("status %.40q is not known: the setting http.callback.states can map it", word)
	}
	r.ID, r.State = id, state
	if to, ok := b.to.find(d); ok {
		r.Dest = strings.TrimPrefix(to, "+")
	}
	if text, ok := b.error.find(d); ok {
		if n, err := strconv.ParseUint(text, 10, 32); err == nil {
			r.Error = uint32(n)
		}
	}
	return r, nil
}

// Words lists the words of aggregators that are known without a setting.
func Words() []string {
	all := make([]string, 0, len(commonWords))
	for word, name := range commonWords {
		all = append(all, word+"="+name)
	}
	slices.Sort(all)
	return all
}
