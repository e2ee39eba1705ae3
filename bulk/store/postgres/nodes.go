package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

var _ store.Shared = (*Store)(nil)

// Register implements store.Nodes.
func (s *Store) Register(ctx context.Context, node int, row store.NodeRow, ttl time.Duration) (store.NodeRow, error) {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// One at a time: two processes must not take the same number.
		if _, err := tx.Exec(ctx, "LOCK TABLE nodes IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return err
		}
		number := int16(node)
		if node < 0 {
			err := tx.QueryRow(ctx, `SELECT n FROM generate_series(0, $1) n WHERE NOT EXISTS
(SELECT FROM nodes WHERE node = n AND session <> '' AND seen > now() - $2::interval) ORDER BY n LIMIT 1`, message.MaxNode, ttl).Scan(&number)
			if errors.Is(err, pgx.ErrNoRows) {
				return fmt.Errorf("%w: all %d numbers of nodes are in use", store.ErrTaken, message.MaxNode+1)
			}
			if err != nil {
				return err
			}
		}
		var session, name string
		err := tx.QueryRow(ctx, "SELECT session, name FROM nodes WHERE node = $1 AND session <> '' AND seen > now() - $2::interval", number, ttl).Scan(&session, &name)
		if err == nil && session != row.Session {
			return fmt.Errorf("%w: node %d is %s, which is alive: give this one another number, or none", store.ErrTaken, number, name)
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		row.Node = uint16(number)
		return tx.QueryRow(ctx, `INSERT INTO nodes (node, session, name, started, seen, info) VALUES ($1,$2,$3,now(),now(),$4)
ON CONFLICT (node) DO UPDATE SET session = excluded.session, name = excluded.name, started = excluded.started, seen = excluded.seen, info = excluded.info
RETURNING started, seen`, number, row.Session, row.Name, notNil(row.Info)).Scan(&row.Started, &row.Seen)
	})
	return row, wrap(err, "register the node")
}

// Heartbeat implements store.Nodes.
func (s *Store) Heartbeat(ctx context.Context, row store.NodeRow, ttl time.Duration) (leases []store.Lease, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		leases = nil
		tag, err := tx.Exec(ctx, "UPDATE nodes SET seen = now(), info = $3 WHERE node = $1 AND session = $2", int16(row.Node), row.Session, notNil(row.Info))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return store.ErrFenced
		}
		rows, err := tx.Query(ctx, "UPDATE leases SET expires = now() + $3::interval WHERE node = $1 AND session = $2 RETURNING name, epoch, expires", int16(row.Node), row.Session, ttl)
		if err != nil {
			return err
		}
		l := store.Lease{Node: row.Node}
		_, err = pgx.ForEachRow(rows, []any{&l.Name, &l.Epoch, &l.Expires}, func() error { leases = append(leases, l); return nil })
		return err
	})
	if errors.Is(err, store.ErrFenced) {
		return nil, err
	}
	return leases, wrap(err, "renew the node's row")
}

// Leave implements store.Nodes.
func (s *Store) Leave(ctx context.Context, node uint16, session string) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE leases SET expires = now(), session = '' WHERE node = $1 AND session = $2", int16(node), session); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE nodes SET session = '' WHERE node = $1 AND session = $2", int16(node), session)
		return err
	})
	return wrap(err, "take the node off the list")
}

// ListNodes implements store.Nodes. A node that has left has no session.
func (s *Store) ListNodes(ctx context.Context) (list []store.NodeRow, err error) {
	var r store.NodeRow
	var number int16
	err = s.each(ctx, "SELECT node, session, name, started, seen, info FROM nodes WHERE seen > now() - interval '1 day' ORDER BY node", nil,
		[]any{&number, &r.Session, &r.Name, &r.Started, &r.Seen, &r.Info}, func() error {
			r.Node = uint16(number)
			list = append(list, r)
			r.Info = nil
			return nil
		})
	return list, wrap(err, "list the nodes")
}

// Acquire implements store.Nodes.
func (s *Store) Acquire(ctx context.Context, name string, node uint16, session string, ttl time.Duration) (store.Lease, error) {
	l := store.Lease{Name: name, Node: node}
	err := s.one(ctx, `INSERT INTO leases AS l (name, epoch, node, session, expires) VALUES ($1, 1, $2, $3, now() + $4::interval)
ON CONFLICT (name) DO UPDATE SET epoch = l.epoch + CASE WHEN l.session = excluded.session THEN 0 ELSE 1 END,
node = excluded.node, session = excluded.session, expires = excluded.expires
WHERE l.session = excluded.session OR l.expires <= now() RETURNING epoch, expires`, []any{name, int16(node), session, ttl}, &l.Epoch, &l.Expires)
	if errors.Is(err, store.ErrNotFound) {
		return l, store.ErrTaken
	}
	return l, wrap(err, "take the lease %s", name)
}

// Release implements store.Nodes.
func (s *Store) Release(ctx context.Context, name string, node uint16, epoch int64) error {
	_, err := s.pool.Exec(ctx, "UPDATE leases SET expires = now(), session = '' WHERE name = $1 AND node = $2 AND epoch = $3", name, int16(node), epoch)
	return wrap(err, "give back the lease %s", name)
}

// ListLeases implements store.Nodes.
func (s *Store) ListLeases(ctx context.Context) (list []store.Lease, err error) {
	var l store.Lease
	var number int16
	err = s.each(ctx, "SELECT name, epoch, node, expires FROM leases WHERE session <> '' AND expires > now() ORDER BY name", nil,
		[]any{&l.Name, &l.Epoch, &number, &l.Expires}, func() error {
			l.Node = uint16(number)
			list = append(list, l)
			return nil
		})
	return list, wrap(err, "list the leases")
}

// channel is that of NOTIFY. Topic and payload are one text, with a line feed between.
const channel = "protei_bulk"

// Announce implements store.Nodes.
func (s *Store) Announce(ctx context.Context, topic, payload string) error {
	_, err := s.pool.Exec(ctx, "SELECT pg_notify($1, $2)", channel, topic+"\n"+payload)
	return wrap(err, "announce %s", topic)
}
