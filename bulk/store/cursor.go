package store

import (
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
)

// cursor walks the ids that one run has for one key, newest first.
type cursor struct {
	conn  *database
	table *table
	run   int64
	key   uint32

	id    message.ID // where it stands, if valid
	valid bool

	ids   []message.ID // of the key in the block read last, ascending, up to id
	whole bool         // the block before has none of the key
}

// seek goes to the highest id that is not above bound.
func (c *cursor) seek(bound message.ID) error {
	c.valid, c.whole, c.ids = false, true, c.ids[:0]
	err := query1(c.conn, c.table.sql.findBlock, func(stmt *sqlite.Stmt) (err error) {
		first := entry{key: uint32(stmt.ColumnInt64(0)), id: message.ID(stmt.ColumnInt64(1))}
		c.whole = first.key != c.key
		var local [2048]byte
		c.ids, err = idsOf(c.ids, c.key, first, blob(stmt, 2, local[:]))
		return err
	}, c.run, int64(c.key), int64(bound))
	if err != nil {
		return fmt.Errorf("seek in index run %d: %w", c.run, err)
	}
	n, found := slices.BinarySearch(c.ids, bound)
	if found {
		n++
	}
	c.ids = c.ids[:n]
	c.stand()
	return nil
}

// stand goes to the last of ids.
func (c *cursor) stand() {
	if c.valid = len(c.ids) > 0; c.valid {
		c.id = c.ids[len(c.ids)-1]
	}
}

// next goes to the id below the current one.
func (c *cursor) next() error {
	c.ids = c.ids[:len(c.ids)-1]
	if len(c.ids) == 0 && !c.whole && c.id > 0 {
		return c.seek(c.id - 1)
	}
	c.stand()
	return nil
}

// down goes to the highest id that is not above bound, from a higher one.
func (c *cursor) down(bound message.ID) error {
	if !c.valid || c.id <= bound {
		return nil
	}
	if c.ids[0] > bound {
		if c.whole {
			c.valid = false
			return nil
		}
		return c.seek(bound)
	}
	n, found := slices.BinarySearch(c.ids, bound)
	if found {
		n++
	}
	c.ids = c.ids[:n]
	c.stand()
	return nil
}

// merged walks the ids that all runs of a table have for one key, newest first. A run is
// opened when the walk comes to its highest id.
type merged struct {
	conn   *database
	table  *table
	key    uint32
	unread []run // sorted by hi, highest last
	open   []*cursor

	id    message.ID
	valid bool
}

func newMerged(conn *database, t *table, key uint32) *merged {
	m := &merged{conn: conn, table: t, key: key}
	for _, r := range t.runs {
		if r.kind == filterRuns {
			m.unread = append(m.unread, r)
		}
	}
	slices.SortFunc(m.unread, func(a, b run) int {
		if a.hi < b.hi {
			return -1
		}
		return 1
	})
	return m
}

// down goes to the highest id that is not above bound.
func (m *merged) down(bound message.ID) error {
	for _, c := range m.open {
		if err := c.down(bound); err != nil {
			return err
		}
	}
	m.pick()
	for len(m.unread) > 0 {
		last := m.unread[len(m.unread)-1]
		if m.valid && min(last.hi, bound) < m.id {
			return nil
		}
		m.unread = m.unread[:len(m.unread)-1]
		if bound < last.lo {
			continue
		}
		c := &cursor{conn: m.conn, table: m.table, run: last.no, key: m.key}
		if err := c.seek(bound); err != nil {
			return err
		}
		m.open = append(m.open, c)
		m.pick()
	}
	return nil
}

// pick stands on the highest id of the open cursors.
func (m *merged) pick() {
	m.valid = false
	m.open = slices.DeleteFunc(m.open, func(c *cursor) bool { return !c.valid })
	for _, c := range m.open {
		if !m.valid || c.id > m.id {
			m.id, m.valid = c.id, true
		}
	}
}

// newestFirst sorts ids and drops repetitions.
func newestFirst(ids *[]message.ID) {
	slices.SortFunc(*ids, func(a, b message.ID) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	*ids = slices.Compact(*ids)
}
