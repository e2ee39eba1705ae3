package postgres

import (
	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
)

// await notes the parts that were given to an SMSC and have no receipt yet.
func (g *settling) await(b *pgx.Batch) {
	var ids []int64
	var connectors, parts []int16
	var smscIDs []string
	for _, t := range g.touched {
		if t.refused != nil || t.e.m.Flags&message.WantReceipt == 0 {
			continue
		}
		for _, ev := range t.evs {
			if ev.Kind != message.Submitted || !ev.Changed {
				continue
			}
			sh := g.s.live.shard(t.e.m.ID)
			sh.mu.Lock()
			sent := t.e.m.Parts[ev.Part].Status == message.Sent
			sh.mu.Unlock()
			if sent {
				ids, connectors = append(ids, int64(t.e.m.ID)), append(connectors, int16(t.e.m.Connector))
				smscIDs, parts = append(smscIDs, ev.SMSCID), append(parts, int16(ev.Part))
			}
		}
	}
	if len(ids) > 0 {
		b.Queue("INSERT INTO receipts (id, connector, smsc_id, part) SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::smallint[])",
			ids, connectors, smscIDs, parts)
	}
}

// outbox opens and ends the entries of those whose customers are told.
func (g *settling) outbox(b *pgx.Batch) {
	var open, ended []int64
	for _, t := range g.touched {
		switch {
		case t.refused != nil:
		case t.tell:
			open = append(open, int64(t.e.m.ID))
		case t.told:
			ended = append(ended, int64(t.e.m.ID))
		}
	}
	if len(open) > 0 {
		b.Queue("INSERT INTO outbox (id, node) SELECT unnest($1::bigint[]), $2 ON CONFLICT (id) DO UPDATE SET node = excluded.node", open, int16(g.s.node.Load()))
	}
	if len(ended) > 0 {
		b.Queue("DELETE FROM outbox WHERE id = ANY($1)", ended)
	}
}

// dropSpent deletes the claims that no message is left of.
func (g *settling) dropSpent(b *pgx.Batch) {
	for _, o := range g.s.owners.list() {
		o.mu.Lock()
		if len(o.spent) > 0 {
			g.spent[o] = append(g.spent[o], o.spent...)
			o.spent = nil
		}
		o.mu.Unlock()
	}
	for o, numbers := range g.spent {
		b.Queue("DELETE FROM claims WHERE connector = $1 AND epoch = $2 AND number = ANY($3)", int16(o.connector), o.epoch, numbers)
	}
}
