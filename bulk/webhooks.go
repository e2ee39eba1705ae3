package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// noteTimeout bounds the wait for the store when webhooks are given up.
const noteTimeout = 30 * time.Second

// noteFailed keeps what is known of webhooks that are given up, for the list of them.
func (p *Platform) noteFailed(notices []callback.Notice, reason string) error {
	now := time.Now().UTC()
	entries := make([]store.LogEntry, len(notices))
	for i := range notices {
		n := &notices[i]
		f := api.FailedWebhook{Account: n.Account, MessageID: n.MessageID.String(), Kind: "final", Status: n.Status.String(), URL: n.URL, Error: reason, FailedAt: now}
		if n.Inbound != nil {
			f.Kind, f.Status = "inbound", ""
		}
		value, err := json.Marshal(f)
		if err != nil {
			return err
		}
		entries[i] = store.LogEntry{Key: f.MessageID, Value: value}
	}
	ctx, cancel := context.WithTimeout(context.Background(), noteTimeout)
	defer cancel()
	return p.store.AppendLog(ctx, store.FailedWebhooks, entries)
}

// webhookDesk is the sender and the store as package api wants them.
type webhookDesk struct{ p *Platform }

func (d webhookDesk) Endpoints(account uint32, limit int) []api.WebhookEndpoint {
	all := []api.WebhookEndpoint{}
	for _, e := range d.p.webhooks.Endpoints(account, limit) {
		view := api.WebhookEndpoint{Account: e.Account, URL: e.URL, Kind: "final", Pending: e.Pending, Failures: e.Failures, Error: e.Fault}
		if e.Inbound {
			view.Kind = "inbound"
		}
		if !e.RetryAt.IsZero() {
			at := e.RetryAt.UTC()
			view.RetryAt = &at
		}
		all = append(all, view)
	}
	return all
}

// failedScan is how many entries of other accounts are passed over at once.
const failedScan = 1000

func (d webhookDesk) Failed(ctx context.Context, account uint32, below message.ID, limit int) ([]api.FailedWebhook, error) {
	found := []api.FailedWebhook{}
	key := ""
	if below != 0 {
		key = below.String()
	}
	for {
		entries, err := d.p.store.Log(ctx, store.FailedWebhooks, key, failedScan)
		if err != nil {
			return nil, err
		}
		for i := range entries {
			var f api.FailedWebhook
			if err := json.Unmarshal(entries[i].Value, &f); err != nil {
				return nil, fmt.Errorf("failed webhook %s: %w", entries[i].Key, err)
			}
			if account == 0 || f.Account == account {
				if found = append(found, f); len(found) == limit {
					return found, nil
				}
			}
		}
		if len(entries) < failedScan {
			return found, nil
		}
		key = entries[len(entries)-1].Key
	}
}

// Replay implements api.Webhooks.
func (d webhookDesk) Replay(ctx context.Context, account uint32, ids []message.ID) (int, []api.NotReplayed, error) {
	var evs []message.Event
	skipped := []api.NotReplayed{}
	now := time.Now().UnixMilli()
	for _, id := range ids {
		m, err := d.p.store.Load(ctx, id)
		reason := ""
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && account != 0 && m.Account != account:
			reason = "there is no such message"
		case err != nil:
			return 0, nil, err
		default:
			d.p.store.View(m, func(m *message.Message) { reason = d.p.unreplayable(m) })
		}
		if reason != "" {
			skipped = append(skipped, api.NotReplayed{MessageID: id.String(), Reason: reason})
			continue
		}
		evs = append(evs, message.Event{Kind: message.Notified, Part: message.Reopen, Msg: m, At: now})
	}
	if len(evs) == 0 {
		return 0, skipped, nil
	}
	done := make(chan error, 1)
	d.p.store.RecordMany(evs, func(err error) { done <- err })
	return len(evs), skipped, <-done
}

// unreplayable says why the customer cannot be told a message's final state again.
func (p *Platform) unreplayable(m *message.Message) string {
	if !m.Status.Final() {
		return "it is " + m.Status.String() + ", not final"
	}
	if m.Notify == message.NotifyOpen {
		return "the customer is being told it now"
	}
	if m.Flags&message.ViaSMPP == 0 {
		if _, ok := p.notice(m); !ok {
			return "neither the message nor the account has a webhook"
		}
	}
	return ""
}
