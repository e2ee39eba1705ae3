package client

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Webhook is where the caller's final states go when a message names no other place.
type Webhook struct {
	DLRURL   string   `json:"dlr_url"`
	Secret   string   `json:"webhook_secret"` // whsec_…: the key of the signature
	Warnings []string `json:"warnings,omitempty"`
}

// WebhookChange is what SetWebhook changes; nil stays as it is.
type WebhookChange struct {
	DLRURL *string `json:"dlr_url,omitempty"`
	Secret *string `json:"webhook_secret,omitempty"`
}

// WebhookEndpoint is an address that has something to be told.
type WebhookEndpoint struct {
	AccountID uint32    `json:"account_id"`
	Kind      string    `json:"kind"`
	URL       string    `json:"url"`
	Pending   int64     `json:"pending"`
	Failures  int       `json:"failures"` // in a row
	RetryAt   time.Time `json:"retry_at,omitzero"`
	Error     string    `json:"error,omitempty"`
}

// Replay selects final states that are told again: of up to 1,000 messages by id, or of those
// accepted from Since on, 1,000 a call.
type Replay struct {
	MessageIDs []string  `json:"message_ids,omitempty"`
	Since      time.Time `json:"since,omitzero"`
	Until      time.Time `json:"until,omitzero"` // not included
	Status     Status    `json:"status,omitempty"`
	Cursor     string    `json:"cursor,omitempty"` // NextCursor of the call before
}

// Replayed is what a replay did.
type Replayed struct {
	Replayed   int           `json:"replayed"`
	Skipped    []NotReplayed `json:"skipped"`
	NextCursor string        `json:"next_cursor"` // "": the end
}

// NotReplayed is a message that is not told again.
type NotReplayed struct {
	ID     string `json:"message_id"`
	Reason string `json:"reason"`
}

// Webhook returns the caller's webhook.
func (c *Client) Webhook(ctx context.Context) (*Webhook, error) {
	return get[Webhook](ctx, c, http.MethodGet, base+"/webhooks", nil, nil)
}

// SetWebhook changes the caller's webhook.
func (c *Client) SetWebhook(ctx context.Context, w WebhookChange) (*Webhook, error) {
	return get[Webhook](ctx, c, http.MethodPut, base+"/webhooks", nil, w)
}

// WebhookEndpoints returns the addresses that have something to be told, failing ones first.
func (c *Client) WebhookEndpoints(ctx context.Context) ([]WebhookEndpoint, error) {
	all, err := get[struct{ Endpoints []WebhookEndpoint }](ctx, c, http.MethodGet, base+"/webhooks/endpoints", nil, nil)
	if err != nil {
		return nil, err
	}
	return all.Endpoints, nil
}

// FailedWebhook is something that was given up.
type FailedWebhook struct {
	MessageID string    `json:"message_id"`
	AccountID uint32    `json:"account_id"`
	Kind      string    `json:"kind"`
	Status    Status    `json:"status,omitempty"`
	URL       string    `json:"url"`
	Error     string    `json:"error"`
	FailedAt  time.Time `json:"failed_at"`
}

// FailedWebhookPage is a piece of a list.
type FailedWebhookPage struct {
	Failed     []FailedWebhook `json:"failed"`
	Limit      int             `json:"limit"`
	NextCursor string          `json:"next_cursor"` // "": the end
}

// FailedWebhookPage returns a piece of what was given up; ReplayWebhooks has it told again.
func (c *Client) FailedWebhookPage(ctx context.Context, p Page) (*FailedWebhookPage, error) {
	return get[FailedWebhookPage](ctx, c, http.MethodGet, base+"/webhooks/failed", queryOf("cursor", p.Cursor, "limit", number(p.Limit)), nil)
}

// ReplayWebhooks has final states told again.
func (c *Client) ReplayWebhooks(ctx context.Context, r Replay) (*Replayed, error) {
	return get[Replayed](ctx, c, http.MethodPost, base+"/webhooks/replay", nil, r)
}

