package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// NumberList is a list of numbers that are not written to.
type NumberList string

// The lists.
const (
	Blacklist NumberList = "blacklist" // what administrators and customers block
	OptOuts   NumberList = "optouts"   // who does not want messages any more
)

// ListedNumber is a number on a list.
type ListedNumber struct {
	Number    string    `json:"number"`
	AccountID *uint32   `json:"account_id"` // nil: for everybody
	Sender    string    `json:"sender,omitempty"`
	Source    string    `json:"source"` // api, stop and the like
	Since     time.Time `json:"since"`
}

// NumberScope says whose list is meant, and which entries.
type NumberScope struct {
	Owner  string // an account's number, me, or all for everybody's; "": the caller's own
	Sender string // entries for messages of this sender only; "": of every sender
}

// NumberQuery selects numbers. Zero members do not filter.
type NumberQuery struct {
	Owner  string // as of NumberScope
	Number string // only this one
	Page
}

// NumberPage is a piece of a list of numbers.
type NumberPage struct {
	Numbers    []ListedNumber `json:"numbers"`
	Limit      int            `json:"limit"`
	NextCursor string         `json:"next_cursor"` // "": the end
}

// NumbersChanged is what became of numbers that were put on a list or taken off.
type NumbersChanged struct {
	Total     int           `json:"total"`
	Added     int           `json:"added,omitempty"`
	Removed   int           `json:"removed,omitempty"`
	Unchanged int           `json:"unchanged"`
	Refused   int           `json:"refused"`
	Errors    []NumberFault `json:"errors"`
	Warnings  []string      `json:"warnings"`
}

// NumberFault is why one number was refused.
type NumberFault struct {
	Index  int    `json:"index"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// NumberPage returns a piece of a list.
func (c *Client) NumberPage(ctx context.Context, l NumberList, q NumberQuery) (*NumberPage, error) {
	return get[NumberPage](ctx, c, http.MethodGet, under("/", string(l)),
		queryOf("account_id", q.Owner, "number", q.Number, "cursor", q.Cursor, "limit", number(q.Limit)), nil)
}

// Numbers goes through all numbers that q selects, as Messages does.
func (c *Client) Numbers(ctx context.Context, l NumberList, q NumberQuery) iter.Seq2[*ListedNumber, error] {
	setDefault(&q.Limit, 1000)
	return walk(q.Cursor, func(cursor string) ([]ListedNumber, string, error) {
		q := q
		q.Cursor = cursor
		p, err := c.NumberPage(ctx, l, q)
		if err != nil {
			return nil, "", err
		}
		return p.Numbers, p.NextCursor, nil
	})
}

// AddNumbers puts numbers on a list; those that are there stay.
func (c *Client) AddNumbers(ctx context.Context, l NumberList, s NumberScope, numbers []string) (*NumbersChanged, error) {
	return c.changeNumbers(ctx, under("/", string(l)), s, numbers)
}

// RemoveNumbers takes numbers off a list.
func (c *Client) RemoveNumbers(ctx context.Context, l NumberList, s NumberScope, numbers []string) (*NumbersChanged, error) {
	return c.changeNumbers(ctx, under("/", string(l), "/remove"), s, numbers)
}

// changeNumbers may be repeated: what was done already is unchanged.
func (c *Client) changeNumbers(ctx context.Context, path string, s NumberScope, numbers []string) (*NumbersChanged, error) {
	body := struct {
		Numbers []string `json:"numbers"`
		Sender  string   `json:"sender,omitempty"`
	}{numbers, s.Sender}
	return retried[NumbersChanged](ctx, c, path, queryOf("account_id", s.Owner), body)
}

// RemoveNumber takes one number off a list; not_found when it is not there.
func (c *Client) RemoveNumber(ctx context.Context, l NumberList, s NumberScope, one string) error {
	return c.run(ctx, http.MethodDelete, under("/"+string(l)+"/", one), queryOf("account_id", s.Owner, "sender", s.Sender))
}
