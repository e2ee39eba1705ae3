package store

import (
	"context"
	"encoding/json"
	"fmt"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
)

// PutCampaign inserts or replaces a campaign.
func (e *Embedded) PutCampaign(ctx context.Context, row CampaignRow) error {
	body, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode campaign %s: %w", row.ID, err)
	}
	err = e.write1(ctx, func(conn *database) error {
		return exec(conn, "INSERT OR REPLACE INTO campaigns (id, account, status, body) VALUES (?,?,?,?)",
			int64(row.ID), int64(row.Account), row.Status, body)
	})
	return wrap(err, "save campaign %s", row.ID)
}

// DeleteCampaign deletes a campaign and its recipients, or returns ErrNotFound. Its
// messages stay.
func (e *Embedded) DeleteCampaign(ctx context.Context, id message.ID) error {
	err := e.write1(ctx, func(conn *database) error {
		if err := exec(conn, "DELETE FROM recipients WHERE campaign = ?", int64(id)); err != nil {
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

// Campaigns returns up to limit campaigns with ids below below (0: from the newest), of
// one account or of all for 0, newest first.
func (e *Embedded) Campaigns(ctx context.Context, account uint32, below message.ID, limit int) (list []CampaignRow, err error) {
	if below == 0 {
		below = ^message.ID(0) >> 1
	}
	query, args := "SELECT body FROM campaigns WHERE id < ? ORDER BY id DESC LIMIT ?", []any{int64(below), int64(limit)}
	if account != 0 {
		query = "SELECT body FROM campaigns WHERE account = ? AND id < ? ORDER BY id DESC LIMIT ?"
		args = append([]any{int64(account)}, args...)
	}
	err = e.rows(ctx, query, func(stmt *sqlite.Stmt) error {
		var row CampaignRow
		if err := json.Unmarshal(columnBytes(stmt, 0), &row); err != nil {
			return err
		}
		list = append(list, row)
		return nil
	}, args...)
	return list, wrap(err, "list campaigns")
}

// AddRecipients adds recipients to a campaign, or replaces those with the same ordinals.
func (e *Embedded) AddRecipients(ctx context.Context, campaign message.ID, rows []RecipientRow) error {
	err := e.write1(ctx, func(conn *database) error {
		for i := range rows {
			r := &rows[i]
			err := exec(conn, "INSERT OR REPLACE INTO recipients (campaign, ordinal, dest, fields) VALUES (?,?,?,?)",
				int64(campaign), int64(r.Ordinal), r.To, r.Fields)
			if err != nil {
				return fmt.Errorf("recipient %d: %w", r.Ordinal, err)
			}
		}
		return nil
	})
	return wrap(err, "add recipients to campaign %s", campaign)
}

// Recipients returns up to limit recipients with ordinals above after, in order.
func (e *Embedded) Recipients(ctx context.Context, campaign message.ID, after uint32, limit int) (list []RecipientRow, err error) {
	err = e.rows(ctx, "SELECT ordinal, dest, fields FROM recipients WHERE campaign = ? AND ordinal > ? ORDER BY ordinal LIMIT ?",
		func(stmt *sqlite.Stmt) error {
			r := RecipientRow{Ordinal: uint32(stmt.ColumnInt64(0)), To: stmt.ColumnText(1)}
			if !stmt.ColumnIsNull(2) {
				r.Fields = columnBytes(stmt, 2)
			}
			list = append(list, r)
			return nil
		}, int64(campaign), int64(after), int64(limit))
	return list, wrap(err, "read recipients of campaign %s", campaign)
}
