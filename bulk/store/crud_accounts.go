package store

import (
	"context"
	"errors"

	"zombiezen.com/go/sqlite"
)

// ErrTaken is returned when a name that must be unique is taken.
var ErrTaken = errors.New("already taken")

// PutAccount inserts or replaces an account and fills in its ID when that is 0. It
// returns ErrTaken for a system_id that another account has.
func (e *Embedded) PutAccount(ctx context.Context, row *AccountRow) error {
	id := row.ID
	err := e.write1(ctx, func(conn *database) error {
		if id == 0 {
			err := query1(conn, "SELECT coalesce(max(id), 0) + 1 FROM accounts", func(stmt *sqlite.Stmt) error {
				id = uint32(stmt.ColumnInt64(0))
				return nil
			})
			if err != nil {
				return err
			}
		}
		var systemID any
		if row.SystemID != "" {
			systemID = row.SystemID
		}
		return exec(conn, `INSERT INTO accounts (id, name, system_id, password_hash, settings, created_at) VALUES (?,?,?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, system_id = excluded.system_id,
			password_hash = excluded.password_hash, settings = excluded.settings, created_at = excluded.created_at`,
			int64(id), row.Name, systemID, row.PasswordHash, row.Settings, row.CreatedAt)
	})
	if err = unique(err); err == nil {
		row.ID = id
	}
	return wrap(err, "save account %q", row.Name)
}

// DeleteAccount deletes an account and its API keys; its messages stay.
func (e *Embedded) DeleteAccount(ctx context.Context, id uint32) error {
	err := e.write1(ctx, func(conn *database) error {
		if err := exec(conn, "DELETE FROM api_keys WHERE account = ?", int64(id)); err != nil {
			return err
		}
		return deleted(conn, "DELETE FROM accounts WHERE id = ?", int64(id))
	})
	return wrap(err, "delete account %d", id)
}

// Accounts returns all accounts by id.
func (e *Embedded) Accounts(ctx context.Context) (list []AccountRow, err error) {
	err = e.rows(ctx, "SELECT id, name, coalesce(system_id, ''), password_hash, settings, created_at FROM accounts ORDER BY id",
		func(stmt *sqlite.Stmt) error {
			list = append(list, AccountRow{
				ID: uint32(stmt.ColumnInt64(0)), Name: stmt.ColumnText(1), SystemID: stmt.ColumnText(2),
				PasswordHash: stmt.ColumnText(3), Settings: columnBytes(stmt, 4), CreatedAt: stmt.ColumnInt64(5),
			})
			return nil
		})
	return list, wrap(err, "read accounts")
}

// PutAPIKey inserts or replaces an API key.
func (e *Embedded) PutAPIKey(ctx context.Context, row APIKeyRow) error {
	err := e.write1(ctx, func(conn *database) error {
		return exec(conn, "INSERT OR REPLACE INTO api_keys (hash, account, name, prefix, created_at, expires_at, settings) VALUES (?,?,?,?,?,?,?)",
			row.Hash[:], int64(row.Account), row.Name, row.Prefix, row.CreatedAt, row.ExpiresAt, row.Settings)
	})
	return wrap(err, "save API key %q", row.Name)
}

// DeleteAPIKey deletes the key with the hash, or returns ErrNotFound.
func (e *Embedded) DeleteAPIKey(ctx context.Context, hash [32]byte) error {
	err := e.write1(ctx, func(conn *database) error {
		return deleted(conn, "DELETE FROM api_keys WHERE hash = ?", hash[:])
	})
	return wrap(err, "delete API key")
}

// APIKeys returns all keys.
func (e *Embedded) APIKeys(ctx context.Context) (list []APIKeyRow, err error) {
	err = e.rows(ctx, "SELECT hash, account, name, prefix, created_at, expires_at, settings FROM api_keys ORDER BY created_at, hash",
		func(stmt *sqlite.Stmt) error {
			row := APIKeyRow{
				Account: uint32(stmt.ColumnInt64(1)), Name: stmt.ColumnText(2), Prefix: stmt.ColumnText(3),
				CreatedAt: stmt.ColumnInt64(4), ExpiresAt: stmt.ColumnInt64(5), Settings: columnBytes(stmt, 6),
			}
			stmt.ColumnBytes(0, row.Hash[:])
			list = append(list, row)
			return nil
		})
	return list, wrap(err, "read API keys")
}

