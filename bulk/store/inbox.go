package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
)

// maxInbox bounds the changes of inbound messages that SQLite does not hold yet, before
// RecordInbound says ErrBusy.
const maxInbox = 100_000

// inbox holds what has been journaled of inbound messages and is not in SQLite yet: a
// transaction takes it, and it stays visible until that is committed. Rows are put with
// INSERT OR IGNORE and changed by id, so that replaying the journal over a later state
// ends in the same one.
type inbox struct {
	mu      sync.Mutex // guards what follows
	fresh   inboxPage  // since the last transaction
	writing inboxPage  // of the transaction under way
	highest message.ID // of all
}

type inboxPage struct {
	put    map[message.ID]*message.Inbound
	change map[message.ID]message.InboundState
	forget map[message.ID]bool
}

func newInboxPage() inboxPage {
	return inboxPage{make(map[message.ID]*message.Inbound), make(map[message.ID]message.InboundState), make(map[message.ID]bool)}
}

func (p *inboxPage) len() int { return len(p.put) + len(p.change) + len(p.forget) }

func (b *inbox) init() { b.fresh, b.writing = newInboxPage(), newInboxPage() }

func (b *inbox) apply(r *inboundRecord) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.msg == nil {
		b.change(&r.change)
		return
	}
	kept := *r.msg
	kept.Consumed = nil
	b.fresh.put[kept.ID] = &kept
	b.highest = max(b.highest, kept.ID)
	for _, id := range r.msg.Consumed {
		delete(b.fresh.put, id)
		delete(b.fresh.change, id)
		b.fresh.forget[id] = true
	}
}

// change needs mu.
func (b *inbox) change(c *message.InboundChange) {
	if m := b.fresh.put[c.ID]; m != nil {
		next := *m
		next.InboundState = c.InboundState
		b.fresh.put[c.ID] = &next
		return
	}
	b.fresh.change[c.ID] = c.InboundState
}

func (b *inbox) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fresh.len() + b.writing.len()
}

// take returns what a transaction writes, the same again when it is tried again.
func (b *inbox) take() *inboxPage {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fresh.len() > 0 && b.writing.len() == 0 {
		b.fresh, b.writing = newInboxPage(), b.fresh
	}
	return &b.writing
}

// written lets go of what the transaction wrote.
func (b *inbox) written() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writing.len() > 0 {
		b.writing = newInboxPage()
	}
}

// overlay is what the inbox knows better than SQLite at one moment.
type overlay struct {
	put    map[message.ID]*message.Inbound
	change map[message.ID]message.InboundState
	forget map[message.ID]bool
}

// look copies the inbox. Whoever reads SQLite afterwards sees all of it there or in the copy.
func (b *inbox) look() overlay {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := overlay(newInboxPage())
	for _, p := range []*inboxPage{&b.writing, &b.fresh} {
		for id, m := range p.put {
			o.put[id] = m
		}
		for id, s := range p.change {
			if m := o.put[id]; m != nil {
				next := *m
				next.InboundState = s
				o.put[id] = &next
				continue
			}
			o.change[id] = s
		}
		for id := range p.forget {
			delete(o.put, id)
			o.forget[id] = true
		}
	}
	return o
}

// merge adds what the overlay has to rows, and corrects them.
func (o *overlay) merge(rows []*message.Inbound, want func(*message.Inbound) bool) []*message.Inbound {
	out := rows[:0]
	for _, m := range rows {
		if o.forget[m.ID] || o.put[m.ID] != nil {
			continue
		}
		if s, ok := o.change[m.ID]; ok {
			m.InboundState = s
		}
		if want(m) {
			out = append(out, m)
		}
	}
	for _, m := range o.put {
		if want(m) {
			out = append(out, m)
		}
	}
	return out
}

// RecordInbound makes an inbound message, or one part of it, durable; done runs
// afterwards, on the applier goroutine, and must not block. Its Consumed parts are
// forgotten in the same record. ErrBusy and ErrDiskFull refuse it; m must not be written
// any more.
func (e *Embedded) RecordInbound(m *message.Inbound, done func(error)) {
	switch full := e.full(); {
	case full != nil:
		done(full)
	case e.inbox.size() >= maxInbox:
		done(ErrBusy)
	default:
		e.queue.put(done, func(p *pending) { p.inbound = append(p.inbound, inboundRecord{msg: m}) })
	}
}

