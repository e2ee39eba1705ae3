package api

import (
	"context"
	"errors"
	"fmt"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

// postMessage is POST /api/v1/messages.
func (c *call) postMessage() error {
	ndjson, err := bodyType(c.r.Header)
	if err != nil {
		return err
	}
	if ndjson {
		return wrong("unsupported_media_type", "NDJSON is for /api/v1/messages/bulk; send application/json")
	}
	text, err := c.text(maxSingleBody)
	if err != nil {
		return err
	}
	return c.atMostOnce(text, func() error { return c.submitOne(text) })
}

func (c *call) submitOne(text string) error {
	c.request()
	c.outs = append(c.outs[:0], intake.Outcome{})
	if err := c.dec.single(text, &c.reqs[0]); err != nil {
		return err
	}
	if err := c.submit(); err != nil {
		return err
	}
	if r := c.outs[0].Err; r != nil {
		return c.missing(c.dec.named(r))
	}
	c.reply(201, c.answer)
	return nil
}

// submit hands the requests to intake and writes the answer if any was accepted: before the
// commit when it is stored with the messages, after it otherwise.
func (c *call) submit() error {
	if parent := c.r.Header.Get("Traceparent"); parent != "" {
		for i := range c.reqs {
			c.reqs[i].TraceParent = parent
		}
	}
	if c.once == nil {
		if err := c.api.opts.Intake.Submit(c.r.Context(), c.reqs, c.outs); err != nil {
			return c.notAccepted(err)
		}
		if c.anyAccepted() {
			c.render()
		}
		return nil
	}
	// Whether the commit succeeds must be known before the key is free again, even if the
	// customer has gone.
	err := c.api.opts.Intake.SubmitOnce(context.WithoutCancel(c.r.Context()), c.reqs, c.outs, c.seal)
	if err != nil || !c.anyAccepted() {
		c.w.Header().Del("Location") // of messages that were not accepted after all
	}
	if err != nil {
		return c.notAccepted(err)
	}
	return nil
}

func (c *call) render() {
	if c.batch != nil {
		c.batchAccepted(c.batch)
	} else {
		c.accepted(&c.outs[0])
	}
}

func (c *call) anyAccepted() bool {
	for i := range c.outs {
		if c.outs[i].Err == nil {
			return true
		}
	}
	return false
}

// request adds an empty request of the caller, with the defaults of the API.
func (c *call) request() *intake.Request {
	c.reqs = append(c.reqs, intake.Request{})
	req := &c.reqs[len(c.reqs)-1]
	req.Account, req.Priority = c.who, message.Normal
	return req
}

// single reads a body that is one message.
func (d *decoder) single(text string, req *intake.Request) error {
	d.reset(text)
	if d.kind() != '{' {
		return notAnObject(d)
	}
	d.object()
	for d.more('}') {
		if key := d.key(); !d.member(req, key) {
			d.unknown(key)
			d.skip()
		}
	}
	d.end()
	if err := d.syntax(); err != nil {
		return err
	}
	return d.invalid()
}

// named puts the name that the customer used for a field into intake's refusal.
func (d *decoder) named(r *intake.Refusal) *problem {
	p := refusalProblem(r)
	for f, name := range canonical {
		if r.Field == name && d.names[f] != "" && d.names[f] != name {
			p.faults[0].pointer = "/" + d.names[f]
		}
	}
	return p
}

// missing adds to a refusal the fields that are needed and not there, beside the one that
// intake met first.
func (c *call) missing(p *problem) *problem {
	req := &c.reqs[0]
	for _, need := range []struct {
		empty bool
		code  intake.Code
		name  string
	}{{req.To == "", intake.MissingRecipient, "to"}, {req.Text == "" && (req.Content == nil || req.Content.Data == ""), intake.MissingText, "text"}} {
		if need.empty && p.code != string(need.code) && p.httpStatus() == 422 {
			p.code = "validation_failed"
			p.faults = append(p.faults, fault{"/" + need.name, string(need.code), "is needed"})
		}
	}
	return p
}

// notAccepted is the answer when a whole request could not be accepted.
func (c *call) notAccepted(err error) error {
	if errors.Is(err, intake.ErrRepeated) {
		return err // atMostOnce knows what to do
	}
	if c.r.Context().Err() == nil {
		c.api.opts.Logger.Warn("messages not accepted", "account", c.who.Name, "err", err)
	}
	return refusalProblem(intake.AsRefusal(err))
}

// accepted writes the answer 201. The state of m may belong to the store by now: only what is
// fixed at accept is read.
func (c *call) accepted(out *intake.Outcome) {
	m := out.Msg
	location := make([]byte, 0, 40)
	location = m.ID.Append(append(location, "/api/v1/messages/"...))
	c.w.Header()["Location"] = []string{string(location)}

	b := append(c.answer[:0], `{"message_id":`...)
	b = appendID(b, m.ID)
	b = append(b, `,"status":"`...)
	b = append(b, acceptedStatus(m).String()...)
	b = appendInt(b, `","parts":`, int64(len(m.Parts)))
	b = append(b, `,"encoding":"`...)
	b = append(b, gsm.Encoding(m.Encoding).String()...)
	b = append(b, `","submitted_at":`...)
	b = appendTime(b, m.SubmittedAt)
	b = optString(b, `,"client_ref":`, m.ClientRef)
	if out.Transliterated {
		b = append(b, `,"transliterated":true`...)
	}
	if out.SenderReplaced {
		b = append(b, `,"from":`...)
		b = appendString(b, m.Source.Addr)
		b = append(b, `,"sender_replaced":true`...)
	}
	b = appendWarnings(b, "field", c.dec.warnings)
	c.answer = append(b, '}', '\n')
}

func acceptedStatus(m *message.Message) message.Status {
	if m.ScheduleAt > m.SubmittedAt {
		return message.Scheduled
	}
	return message.Pending
}

// getMessage is GET /api/v1/messages/{id}.
func (c *call) getMessage() error {
	m, err := c.message()
	if err != nil {
		return err
	}
	c.answer = c.api.appendMessage(c.answer[:0], m, true)
	c.answer = append(c.answer, '\n')
	c.reply(200, c.answer)
	return nil
}

// message returns the message of the path, if the caller may see it. One of another
// account is as unknown as one that does not exist.
func (c *call) message() (*message.Message, error) {
	id, err := message.ParseID(c.r.PathValue("id"))
	if err != nil {
		return nil, wrong("not_found", "there is no such message: "+err.Error())
	}
	m, err := c.api.opts.Messages.Message(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	if m.Account != c.who.ID && c.who.Role != account.Admin && !c.parentOf(m.Account) {
		return nil, ErrNotFound
	}
	return m, nil
}

// own is message for one that the caller may change: a parent only sees those of its children.
func (c *call) own() (*message.Message, error) {
	m, err := c.message()
	if err == nil && m.Account != c.who.ID && c.who.Role != account.Admin {
		return nil, wrong("forbidden", "it is a message of a child account: only that account and admins change it")
	}
	return m, err
}

// parentOf reports whether an account is a child of the caller.
func (c *call) parentOf(id uint32) bool {
	if c.who.Role != account.Reseller {
		return false
	}
	a := c.api.opts.Accounts.ByID(id)
	return a != nil && c.who.IsParentOf(a)
}

// cancelMessage is DELETE /api/v1/messages/{id}.
func (c *call) cancelMessage() error {
	m, err := c.own()
	if err != nil {
		return err
	}
	if m.Status == message.Cancelled { // again: the customer has what he wants
		return c.became(m.ID, message.Cancelled)
	}
	if !m.Status.Waiting() {
		return tooLate(m.Status)
	}
	if err := c.api.opts.Messages.Cancel(c.r.Context(), m.ID); err != nil {
		return err
	}
	return c.became(m.ID, message.Cancelled)
}

// releaseMessage is POST /api/v1/messages/{id}/release.
func (c *call) releaseMessage() error {
	m, err := c.own()
	if err != nil {
		return err
	}
	if m.Status != message.Held {
		return wrong("not_held", fmt.Sprintf("the message is %s; only a HELD one can be released", m.Status))
	}
	if err := c.api.opts.Messages.Release(c.r.Context(), m.ID); err != nil {
		return err
	}
	return c.became(m.ID, message.Pending)
}

func tooLate(s message.Status) error {
	return wrong("not_cancellable", fmt.Sprintf("the message is %s; only a PENDING, SCHEDULED or HELD one can be cancelled", s))
}

// became answers with the status that the request gave the message.
func (c *call) became(id message.ID, s message.Status) error {
	b := append(c.answer[:0], `{"message_id":`...)
	b = appendID(b, id)
	b = append(b, `,"status":"`...)
	c.answer = append(append(b, s.String()...), "\"}\n"...)
	c.reply(200, c.answer)
	return nil
}

// listMessages is GET /api/v1/messages.
func (c *call) listMessages() error {
	q, unknown, err := parseQuery(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	if c.who.Role != account.Admin {
		if q.Account != 0 && q.Account != c.who.ID && !c.parentOf(q.Account) {
			return wrong("forbidden", "only an admin sees the messages of other accounts, and a reseller those of its children")
		}
		if q.Account == 0 {
			q.Account = c.who.ID
		}
	}
	msgs, next, asOf, err := c.api.opts.Messages.List(c.r.Context(), q)
	if err != nil {
		return err
	}
	b := append(c.answer[:0], `{"messages":[`...)
	for i, m := range msgs {
		if i > 0 {
			b = append(b, ',')
		}
		b = c.api.appendMessage(b, m, false)
	}
	b = append(b, ']')
	if q.Cursor == 0 {
		b = appendInt(b, `,"page":`, int64(q.Page))
	}
	b = appendInt(b, `,"limit":`, int64(q.Limit))
	if next != 0 {
		b = appendID(append(b, `,"next_cursor":`...), next)
	} else {
		b = append(b, `,"next_cursor":null`...)
	}
	b = appendTime(append(b, `,"as_of":`...), asOf.UnixMilli())
	b = appendWarnings(b, "parameter", unknown)
	c.answer = append(b, '}', '\n')
	c.reply(200, c.answer)
	return nil
}
