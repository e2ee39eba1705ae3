package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// InboundMessage is a message from a mobile.
type InboundMessage struct {
	ID         string    `json:"message_id"`
	Event      string    `json:"event,omitempty"`
	From       string    `json:"from"`
	To         string    `json:"to"`
	Text       string    `json:"text"`
	Encoding   string    `json:"encoding"`
	DataCoding uint8     `json:"data_coding"`
	UDH        string    `json:"udh,omitempty"` // hex digits
	Part       int       `json:"part,omitempty"`
	Parts      int       `json:"parts"`
	SMSC       string    `json:"smsc,omitempty"` // the connector
	ReceivedAt time.Time `json:"received_at"`
	AccountID  uint32    `json:"account_id,omitempty"` // whom it was for; 0: nobody
	RouteID    string    `json:"route_id,omitempty"`
	URL        string    `json:"url,omitempty"` // that it goes to
	Status     string    `json:"status,omitempty"`
	DoneAt     time.Time `json:"done_at,omitzero"`
}

// InboundQuery selects messages from mobiles. Zero members do not filter.
type InboundQuery struct {
	Status    string
	From, To  string
	AccountID uint32
	Page
}

// InboundPage is a piece of a list, newest first.
type InboundPage struct {
	Messages   []InboundMessage `json:"messages"`
	Limit      int              `json:"limit"`
	NextCursor string           `json:"next_cursor"` // "": the end
}

// InboundPage returns a piece of the list of messages from mobiles.
func (c *Client) InboundPage(ctx context.Context, q InboundQuery) (*InboundPage, error) {
	return get[InboundPage](ctx, c, http.MethodGet, base+"/inbound/messages", queryOf("status", q.Status, "from", q.From, "to", q.To,
		"account_id", number(q.AccountID), "cursor", q.Cursor, "limit", number(q.Limit)), nil)
}

// Inbound goes through all messages from mobiles that q selects, newest first, as Messages does.
func (c *Client) Inbound(ctx context.Context, q InboundQuery) iter.Seq2[*InboundMessage, error] {
	setDefault(&q.Limit, 1000)
	return walk(q.Cursor, func(cursor string) ([]InboundMessage, string, error) {
		q := q
		q.Cursor = cursor
		p, err := c.InboundPage(ctx, q)
		if err != nil {
			return nil, "", err
		}
		return p.Messages, p.NextCursor, nil
	})
}

// InboundMessage returns one message from a mobile; not_found.
func (c *Client) InboundMessage(ctx context.Context, id string) (*InboundMessage, error) {
	return get[InboundMessage](ctx, c, http.MethodGet, under("/inbound/messages/", id), nil, nil)
}

// ReplayInbound delivers a message from a mobile again.
func (c *Client) ReplayInbound(ctx context.Context, id string) (*InboundMessage, error) {
	return get[InboundMessage](ctx, c, http.MethodPost, under("/inbound/messages/", id, "/replay"), nil, nil)
}

// InboundRoute says where messages from mobiles go.
type InboundRoute struct {
	ID        string   `json:"route_id"`
	Name      string   `json:"name"`
	Order     int      `json:"order"` // the lowest decides first
	To        string   `json:"to"`
	From      string   `json:"from"`
	Keyword   string   `json:"keyword"`
	Pattern   string   `json:"pattern"` // a regular expression for the text
	AccountID uint32   `json:"account_id"`
	URL       string   `json:"url,omitempty"`
	Deliver   string   `json:"deliver"` // webhook or smpp
	Disabled  bool     `json:"disabled"`
	Warnings  []string `json:"warnings,omitempty"`
}

// InboundRouteSettings are what CreateInboundRoute sets and UpdateInboundRoute changes; nil or
// empty stays as it is.
type InboundRouteSettings struct {
	Name      string  `json:"name,omitempty"`
	Order     *int    `json:"order,omitempty"`
	To        *string `json:"to,omitempty"`
	From      *string `json:"from,omitempty"`
	Keyword   *string `json:"keyword,omitempty"`
	Pattern   *string `json:"pattern,omitempty"`
	AccountID uint32  `json:"account_id,omitempty"`
	URL       *string `json:"url,omitempty"` // "": over SMPP
	Disabled  *bool   `json:"disabled,omitempty"`
}

// InboundRoutes returns all routes in the order in which they decide.
func (c *Client) InboundRoutes(ctx context.Context) ([]InboundRoute, error) {
	all, err := get[struct{ Routes []InboundRoute }](ctx, c, http.MethodGet, base+"/inbound/routes", nil, nil)
	if err != nil {
		return nil, err
	}
	return all.Routes, nil
}

// InboundRoute returns one; not_found.
func (c *Client) InboundRoute(ctx context.Context, id string) (*InboundRoute, error) {
	return get[InboundRoute](ctx, c, http.MethodGet, under("/inbound/routes/", id), nil, nil)
}

// CreateInboundRoute makes a route.
func (c *Client) CreateInboundRoute(ctx context.Context, s InboundRouteSettings) (*InboundRoute, error) {
	return get[InboundRoute](ctx, c, http.MethodPost, base+"/inbound/routes", nil, s)
}

// UpdateInboundRoute changes what s has.
func (c *Client) UpdateInboundRoute(ctx context.Context, id string, s InboundRouteSettings) (*InboundRoute, error) {
	return get[InboundRoute](ctx, c, http.MethodPatch, under("/inbound/routes/", id), nil, s)
}

// DeleteInboundRoute deletes a route; not_found.
func (c *Client) DeleteInboundRoute(ctx context.Context, id string) error {
	return c.run(ctx, http.MethodDelete, under("/inbound/routes/", id), nil)
}

// InboundTrial is what inbound routing would do with a message.
type InboundTrial struct {
	Route      *InboundRoute `json:"route"` // nil: none takes it
	PassedOver []PassedOver  `json:"passed_over"`
}

// PassedOver is a route that does not take a message.
type PassedOver struct {
	Route  InboundRoute `json:"route"`
	Reason string       `json:"reason"`
}

// TestInboundRoutes says what would become of a message from a mobile.
func (c *Client) TestInboundRoutes(ctx context.Context, from, to, text string) (*InboundTrial, error) {
	body := struct {
		From string `json:"from"`
		To   string `json:"to"`
		Text string `json:"text,omitempty"`
	}{from, to, text}
	return retried[InboundTrial](ctx, c, base+"/inbound/routes/test", nil, body)
}
