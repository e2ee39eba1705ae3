package api

import (
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/message"
)

// health says that the process answers; whether it can take messages says ready.
func (c *call) health() error {
	now := c.api.opts.Now()
	return c.document(200, map[string]any{
		"status": "healthy", "version": c.api.opts.Version, "time": now.UTC().Format(time.RFC3339Nano),
		"uptime": now.Sub(c.api.started).Round(time.Second).String(), "uptime_seconds": int64(now.Sub(c.api.started).Seconds()),
	})
}

func (c *call) ready() error {
	if err := c.api.opts.Insight.Ready(); err != nil {
		return &problem{code: "not_ready", detail: err.Error(), retry: retryBusy}
	}
	return c.document(200, map[string]any{"status": "ready"})
}

// queueView is a lane as the API shows it.
type queueView struct {
	Queue
	Priority string `json:"priority"`
}

func (c *call) queues() error {
	rows := []queueView{}
	for _, q := range c.api.opts.Insight.Queues() {
		rows = append(rows, queueView{q, q.Priority.String()})
	}
	return c.document(200, map[string]any{"queues": rows})
}

// statistics shows the ledger: of the caller's account, of all for an admin.
func (c *call) statistics() error {
	id := c.who.ID
	if c.who.Role == account.Admin {
		id = 0
	}
	counts, accepted := c.api.opts.Insight.Counts(id), c.api.opts.Insight.Accepted(id)
	open := counts[message.Pending] + counts[message.Scheduled] + counts[message.Sent] + counts[message.Held]
	return c.document(200, map[string]any{
		"accepted": accepted, "by_status": byStatus(counts), "in_flight": open,
		"closes": accepted == total(counts), "as_of": c.api.opts.Now().UTC().Format(time.RFC3339),
	})
}

func total(counts [message.Unknown + 1]int64) (sum int64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

func byStatus(counts [message.Unknown + 1]int64) map[string]int64 {
	all := make(map[string]int64, len(counts))
	for _, s := range message.Statuses() {
		all[s.String()] = counts[s]
	}
	all["SENT_NO_RECEIPT"] = counts[SentDone]
	return all
}

func emptyNotNull[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
