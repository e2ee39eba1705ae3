package store

import (
	"fmt"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"protei-bulk/bulk/message"
)

// rowsPerStatement is how many rows one INSERT carries.
const rowsPerStatement = 50

// catalog says which tables of messages there are and which runs index them. It is
// immutable: the materialiser publishes a new one after each transaction that changes it.
type catalog struct {
	version int64
	tables  []*table // by first
}

// table is one messages_n with its index_n. A message belongs to the last table whose
// first is not above its id, so that the tables never overlap.
type table struct {
	n     int64
	first message.ID
	day   int64 // days since 1970 when it was begun
	rows  int64
	runs  []run
	sql   *tableSQL
}

// tableSQL are the statements on one table.
type tableSQL struct {
	insert, insertOne, replace, replaceOne string
	byID, scan, open, openAccount          string
	lane, due, notify, openFrom, unsettled string
	addBlock, findBlock, readRun, dropRun  string
}

const rowColumns = "(id, account, status, lane, seq, due, notify, body)"

func newTableSQL(n int64) *tableSQL {
	values := func(rows int) string {
		return strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?,?,?),", rows), ",")
	}
	t := func(format string) string { return strings.ReplaceAll(format, "$", fmt.Sprint(n)) }
	insert, replace := t("INSERT INTO messages_$"+rowColumns+" VALUES "), t("INSERT OR REPLACE INTO messages_$"+rowColumns+" VALUES ")
	const cols = "SELECT id, account, status, body FROM messages_$ "
	return &tableSQL{
		insert: insert + values(rowsPerStatement), insertOne: insert + values(1),
		replace: replace + values(rowsPerStatement), replaceOne: replace + values(1),
		byID:        t(cols + "WHERE id = ?"),
		scan:        t(cols + "WHERE id <= ? AND id >= ? ORDER BY id DESC LIMIT ?"),
		open:        t("SELECT id FROM messages_$ WHERE status = ? AND status < 5 AND id <= ? ORDER BY id DESC LIMIT 64"),
		openAccount: t("SELECT id FROM messages_$ WHERE status = ? AND status < 5 AND account = ? AND id <= ? ORDER BY id DESC LIMIT 64"),
		lane:        t(cols + "WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?"),
		due:         t(cols + "WHERE due < ? ORDER BY due LIMIT ?"),
		notify:      t(cols + "WHERE notify = 1 AND id > ? ORDER BY id LIMIT ?"),
		openFrom:    t(cols + "WHERE status = ? AND status < 5 AND (account, id) > (?, ?) ORDER BY account, id LIMIT ?"),
		unsettled:   t("SELECT 1 FROM messages_$ WHERE status < 5 UNION ALL SELECT 1 FROM messages_$ WHERE notify = 1 LIMIT 1"),
		addBlock:    t("INSERT INTO index_$ (run, key, id, data) VALUES (?,?,?,?)"),
		findBlock:   t("SELECT key, id, data FROM index_$ WHERE run = ? AND (key, id) <= (?, ?) ORDER BY key DESC, id DESC LIMIT 1"),
		readRun:     t("SELECT key, id, data FROM index_$ WHERE run = ? ORDER BY key, id"),
		dropRun:     t("DELETE FROM index_$ WHERE run = ?"),
	}
}

// of returns the table that id belongs to, or nil when it is older than all.
func (c *catalog) of(id message.ID) *table {
	i, found := slices.BinarySearchFunc(c.tables, id, func(t *table, id message.ID) int {
		switch {
		case t.first < id:
			return -1
		case t.first > id:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	if i < 0 {
		return nil
	}
	return c.tables[i]
}

// clone returns a copy that may be changed: tables and run lists are copied.
func (c *catalog) clone() *catalog {
	n := &catalog{version: c.version, tables: make([]*table, len(c.tables))}
	for i, t := range c.tables {
		copied := *t
		copied.runs = slices.Clone(t.runs)
		n.tables[i] = &copied
	}
	return n
}

func readCatalog(conn *database, version int64) (*catalog, error) {
	c := &catalog{version: version}
	byNumber := make(map[int64]*table)
	err := query1(conn, "SELECT n, first, day, rows FROM message_tables ORDER BY first", func(stmt *sqlite.Stmt) error {
		t := &table{
			n: stmt.ColumnInt64(0), first: message.ID(stmt.ColumnInt64(1)),
			day: stmt.ColumnInt64(2), rows: stmt.ColumnInt64(3), sql: newTableSQL(stmt.ColumnInt64(0)),
		}
		byNumber[t.n] = t
		c.tables = append(c.tables, t)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read message tables: %w", err)
	}
	err = query1(conn, "SELECT run, tbl, kind, level, entries, lo, hi FROM runs ORDER BY run", func(stmt *sqlite.Stmt) error {
		t := byNumber[stmt.ColumnInt64(1)]
		if t == nil {
			return fmt.Errorf("run %d indexes no table", stmt.ColumnInt64(0))
		}
		t.runs = append(t.runs, run{
			no: stmt.ColumnInt64(0), kind: runKind(stmt.ColumnInt64(2)), level: int(stmt.ColumnInt64(3)),
			entries: int(stmt.ColumnInt64(4)), lo: message.ID(stmt.ColumnInt64(5)), hi: message.ID(stmt.ColumnInt64(6)),
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read index runs: %w", err)
	}
	return c, nil
}

// addTable makes the table that ids from first on belong to.
func (c *catalog) addTable(conn *database, first message.ID, day int64) error {
	n := int64(1)
	for _, t := range c.tables {
		n = max(n, t.n+1)
	}
	if err := sqlitex.ExecuteScript(conn.Conn, fmt.Sprintf(tableSchema, n), nil); err != nil {
		return fmt.Errorf("create messages_%d: %w", n, err)
	}
	if err := exec(conn, "INSERT INTO message_tables VALUES (?,?,?,0)", n, int64(first), day); err != nil {
		return fmt.Errorf("note messages_%d: %w", n, err)
	}
	c.tables = append(c.tables, &table{n: n, first: first, day: day, sql: newTableSQL(n)})
	return nil
}

// dropTable drops the oldest table.
func (c *catalog) dropTable(conn *database) error {
	n := c.tables[0].n
	err := sqlitex.ExecuteScript(conn.Conn, fmt.Sprintf(
		"DROP TABLE messages_%[1]d; DROP TABLE index_%[1]d; DELETE FROM message_tables WHERE n = %[1]d; DELETE FROM runs WHERE tbl = %[1]d;", n), nil)
	if err != nil {
		return fmt.Errorf("drop messages_%d: %w", n, err)
	}
	c.tables = c.tables[1:]
	return nil
}
