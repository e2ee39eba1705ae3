package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Status is where a message stands.
type Status string

// The statuses of a message.
const (
	Pending   Status = "PENDING"   // accepted and durable, waits for its turn
	Scheduled Status = "SCHEDULED" // accepted, not due yet
	Sent      Status = "SENT"      // the SMSC took it; a receipt may follow
	Held      Status = "HELD"      // the SMSC's answer was lost; it waits to be released or cancelled
	Delivered Status = "DELIVERED"
	Failed    Status = "FAILED"
	Rejected  Status = "REJECTED"
	Expired   Status = "EXPIRED"
	Cancelled Status = "CANCELLED"
	Unknown   Status = "UNKNOWN" // no receipt came; a late one still corrects it
)

// Final reports whether a message in this status has ended.
func (s Status) Final() bool {
	switch s {
	case Delivered, Failed, Rejected, Expired, Cancelled, Unknown:
		return true
	}
	return false
}

// NewMessage is a message to send. To and Text (or Data) are needed, and From when the account
// has no default.
type NewMessage struct {
	From string `json:"from,omitempty"` // 1 to 11 letters and digits, or a number
	To   string `json:"to,omitempty"`   // + and 7 to 15 digits, or a local number
	Text string `json:"text,omitempty"`
	// Encoding is AUTO, GSM7, UCS2, LATIN1 or BINARY; "": the account's.
	Encoding string `json:"encoding,omitempty"`
	// Priority is LOW, NORMAL, HIGH or CRITICAL; "": NORMAL.
	Priority string `json:"priority,omitempty"`
	// ScheduleAt is when to send, up to 365 days ahead; zero: now.
	ScheduleAt time.Time `json:"schedule_at,omitzero"`
	// ValidityPeriod is how long to try: PT24H, seconds, or a time in RFC 3339.
	ValidityPeriod string `json:"validity_period,omitempty"`
	DLRURL         string `json:"dlr_url,omitempty"`    // webhook for the final state; "": the account's
	ClientRef      string `json:"client_ref,omitempty"` // your reference, up to 64 characters
	Tag            string `json:"tag,omitempty"`        // for routing, up to 32 octets
	Flash          bool   `json:"flash,omitempty"`      // shown at once, not stored
	Transliterate  bool   `json:"transliterate,omitempty"`
	// Ordered lets it leave behind the ordered messages to the same number; nil: the account's.
	Ordered *bool `json:"ordered,omitempty"`

	Data       []byte  `json:"data,omitempty"`      // a binary message, instead of Text
	UDH        string  `json:"udh,omitempty"`       // user data header in hex, its length octet included
	DestPort   *uint16 `json:"dest_port,omitempty"` // application ports
	SourcePort *uint16 `json:"source_port,omitempty"`
}

// Common are the members that hold for every message of a bulk; its To is not used.
type Common = NewMessage

// Bulk is up to 10,000 messages in one request, up to 10 MiB. What stands in a message goes over what is common.
type Bulk struct {
	Common
	Messages []NewMessage `json:"messages"`
}

// Accepted is a message that the platform has taken: it is on disk.
type Accepted struct {
	ID             string    `json:"message_id"` // 16 hex digits
	Status         Status    `json:"status"`
	Parts          int       `json:"parts"`
	Encoding       string    `json:"encoding"`
	SubmittedAt    time.Time `json:"submitted_at"`
	ClientRef      string    `json:"client_ref,omitempty"`
	Transliterated bool      `json:"transliterated,omitempty"`
	From           string    `json:"from,omitempty"` // when SenderReplaced
	SenderReplaced bool      `json:"sender_replaced,omitempty"`
	Warnings       []string  `json:"warnings,omitempty"`

	// Replayed: the Idempotency-Key was used before, and this is the answer of then.
	Replayed bool `json:"-"`
}

// BulkAccepted is what became of a bulk of which at least one message was accepted.
type BulkAccepted struct {
	BatchID        string      `json:"batch_id"`
	Total          int         `json:"total"`
	Accepted       int         `json:"accepted"`
	Rejected       int         `json:"rejected"`
	MessageIDs     []string    `json:"message_ids"` // of the accepted ones, in their order
	Errors         []BulkFault `json:"errors"`
	Transliterated []int       `json:"transliterated,omitempty"`  // indexes
	SenderReplaced []int       `json:"sender_replaced,omitempty"` // indexes
	Warnings       []string    `json:"warnings,omitempty"`

	Replayed bool `json:"-"` // as of Accepted
}

