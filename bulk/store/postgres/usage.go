package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	quarterMs = 15 * 60 * 1000
	// usageAge is how long counts are kept: two months, and the days that zones reach over.
	usageAge = 64 * 24 * time.Hour
	// quotaAge is how long what was used of a quota is kept after its period.
	quotaAge = 24 * time.Hour
	// partsTimeout bounds Parts, which nobody may cancel.
	partsTimeout = 5 * time.Second
)

type usageKey struct {
	account uint32
	quarter int64
}

// meter counts parts in the transaction that accepts them.
func (s *Store) meter(b *pgx.Batch, parts map[usageKey]int64) {
	for key, n := range parts {
		b.Queue("INSERT INTO usage (account, quarter, node, parts) VALUES ($1,$2,$3,$4) ON CONFLICT (account, quarter, node) DO UPDATE SET parts = usage.parts + excluded.parts",
			int64(key.account), key.quarter, int16(s.node.Load()), n)
	}
}

// Parts implements store.Store. It asks the database: that is where all nodes count.
func (s *Store) Parts(account uint32, from, to int64) (sum int64) {
	ctx, cancel := context.WithTimeout(s.working, partsTimeout)
	defer cancel()
	err := s.one(ctx, "SELECT coalesce(sum(parts), 0)::bigint FROM usage WHERE account = $1 AND quarter >= $2 AND quarter < $3",
		[]any{int64(account), from / quarterMs, to / quarterMs}, &sum)
	if err != nil {
		s.log.Error("read what an account has used", "account", account, "error", err)
	}
	return sum
}
