package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
)

func duration(ns *atomic.Int64) time.Duration { return time.Duration(ns.Load()) }

// keep looks at disk space, retention and parked receipts, at most once a second.
func (m *materialiser) keep() error {
	now := m.e.opts.Now()
	if now.Before(m.nextKeep) {
		return nil
	}
	first := m.nextKeep.IsZero()
	m.nextKeep = now.Add(housekeepingEvery)
	m.e.checkDisk()
	m.e.parked.expire(now.Add(-parkedAge).UnixMilli())
	if first {
		m.e.matchParked()
	}
	if err := m.purgeInbound(now); err != nil {
		return err
	}
	return m.retain(now)
}

func (e *Embedded) checkDisk() {
	if e.opts.MinFreeDisk < 0 {
		return
	}
	free, err := freeBytes(e.opts.Dir)
	if err != nil {
		e.opts.Logger.Warn("disk space is unknown", "error", err)
		return
	}
	full := free < e.opts.MinFreeDisk
	if e.diskFull.Swap(full) != full {
		e.opts.Logger.Warn("free disk space crossed the limit", "free", free, "limit", e.opts.MinFreeDisk, "accepting", !full)
	}
}

// matchParked settles the parts whose receipts were parked when the last process ended.
func (e *Embedded) matchParked() {
	for _, r := range e.parked.all() {
		out := make([]ReceiptMatch, 1)
		err := e.LookupReceipts(context.Background(), []message.ReceiptKey{r.Key}, []string{r.Dest}, out)
		if err != nil {
			e.opts.Logger.Warn("look up parked receipt", "smsc_id", r.Key.SMSCID, "error", err)
			return
		}
		if out[0].Found {
			e.unpark(out[0].Msg, out[0].Part, &r)
		}
	}
}

// retain drops the oldest tables once everything in them is older than the retention
// and nothing in them is unsettled.
func (m *materialiser) retain(now time.Time) error {
	if m.e.opts.Retention == 0 {
		return nil
	}
	limit := message.FirstID(now.Add(-m.e.opts.Retention))
	for {
		cat := m.e.catalog.Load()
		if len(cat.tables) < 2 || cat.tables[1].first > limit {
			return nil
		}
		if open, err := m.unsettled(cat.tables[0]); err != nil || open {
			return err
		}
		if err := m.drop(cat); err != nil {
			return err
		}
	}
}

func (m *materialiser) unsettled(t *table) (open bool, err error) {
	err = query1(m.conn, t.sql.unsettled, func(*sqlite.Stmt) error {
		open = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("look for unsettled messages in messages_%d: %w", t.n, err)
	}
	return open, nil
}

func (m *materialiser) drop(cat *catalog) error {
	m.cat = cat.clone()
	err := transaction(m.conn, func() error {
		m.st.version++
		if err := m.cat.dropTable(m.conn); err != nil {
			return err
		}
		return m.saveState()
	})
	if err != nil {
		return err
	}
	m.cat.version = m.st.version
	m.e.catalog.Store(m.cat)
	m.e.opts.Logger.Info("dropped messages past retention", "table", cat.tables[0].n, "rows", cat.tables[0].rows)
	return nil
}

// checkpoint moves pages from the write-ahead log into the database when there are
// many: a passive step of this goroutine, which nobody waits for.
func (m *materialiser) checkpoint() error {
	for i := range m.images {
		m.walBytes += int64(m.images[i].to-m.images[i].from) + 64
	}
	if m.walBytes < checkpointPages*pageSize {
		return nil
	}
	m.walBytes = 0
	if err := query1(m.conn, "PRAGMA wal_checkpoint(PASSIVE)", nil); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}