// PutObject stores a value of whatever kind the platform keeps few of (connectors,
// routes, webhook keys) under a key.
func (e *Embedded) PutObject(ctx context.Context, kind, key string, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	err := e.write1(ctx, func(conn *database) error {
		return exec(conn, "INSERT OR REPLACE INTO objects (kind, key, value) VALUES (?,?,?)", kind, key, value)
	})
	return wrap(err, "save %s %q", kind, key)
}

// CreateObject stores a value under a key that has none: of several that do so at once, on whichever node, one
// does. ErrTaken: there is a value.
func (e *Embedded) CreateObject(ctx context.Context, kind, key string, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	err := e.write1(ctx, func(conn *database) error {
		return exec(conn, "INSERT INTO objects (kind, key, value) VALUES (?,?,?)", kind, key, value)
	})
	return wrap(unique(err), "create %s %q", kind, key)
}

// unique makes ErrTaken of a key that is there already.
func unique(err error) error {
	switch sqlite.ErrCode(err) {
	case sqlite.ResultConstraintUnique, sqlite.ResultConstraintPrimaryKey:
		return ErrTaken
	}
	return err
}

// ErrChanged is returned when somebody else has changed what was read.
var ErrChanged = errors.New("changed meanwhile")

// SwapObject replaces an object's value if it still is old, in one step: of several that swap the same value, on
// whichever node, one does. ErrChanged: it is another value, or gone.
func (e *Embedded) SwapObject(ctx context.Context, kind, key string, old, value []byte) error {
	err := e.write1(ctx, func(conn *database) error {
		err := deleted(conn, "UPDATE objects SET value = ? WHERE kind = ? AND key = ? AND value = ?", value, kind, key, old)
		if errors.Is(err, ErrNotFound) {
			return ErrChanged
		}
		return err
	})
	return wrap(err, "save %s %q", kind, key)
}

// ReplaceObjects makes values all that there is of a kind, at once or not at all.
func (e *Embedded) ReplaceObjects(ctx context.Context, kind string, values map[string][]byte) error {
	err := e.write1(ctx, func(conn *database) error {
		if err := exec(conn, "DELETE FROM objects WHERE kind = ?", kind); err != nil {
			return err
		}
		for key, value := range values {
			if err := exec(conn, "INSERT INTO objects (kind, key, value) VALUES (?,?,?)", kind, key, value); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap(err, "replace %s objects", kind)
}

// DeleteObject deletes what PutObject stored, or returns ErrNotFound.
func (e *Embedded) DeleteObject(ctx context.Context, kind, key string) error {
	err := e.write1(ctx, func(conn *database) error {
		return deleted(conn, "DELETE FROM objects WHERE kind = ? AND key = ?", kind, key)
	})
	return wrap(err, "delete %s %q", kind, key)
}

// Object returns the value of one object; ErrNotFound.
func (e *Embedded) Object(ctx context.Context, kind, key string) (value []byte, err error) {
	err = e.one(ctx, "SELECT value FROM objects WHERE kind = ? AND key = ?", func(stmt *sqlite.Stmt) error {
		value = columnBytes(stmt, 0)
		return nil
	}, kind, key)
	return value, wrap(err, "read %s object", kind)
}

// Objects returns all values of a kind by key.
func (e *Embedded) Objects(ctx context.Context, kind string) (map[string][]byte, error) {
	all := make(map[string][]byte)
	err := e.rows(ctx, "SELECT key, value FROM objects WHERE kind = ?", func(stmt *sqlite.Stmt) error {
		all[stmt.ColumnText(0)] = columnBytes(stmt, 1)
		return nil
	}, kind)
	return all, wrap(err, "read %s objects", kind)
}
