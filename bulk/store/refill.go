package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
)

// Recovery returns every lane with its send horizon and next sequence, as the last
// process left them.
func (e *Embedded) Recovery() []LaneState {
	var list []LaneState
	e.lanes.each(func(la *lane) {
		list = append(list, LaneState{Lane: la.key, Horizon: la.horizon.Load(), Next: la.applied.Load() + 1})
	})
	slices.SortFunc(list, func(a, b LaneState) int {
		return cmp.Or(cmp.Compare(a.Lane.Connector, b.Lane.Connector), cmp.Compare(a.Lane.Priority, b.Lane.Priority))
	})
	return list
}

// LoadLane returns up to limit messages that wait in the lane with a sequence above
// after, in that order, and the sequence up to which the answer is complete. They stay
// in memory until they are sent.
func (e *Embedded) LoadLane(ctx context.Context, key message.Lane, after uint64, limit int) (msgs []*message.Message, complete uint64, err error) {
	la := e.lanes.get(key)
	floor := la.floor.Load()
	lists, marks := e.dirty.messages()
	complete = markOf(marks, la)
	stored, err := e.stored(ctx, flagLoaded, func(conn *database, t *table, add func(*sqlite.Stmt) error) error {
		return query1(conn, t.sql.lane, add, laneNumber(key), int64(after), int64(limit))
	})
	if err != nil {
		return nil, 0, fmt.Errorf("load lane %d/%s: %w", key.Connector, key.Priority, err)
	}
	c := laneCollector{e: e, key: key, after: after}
	full := false
	for _, table := range stored {
		for _, m := range table.msgs {
			c.add(m)
		}
		// Beyond the last row of a table that gave limit rows there may be more of it.
		if len(table.msgs) >= limit {
			full = true
			complete = min(complete, table.last)
		}
	}
	if !full || complete > floor {
		for _, list := range lists {
			for _, m := range list {
				c.add(m)
			}
		}
	}
	msgs, complete = c.first(limit, max(complete, after))
	return msgs, complete, nil
}

func markOf(marks []mark, la *lane) uint64 {
	for _, m := range marks {
		if m.lane == la {
			return m.seq
		}
	}
	return la.floor.Load()
}

// laneCollector gathers waiting messages of a lane from several sources.
type laneCollector struct {
	e     *Embedded
	key   message.Lane
	after uint64
	found []waitingMessage
}

type waitingMessage struct {
	m   *message.Message
	seq uint64
}

