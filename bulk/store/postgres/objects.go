package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

const putObject = "INSERT INTO objects (kind, key, value) VALUES ($1,$2,$3) ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value"

// PutObject implements store.Store.
func (s *Store) PutObject(ctx context.Context, kind, key string, value []byte) error {
	return wrap(s.exec(ctx, putObject, kind, key, notNil(value)), "save %s %q", kind, key)
}

// SwapObject implements store.Store.
func (s *Store) SwapObject(ctx context.Context, kind, key string, old, value []byte) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE objects SET value = $4 WHERE kind = $1 AND key = $2 AND value = $3", kind, key, notNil(old), notNil(value))
		if err == nil && tag.RowsAffected() == 0 {
			return store.ErrChanged
		}
		return err
	})
	return wrap(err, "save %s %q", kind, key)
}

// CreateObject implements store.Store.
func (s *Store) CreateObject(ctx context.Context, kind, key string, value []byte) error {
	err := s.exec(ctx, "INSERT INTO objects (kind, key, value) VALUES ($1,$2,$3)", kind, key, notNil(value))
	return wrap(taken(err), "create %s %q", kind, key)
}

func notNil(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// ReplaceObjects implements store.Store.
func (s *Store) ReplaceObjects(ctx context.Context, kind string, values map[string][]byte) error {
	keys, texts := make([]string, 0, len(values)), make([][]byte, 0, len(values))
	for key, value := range values {
		keys, texts = append(keys, key), append(texts, notNil(value))
	}
	err := s.change(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM objects WHERE kind = $1", kind); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO objects (kind, key, value) SELECT $1, * FROM unnest($2::text[], $3::bytea[])", kind, keys, texts)
		return err
	})
	return wrap(err, "replace %s objects", kind)
}

// DeleteObject implements store.Store.
func (s *Store) DeleteObject(ctx context.Context, kind, key string) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		return deleted(ctx, tx, "DELETE FROM objects WHERE kind = $1 AND key = $2", kind, key)
	})
	return wrap(err, "delete %s %q", kind, key)
}

// Object implements store.Store.
func (s *Store) Object(ctx context.Context, kind, key string) (value []byte, err error) {
	err = s.one(ctx, "SELECT value FROM objects WHERE kind = $1 AND key = $2", []any{kind, key}, &value)
	return value, wrap(err, "read %s object", kind)
}

// Objects implements store.Store.
func (s *Store) Objects(ctx context.Context, kind string) (map[string][]byte, error) {
	all := make(map[string][]byte)
	var key string
	var value []byte
	err := s.each(ctx, "SELECT key, value FROM objects WHERE kind = $1", []any{kind}, []any{&key, &value}, func() error {
		all[key] = value
		value = nil
		return nil
	})
	return all, wrap(err, "read %s objects", kind)
}

// AppendLog implements store.Store.
func (s *Store) AppendLog(ctx context.Context, kind string, entries []store.LogEntry) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		for i := range entries {
			b.Queue(putObject, kind, entries[i].Key, notNil(entries[i].Value))
		}
		return tx.SendBatch(ctx, b).Close()
	})
	return wrap(err, "append to the log of %s", kind)
}

// Log implements store.Store.
func (s *Store) Log(ctx context.Context, kind, below string, limit int) (entries []store.LogEntry, err error) {
	if below == "" {
		below = "~" // above every hex digit
	}
	var e store.LogEntry
	err = s.each(ctx, "SELECT key, value FROM objects WHERE kind = $1 AND key < $2 ORDER BY key DESC LIMIT $3", []any{kind, below, limit},
		[]any{&e.Key, &e.Value}, func() error {
			entries = append(entries, e)
			e.Value = nil
			return nil
		})
	return entries, wrap(err, "read the log of %s", kind)
}

// purgeLogs deletes entries of logs, inbound messages, answers and usage that are older than they
// are kept.
func (s *Store) purgeLogs(ctx context.Context) error {
	now := s.opts.Now()
	b := &pgx.Batch{}
	for kind, keep := range map[string]time.Duration{store.FailedWebhooks: s.opts.Retention, store.AuditLog: s.opts.AuditRetention, store.AlertLog: s.opts.Retention} {
		if keep > 0 {
			b.Queue("DELETE FROM objects WHERE kind = $1 AND key < $2", kind, message.FirstID(now.Add(-keep)).String())
		}
	}
	if s.opts.Retention > 0 {
		b.Queue("DELETE FROM inbound WHERE id < $1 AND status > 2", int64(message.FirstID(now.Add(-s.opts.Retention))))
	}
	b.Queue("DELETE FROM answers WHERE at < $1", now.Add(-store.AnswerAge).UnixMilli())
	b.Queue("DELETE FROM usage WHERE quarter < $1", now.Add(-usageAge).UnixMilli()/quarterMs)
	b.Queue("DELETE FROM binds b WHERE NOT EXISTS (SELECT FROM nodes n WHERE n.node = b.node AND n.session = b.session AND n.seen > now() - interval '1 day')")
	b.Queue("DELETE FROM quotas WHERE ends < $1", now.Add(-quotaAge).UnixMilli())
	return wrap(s.pool.SendBatch(ctx, b).Close(), "delete what is old")
}
