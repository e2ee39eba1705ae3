package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"protei-bulk/bulk/message"
)

const (
	// partitionsAhead is for how many days after today partitions are made.
	partitionsAhead = 3
	keepEvery       = 10 * time.Minute
	// keeperLock is the advisory lock of the node that keeps house.
	keeperLock = 0x70726f7465690001
)

// partitioned are the tables with a partition for each day, by the ids of messages. Rows of messages are changed
// in their page, those of receipts come and go.
var partitioned = []struct{ table, storage string }{
	{"messages", "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1"},
	{"receipts", "autovacuum_vacuum_scale_factor = 0.1"},
}

// makePartitions makes those of today and the days after it. Ids of a node whose clock is a
// little behind go into yesterday's.
func (s *Store) makePartitions(ctx context.Context) error {
	today := s.opts.Now().UTC().Truncate(24 * time.Hour)
	for day := -1; day <= partitionsAhead; day++ {
		from := today.AddDate(0, 0, day)
		for _, p := range partitioned {
			name := partitionName(p.table, from)
			_, err := s.pool.Exec(ctx, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s PARTITION OF %s FOR VALUES FROM (%d) TO (%d) WITH (%s)",
				name, p.table, message.FirstID(from), message.FirstID(from.AddDate(0, 0, 1)), p.storage))
			if err != nil && !alreadyThere(err) {
				return fmt.Errorf("make partition %s: %w", name, err)
			}
		}
	}
	return nil
}

func partitionName(table string, day time.Time) string { return table + "_" + day.Format("20060102") }

// dropPartitions drops those of days that the retention ended before.
func (s *Store) dropPartitions(ctx context.Context) error {
	if s.opts.Retention == 0 {
		return nil
	}
	oldest := s.opts.Now().UTC().Add(-s.opts.Retention).Truncate(24 * time.Hour)
	for _, p := range partitioned {
		table := p.table
		var names []string
		var name string
		err := s.each(ctx, "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass",
			[]any{table}, []any{&name}, func() error { names = append(names, name); return nil })
		if err != nil {
			return fmt.Errorf("list partitions of %s: %w", table, err)
		}
		for _, name := range names {
			day, err := time.Parse("20060102", strings.TrimPrefix(name, table+"_"))
			if err != nil || !day.Before(oldest) {
				continue
			}
			// With a bound on the wait: a long query on an old day must not hold up all the others.
			if _, err := s.pool.Exec(ctx, "SET LOCAL lock_timeout = '2s'; DROP TABLE "+name); err != nil {
				return fmt.Errorf("drop partition %s: %w", name, err)
			}
			s.log.Info("messages beyond the retention are dropped", "partition", name)
		}
	}
	first := int64(message.FirstID(oldest))
	_, err := s.pool.Exec(ctx, "DELETE FROM waiting WHERE id < $1", first)
	if err == nil {
		_, err = s.pool.Exec(ctx, "DELETE FROM waiting_lists WHERE first < $1 AND ids[cardinality(ids)] < $1", first)
	}
	return wrap(err, "drop what waits beyond the retention")
}

// keeper keeps house: partitions, and what is old elsewhere.
func (s *Store) keeper() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		if err := s.keepHouse(s.working); err != nil && s.working.Err() == nil {
			s.log.Error("keep the database in order", "error", err)
		}
		select {
		case <-tick.C:
		case <-s.working.Done():
			return
		}
	}
}

// keepHouse does what one node does at a time.
func (s *Store) keepHouse(ctx context.Context) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	var mine bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(keeperLock)).Scan(&mine); err != nil || !mine {
		return err
	}
	defer func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(keeperLock))
	}()
	for _, step := range []func(context.Context) error{s.makePartitions, s.dropPartitions, s.purgeParked, s.purgeLogs, s.foldBooks, s.adoptDoubtful} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}
