package bulk

import (
	"context"
	"fmt"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/metrics"
	"protei-bulk/bulk/queue/redisq"
)

// openHints reaches the Redis that tells nodes of each other's messages, if there is one.
func (p *Platform) openHints(ctx context.Context, n *node, session string) error {
	if p.cfg.Queue == queueMemory {
		return nil
	}
	q, err := redisq.Open(ctx, redisq.Options{
		URL: p.cfg.Queue, Name: session, Owns: n.owned, Hinted: n.store.Hinted, Logger: p.log,
	})
	if err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	p.hints = q
	p.onStop("hints", func(context.Context) error { q.Stop(); return nil })
	return nil
}

// hint tells the owner of a lane of new messages in it. Without Redis he finds them by looking.
func (p *Platform) hint(lane message.Lane, ids []message.ID) {
	if p.hints != nil {
		p.hints.Publish(lane, ids)
	}
}

// owned returns the connectors whose lanes are this node's; none until the platform is wired.
func (n *node) owned() (ids []uint16) {
	select {
	case <-n.p.wired:
	default:
		return nil
	}
	n.p.fleet.owned.Range(func(id, _ any) bool {
		ids = append(ids, id.(uint16))
		return true
	})
	return ids
}

// hintDesk is Redis as package api wants it; nil without Redis.
func (p *Platform) hintDesk() api.Hints {
	if p.hints == nil {
		return nil
	}
	return hintDesk{p.hints}
}

type hintDesk struct{ *redisq.Queue }

// Dead implements api.Hints.
func (d hintDesk) Dead(ctx context.Context, after string, limit int) ([]api.DeadHint, error) {
	list, err := d.Queue.Dead(ctx, after, limit)
	dead := make([]api.DeadHint, len(list))
	for i, h := range list {
		dead[i] = api.DeadHint{ID: h.ID, At: h.At, Lane: h.Stream, Reason: h.Reason, Raw: h.Raw}
		for _, id := range h.IDs {
			dead[i].Messages = append(dead[i].Messages, id.String())
		}
	}
	return dead, err
}

// hintReadings shows how Redis does; without it there are none.
func (p *Platform) hintReadings() []reading {
	if p.hints == nil {
		return nil
	}
	of := func(name, help string, counter bool, value func(redisq.Stats) int64) reading {
		return reading{name: name, help: help, counter: counter, read: func(emit metrics.Emit) {
			emit(float64(value(p.hints.Stats())))
		}}
	}
	return []reading{
		of("redis_up", "1 while Redis answers.", false, func(s redisq.Stats) int64 {
			if s.Up {
				return 1
			}
			return 0
		}),
		of("hints_published", "Messages for other nodes that Redis was told of.", true, func(s redisq.Stats) int64 { return s.Published }),
		of("hints_dropped", "Messages for other nodes that Redis could not be told of: they are found by looking.", true, func(s redisq.Stats) int64 { return s.Dropped }),
		of("hints_read", "Messages for this node that Redis told of.", true, func(s redisq.Stats) int64 { return s.Read }),
		of("hints_waiting", "Entries in the streams of this node's connectors.", false, func(s redisq.Stats) int64 { return s.Waiting }),
		of("hints_dead", "Entries that were given up by any node.", false, func(s redisq.Stats) int64 { return s.Dead }),
	}
}
