package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"
)

// AuditEntry is an administrative change, without secrets.
type AuditEntry struct {
	ID        string          `json:"id"`
	At        time.Time       `json:"at"`
	AccountID uint32          `json:"account_id"`
	Account   string          `json:"account"` // its name
	APIKey    string          `json:"api_key,omitempty"`
	User      string          `json:"user,omitempty"` // who was signed in to the console
	Address   string          `json:"address"`        // that the request came from
	Method    string          `json:"method"`
	Path      string          `json:"path"`
	RequestID string          `json:"request_id"`
	Request   json.RawMessage `json:"request,omitempty"` // an object
	Changes   []AuditChange   `json:"changes"`
}

// AuditChange is what changed of one thing. Before and After are objects, or null.
type AuditChange struct {
	What   string          `json:"what"` // such as account 3
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
	Count  int64           `json:"count,omitempty"` // of many at once
}

// AuditQuery selects changes. Zero members do not filter.
type AuditQuery struct {
	AccountID    uint32
	APIKey       string // prefix
	User         string
	What         string // such as account 3
	Method, Path string
	Since        time.Time // included
	Until        time.Time // not included
	Page
}

// AuditPage is a piece of the log of changes, newest first.
type AuditPage struct {
	Entries    []AuditEntry `json:"entries"`
	Limit      int          `json:"limit"`
	NextCursor string       `json:"next_cursor"` // "": the end
}

// AuditPage returns a piece of the log of changes.
func (c *Client) AuditPage(ctx context.Context, q AuditQuery) (*AuditPage, error) {
	return get[AuditPage](ctx, c, http.MethodGet, base+"/audit", queryOf("account_id", number(q.AccountID), "api_key", q.APIKey, "user", q.User,
		"what", q.What, "method", q.Method, "path", q.Path, "since", moment(q.Since), "until", moment(q.Until), "cursor", q.Cursor, "limit", number(q.Limit)), nil)
}

// Audit goes through all changes that q selects, newest first, as Messages does.
func (c *Client) Audit(ctx context.Context, q AuditQuery) iter.Seq2[*AuditEntry, error] {
	setDefault(&q.Limit, 1000)
	return walk(q.Cursor, func(cursor string) ([]AuditEntry, string, error) {
		q := q
		q.Cursor = cursor
		p, err := c.AuditPage(ctx, q)
		if err != nil {
			return nil, "", err
		}
		return p.Entries, p.NextCursor, nil
	})
}
