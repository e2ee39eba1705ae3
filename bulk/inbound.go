package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/inbound"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// wireInbound opens the inbound routes, those of the configuration when the store has none.
func (p *Platform) wireInbound(ctx context.Context) error {
	routes, err := inbound.OpenRoutes(ctx, inboundRouteStore{p.store}, p.store.IDs())
	if err != nil {
		return err
	}
	guard := &callback.Guard{Allow: p.allowed()}
	routes.Check = func(r *inbound.Route) error {
		if p.accounts.ByID(r.Account) == nil {
			return &inbound.FieldError{Field: "account_id", Detail: "names no account"}
		}
		if r.URL == "" {
			return nil
		}
		if err := guard.CheckURL(r.URL); err != nil {
			return &inbound.FieldError{Field: "url", Detail: err.Error()}
		}
		return nil
	}
	p.mo, p.optOuts = routes, newOptOuts(p)
	if len(routes.Table().Routes()) == 0 {
		if err := p.seedInbound(ctx); err != nil {
			return err
		}
	}
	p.inbound, err = inbound.New(inbound.Options{
		Store: p.store, IDs: p.store.IDs(), Routes: routes, Deliver: p.deliverInbound, Hook: p.optOuts.look, Logger: p.log,
	})
	return err
}

func (p *Platform) seedInbound(ctx context.Context) error {
	for i, text := range p.cfg.Inbound.Routes {
		r, name, err := parseInboundRoute(text)
		if err != nil {
			return fmt.Errorf("inbound.routes: %w", err)
		}
		if a := p.accounts.ByName(name); a != nil {
			r.Account = a.ID
		}
		r.Order = max(r.Order, i+1)
		if _, err := p.mo.Create(ctx, r); err != nil {
			return fmt.Errorf("inbound.routes: %q: %w", text, err)
		}
	}
	return nil
}

// parseInboundRoute reads a route of the configuration: the conditions and the customer's
// account by name, written as a URL's query.
func parseInboundRoute(text string) (r inbound.Route, accountName string, err error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return r, "", fmt.Errorf("%q is not key=value&key=value: %w", text, err)
	}
	for key := range values {
		v := values.Get(key)
		switch key {
		case "name":
			r.Name = v
		case "to":
			r.To = v
		case "from":
			r.From = v
		case "keyword":
			r.Keyword = v
		case "pattern":
			r.Pattern = v
		case "url":
			r.URL = v
		case "account":
			accountName = v
		case "order":
			if r.Order, err = strconv.Atoi(v); err != nil {
				return r, "", fmt.Errorf("%q: order is a number", text)
			}
		default:
			return r, "", fmt.Errorf("%q: %s is none of account, to, from, keyword, pattern, url, name, order", text, key)
		}
	}
	if accountName == "" {
		return r, "", fmt.Errorf("%q: account is needed", text)
	}
	return r, accountName, nil
}

// deliverInbound offers a message to whoever tells its customer. What is not taken is read
// from the store later.
func (p *Platform) deliverInbound(m *message.Inbound) {
	if m.URL != "" {
		p.webhooks.Push(p.inboundNotice(m))
		return
	}
	p.tellSMPP(esme.NoticeOfInbound(m))
}

func (p *Platform) inboundNotice(m *message.Inbound) callback.Notice {
	return callback.Notice{
		MessageID: m.ID, Account: m.Account, URL: m.URL, DoneAt: m.ReceivedAt, Inbound: m,
		Event: inbound.WebhookEvent(m, p.connector.Name(m.Connector)),
	}
}

// openInbound returns up to limit messages above after that their customers do not have.
func (p *Platform) openInbound(ctx context.Context, account uint32, after message.ID, limit int, want func(*message.Inbound) bool) ([]*message.Inbound, error) {
	var page []*message.Inbound
	for len(page) < limit {
		msgs, err := p.store.InboundWaiting(ctx, message.InboundOpen, account, after, limit)
		if err != nil || len(msgs) == 0 {
			return page, err
		}
		after = msgs[len(msgs)-1].ID
		page = append(page, slices.DeleteFunc(msgs, func(m *message.Inbound) bool { return !want(m) })...)
	}
	return page[:limit], nil
}

// ended is the change that ends m's outbox entry.
func ended(m *message.Inbound, failed bool) message.InboundChange {
	c := message.InboundChange{ID: m.ID, InboundState: m.InboundState}
	c.Status, c.DoneAt = message.InboundDelivered, time.Now().UnixMilli()
	if failed {
		c.Status = message.InboundFailed
	}
	return c
}

// inboundRouteStore keeps inbound routes among the store's objects.
type inboundRouteStore struct{ store store.Store }

const inboundRouteKind = "inbound_route"

func (s inboundRouteStore) LoadInboundRoutes(ctx context.Context) ([]inbound.Route, error) {
	objects, err := s.store.Objects(ctx, inboundRouteKind)
	if err != nil {
		return nil, err
	}
	routes := make([]inbound.Route, 0, len(objects))
	for key, value := range objects {
		var r inbound.Route
		if err := json.Unmarshal(value, &r); err != nil {
			return nil, fmt.Errorf("inbound route %s: %w", key, err)
		}
		routes = append(routes, r)
	}
	return routes, nil
}

func (s inboundRouteStore) SaveInboundRoute(ctx context.Context, r inbound.Route) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := noteObject(ctx, s.store, inboundRouteKind, r.ID.String(), "inbound route "+r.ID.String(), value); err != nil {
		return err
	}
	return s.store.PutObject(ctx, inboundRouteKind, r.ID.String(), value)
}

func (s inboundRouteStore) DeleteInboundRoute(ctx context.Context, id message.ID) error {
	if err := noteObject(ctx, s.store, inboundRouteKind, id.String(), "inbound route "+id.String(), nil); err != nil {
		return err
	}
	err := s.store.DeleteObject(ctx, inboundRouteKind, id.String())
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// inboundReader is the store's inbound messages as package api wants them.
type inboundReader struct{ p *Platform }

func (r inboundReader) Inbound(ctx context.Context, id message.ID) (*message.Inbound, error) {
	m, err := r.p.store.Inbound(ctx, id)
	return m, inboundError(err)
}

func (r inboundReader) Inbounds(ctx context.Context, q message.InboundQuery) ([]*message.Inbound, error) {
	return r.p.store.Inbounds(ctx, q)
}

func (r inboundReader) Replay(ctx context.Context, id message.ID) (*message.Inbound, error) {
	m, err := r.p.inbound.Replay(ctx, id)
	return m, inboundError(err)
}

func inboundError(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return api.ErrNotFound
	}
	return err
}
