package api

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/inbound"
	"protei-bulk/bulk/message"
)

// InboundMessages reads mobile-originated messages.
type InboundMessages interface {
	// Inbound returns ErrNotFound for an unknown id.
	Inbound(ctx context.Context, id message.ID) (*message.Inbound, error)
	Inbounds(ctx context.Context, q message.InboundQuery) ([]*message.Inbound, error)
	// Replay has one delivered again, durably: ErrNotFound, inbound.ErrIncomplete, ErrNoRoute.
	Replay(ctx context.Context, id message.ID) (*message.Inbound, error)
}

func (a *API) inboundPaths() {
	type methods = map[string]func(*call) error
	a.on("/api/v1/inbound/messages", customers, methods{"GET": (*call).listInbound})
	a.on("/api/v1/inbound/messages/{id}", customers, methods{"GET": (*call).getInbound})
	a.on("/api/v1/inbound/messages/{id}/replay", customers, methods{"POST": (*call).replayInbound})
	a.on("/api/v1/inbound/routes", customers, methods{"GET": (*call).listInboundRoutes, "POST": (*call).createInboundRoute})
	a.on("/api/v1/inbound/routes/test", admins, methods{"POST": (*call).testInboundRoutes})
	a.on("/api/v1/inbound/routes/{id}", customers, methods{
		"GET": (*call).getInboundRoute, "PATCH": (*call).updateInboundRoute, "DELETE": (*call).deleteInboundRoute,
	})
}

// listInbound is GET /api/v1/inbound/messages.
func (c *call) listInbound() error {
	q, err := c.inboundQuery()
	if err != nil {
		return err
	}
	msgs, err := c.api.opts.Inbound.Inbounds(c.r.Context(), q)
	if err != nil {
		return err
	}
	events := make([]inbound.Event, len(msgs))
	for i, m := range msgs {
		events[i] = c.inboundEvent(m)
	}
	answer := map[string]any{"messages": events, "limit": q.Limit, "next_cursor": nil}
	if len(msgs) == q.Limit {
		answer["next_cursor"] = msgs[len(msgs)-1].ID.String()
	}
	return c.document(200, answer)
}

func (c *call) inboundEvent(m *message.Inbound) inbound.Event {
	e := inbound.EventOf(m)
	e.SMSC = c.api.smsc(m.Connector)
	return e
}

// inboundQuery reads the parameters of the list; it names every wrong one at once.
func (c *call) inboundQuery() (q message.InboundQuery, err error) {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return q, wrong("invalid_parameter", "the query is not well-formed")
	}
	q.Limit = defaultLimit
	var faults []fault
	for name := range values {
		v := strings.TrimSpace(values.Get(name))
		detail := ""
		switch name {
		case "limit":
			q.Limit, detail = parseCount(v, defaultLimit, maxLimit)
		case "status":
			if q.Status, err = message.ParseInboundStatus(v); err != nil {
				detail = "is " + err.Error()
			}
		case "from":
			q.From = listAddress(v)
		case "to":
			q.To = listAddress(v)
		case "cursor":
			q.Below, detail = parseIDParameter(v)
		case "account_id":
			n, err := strconv.ParseUint(v, 10, 32)
			if err != nil {
				detail = "is not an account's number"
			}
			q.Account = uint32(n)
		default:
			detail = "is none of account_id, status, from, to, limit, cursor"
		}
		if detail != "" {
			faults = append(faults, fault{"?" + shorten(name), "invalid_parameter", detail})
		}
	}
	if len(faults) > 0 {
		return q, &problem{code: "invalid_parameter", detail: faults[0].pointer[1:] + " " + faults[0].detail, faults: faults}
	}
	if c.who.Role != account.Admin {
		if q.Account != 0 && q.Account != c.who.ID {
			return q, wrong("forbidden", "only an admin sees the messages of other accounts")
		}
		q.Account = c.who.ID
	}
	return q, nil
}

