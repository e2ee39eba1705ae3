package store

import (
	"context"
	"fmt"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store/receiptindex"
)

// LookupReceipts is FindReceipts that goes on in SQLite for what memory does not know.
// A message found there is live again afterwards.
func (e *Embedded) LookupReceipts(ctx context.Context, keys []message.ReceiptKey, dests []string, out []ReceiptMatch) error {
	if e.FindReceipts(keys, dests, out) == len(keys) {
		return nil
	}
	for {
		commits := e.commits.Load()
		found := make([]storedMatch, len(keys))
		err := e.read(ctx, func(conn *database, cat *catalog) error {
			r := receiptReader{e: e, conn: conn, cat: cat}
			for i := range keys {
				if out[i].Found {
					continue
				}
				var err error
				if found[i], err = r.find(keys[i], dests[i]); err != nil {
					return fmt.Errorf("look up receipt %s: %w", keys[i].SMSCID, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if e.bringBack(found, out, commits) {
			return nil
		}
	}
}

// bringBack makes the found messages live. It returns false when one has to be read again.
func (e *Embedded) bringBack(found []storedMatch, out []ReceiptMatch, commits int64) bool {
	complete := true
	for i, f := range found {
		if f.msg == nil || out[i].Found {
			continue
		}
		if m := e.current(f.msg, commits); m != nil {
			out[i] = ReceiptMatch{Msg: m, Part: f.part, Found: true}
		} else {
			complete = false
		}
	}
	return complete
}

// current returns the live object of a message that was read as a row, or copied from the
// live table (such a copy has no bookkeeping); nil when that is out of date.
func (e *Embedded) current(m *message.Message, commits int64) *message.Message {
	if m.Store.Row == 0 {
		return e.live.find(m.ID)
	}
	return e.settleIn(m, commits, 0)
}

// storedMatch is a part found in SQLite.
type storedMatch struct {
	msg  *message.Message
	part int
}

// receiptReader finds parts by SMSC id in the receipt runs.
type receiptReader struct {
	e    *Embedded
	conn *database
	cat  *catalog
	refs []receiptindex.Ref
	ids  []message.ID
	buf  []message.ID
}

// find returns the newest part with the key and destination that has no final state, or
// else the newest that has.
func (r *receiptReader) find(key message.ReceiptKey, dest string) (best storedMatch, err error) {
	h := r.e.receipts.Hash(key)
	r.refs = r.e.receipts.Find(r.refs[:0], h)
	for _, known := range r.refs {
		best, done, err := r.check(best, known.ID, key, dest)
		if done || err != nil {
			return best, err
		}
	}
	for i := len(r.cat.tables) - 1; i >= 0; i-- {
		t := r.cat.tables[i]
		if err := r.candidates(t, uint32(h)); err != nil {
			return best, err
		}
		for _, id := range r.ids {
			var done bool
			if best, done, err = r.check(best, id, key, dest); done || err != nil {
				return best, err
			}
		}
	}
	return best, nil
}

// candidates puts the ids that t's receipt runs have for the key into r.ids, newest first.
func (r *receiptReader) candidates(t *table, key uint32) error {
	r.ids = r.ids[:0]
	for _, run := range t.runs {
		if run.kind != receiptRuns {
			continue
		}
		c := cursor{conn: r.conn, table: t, run: run.no, key: key, ids: r.buf}
		if err := c.seek(^message.ID(0) >> 1); err != nil {
			return err
		}
		for c.valid {
			r.ids = append(r.ids, c.id)
			if err := c.next(); err != nil {
				return err
			}
		}
		r.buf = c.ids[:0]
	}
	newestFirst(&r.ids)
	return nil
}

// check looks whether message id has the part, and whether the search can end.
func (r *receiptReader) check(best storedMatch, id message.ID, key message.ReceiptKey, dest string) (_ storedMatch, done bool, err error) {
	m := r.e.live.snapshot(id)
	if m == nil {
		if m, err = rowByID(r.conn, r.cat, id); m == nil || err != nil {
			return best, false, err
		}
	}
	if m.Connector != key.Group || !receiptindex.SameDest(m.Dest.Addr, dest) {
		return best, false, nil
	}
	for i := range m.Parts {
		if m.Parts[i].SMSCID != key.SMSCID {
			continue
		}
		if !m.Parts[i].Status.Final() {
			return storedMatch{m, i}, true, nil
		}
		if best.msg == nil {
			best = storedMatch{m, i}
		}
	}
	return best, false, nil
}
