package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// bindLock is the class of the advisory locks under which the binds of an account are counted.
const bindLock = 0x62696e64

// SetBinds notes how many SMPP binds of an account this node has in its session, unless all nodes
// that were seen within ttl have more than most together then; most below 0 is no bound.
func (s *Store) SetBinds(ctx context.Context, account uint32, session string, ttl time.Duration, binds, most int) (ok bool, err error) {
	// One transaction: the second statement sees what was counted under the lock before.
	b := &pgx.Batch{}
	b.Queue("SELECT pg_advisory_xact_lock($1, $2)", int32(bindLock), int32(account))
	b.Queue(`INSERT INTO binds (account, node, session, binds) SELECT $1, $2, $3, $4::integer WHERE $5::integer < 0 OR $5 >= $4::integer + (
SELECT coalesce(sum(b.binds), 0) FROM binds b JOIN nodes n ON n.node = b.node AND n.session = b.session AND n.seen > now() - $6::interval
WHERE b.account = $1 AND b.node <> $2)
ON CONFLICT (account, node) DO UPDATE SET session = excluded.session, binds = excluded.binds`,
		int64(account), int16(s.node.Load()), session, int32(binds), int32(most), ttl)
	if binds == 0 {
		b.Queue("DELETE FROM binds WHERE account = $1 AND node = $2", int64(account), int16(s.node.Load()))
	}
	results := s.pool.SendBatch(ctx, b)
	if _, err = results.Exec(); err == nil {
		tag, failed := results.Exec()
		ok, err = tag.RowsAffected() == 1, failed
	}
	if closed := results.Close(); err == nil {
		err = closed
	}
	return ok, wrap(err, "count the binds of account %d", account)
}
