package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// AdjustBalance corrects a balance, up or down, with a note of why; for administrators. With a
// Reference it is repeated like a call that only reads.
func (c *Client) AdjustBalance(ctx context.Context, id uint32, p Payment) (*Movement, error) {
	return c.pay(ctx, id, "/adjust", p)
}

// Transfer moves money from the parent of an account to it, or back when the amount is negative;
// for resellers. With a Reference it is repeated like a call that only reads.
func (c *Client) Transfer(ctx context.Context, id uint32, p Payment) (*Movement, error) {
	return c.pay(ctx, id, "/transfer", p)
}

func (c *Client) pay(ctx context.Context, id uint32, action string, p Payment) (*Movement, error) {
	into := new(Movement)
	q := &call{method: http.MethodPost, path: accountPath(id, action), body: p, into: into, again: p.Reference != ""}
	if _, err := c.do(ctx, q); err != nil {
		return nil, err
	}
	return into, nil
}

// MovementPage is a piece of an account's movements, newest first.
type MovementPage struct {
	Movements  []Movement `json:"movements"`
	NextCursor string     `json:"next_cursor"` // "": the end
}

// Page says which piece of a list is wanted.
type Page struct {
	Cursor string // NextCursor of the page before; "": from the begin
	Limit  int    // items in one page, 1 to 1,000; 0: 20, and 1,000 for iterators
}

// MovementPage returns a piece of an account's movements; Me is the caller's own account.
func (c *Client) MovementPage(ctx context.Context, id uint32, p Page) (*MovementPage, error) {
	return get[MovementPage](ctx, c, http.MethodGet, accountPath(id, "/movements"), queryOf("cursor", p.Cursor, "limit", number(p.Limit)), nil)
}

// Movements goes through all movements of an account, newest first, as Messages does.
func (c *Client) Movements(ctx context.Context, id uint32) iter.Seq2[*Movement, error] {
	return walk("", func(cursor string) ([]Movement, string, error) {
		p, err := c.MovementPage(ctx, id, Page{Cursor: cursor, Limit: 1000})
		if err != nil {
			return nil, "", err
		}
		return p.Movements, p.NextCursor, nil
	})
}

// Usage is what an account used of its quotas.
type Usage struct {
	AccountID uint32  `json:"account_id"`
	TimeZone  string  `json:"time_zone"`
	TPS       float64 `json:"tps"` // a second; 0: no limit
	Burst     int     `json:"burst"`
	TPSCounts string  `json:"tps_counts"`
	Day       Period  `json:"day"`
	Month     Period  `json:"month"`
}

// Period is a day or a month of an account. Figures are parts of messages.
type Period struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"` // not included
	Parts int64     `json:"parts"`
	Quota *int64    `json:"quota"` // nil: no limit
	Left  *int64    `json:"left"`  // nil: no limit
}

// Usage returns what an account used of its quotas; Me is the caller's own.
func (c *Client) Usage(ctx context.Context, id uint32) (*Usage, error) {
	return get[Usage](ctx, c, http.MethodGet, accountPath(id, "/usage"), nil, nil)
}