// BulkFault is why one message of a bulk was not accepted.
type BulkFault struct {
	Index int `json:"index"` // in Bulk.Messages
	Fault
}

// Message is a message and what became of it.
type Message struct {
	ID                string      `json:"message_id"` // 16 hex digits, which sort by time
	Status            Status      `json:"status"`
	From              string      `json:"from"`
	To                string      `json:"to"`
	Text              string      `json:"text"`
	Encoding          string      `json:"encoding"`
	Priority          string      `json:"priority"`
	Parts             int         `json:"parts"`
	ClientRef         string      `json:"client_ref,omitempty"`
	DLRURL            string      `json:"dlr_url,omitempty"`
	BatchID           string      `json:"batch_id,omitempty"`
	CampaignID        string      `json:"campaign_id,omitempty"`
	AccountID         uint32      `json:"account_id"`     // whose it is
	SMSC              string      `json:"smsc,omitempty"` // the connector
	Route             string      `json:"route,omitempty"`
	Price             json.Number `json:"price,omitempty"`   // of a part; "": it costs nothing
	Charged           json.Number `json:"charged,omitempty"` // by now
	SubmittedAt       time.Time   `json:"submitted_at"`
	ScheduleAt        time.Time   `json:"schedule_at,omitzero"`
	ValidUntil        time.Time   `json:"valid_until,omitzero"`
	SentAt            time.Time   `json:"sent_at,omitzero"`
	DoneAt            time.Time   `json:"done_at,omitzero"`
	DeliveredAt       time.Time   `json:"delivered_at,omitzero"`
	Attempts          int         `json:"attempts"`
	ErrorCode         int         `json:"error_code,omitempty"` // the SMSC's command_status, or err of the receipt
	PossibleDuplicate bool        `json:"possible_duplicate,omitempty"`
	Segments          []Segment   `json:"segments,omitempty"` // of one message by its id, not in lists
}

// Segment is one part of a message.
type Segment struct {
	Part          int       `json:"part"` // from 1
	Status        Status    `json:"status"`
	SMSCMessageID string    `json:"smsc_message_id,omitempty"`
	Attempts      int       `json:"attempts"`
	ErrorCode     int       `json:"error_code,omitempty"`
	SentAt        time.Time `json:"sent_at,omitzero"`
	DoneAt        time.Time `json:"done_at,omitzero"`
}

// MessageQuery selects messages. Zero members do not filter.
type MessageQuery struct {
	Status     Status
	From, To   string
	CampaignID string
	BatchID    string
	AccountID  uint32    // of another account: for admins, and resellers of their children
	Since      time.Time // included
	Until      time.Time // not included
	Cursor     string    // NextCursor of the page before; "": from the newest
	Limit      int       // messages in one page, 1 to 1,000; 0: 20, and 1,000 for Messages
}

func (q MessageQuery) values() url.Values {
	return queryOf("status", string(q.Status), "from", q.From, "to", q.To, "campaign_id", q.CampaignID, "batch_id", q.BatchID,
		"account_id", number(q.AccountID), "since", moment(q.Since), "until", moment(q.Until), "cursor", q.Cursor, "limit", number(q.Limit))
}

// MessagePage is a piece of a list, newest first.
type MessagePage struct {
	Messages   []Message `json:"messages"`
	Page       int       `json:"page,omitempty"`
	Limit      int       `json:"limit"`
	NextCursor string    `json:"next_cursor"` // "": the end
	AsOf       time.Time `json:"as_of"`       // the moment that the list shows, up to some seconds ago
	Warnings   []string  `json:"warnings,omitempty"`
}

// CallOption changes one call.
type CallOption func(*call)

// IdempotencyKey is the Idempotency-Key of a call, up to 255 octets, in place of a random one:
// with the order's number, say, a program that starts again sends nothing twice. The same key
// with other messages is an *Error idempotency_key_reused; it holds for 24 hours.
func IdempotencyKey(key string) CallOption { return func(q *call) { q.key = key } }

// TraceParent puts the traces of the messages that a call sends into the caller's: header is a
// W3C traceparent, as a propagator writes it, and counts when its sampled flag is set.
func TraceParent(header string) CallOption { return func(q *call) { q.parent = header } }