// add takes m if it waits in the lane. What waits is pinned in memory.
func (c *laneCollector) add(m *message.Message) {
	if m.Connector != c.key.Connector || m.Priority != c.key.Priority {
		return
	}
	s := c.e.live.shard(m.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Store.Flags&flagGone != 0 {
		if m = s.m[m.ID]; m == nil {
			return
		}
	}
	if waits(m) && m.LaneSeq > c.after {
		c.found = append(c.found, waitingMessage{m, m.LaneSeq})
	}
}

// first returns the lowest limit messages up to complete, each once, and how far they reach.
func (c *laneCollector) first(limit int, complete uint64) ([]*message.Message, uint64) {
	slices.SortFunc(c.found, func(a, b waitingMessage) int { return cmp.Compare(a.seq, b.seq) })
	c.found = slices.CompactFunc(c.found, func(a, b waitingMessage) bool { return a.seq == b.seq })
	var msgs []*message.Message
	for i, w := range c.found {
		if w.seq > complete {
			break
		}
		if len(msgs) == limit {
			complete = c.found[i-1].seq
			break
		}
		c.e.pin(w.m)
		msgs = append(msgs, w.m)
	}
	return msgs, complete
}

// pin keeps a message in the live table for the queue that was given it.
func (e *Embedded) pin(m *message.Message) {
	s := e.live.shard(m.ID)
	s.mu.Lock()
	if m.Store.Flags&flagGone == 0 {
		m.Store.Flags |= flagLoaded
	}
	s.mu.Unlock()
}

// storedTable are the live messages of the rows that one table gave.
type storedTable struct {
	msgs []*message.Message
	last uint64 // lane sequence of the last row
}

// stored runs a query on every table, oldest first, and makes the rows live.
func (e *Embedded) stored(ctx context.Context, flags uint8, query func(*database, *table, func(*sqlite.Stmt) error) error) ([]storedTable, error) {
	for {
		commits := e.commits.Load()
		var rows [][]*message.Message
		err := e.read(ctx, func(conn *database, cat *catalog) error {
			for _, t := range cat.tables {
				var list []*message.Message
				err := query(conn, t, func(stmt *sqlite.Stmt) error {
					m, err := scanRow(stmt)
					list = append(list, m)
					return err
				})
				if err != nil {
					return err
				}
				rows = append(rows, list)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if tables, ok := e.settleAll(rows, commits, flags); ok {
			return tables, nil
		}
	}
}

func (e *Embedded) settleAll(rows [][]*message.Message, commits int64, flags uint8) ([]storedTable, bool) {
	tables := make([]storedTable, len(rows))
	for i, list := range rows {
		for _, row := range list {
			tables[i].last = row.LaneSeq
			m := e.settleIn(row, commits, flags)
			if m == nil {
				return nil, false
			}
			tables[i].msgs = append(tables[i].msgs, m)
		}
	}
	return tables, true
}

// LoadDue returns up to limit SCHEDULED messages that are due before the moment (Unix
// ms), earliest first. They are given again until something happens to them.
func (e *Embedded) LoadDue(ctx context.Context, before int64, limit int) ([]*message.Message, error) {
	lists, _ := e.dirty.messages()
	stored, err := e.stored(ctx, flagLoaded, func(conn *database, t *table, add func(*sqlite.Stmt) error) error {
		return query1(conn, t.sql.due, add, before, int64(limit))
	})
	if err != nil {
		return nil, fmt.Errorf("load scheduled messages: %w", err)
	}
	return e.pick(stored, lists, limit, flagLoaded, func(m *message.Message) (int64, bool) {
		return m.DueAt, m.Status == message.Scheduled && m.DueAt < before
	}), nil
}

// LoadNotify returns up to limit messages with ids above after, in that order, whose
// final state the customer still has to be told.
//
// SQLite may hold entries as open that have ended since. So a page of it can be full and
// yet bring nothing: what lies behind its end is not known then, and the next page is read.
func (e *Embedded) LoadNotify(ctx context.Context, after message.ID, limit int) ([]*message.Message, error) {
	for {
		lists, _ := e.dirty.messages()
		stored, err := e.stored(ctx, flagLoaded, func(conn *database, t *table, add func(*sqlite.Stmt) error) error {
			return query1(conn, t.sql.notify, add, int64(after), int64(limit))
		})
		if err != nil {
			return nil, fmt.Errorf("load outbox: %w", err)
		}
		known := message.ID(math.MaxInt64) // all rows up to here have been read
		for _, t := range stored {
			if n := len(t.msgs); n >= limit {
				known = min(known, t.msgs[n-1].ID)
			}
		}
		msgs := e.pick(stored, lists, limit, flagLoaded, func(m *message.Message) (int64, bool) {
			return int64(m.ID), m.Notify == message.NotifyOpen && m.ID > after && m.ID <= known
		})
		if len(msgs) > 0 || known == math.MaxInt64 {
			return msgs, nil
		}
		after = known
	}
}

// pick gathers the messages that want selects from rows and dirty list, by its order.
func (e *Embedded) pick(stored []storedTable, lists [][]*message.Message, limit int, flags uint8, want func(*message.Message) (int64, bool)) []*message.Message {
	type candidate struct {
		m     *message.Message
		order int64
	}
	var found []candidate
	add := func(m *message.Message) {
		s := e.live.shard(m.ID)
		s.mu.Lock()
		defer s.mu.Unlock()
		if m.Store.Flags&flagGone != 0 {
			return
		}
		if order, ok := want(m); ok {
			m.Store.Flags |= flags
			found = append(found, candidate{m, order})
		}
	}
	for _, t := range stored {
		for _, m := range t.msgs {
			add(m)
		}
	}
	for _, list := range lists {
		for _, m := range list {
			add(m)
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.m.ID, b.m.ID))
	})
	found = slices.CompactFunc(found, func(a, b candidate) bool { return a.m == b.m })
	msgs := make([]*message.Message, 0, min(limit, len(found)))
	for _, c := range found[:min(limit, len(found))] {
		msgs = append(msgs, c.m)
	}
	return msgs
}
