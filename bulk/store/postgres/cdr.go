package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
)

// Records are what Options.Records made of the events of one transaction.
type Records struct {
	Seq  int64 // rises from one transaction of the node to the next
	Text []byte
}

// noteRecords puts what the book of events keeps of the transaction into it.
func (g *settling) noteRecords(b *pgx.Batch) {
	if g.s.opts.Records == nil {
		return
	}
	var evs []message.Event
	for _, c := range g.list {
		for i := range c.evs {
			if t := g.by[c.evs[i].Msg.ID]; t.e != nil && t.refused == nil && c.evs[i].Changed {
				evs = append(evs, c.evs[i])
			}
		}
	}
	if text := g.s.opts.Records(evs); len(text) > 0 {
		b.Queue("INSERT INTO cdr_outbox (node, records) VALUES ($1,$2)", int16(g.s.node.Load()), text)
	}
}

// LoadRecords returns the records of this node's transactions after a number, oldest first.
func (s *Store) LoadRecords(ctx context.Context, after int64, limit int) (list []Records, err error) {
	var r Records
	err = s.each(ctx, "SELECT seq, records FROM cdr_outbox WHERE node = $1 AND seq > $2 ORDER BY seq LIMIT $3", []any{int16(s.node.Load()), after, limit},
		[]any{&r.Seq, &r.Text}, func() error {
			list = append(list, r)
			r.Text = nil
			return nil
		})
	return list, wrap(err, "read records")
}

// DropRecords forgets those up to a number, which are kept elsewhere.
func (s *Store) DropRecords(ctx context.Context, upTo int64) error {
	_, err := s.pool.Exec(ctx, "DELETE FROM cdr_outbox WHERE node = $1 AND seq <= $2", int16(s.node.Load()), upTo)
	return wrap(err, "forget records")
}

// AdoptRecords makes the records of another node this node's.
func (s *Store) AdoptRecords(from uint16, done func(error)) {
	// By the settle writer: the numbers of this node's records rise in the order of its commits.
	s.write(func(b *pgx.Batch) {
		b.Queue("WITH theirs AS (DELETE FROM cdr_outbox WHERE node = $1 RETURNING seq, records) INSERT INTO cdr_outbox (node, records) SELECT $2, records FROM theirs ORDER BY seq",
			int16(from), int16(s.node.Load()))
	}, nil, done)
}
