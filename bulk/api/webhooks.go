package api

import (
	"context"
	"fmt"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/message"
)

// WebhookEndpoint is an address that has something to be told.
type WebhookEndpoint struct {
	Account  uint32     `json:"account_id"`
	URL      string     `json:"url"`
	Kind     string     `json:"kind"` // final, inbound
	Pending  int        `json:"pending"`
	Failures int        `json:"failures"` // in a row
	RetryAt  *time.Time `json:"retry_at,omitempty"`
	Error    string     `json:"error,omitempty"`
}

// FailedWebhook is one that was given up.
type FailedWebhook struct {
	MessageID string    `json:"message_id"`
	Account   uint32    `json:"account_id"`
	Kind      string    `json:"kind"`             // final, inbound
	Status    string    `json:"status,omitempty"` // final state that was to be told
	URL       string    `json:"url"`
	Error     string    `json:"error"` // of the last try
	FailedAt  time.Time `json:"failed_at"`
}

// NotReplayed is a message whose webhook is not sent again.
type NotReplayed struct {
	MessageID string `json:"message_id"`
	Reason    string `json:"reason"`
}

// Webhooks knows what customers were told. Account 0 means all.
type Webhooks interface {
	// Endpoints returns those with work, the ones that fail most first.
	Endpoints(account uint32, limit int) []WebhookEndpoint
	// Failed returns what was given up, of messages with ids below below (0: from the newest).
	Failed(ctx context.Context, account uint32, below message.ID, limit int) ([]FailedWebhook, error)
	// Replay has the final states of messages told again, durably.
	Replay(ctx context.Context, account uint32, ids []message.ID) (replayed int, skipped []NotReplayed, err error)
}

const (
	maxEndpoints = 1000
	maxReplay    = 1000
)

// scope is the account that the caller sees: 0, all, for an admin.
func (c *call) scope() uint32 {
	if c.who.Role == account.Admin {
		return 0
	}
	return c.who.ID
}

func (c *call) webhookEndpoints() error {
	return c.document(200, map[string]any{"endpoints": c.api.opts.Webhooks.Endpoints(c.scope(), maxEndpoints)})
}

// failedWebhooks is GET /api/v1/webhooks/failed.
func (c *call) failedWebhooks() error {
	var below message.ID
	limit, err := c.page(func(v string) (detail string) {
		below, detail = parseIDParameter(v)
		return detail
	})
	if err != nil {
		return err
	}
	failed, err := c.api.opts.Webhooks.Failed(c.r.Context(), c.scope(), below, limit)
	if err != nil {
		return err
	}
	answer := map[string]any{"failed": failed, "limit": limit, "next_cursor": nil}
	if len(failed) == limit {
		answer["next_cursor"] = failed[limit-1].MessageID
	}
	return c.document(200, answer)
}

// replayWebhooks is POST /api/v1/webhooks/replay: of messages by id, or of those of a time.
func (c *call) replayWebhooks() error {
	var ids []string
	var since, until, status, cursor string
	d := &c.dec
	err := c.object(maxAdminBody, map[string]func(string){
		"message_ids": func(n string) { d.strings(n, &ids) },
		"since":       func(n string) { d.string(n, &since) },
		"until":       func(n string) { d.string(n, &until) },
		"status":      func(n string) { d.string(n, &status) },
		"cursor":      func(n string) { d.string(n, &cursor) },
	})
	if err != nil {
		return err
	}
	next := message.ID(0)
	var wanted []message.ID
	switch {
	case len(ids) > 0 && since != "":
		return &problem{code: "validation_failed", detail: "message_ids and since exclude each other", faults: []fault{{"/since", "conflict", "is given beside message_ids"}}}
	case len(ids) > 0:
		wanted, err = parseIDs(ids)
	case since != "":
		wanted, next, err = c.finalSince(since, until, status, cursor)
	default:
		err = &problem{code: "validation_failed", detail: "message_ids or since is needed", faults: []fault{{"/message_ids", "missing_message_ids", "is needed, or since"}}}
	}
	if err != nil {
		return err
	}
	replayed, skipped, err := c.api.opts.Webhooks.Replay(c.r.Context(), c.scope(), wanted)
	if err != nil {
		return err
	}
	answer := map[string]any{"replayed": replayed, "skipped": skipped, "next_cursor": nil}
	if next != 0 {
		answer["next_cursor"] = next.String()
	}
	return c.document(202, answer)
}

func parseIDs(texts []string) ([]message.ID, error) {
	if len(texts) > maxReplay {
		return nil, &problem{code: "too_many_items", detail: fmt.Sprintf("more than %d messages in one request", maxReplay)}
	}
	ids := make([]message.ID, len(texts))
	for i, text := range texts {
		id, err := message.ParseID(text)
		if err != nil {
			return nil, &problem{code: "validation_failed", detail: "message_ids: " + err.Error(), faults: []fault{{fmt.Sprintf("/message_ids/%d", i), "invalid_message_id", "is not an id: 16 hex digits"}}}
		}
		ids[i] = id
	}
	return ids, nil
}

// finalSince returns the messages of a time that are in a final state, newest first, and where
// to go on.
func (c *call) finalSince(since, until, status, cursor string) (ids []message.ID, next message.ID, err error) {
	q := Query{Account: c.scope(), Limit: maxReplay, Page: 1}
	var faults []fault
	note := func(name, detail string) {
		if detail != "" {
			faults = append(faults, fault{"/" + name, "invalid_" + name, detail})
		}
	}
	var detail string
	q.Since, detail = parseMoment(since)
	note("since", detail)
	if until != "" {
		q.Until, detail = parseMoment(until)
		note("until", detail)
	}
	if cursor != "" {
		q.Cursor, detail = parseIDParameter(cursor)
		note("cursor", detail)
	}
	if status != "" {
		if q.Status, err = message.ParseStatus(status); err != nil || !q.Status.Final() {
			note("status", "is not a final status")
		}
	}
	if len(faults) > 0 {
		return nil, 0, &problem{code: "validation_failed", detail: faults[0].pointer[1:] + ": " + faults[0].detail, faults: faults}
	}
	msgs, next, _, err := c.api.opts.Messages.List(c.r.Context(), q)
	for _, m := range msgs {
		if m.Status.Final() {
			ids = append(ids, m.ID)
		}
	}
	return ids, next, err
}
