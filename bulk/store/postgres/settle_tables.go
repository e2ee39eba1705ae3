package postgres

import "github.com/jackc/pgx/v5"

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

// dropSpent deletes the claims and lists that no message is left of.
func (g *settling) dropSpent(b *pgx.Batch) {
	for _, o := range g.s.owners.list() {
		o.mu.Lock()
		if len(o.spent) > 0 {
			g.spent[o] = append(g.spent[o], o.spent...)
			o.spent = nil
		}
		g.dropped = append(g.dropped, o.spentLists...)
		o.spentLists = nil
		o.mu.Unlock()
	}
	for o, numbers := range g.spent {
		b.Queue("DELETE FROM claims WHERE connector = $1 AND epoch = $2 AND number = ANY($3)", int16(o.connector), o.epoch, numbers)
	}
	var lists places
	for _, l := range g.dropped {
		lists.put(l.o.connector, l.priority, l.first)
	}
	lists.queue(b, deleteLists)
}