// ChangeInbound records changes of inbound messages; done, which may be nil, runs when
// they are durable, as for RecordInbound.
func (e *Embedded) ChangeInbound(changes []message.InboundChange, done func(error)) {
	e.queue.put(done, func(p *pending) {
		for _, c := range changes {
			p.inbound = append(p.inbound, inboundRecord{change: c})
		}
	})
}

// inboundRows writes the inbox into SQLite.
func (m *materialiser) inboundRows() error {
	page := m.e.inbox.take()
	for _, msg := range page.put {
		err := exec(m.conn, "INSERT OR IGNORE INTO inbound VALUES (?,?,?,?,?,?,?)", int64(msg.ID), int64(msg.Account),
			int64(msg.Status), int64(msg.Route), msg.URL, msg.DoneAt, AppendInbound(nil, msg))
		if err != nil {
			return fmt.Errorf("insert inbound message %s: %w", msg.ID, err)
		}
	}
	for id, s := range page.change {
		err := exec(m.conn, "UPDATE inbound SET account=?, status=?, route=?, url=?, done_at=? WHERE id=?",
			int64(s.Account), int64(s.Status), int64(s.Route), s.URL, s.DoneAt, int64(id))
		if err != nil {
			return fmt.Errorf("update inbound message %s: %w", id, err)
		}
	}
	for id := range page.forget {
		if err := exec(m.conn, "DELETE FROM inbound WHERE id=?", int64(id)); err != nil {
			return fmt.Errorf("delete inbound part %s: %w", id, err)
		}
	}
	return nil
}

const inboundColumns = "SELECT id, account, status, route, url, done_at, body FROM inbound "

func scanInbound(stmt *sqlite.Stmt) (*message.Inbound, error) {
	m := &message.Inbound{ID: message.ID(stmt.ColumnInt64(0))}
	m.Account, m.Status = uint32(stmt.ColumnInt64(1)), message.InboundStatus(stmt.ColumnInt64(2))
	m.Route, m.URL, m.DoneAt = message.ID(stmt.ColumnInt64(3)), stmt.ColumnText(4), stmt.ColumnInt64(5)
	if err := DecodeInbound(m, string(columnBytes(stmt, 6))); err != nil {
		return nil, err
	}
	return m, nil
}

// Inbound returns one inbound message as it is now, or ErrNotFound.
func (e *Embedded) Inbound(ctx context.Context, id message.ID) (*message.Inbound, error) {
	o := e.inbox.look()
	if m := o.put[id]; m != nil {
		return m, nil
	}
	var m *message.Inbound
	err := e.one(ctx, inboundColumns+"WHERE id = ?", func(stmt *sqlite.Stmt) (err error) {
		m, err = scanInbound(stmt)
		return err
	}, int64(id))
	if err != nil || o.forget[id] {
		return nil, wrap(orNotFound(err), "read inbound message %s", id)
	}
	if s, ok := o.change[id]; ok {
		m.InboundState = s
	}
	return m, nil
}

func orNotFound(err error) error {
	if err == nil {
		return ErrNotFound
	}
	return err
}

// InboundWaiting returns up to limit inbound messages in a status above after, by their ids:
// what waits for its parts, or for its customer (account 0: all). It sees every durable
// change.
func (e *Embedded) InboundWaiting(ctx context.Context, status message.InboundStatus, account uint32, after message.ID, limit int) ([]*message.Inbound, error) {
	want := func(m *message.Inbound) bool {
		return m.Status == status && m.ID > after && (account == 0 || m.Account == account)
	}
	for {
		o := e.inbox.look()
		rows, err := e.inboundRows(ctx, inboundColumns+"WHERE status = ? AND status < 3 AND id > ? ORDER BY id LIMIT ?", int64(status), int64(after), int64(limit))
		if err != nil {
			return nil, err
		}
		read, end := len(rows), ^message.ID(0)
		if read == limit {
			end = rows[read-1].ID
		}
		found := o.merge(rows, func(m *message.Inbound) bool { return want(m) && m.ID <= end })
		slices.SortFunc(found, byInboundID)
		if len(found) > 0 || read < limit {
			return found[:min(len(found), limit)], nil
		}
		after = end // nothing of a full page was wanted
	}
}