// keyed is a call that may be repeated.
func keyed(method, path string, body, into any, opts []CallOption) *call {
	q := &call{method: method, path: path, body: body, into: into}
	for _, o := range opts {
		o(q)
	}
	if q.key == "" {
		q.key = rand.Text()
	}
	return q
}

// SendMessage sends one message. When it returns one the message is durable.
func (c *Client) SendMessage(ctx context.Context, m NewMessage, opts ...CallOption) (*Accepted, error) {
	a := new(Accepted)
	header, err := c.do(ctx, keyed(http.MethodPost, base+"/messages", m, a, opts))
	if err != nil {
		return nil, err
	}
	a.Replayed = header.Get("Idempotency-Replayed") == "true"
	return a, nil
}

// SendBulk sends up to 10,000 messages. It succeeds when at least one was accepted: see
// BulkAccepted.Errors for the others. When none was the error is all_rejected, or the one
// reason of all.
func (c *Client) SendBulk(ctx context.Context, b Bulk, opts ...CallOption) (*BulkAccepted, error) {
	a := new(BulkAccepted)
	header, err := c.do(ctx, keyed(http.MethodPost, base+"/messages/bulk", b, a, opts))
	if err != nil {
		return nil, err
	}
	a.Replayed = header.Get("Idempotency-Replayed") == "true"
	return a, nil
}

// get makes a call that answers with one thing.
func get[T any](ctx context.Context, c *Client, method, path string, query url.Values, body any) (*T, error) {
	into := new(T)
	if _, err := c.do(ctx, &call{method: method, path: path, query: query, body: body, into: into}); err != nil {
		return nil, err
	}
	return into, nil
}

// Message returns one message as it is now; not_found when it is none of the account.
func (c *Client) Message(ctx context.Context, id string) (*Message, error) {
	return get[Message](ctx, c, http.MethodGet, under("/messages/", id), nil, nil)
}

// MessagePage returns a piece of the list of messages.
func (c *Client) MessagePage(ctx context.Context, q MessageQuery) (*MessagePage, error) {
	return get[MessagePage](ctx, c, http.MethodGet, base+"/messages", q.values(), nil)
}

// Messages goes through all messages that q selects, newest first, page by page as they are
// asked for. The first error ends it. Each message that was there at the begin comes once.
func (c *Client) Messages(ctx context.Context, q MessageQuery) iter.Seq2[*Message, error] {
	setDefault(&q.Limit, 1000)
	return walk(q.Cursor, func(cursor string) ([]Message, string, error) {
		q := q
		q.Cursor = cursor
		p, err := c.MessagePage(ctx, q)
		if err != nil {
			return nil, "", err
		}
		return p.Messages, p.NextCursor, nil
	})
}

// walk goes from page to page; read reads the one at cursor.
func walk[T any](first string, read func(cursor string) (items []T, next string, err error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for cursor := first; ; {
			items, next, err := read(cursor)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range items {
				if !yield(&items[i], nil) {
					return
				}
			}
			if next == "" {
				return
			}
			cursor = next
		}
	}
}

// Change is what a call made of a message.
type Change struct {
	ID     string `json:"message_id"`
	Status Status `json:"status"`
}

// CancelMessage withdraws a message that is PENDING, HELD, or SCHEDULED with more than 5 s to
// its time; otherwise the error is not_cancellable.
func (c *Client) CancelMessage(ctx context.Context, id string) (*Change, error) {
	return get[Change](ctx, c, http.MethodDelete, under("/messages/", id), nil, nil)
}

// ReleaseMessage sends a HELD message again; the SMSC may have it already. not_held when it is
// in another status.
func (c *Client) ReleaseMessage(ctx context.Context, id string) (*Change, error) {
	return get[Change](ctx, c, http.MethodPost, under("/messages/", id, "/release"), nil, nil)
}

// Statistics is the ledger of the account, of all accounts for an admin.
type Statistics struct {
	Accepted int64            `json:"accepted"`
	ByStatus map[string]int64 `json:"by_status"` // with SENT_NO_RECEIPT for those that wanted none
	InFlight int64            `json:"in_flight"` // PENDING, SCHEDULED, SENT and HELD
	Closes   bool             `json:"closes"`    // Accepted, counted apart, is the sum of ByStatus
	AsOf     time.Time        `json:"as_of"`
}

// Statistics returns the ledger.
func (c *Client) Statistics(ctx context.Context) (*Statistics, error) {
	return get[Statistics](ctx, c, http.MethodGet, base+"/statistics", nil, nil)
}
