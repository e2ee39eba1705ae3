package store

import (
	"context"

	"zombiezen.com/go/sqlite"
)

// ListedRow is an entry of a blacklist or of the opt-outs, as package suppression has it.
type ListedRow struct {
	Account uint32 // 0: everybody's
	Number  uint64
	Sender  string
	Kinds   uint8 // 0 in SaveListed: the entry is deleted
	At      int64 // Unix ms
	Source  string
}

// ListedQuery selects entries of an account in the order of number and sender.
type ListedQuery struct {
	Account     uint32
	Kinds       uint8  // any of these bits
	Number      uint64 // 0: any
	AfterNumber uint64 // only entries above this number and sender
	AfterSender string
	Limit       int
}

// EachListed calls f for every entry.
func (e *Embedded) EachListed(ctx context.Context, f func(ListedRow)) error {
	err := e.rows(ctx, "SELECT account, number, sender, kind, at, source FROM listed", func(stmt *sqlite.Stmt) error {
		f(listedRow(stmt))
		return nil
	})
	return wrap(err, "read listed numbers")
}

func listedRow(stmt *sqlite.Stmt) ListedRow {
	return ListedRow{
		Account: uint32(stmt.ColumnInt64(0)), Number: uint64(stmt.ColumnInt64(1)), Sender: stmt.ColumnText(2),
		Kinds: uint8(stmt.ColumnInt64(3)), At: stmt.ColumnInt64(4), Source: stmt.ColumnText(5),
	}
}

// SaveListed inserts or replaces entries, and deletes those without kinds, all or none.
func (e *Embedded) SaveListed(ctx context.Context, rows []ListedRow) error {
	err := e.write1(ctx, func(conn *database) error {
		for i := range rows {
			r := &rows[i]
			var err error
			if r.Kinds == 0 {
				err = exec(conn, "DELETE FROM listed WHERE account = ? AND number = ? AND sender = ?", int64(r.Account), int64(r.Number), r.Sender)
			} else {
				err = exec(conn, "INSERT OR REPLACE INTO listed (account, number, sender, kind, at, source) VALUES (?,?,?,?,?,?)",
					int64(r.Account), int64(r.Number), r.Sender, int64(r.Kinds), r.At, r.Source)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return wrap(err, "save %d listed numbers", len(rows))
}

// Listed returns entries.
func (e *Embedded) Listed(ctx context.Context, q ListedQuery) (list []ListedRow, err error) {
	row := func(stmt *sqlite.Stmt) error {
		list = append(list, listedRow(stmt))
		return nil
	}
	if q.Number != 0 {
		err = e.rows(ctx, `SELECT account, number, sender, kind, at, source FROM listed
			WHERE account = ? AND number = ? AND (number, sender) > (?, ?) AND kind & ? != 0 ORDER BY number, sender LIMIT ?`, row,
			int64(q.Account), int64(q.Number), int64(q.AfterNumber), q.AfterSender, int64(q.Kinds), int64(q.Limit))
	} else {
		err = e.rows(ctx, `SELECT account, number, sender, kind, at, source FROM listed
			WHERE account = ? AND (number, sender) > (?, ?) AND kind & ? != 0 ORDER BY number, sender LIMIT ?`, row,
			int64(q.Account), int64(q.AfterNumber), q.AfterSender, int64(q.Kinds), int64(q.Limit))
	}
	return list, wrap(err, "read listed numbers of account %d", q.Account)
}
