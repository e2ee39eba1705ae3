package postgres

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/store"
)

// listed is one row of the numbers that are not written to. number has 64 bits without a sign,
// which PostgreSQL has no type for but numeric.
type listed struct {
	account int64
	number  string
	row     store.ListedRow
	kinds   int16
}

func (l *listed) columns() []any {
	return []any{&l.account, &l.number, &l.row.Sender, &l.kinds, &l.row.At, &l.row.Source}
}

func (l *listed) get() (store.ListedRow, error) {
	n, err := strconv.ParseUint(l.number, 10, 64)
	r := l.row
	r.Account, r.Number, r.Kinds = uint32(l.account), n, uint8(l.kinds)
	return r, err
}

const selectListed = "SELECT account, number::text, sender, kind, at, source FROM listed"

// EachListed implements store.Store.
func (s *Store) EachListed(ctx context.Context, f func(store.ListedRow)) error {
	var l listed
	err := s.each(ctx, selectListed, nil, l.columns(), func() error {
		r, err := l.get()
		if err == nil {
			f(r)
		}
		return err
	})
	return wrap(err, "read listed numbers")
}

// SaveListed implements store.Store.
func (s *Store) SaveListed(ctx context.Context, rows []store.ListedRow) error {
	b := &pgx.Batch{}
	for i := range rows {
		r := &rows[i]
		number := strconv.FormatUint(r.Number, 10)
		if r.Kinds == 0 {
			b.Queue("DELETE FROM listed WHERE account = $1 AND number = $2::text::numeric AND sender = $3", int64(r.Account), number, r.Sender)
			continue
		}
		b.Queue(`INSERT INTO listed (account, number, sender, kind, at, source) VALUES ($1,$2::text::numeric,$3,$4,$5,$6)
ON CONFLICT (account, number, sender) DO UPDATE SET kind = excluded.kind, at = excluded.at, source = excluded.source`,
			int64(r.Account), number, r.Sender, int16(r.Kinds), r.At, r.Source)
	}
	err := s.change(ctx, func(tx pgx.Tx) error { return tx.SendBatch(ctx, b).Close() })
	return wrap(err, "save listed numbers")
}

// Listed implements store.Store.
func (s *Store) Listed(ctx context.Context, q store.ListedQuery) (list []store.ListedRow, err error) {
	w := where{}
	w.add("account = ?", int64(q.Account))
	w.add("kind & ? <> 0", int16(q.Kinds))
	if q.Number != 0 {
		w.add("number = ?::text::numeric", strconv.FormatUint(q.Number, 10))
	}
	w.add("(number, sender) > (?::text::numeric, ", strconv.FormatUint(q.AfterNumber, 10))
	w.args = append(w.args, q.AfterSender)
	w.text += "$" + strconv.Itoa(len(w.args)) + ")"
	var l listed
	err = s.each(ctx, selectListed+w.text+" ORDER BY number, sender"+w.limit(q.Limit), w.args, l.columns(), func() error {
		r, err := l.get()
		list = append(list, r)
		return err
	})
	return list, wrap(err, "list numbers")
}