// Event is the final state of one message, as a webhook tells it. It comes at least once:
// recognise repetitions by MessageID and Status.
type Event struct {
	MessageID   string    `json:"message_id"`
	ClientRef   string    `json:"client_ref"`
	To          string    `json:"to"` // digits, without +
	From        string    `json:"from"`
	Status      Status    `json:"status"`
	DLRStatus   string    `json:"dlr_status"` // DELIVRD, UNDELIV, REJECTD, EXPIRED, DELETED, UNKNOWN
	ErrorCode   int       `json:"error_code"`
	Parts       int       `json:"parts"`
	SubmittedAt time.Time `json:"submitted_at"`
	DeliveredAt time.Time `json:"delivered_at"` // zero unless DELIVERED
}

// Delivery is one request of a webhook.
type Delivery struct {
	ID     string    // webhook-id, the same in every try
	At     time.Time // of this try
	Events []Event   // up to 500
}

// What a Verifier refuses. None of them says more to who sent it.
var (
	ErrNotSigned    = errors.New("client: a header of the webhook's signature is missing or malformed")
	ErrWrongTime    = errors.New("client: the webhook's timestamp is too far from now")
	ErrBadSignature = errors.New("client: the webhook's signature is wrong")
)

// DefaultTolerance is how far a webhook's timestamp may be from now, before and after.
const DefaultTolerance = 5 * time.Minute

const maxWebhook = 4 << 20

// Verifier checks the signature of webhooks (Standard Webhooks). It may be used by any number of
// goroutines.
type Verifier struct {
	keys      [][]byte
	Tolerance time.Duration    // 0: DefaultTolerance
	Now       func() time.Time // nil: time.Now
}

// NewVerifier takes the webhook_secret of the account, and while it is being exchanged the one
// before, too. An empty secret is an error: anybody could sign with it.
func NewVerifier(secrets ...string) (*Verifier, error) {
	v := &Verifier{}
	for _, secret := range secrets {
		key := []byte(secret)
		if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
			if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
				key = decoded
			}
		}
		if len(key) == 0 {
			return nil, errors.New("client: a webhook secret is empty")
		}
		v.keys = append(v.keys, key)
	}
	if len(v.keys) == 0 {
		return nil, errors.New("client: there is no webhook secret")
	}
	return v, nil
}

// Verify checks that body was sent by who has the secret, and lately: ErrNotSigned,
// ErrWrongTime, ErrBadSignature. Signatures are compared in constant time. The body has to be
// the octets that came, not JSON that was written anew.
func (v *Verifier) Verify(h http.Header, body []byte) error {
	_, err := v.verify(h, body)
	return err
}

func (v *Verifier) verify(h http.Header, body []byte) (at time.Time, err error) {
	id, stamp, signatures := h.Get("webhook-id"), h.Get("webhook-timestamp"), h.Get("webhook-signature")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || id == "" || signatures == "" {
		return at, ErrNotSigned
	}
	tolerance, now := v.Tolerance, time.Now
	setDefault(&tolerance, DefaultTolerance)
	if v.Now != nil {
		now = v.Now
	}
	if at = time.Unix(seconds, 0); now().Sub(at).Abs() > tolerance {
		return at, ErrWrongTime
	}
	good := false
	for _, key := range v.keys {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
		want := mac.Sum(nil)
		for one := range strings.FieldsSeq(signatures) {
			text, ok := strings.CutPrefix(one, "v1,")
			got, err := base64.StdEncoding.DecodeString(text)
			good = ok && err == nil && hmac.Equal(got, want) || good
		}
	}
	if !good {
		return at, ErrBadSignature
	}
	return at, nil
}

// Read reads, checks and decodes a webhook of final states, of up to 4 MiB. Answer an error with
// 400 and success with 2xx, once the events are kept: what is not confirmed comes again.
func (v *Verifier) Read(r *http.Request) (*Delivery, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxWebhook+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("client: the webhook broke off: %w", err)
	case len(body) > maxWebhook:
		return nil, fmt.Errorf("client: the webhook is longer than %d octets", maxWebhook)
	}
	at, err := v.verify(r.Header, body)
	if err != nil {
		return nil, err
	}
	var told struct{ Events []Event }
	if err := json.Unmarshal(body, &told); err != nil {
		return nil, fmt.Errorf("client: the webhook is none of final states: %w", err)
	}
	return &Delivery{ID: r.Header.Get("webhook-id"), At: at, Events: told.Events}, nil
}
