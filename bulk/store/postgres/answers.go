package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// Answer implements store.Store.
func (s *Store) Answer(ctx context.Context, account uint32, key [32]byte) (*message.Answer, error) {
	a := &message.Answer{Account: account, Key: key}
	var body []byte
	err := s.one(ctx, "SELECT body, at, status, location, answer FROM answers WHERE account = $1 AND key = $2 AND at >= $3",
		[]any{int64(account), key[:], s.opts.Now().Add(-store.AnswerAge).UnixMilli()}, &body, &a.At, &a.Status, &a.Location, &a.Text)
	if err != nil {
		return nil, wrap(err, "read the answer to a request of account %d", account)
	}
	copy(a.Body[:], body)
	return a, nil
}

// answer puts the request's answer into the transaction. The request is refused with
// store.ErrTaken when another one has its key: of another node, at the same time.
func (s *Store) answer(b *pgx.Batch, r *request) {
	a := r.extra.Answer
	b.Queue(`INSERT INTO answers (account, key, body, at, status, location, answer) VALUES ($1,$2,$3,$4,$5,$6,$7)
ON CONFLICT (account, key) DO UPDATE SET body = excluded.body, at = excluded.at, status = excluded.status, location = excluded.location, answer = excluded.answer
WHERE answers.at < $8`,
		int64(a.Account), a.Key[:], a.Body[:], a.At, a.Status, a.Location, a.Text, s.opts.Now().Add(-store.AnswerAge).UnixMilli()).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			r.refuse(store.ErrTaken)
		}
		return nil
	})
}
