package store

import (
	"context"
	"encoding/json"
	"fmt"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
)

// BlockRow is a run of numbered entries that belong to a campaign or a contact list:
// recipients, or rows that were refused. A million entries are a thousand rows of SQLite,
// and what an entry looks like is its owner's affair.
type BlockRow struct {
	Owner message.ID
	Kind  uint8
	First uint32 // number of the first entry
	Count uint32 // of entries
	Data  []byte
}

// BlockRange is the blocks of one kind that begin at First or above.
type BlockRange struct {
	Owner message.ID
	Kind  uint8
	First uint32
}

// Change is what one transaction changes, all or nothing.
type Change struct {
	Campaign *CampaignRow // inserted or replaced; nil: none
	Kind     string       // of an object as PutObject stores it; "": none
	Key      string
	Value    []byte
	Clear    []BlockRange // deleted before Blocks are added
	Blocks   []BlockRow   // inserted, or replaced when they begin with the same number
}

// Write makes the change durable. What only adds blocks is ErrDiskFull when there is little
// space left: it can wait, and what is accepted already cannot.
func (e *Embedded) Write(ctx context.Context, c *Change) error {
	if full := e.full(); full != nil && c.Campaign == nil && len(c.Blocks) > 0 {
		return full
	}
	var body []byte
	if c.Campaign != nil {
		var err error
		if body, err = json.Marshal(c.Campaign); err != nil {
			return fmt.Errorf("encode campaign %s: %w", c.Campaign.ID, err)
		}
	}
	err := e.write1(ctx, func(conn *database) error { return c.write(conn, body) })
	return wrap(err, "write campaign or contact list")
}

func (c *Change) write(conn *database, campaign []byte) error {
	if r := c.Campaign; r != nil {
		if err := exec(conn, putCampaign, int64(r.ID), int64(r.Account), r.Status, campaign); err != nil {
			return err
		}
	}
	if c.Kind != "" {
		if err := exec(conn, "INSERT OR REPLACE INTO objects (kind, key, value) VALUES (?,?,?)", c.Kind, c.Key, c.Value); err != nil {
			return err
		}
	}
	for _, r := range c.Clear {
		if err := exec(conn, "DELETE FROM blocks WHERE owner = ? AND kind = ? AND first >= ?", int64(r.Owner), int64(r.Kind), int64(r.First)); err != nil {
			return err
		}
	}
	for i := range c.Blocks {
		b := &c.Blocks[i]
		err := exec(conn, "INSERT OR REPLACE INTO blocks (owner, kind, first, count, data) VALUES (?,?,?,?,?)",
			int64(b.Owner), int64(b.Kind), int64(b.First), int64(b.Count), b.Data)
		if err != nil {
			return fmt.Errorf("block %d: %w", b.First, err)
		}
	}
	return nil
}

// Blocks returns up to limit blocks of a kind in order: from the one that has the entry
// from, or the first after it.
func (e *Embedded) Blocks(ctx context.Context, owner message.ID, kind uint8, from uint32, limit int) (list []BlockRow, err error) {
	const query = `SELECT first, count, data FROM blocks WHERE owner = ?1 AND kind = ?2 AND first >= coalesce(
		(SELECT max(first) FROM blocks WHERE owner = ?1 AND kind = ?2 AND first <= ?3), 0) ORDER BY first LIMIT ?4`
	err = e.rows(ctx, query, func(stmt *sqlite.Stmt) error {
		b := BlockRow{
			Owner: owner, Kind: kind, First: uint32(stmt.ColumnInt64(0)), Count: uint32(stmt.ColumnInt64(1)), Data: columnBytes(stmt, 2),
		}
		if b.First+b.Count > from {
			list = append(list, b)
		}
		return nil
	}, int64(owner), int64(kind), int64(from), int64(limit))
	return list, wrap(err, "read blocks of %s", owner)
}

// DeleteBlocks deletes all that belongs to the owner, and the object that names it.
func (e *Embedded) DeleteBlocks(ctx context.Context, owner message.ID, kind, key string) error {
	err := e.write1(ctx, func(conn *database) error {
		if err := exec(conn, "DELETE FROM blocks WHERE owner = ?", int64(owner)); err != nil {
			return err
		}
		return deleted(conn, "DELETE FROM objects WHERE kind = ? AND key = ?", kind, key)
	})
	return wrap(err, "delete %s %s", kind, key)
}