func byInboundID(a, b *message.Inbound) int {
	switch {
	case a.ID < b.ID:
		return -1
	case a.ID > b.ID:
		return 1
	}
	return 0
}

// Inbounds returns the inbound messages that q selects, newest first.
func (e *Embedded) Inbounds(ctx context.Context, q message.InboundQuery) ([]*message.Inbound, error) {
	var found []*message.Inbound
	for len(found) < q.Limit {
		o := e.inbox.look()
		below := q.Below
		if below == 0 {
			below = ^message.ID(0) >> 1
		}
		query, args := inboundColumns+"WHERE id < ? ORDER BY id DESC LIMIT ?", []any{int64(below), int64(inboundScan)}
		if q.Account != 0 {
			query = inboundColumns + "WHERE account = ? AND id < ? ORDER BY id DESC LIMIT ?"
			args = append([]any{int64(q.Account)}, args...)
		}
		rows, err := e.inboundRows(ctx, query, args...)
		if err != nil {
			return nil, err
		}
		start, read := message.ID(0), len(rows)
		if read == inboundScan {
			start = rows[read-1].ID
		}
		page := o.merge(rows, func(m *message.Inbound) bool { return m.ID >= start && q.Matches(m) })
		slices.SortFunc(page, func(a, b *message.Inbound) int { return byInboundID(b, a) })
		found = append(found, page...)
		if read < inboundScan {
			break
		}
		q.Below = start
	}
	return found[:min(len(found), q.Limit)], nil
}

// inboundScan is how many rows a list reads at once.
const inboundScan = 2000

func (e *Embedded) inboundRows(ctx context.Context, query string, args ...any) (rows []*message.Inbound, err error) {
	err = e.rows(ctx, query, func(stmt *sqlite.Stmt) error {
		m, err := scanInbound(stmt)
		rows = append(rows, m)
		return err
	}, args...)
	return rows, wrap(err, "read inbound messages")
}

const (
	inboundPurgeEvery = time.Minute
	inboundPurge      = 20_000
)

// purgeInbound deletes inbound messages that ended before the retention, and old entries of logs.
func (m *materialiser) purgeInbound(now time.Time) error {
	if now.Before(m.nextPurge) {
		return nil
	}
	m.nextPurge = now.Add(inboundPurgeEvery)
	if err := m.purgeLogs(now); err != nil || m.e.opts.Retention == 0 {
		return err
	}
	limit := message.FirstID(now.Add(-m.e.opts.Retention))
	err := exec(m.conn, "DELETE FROM inbound WHERE id IN (SELECT id FROM inbound WHERE id < ? AND status > 2 ORDER BY id LIMIT ?)",
		int64(limit), int64(inboundPurge))
	if err != nil {
		return fmt.Errorf("delete inbound messages past retention: %w", err)
	}
	return nil
}

// purgeLogs deletes entries of logs that are older than they are kept.
func (m *materialiser) purgeLogs(now time.Time) error {
	for kind, keep := range m.e.opts.logKinds() {
		if keep == 0 {
			continue
		}
		if err := exec(m.conn, "DELETE FROM objects WHERE kind = ? AND key < ?", kind, message.FirstID(now.Add(-keep)).String()); err != nil {
			return fmt.Errorf("delete %s past retention: %w", kind, err)
		}
	}
	return nil
}

// restoreInbound learns the highest id that an inbound message has.
func (e *Embedded) restoreInbound(conn *database) error {
	err := query1(conn, "SELECT max(id) FROM inbound", func(stmt *sqlite.Stmt) error {
		e.inbox.highest = message.ID(stmt.ColumnInt64(0))
		return nil
	})
	if err != nil {
		return fmt.Errorf("highest id of inbound messages: %w", err)
	}
	return nil
}
