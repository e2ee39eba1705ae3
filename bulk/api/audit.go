package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"protei-bulk/bulk/audit"
	"protei-bulk/bulk/message"
)

// Audit keeps the log of administrative changes.
type Audit interface {
	// Begin returns a context, with which changes are written together with the entry, and its record.
	Begin(ctx context.Context, e audit.Entry) (context.Context, *audit.Record)
	// End writes the entry, durably, unless the changes did.
	End(ctx context.Context, r *audit.Record) error
	// List returns entries, newest first, and the cursor to go on with; "" at the end.
	List(ctx context.Context, q audit.Query) (entries []audit.Entry, next string, err error)
}

// audited reports whether a call with this method is an administrative change: everything that
// is not reading, except messages and what only tries something out.
func (e *endpoint) audited(method string) bool {
	switch {
	case e.access == anybody, method == http.MethodGet, method == http.MethodHead,
		e.path == "/api/v1/messages", strings.HasPrefix(e.path, "/api/v1/messages/"),
		strings.HasSuffix(e.path, "/preview"), e.path == "/api/v1/alerts/channels/{name}/test", e.path == "/api/v1/session/totp" && method == http.MethodPost:
		return false
	}
	switch e.path {
	case "/api/v1/routes/test", "/api/v1/inbound/routes/test", "/api/v1/connectors/{name}/test":
		return false
	}
	return true
}

// auditedCall runs a handler whose change goes into the log.
func (c *call) auditedCall(handle func(*call) error) error {
	id := c.requestID()
	e := audit.Entry{
		At: c.api.opts.Now().UTC(), Account: c.who.ID, Name: c.who.Name, Address: c.address(), RequestID: id,
		Method: c.r.Method, Path: c.r.URL.Path, Changes: []audit.Change{},
	}
	if c.session != nil {
		e.User = c.session.User.Name
	}
	if c.key != nil {
		e.Key = c.key.Prefix
	}
	c.body = c.body[:0] // of another request, if the handler reads none
	ctx, record := c.api.opts.Audit.Begin(c.r.Context(), e)
	c.r = c.r.WithContext(ctx)
	if err := handle(c); err != nil {
		return err
	}
	record.Asked(c.body)
	if err := c.api.opts.Audit.End(ctx, record); err != nil { // what was asked for is done
		c.api.opts.Logger.Error("the log of changes lacks an entry", "request_id", id, "method", c.r.Method, "path", c.r.URL.Path, "account", c.who.Name, "err", err)
	}
	return nil
}

// requestID is the one that the client chose, or a new one, which the answer has, too.
func (c *call) requestID() string {
	id := c.r.Header.Get("X-Request-Id")
	if !isRequestID(id) {
		var b [8]byte
		_, _ = rand.Read(b[:])
		id = hex.EncodeToString(b[:])
		c.r.Header.Set("X-Request-Id", id)
	}
	return id
}

// listAudit is GET /api/v1/audit.
func (c *call) listAudit() error {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return wrong("invalid_parameter", "the query is not well-formed")
	}
	q := audit.Query{Limit: defaultLimit}
	var faults []fault
	for name := range values {
		v, detail := strings.TrimSpace(values.Get(name)), ""
		switch name {
		case "limit":
			q.Limit, detail = parseCount(v, defaultLimit, maxLimit)
		case "cursor":
			var id message.ID
			id, detail = parseIDParameter(v)
			q.Before = id.String()
		case "account_id":
			n, err := strconv.ParseUint(v, 10, 32)
			if err != nil {
				detail = "is not an account's number"
			}
			q.Account = uint32(n)
		case "api_key":
			q.Key = v
		case "user":
			q.User = v
		case "what":
			q.What = v
		case "method":
			q.Method = strings.ToUpper(v)
		case "path":
			q.Path = v
		case "since":
			q.Since, detail = auditTime(v)
		case "until":
			q.Until, detail = auditTime(v)
		default:
			detail = "is none of account_id, api_key, user, what, method, path, since, until, limit, cursor"
		}
		if detail != "" {
			faults = append(faults, fault{"?" + shorten(name), "invalid_parameter", detail})
		}
	}
	if len(faults) > 0 {
		return &problem{code: "invalid_parameter", detail: faults[0].pointer[1:] + " " + faults[0].detail, faults: faults}
	}
	entries, next, err := c.api.opts.Audit.List(c.r.Context(), q)
	if err != nil {
		return err
	}
	if entries == nil {
		entries = []audit.Entry{}
	}
	answer := map[string]any{"entries": entries, "limit": q.Limit, "next_cursor": nil}
	if next != "" {
		answer["next_cursor"] = next
	}
	return c.document(200, answer)
}

func auditTime(text string) (t time.Time, detail string) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, "is not a time with zone such as 2030-01-31T09:00:00Z"
	}
	return t, ""
}
