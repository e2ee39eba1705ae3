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
	m.nextKeep = now.Add(housekeepingEvery)
	m.e.checkDisk()
	m.e.parked.expire(now.Add(-parkedAge).UnixMilli())
	m.e.matchParked()
	return m.patient(&m.unswept, "delete what is too old", m.sweep(now))
}

// sweep deletes what is kept no longer.
func (m *materialiser) sweep(now time.Time) error {
	if err := m.purgeUsage(now); err != nil {
		return err
	}
	if err := m.purgeInbound(now); err != nil {
		return err
	}
	if err := m.purgeAnswers(now); err != nil {
		return err
	}
	return m.retain(now)
}

// patient lets work that the disk has no room for, err says, wait for its next turn. waits
// remembers it, for the log.
func (m *materialiser) patient(waits *bool, what string, err error) error {
	was := *waits
	if *waits = m.e.noRoom(err); !*waits {
		return err
	}
	if !was {
		m.e.opts.Logger.Warn("no room on the disk: put off", "what", what, "error", err)
	}
	return nil
}

// matchParked looks in SQLite for the parts of parked receipts, once for each: for those
// of the last process, and those whose row was written, and its message had left memory,
// after the receipt had been looked for and before it was parked. A part that is found in
// neither place then gets its SMSC id by an event yet to be applied, or its row by a
// transaction yet to come, and both look here.
func (e *Embedded) matchParked() {
	list := e.parked.strangers(strangersMax)
	if len(list) == 0 {
		return
	}
	keys, dests := make([]message.ReceiptKey, len(list)), make([]string, len(list))
	for i := range list {
		keys[i], dests[i] = list[i].Key, list[i].Dest
	}
	out := make([]ReceiptMatch, len(list))
	if err := e.LookupReceipts(context.Background(), keys, dests, out); err != nil {
		e.opts.Logger.Warn("look up parked receipts", "receipts", len(list), "error", err)
		return
	}
	for i := range list {
		if out[i].Found {
			e.unpark(out[i].Msg, out[i].Part, &list[i])
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
	st := m.st
	err := transaction(m.conn, func() error {
		m.st.version++
		if err := m.cat.dropTable(m.conn); err != nil {
			return err
		}
		return m.saveState()
	})
	if err != nil {
		m.st = st
		return err
	}
	m.cat.version = m.st.version
	m.e.catalog.Store(m.cat)
	m.e.opts.Logger.Info("dropped messages past retention", "table", cat.tables[0].n, "rows", cat.tables[0].rows)
	return nil
}

// checkpoint moves pages from the write-ahead log into the database when there are
// many: a passive step of this goroutine, which nobody waits for. Without room for them they stay
// in the log until after the next transaction.
func (m *materialiser) checkpoint() error {
	for i := range m.images {
		m.walBytes += int64(m.images[i].to-m.images[i].from) + 64
	}
	if m.walBytes < checkpointPages*pageSize {
		return nil
	}
	err := query1(m.conn, "PRAGMA wal_checkpoint(PASSIVE)", nil)
	if err == nil {
		m.walBytes = 0
	}
	if err := m.patient(&m.unchecked, "checkpoint", err); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}
