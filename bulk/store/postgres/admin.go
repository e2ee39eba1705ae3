package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"protei-bulk/bulk/store"
)

// change runs do in a transaction, with the entry of a log that ctx carries (store.Alongside).
func (s *Store) change(ctx context.Context, do func(tx pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		kind, entry, ok := store.EntryAlongside(ctx)
		if !ok {
			return nil
		}
		_, err := tx.Exec(ctx, putObject, kind, entry.Key, entry.Value)
		return err
	})
	if diskFull(err) {
		s.lacksRoom(err)
	}
	return err
}

// exec is change with one statement.
func (s *Store) exec(ctx context.Context, query string, args ...any) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
}

// deleted runs a DELETE; store.ErrNotFound when it deletes nothing.
func deleted(ctx context.Context, tx pgx.Tx, query string, args ...any) error {
	tag, err := tx.Exec(ctx, query, args...)
	if err == nil && tag.RowsAffected() == 0 {
		return store.ErrNotFound
	}
	return err
}

// taken makes store.ErrTaken of a key that is there already.
func taken(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		return store.ErrTaken
	}
	return err
}

// PutAccount implements store.Store.
func (s *Store) PutAccount(ctx context.Context, row *store.AccountRow) error {
	id := int64(row.ID)
	err := s.change(ctx, func(tx pgx.Tx) error {
		if id == 0 {
			// One at a time: two nodes must not give the same number.
			if _, err := tx.Exec(ctx, "LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE"); err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, "SELECT coalesce(max(id), 0) + 1 FROM accounts").Scan(&id); err != nil {
				return err
			}
		}
		tag, err := tx.Exec(ctx, `INSERT INTO accounts (id, name, system_id, password_hash, settings, created_at) VALUES ($1,$2,nullif($3, ''),$4,$5,$6)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, system_id = excluded.system_id,
password_hash = excluded.password_hash, settings = excluded.settings WHERE accounts.created_at = excluded.created_at`,
			id, row.Name, row.SystemID, row.PasswordHash, row.Settings, row.CreatedAt)
		if err == nil && tag.RowsAffected() == 0 {
			return store.ErrTaken // another node has made an account of this number meanwhile
		}
		return err
	})
	if err = taken(err); err == nil {
		row.ID = uint32(id)
	}
	return wrap(err, "save account %q", row.Name)
}

// DeleteAccount implements store.Store.
func (s *Store) DeleteAccount(ctx context.Context, id uint32) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM api_keys WHERE account = $1", int64(id)); err != nil {
			return err
		}
		return deleted(ctx, tx, "DELETE FROM accounts WHERE id = $1", int64(id))
	})
	return wrap(err, "delete account %d", id)
}

// Accounts implements store.Store.
func (s *Store) Accounts(ctx context.Context) (list []store.AccountRow, err error) {
	var r store.AccountRow
	var id int64
	err = s.each(ctx, "SELECT id, name, coalesce(system_id, ''), password_hash, settings, created_at FROM accounts ORDER BY id", nil,
		[]any{&id, &r.Name, &r.SystemID, &r.PasswordHash, &r.Settings, &r.CreatedAt}, func() error {
			r.ID = uint32(id)
			list = append(list, r)
			r.Settings = nil
			return nil
		})
	return list, wrap(err, "read accounts")
}

// PutAPIKey implements store.Store.
func (s *Store) PutAPIKey(ctx context.Context, row store.APIKeyRow) error {
	err := s.exec(ctx, `INSERT INTO api_keys (hash, account, name, prefix, created_at, expires_at, settings) VALUES ($1,$2,$3,$4,$5,$6,$7)
ON CONFLICT (hash) DO UPDATE SET account = excluded.account, name = excluded.name, prefix = excluded.prefix,
created_at = excluded.created_at, expires_at = excluded.expires_at, settings = excluded.settings`,
		row.Hash[:], int64(row.Account), row.Name, row.Prefix, row.CreatedAt, row.ExpiresAt, row.Settings)
	return wrap(err, "save API key %q", row.Name)
}

// DeleteAPIKey implements store.Store.
func (s *Store) DeleteAPIKey(ctx context.Context, hash [32]byte) error {
	err := s.change(ctx, func(tx pgx.Tx) error { return deleted(ctx, tx, "DELETE FROM api_keys WHERE hash = $1", hash[:]) })
	return wrap(err, "delete API key")
}

// APIKeys implements store.Store.
func (s *Store) APIKeys(ctx context.Context) (list []store.APIKeyRow, err error) {
	var r store.APIKeyRow
	var account int64
	var hash []byte
	err = s.each(ctx, "SELECT hash, account, name, prefix, created_at, expires_at, settings FROM api_keys ORDER BY created_at, hash", nil,
		[]any{&hash, &account, &r.Name, &r.Prefix, &r.CreatedAt, &r.ExpiresAt, &r.Settings}, func() error {
			r.Account = uint32(account)
			copy(r.Hash[:], hash)
			list = append(list, r)
			r.Settings = nil
			return nil
		})
	return list, wrap(err, "read API keys")
}