// inboundMessage returns the message of the path, if the caller may see it.
func (c *call) inboundMessage() (*message.Inbound, error) {
	id, err := message.ParseID(c.r.PathValue("id"))
	if err != nil {
		return nil, wrong("not_found", "there is no such message: "+err.Error())
	}
	m, err := c.api.opts.Inbound.Inbound(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	if m.Account != c.who.ID && c.who.Role != account.Admin {
		return nil, ErrNotFound
	}
	return m, nil
}

func (c *call) getInbound() error {
	m, err := c.inboundMessage()
	if err != nil {
		return err
	}
	return c.document(200, c.inboundEvent(m))
}

// replayInbound is POST /api/v1/inbound/messages/{id}/replay.
func (c *call) replayInbound() error {
	m, err := c.inboundMessage()
	if err != nil {
		return err
	}
	m, err = c.api.opts.Inbound.Replay(c.r.Context(), m.ID)
	switch {
	case errors.Is(err, inbound.ErrIncomplete), errors.Is(err, inbound.ErrNoRoute):
		return wrong("not_replayable", "the message cannot be delivered: "+err.Error())
	case err != nil:
		return err
	}
	return c.document(202, c.inboundEvent(m))
}

// inboundRoute is a route as the API shows it.
type inboundRoute struct {
	ID       string `json:"route_id"`
	Name     string `json:"name"`
	Order    int    `json:"order"`
	To       string `json:"to"`
	From     string `json:"from"`
	Keyword  string `json:"keyword"`
	Pattern  string `json:"pattern"`
	Account  uint32 `json:"account_id"`
	Deliver  string `json:"deliver"` // WEBHOOK, SMPP
	URL      string `json:"url,omitempty"`
	Disabled bool   `json:"disabled"`

	Warnings []string `json:"warnings,omitempty"`
}

func viewInboundRoute(r inbound.Route) inboundRoute {
	v := inboundRoute{
		ID: r.ID.String(), Name: r.Name, Order: r.Order, To: r.To, From: r.From, Keyword: r.Keyword, Pattern: r.Pattern,
		Account: r.Account, Deliver: "SMPP", URL: r.URL, Disabled: r.Disabled,
	}
	if r.URL != "" {
		v.Deliver = "WEBHOOK"
	}
	return v
}

func (c *call) listInboundRoutes() error {
	views := []inboundRoute{}
	for _, r := range c.api.opts.InboundRoutes.Table().Routes() {
		if c.who.Role == account.Admin || r.Account == c.who.ID {
			views = append(views, viewInboundRoute(r))
		}
	}
	return c.document(200, map[string]any{"routes": views})
}

// inboundRouteOf returns the route of the path, if the caller may see it.
func (c *call) inboundRouteOf() (inbound.Route, error) {
	id, err := message.ParseID(c.r.PathValue("id"))
	if err != nil {
		return inbound.Route{}, inbound.ErrUnknownRoute
	}
	r, err := c.api.opts.InboundRoutes.Route(id)
	if err == nil && r.Account != c.who.ID && c.who.Role != account.Admin {
		err = inbound.ErrUnknownRoute
	}
	return r, err
}

func (c *call) getInboundRoute() error {
	r, err := c.inboundRouteOf()
	if err != nil {
		return err
	}
	return c.document(200, viewInboundRoute(r))
}

// readInboundRoute reads the members of a route and returns what they change.
func (c *call) readInboundRoute() (func(*inbound.Route), error) {
	d := &c.dec
	var r inbound.Route
	var order, accountID uint64
	set := make(map[string]bool)
	readers := map[string]func(string){
		"name":       func(n string) { d.string(n, &r.Name) },
		"order":      func(n string) { d.uint(n, inbound.MaxOrder, &order) },
		"to":         func(n string) { d.string(n, &r.To) },
		"from":       func(n string) { d.string(n, &r.From) },
		"keyword":    func(n string) { d.string(n, &r.Keyword) },
		"pattern":    func(n string) { d.string(n, &r.Pattern) },
		"account_id": func(n string) { d.uint(n, 1<<32-1, &accountID) },
		"url":        func(n string) { d.string(n, &r.URL) },
		"disabled":   func(n string) { d.bool(n, &r.Disabled) },
	}
	for name, read := range readers {
		readers[name] = func(n string) { set[n] = true; read(n) }
	}
	if err := c.object(maxAdminBody, readers); err != nil {
		return nil, err
	}
	r.Order, r.Account = int(order), uint32(accountID)
	return func(to *inbound.Route) {
		for name, copied := range map[string]func(){
			"name": func() { to.Name = r.Name }, "order": func() { to.Order = r.Order }, "to": func() { to.To = r.To },
			"from": func() { to.From = r.From }, "keyword": func() { to.Keyword = r.Keyword }, "pattern": func() { to.Pattern = r.Pattern },
			"account_id": func() { to.Account = r.Account }, "url": func() { to.URL = r.URL }, "disabled": func() { to.Disabled = r.Disabled },
		} {
			if set[name] {
				copied()
			}
		}
	}, nil
}

const defaultInboundOrder = 100

func (c *call) createInboundRoute() error {
	if err := c.admin(); err != nil {
		return err
	}
	change, err := c.readInboundRoute()
	if err != nil {
		return err
	}
	r := inbound.Route{Order: defaultInboundOrder, Account: c.who.ID}
	change(&r)
	if r, err = c.api.opts.InboundRoutes.Create(c.r.Context(), r); err != nil {
		return err
	}
	view := viewInboundRoute(r)
	view.Warnings = c.warned()
	c.w.Header().Set("Location", "/api/v1/inbound/routes/"+view.ID)
	return c.document(201, view)
}

func (c *call) updateInboundRoute() error {
	if err := c.admin(); err != nil {
		return err
	}
	r, err := c.inboundRouteOf()
	if err != nil {
		return err
	}
	change, err := c.readInboundRoute()
	if err != nil {
		return err
	}
	if r, err = c.api.opts.InboundRoutes.Update(c.r.Context(), r.ID, change); err != nil {
		return err
	}
	view := viewInboundRoute(r)
	view.Warnings = c.warned()
	return c.document(200, view)
}

func (c *call) deleteInboundRoute() error {
	if err := c.admin(); err != nil {
		return err
	}
	r, err := c.inboundRouteOf()
	if err != nil {
		return err
	}
	if err := c.api.opts.InboundRoutes.Delete(c.r.Context(), r.ID); err != nil {
		return err
	}
	c.w.WriteHeader(204)
	return nil
}

// maxTried bounds the routes that a test names.
const maxTried = 50

// testInboundRoutes says which route wants a message, and why those before it do not.
func (c *call) testInboundRoutes() error {
	var from, to, text string
	err := c.object(maxAdminBody, map[string]func(string){
		"from": func(n string) { c.dec.string(n, &from) },
		"to":   func(n string) { c.dec.string(n, &to) },
		"text": func(n string) { c.dec.string(n, &text) },
	})
	if err != nil {
		return err
	}
	tried, found := c.api.opts.InboundRoutes.Table().Explain(from, to, text, maxTried)
	type row struct {
		Route  inboundRoute `json:"route"`
		Reason string       `json:"reason"`
	}
	answer := map[string]any{"route": nil}
	if found {
		answer["route"] = viewInboundRoute(tried[len(tried)-1].Route)
		tried = tried[:len(tried)-1]
	}
	passed := []row{}
	for _, v := range tried {
		passed = append(passed, row{viewInboundRoute(v.Route), v.Reason})
	}
	answer["passed_over"] = passed
	return c.document(200, answer)
}
