package store

import (
	"context"
	"encoding/json"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
)

const putCampaign = "INSERT OR REPLACE INTO campaigns (id, account, status, body) VALUES (?,?,?,?)"

// DeleteCampaign deletes a campaign with all its blocks, or returns ErrNotFound. Its
// messages stay.
func (e *Embedded) DeleteCampaign(ctx context.Context, id message.ID) error {
	err := e.write1(ctx, func(conn *database) error {
		if err := exec(conn, "DELETE FROM blocks WHERE owner = ?", int64(id)); err != nil {
			return err
		}
		return deleted(conn, "DELETE FROM campaigns WHERE id = ?", int64(id))
	})
	return wrap(err, "delete campaign %s", id)
}

// Campaign returns one campaign, or ErrNotFound.
func (e *Embedded) Campaign(ctx context.Context, id message.ID) (row CampaignRow, err error) {
	err = e.one(ctx, "SELECT body FROM campaigns WHERE id = ?", func(stmt *sqlite.Stmt) error {
		return json.Unmarshal(columnBytes(stmt, 0), &row)
	}, int64(id))
	return row, wrap(err, "read campaign %s", id)
}

// CampaignQuery selects campaigns. Zero fields do not filter.
type CampaignQuery struct {
	Account uint32
	Status  string
	Below   message.ID // only ids below it
	Since   message.ID // only ids from it on
	Limit   int
}

// Campaigns returns up to q.Limit campaigns, newest first.
func (e *Embedded) Campaigns(ctx context.Context, q CampaignQuery) (list []CampaignRow, err error) {
	if q.Below == 0 {
		q.Below = ^message.ID(0) >> 1
	}
	query, args := "SELECT body FROM campaigns WHERE id < ? AND id >= ?", []any{int64(q.Below), int64(q.Since)}
	if q.Account != 0 {
		query, args = query+" AND account = ?", append(args, int64(q.Account))
	}
	if q.Status != "" {
		query, args = query+" AND status = ?", append(args, q.Status)
	}
	err = e.rows(ctx, query+" ORDER BY id DESC LIMIT ?", func(stmt *sqlite.Stmt) error {
		var row CampaignRow
		if err := json.Unmarshal(columnBytes(stmt, 0), &row); err != nil {
			return err
		}
		list = append(list, row)
		return nil
	}, append(args, int64(q.Limit))...)
	return list, wrap(err, "list campaigns")
}
