package store

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
)

// LoadOpen looks at up to limit messages in a status that is not final, from a place on,
// and returns those that want selects and the place to go on from; the zero place when
// there are no more. want is given rows, whose state may be old: only what is fixed at
// accept counts there. What is returned has the status now.
//
// It sees what is in SQLite: a message that has just changed is seen when it is written.
func (e *Embedded) LoadOpen(ctx context.Context, status message.Status, from message.Place, limit int, want func(*message.Message) bool) ([]*message.Message, message.Place, error) {
	for {
		commits := e.commits.Load()
		w := placeWalk{status: status, want: want}
		err := e.read(ctx, func(conn *database, cat *catalog) error { return w.run(conn, cat, from, limit) })
		if err != nil {
			return nil, from, fmt.Errorf("load %s messages: %w", status, err)
		}
		tables, ok := e.settleAll([][]*message.Message{w.found}, commits, 0)
		if !ok {
			continue // a newer row was written meanwhile
		}
		msgs := e.pick(tables, nil, limit, 0, func(m *message.Message) (int64, bool) { return int64(m.ID), m.Status == status })
		return msgs, w.next, nil
	}
}

// eachPage is how many rows EachWaiting looks at in one go.
const eachPage = 5000

// EachWaiting calls f with each message that waits in a lane (Message.Waits) and that want
// selects by what is fixed at accept, while its state cannot change. f may see a message
// twice. Messages that begin to wait after the call may be left out.
func (e *Embedded) EachWaiting(ctx context.Context, want func(*message.Message) bool, f func(*message.Message)) error {
	lists, _ := e.dirty.messages() // first: what is written meanwhile is seen in SQLite
	for _, list := range lists {
		for _, m := range list {
			if want(m) {
				if err := e.visit(ctx, m, f); err != nil {
					return err
				}
			}
		}
	}
	for _, status := range []message.Status{message.Pending, message.Sent} { // SENT: a part of it may wait
		for at, more := (message.Place{}), true; more; more = at != (message.Place{}) {
			msgs, next, err := e.LoadOpen(ctx, status, at, eachPage, want)
			if err != nil {
				return err
			}
			for _, m := range msgs {
				if err := e.visit(ctx, m, f); err != nil {
					return err
				}
			}
			at = next
		}
	}
	return nil
}

// visit calls f with the object that stands for m now, if it waits.
func (e *Embedded) visit(ctx context.Context, m *message.Message, f func(*message.Message)) error {
	for {
		s := e.live.shard(m.ID)
		s.mu.Lock()
		if m.Store.Flags&flagGone == 0 {
			if m.Waits() {
				f(m)
			}
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		next, err := e.Load(ctx, m.ID)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		m = next
	}
}

// placeWalk is one LoadOpen under way. It follows the index of open rows, so that a page
// costs what it reads, however many there are.
type placeWalk struct {
	status message.Status
	want   func(*message.Message) bool
	found  []*message.Message
	next   message.Place
}

func (w *placeWalk) run(conn *database, cat *catalog, from message.Place, limit int) error {
	w.found, w.next = nil, message.Place{}
	at, read := from, 0
	row := func(stmt *sqlite.Stmt) error {
		m, err := scanRow(stmt)
		if err != nil {
			return err
		}
		read++
		at.Account, at.ID = m.Account, m.ID
		if w.want(m) {
			w.found = append(w.found, m)
		}
		return nil
	}
	for _, t := range cat.tables {
		switch {
		case t.n < from.Table:
			continue
		case t.n > from.Table:
			at = message.Place{Table: t.n}
		}
		err := query1(conn, t.sql.openFrom, row, int64(w.status), int64(at.Account), int64(at.ID), int64(limit-read))
		if err != nil {
			return err
		}
		if read == limit {
			w.next = at
			return nil
		}
	}
	return nil
}
