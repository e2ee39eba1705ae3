package api

import (
	"context"
	"fmt"
	"time"
)

// DeadHint is what a node was told of another's messages and could not use. The messages are in
// the store, and go out all the same.
type DeadHint struct {
	ID       string    `json:"id"`
	At       time.Time `json:"given_up_at"`
	Lane     string    `json:"lane"` // the stream in Redis
	Reason   string    `json:"reason"`
	Messages []string  `json:"message_ids,omitempty"`
	Raw      string    `json:"raw,omitempty"` // in hex, when it has no ids
}

// Hints is what Redis keeps for the nodes.
type Hints interface {
	// Dead returns what was given up, oldest first, after an id; "": from the first one on.
	Dead(ctx context.Context, after string, limit int) ([]DeadHint, error)
	// Replay offers all that was given up once more, Purge forgets it; both say how many there were.
	Replay(ctx context.Context) (int64, error)
	Purge(ctx context.Context) (int64, error)
}

func (a *API) hintPaths() {
	a.on("/api/v1/queues/dead", admins, map[string]func(*call) error{"GET": (*call).deadHints, "DELETE": (*call).purgeHints})
	a.on("/api/v1/queues/dead/replay", admins, map[string]func(*call) error{"POST": (*call).replayHints})
}

// deadHints is GET /api/v1/queues/dead.
func (c *call) deadHints() error {
	after := ""
	limit, err := c.page(func(v string) string {
		var ms, n uint64
		if _, err := fmt.Sscanf(v, "%d-%d", &ms, &n); err != nil {
			return "is not the id of an entry such as 1700000000000-0"
		}
		after = fmt.Sprintf("%d-%d", ms, n)
		return ""
	})
	if err != nil {
		return err
	}
	dead, err := c.api.opts.Hints.Dead(c.r.Context(), after, limit)
	if err != nil {
		return redisAway(err)
	}
	answer := map[string]any{"dead": dead, "limit": limit, "next_cursor": nil}
	if len(dead) == limit {
		answer["next_cursor"] = dead[limit-1].ID
	}
	return c.document(200, answer)
}

func (c *call) replayHints() error {
	n, err := c.api.opts.Hints.Replay(c.r.Context())
	if err != nil {
		return redisAway(err)
	}
	return c.document(200, map[string]any{"replayed": n})
}

func (c *call) purgeHints() error {
	n, err := c.api.opts.Hints.Purge(c.r.Context())
	if err != nil {
		return redisAway(err)
	}
	return c.document(200, map[string]any{"purged": n})
}

func redisAway(err error) error {
	return wrong("unavailable", "Redis does not answer: "+err.Error())
}
