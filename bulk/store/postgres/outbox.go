package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
)

// AdoptOutbox makes what another node had to tell customers this node's, final states and
// inbound messages. It returns how many they are.
func (s *Store) AdoptOutbox(ctx context.Context, from uint16) (adopted int64, err error) {
	own := int16(s.node.Load())
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"UPDATE outbox SET node = $1 WHERE node = $2",
			"UPDATE inbound SET node = $1 WHERE node = $2 AND status < 3",
		} {
			tag, err := tx.Exec(ctx, sql, own, int16(from))
			if err != nil {
				return err
			}
			adopted += tag.RowsAffected()
		}
		return nil
	})
	return adopted, wrap(err, "take over the outbox of node %d", from)
}

// HandOutbox leaves it to another node to tell the customers of these final states and inbound
// messages. What this node has told in the meantime stays told.
func (s *Store) HandOutbox(ctx context.Context, to uint16, states, inbound []message.ID) error {
	own := int16(s.node.Load())
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE outbox SET node = $1 WHERE node = $2 AND id = ANY($3)", int16(to), own, ids64(states)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE inbound SET node = $1 WHERE node = $2 AND id = ANY($3) AND status < 3", int16(to), own, ids64(inbound))
		return err
	})
	if err != nil {
		return wrap(err, "hand outbox entries to node %d", to)
	}
	for _, id := range states {
		sh := s.live.shard(id)
		sh.mu.Lock()
		if e := sh.m[id]; e != nil {
			s.tellsOf(e, false)
			s.release(sh, e)
		}
		sh.mu.Unlock()
	}
	return nil
}
