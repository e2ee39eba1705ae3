package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// Write implements store.Store.
func (s *Store) Write(ctx context.Context, c *store.Change) error {
	b := &pgx.Batch{}
	if r := c.Campaign; r != nil {
		body, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode campaign %s: %w", r.ID, err)
		}
		b.Queue(`INSERT INTO campaigns (id, account, status, body) VALUES ($1,$2,$3,$4)
ON CONFLICT (id) DO UPDATE SET account = excluded.account, status = excluded.status, body = excluded.body`, int64(r.ID), int64(r.Account), r.Status, body)
	}
	if c.Kind != "" {
		b.Queue(putObject, c.Kind, c.Key, notNil(c.Value))
	}
	for _, r := range c.Clear {
		b.Queue("DELETE FROM blocks WHERE owner = $1 AND kind = $2 AND first >= $3", int64(r.Owner), int16(r.Kind), int64(r.First))
	}
	for i := range c.Blocks {
		r := &c.Blocks[i]
		b.Queue(`INSERT INTO blocks (owner, kind, first, count, data) VALUES ($1,$2,$3,$4,$5)
ON CONFLICT (owner, kind, first) DO UPDATE SET count = excluded.count, data = excluded.data`, int64(r.Owner), int16(r.Kind), int64(r.First), int64(r.Count), r.Data)
	}
	err := s.change(ctx, func(tx pgx.Tx) error { return tx.SendBatch(ctx, b).Close() })
	return wrap(err, "write campaign or contact list")
}

// DeleteCampaign implements store.Store.
func (s *Store) DeleteCampaign(ctx context.Context, id message.ID) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM blocks WHERE owner = $1", int64(id)); err != nil {
			return err
		}
		return deleted(ctx, tx, "DELETE FROM campaigns WHERE id = $1", int64(id))
	})
	return wrap(err, "delete campaign %s", id)
}

// Campaign implements store.Store.
func (s *Store) Campaign(ctx context.Context, id message.ID) (row store.CampaignRow, err error) {
	var body []byte
	if err = s.one(ctx, "SELECT body FROM campaigns WHERE id = $1", []any{int64(id)}, &body); err == nil {
		err = json.Unmarshal(body, &row)
	}
	return row, wrap(err, "read campaign %s", id)
}

// Campaigns implements store.Store.
func (s *Store) Campaigns(ctx context.Context, q store.CampaignQuery) (list []store.CampaignRow, err error) {
	w := where{}
	if q.Below != 0 {
		w.add("id < ?", int64(q.Below))
	}
	w.add("id >= ?", int64(q.Since))
	if q.Account != 0 {
		w.add("account = ?", int64(q.Account))
	}
	if q.Status != "" {
		w.add("status = ?", q.Status)
	}
	var body []byte
	err = s.each(ctx, "SELECT body FROM campaigns"+w.text+" ORDER BY id DESC"+w.limit(q.Limit), w.args, []any{&body}, func() error {
		var row store.CampaignRow
		err := json.Unmarshal(body, &row)
		list = append(list, row)
		return err
	})
	return list, wrap(err, "list campaigns")
}

// Blocks implements store.Store.
func (s *Store) Blocks(ctx context.Context, owner message.ID, kind uint8, from uint32, limit int) (list []store.BlockRow, err error) {
	var first, count int64
	var data []byte
	err = s.each(ctx, `SELECT first, count, data FROM blocks WHERE owner = $1 AND kind = $2 AND first >= coalesce(
(SELECT max(first) FROM blocks WHERE owner = $1 AND kind = $2 AND first <= $3), 0) ORDER BY first LIMIT $4`,
		[]any{int64(owner), int16(kind), int64(from), limit}, []any{&first, &count, &data}, func() error {
			if b := (store.BlockRow{Owner: owner, Kind: kind, First: uint32(first), Count: uint32(count), Data: data}); b.First+b.Count > from {
				list = append(list, b)
			}
			data = nil
			return nil
		})
	return list, wrap(err, "read blocks of %s", owner)
}

// DeleteBlocks implements store.Store.
func (s *Store) DeleteBlocks(ctx context.Context, owner message.ID, kind, key string) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM blocks WHERE owner = $1", int64(owner)); err != nil {
			return err
		}
		return deleted(ctx, tx, "DELETE FROM objects WHERE kind = $1 AND key = $2", kind, key)
	})
	return wrap(err, "delete %s %s", kind, key)
}

// AcceptedOrdinals implements store.Store.
func (s *Store) AcceptedOrdinals(ctx context.Context, account uint32, campaign, after message.ID, f func(ordinal uint32)) error {
	var ordinal int64
	err := s.each(ctx, "SELECT ordinal FROM messages WHERE campaign = $1 AND campaign <> 0 AND id > $2 AND account = $3",
		[]any{int64(campaign), int64(after), int64(account)}, []any{&ordinal}, func() error { f(uint32(ordinal)); return nil })
	return wrap(err, "read the recipients of campaign %s", campaign)
}

// WaitingMessages implements store.Store.
func (s *Store) WaitingMessages(ctx context.Context, account uint32, campaign message.ID) (ids []message.ID, err error) {
	var id int64
	err = s.each(ctx, "SELECT id FROM messages WHERE campaign = $1 AND campaign <> 0 AND account = $2 AND status = ANY('{1,2,4}')",
		[]any{int64(campaign), int64(account)}, []any{&id}, func() error { ids = append(ids, message.ID(id)); return nil })
	return ids, wrap(err, "read what waits of campaign %s", campaign)
}
