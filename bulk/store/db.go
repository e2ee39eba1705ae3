package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"protei-bulk/bulk/journal"
)

// schemaVersion is PRAGMA user_version of a database this code writes. A higher one is
// refused, a lower one would be migrated.
const schemaVersion = 3

const (
	pageSize        = 8192
	writerCacheKiB  = 128 << 10
	readerCacheKiB  = 16 << 10
	checkpointPages = 4000 // WAL pages after which the materialiser checkpoints
)

const schema = `
CREATE TABLE state (
	id       INTEGER PRIMARY KEY CHECK (id = 1),
	uuid     BLOB NOT NULL,     -- names the store: its journal carries the same
	seed     INTEGER NOT NULL,  -- of the hashes in the index runs
	segment  INTEGER NOT NULL,  -- journal position up to which this file is complete
	offset   INTEGER NOT NULL,
	record   INTEGER NOT NULL,  -- number of the journal record before it
	version  INTEGER NOT NULL,  -- changes when message_tables or runs do
	next_run INTEGER NOT NULL,
	orphans  INTEGER NOT NULL
);
CREATE TABLE message_tables (
	n     INTEGER PRIMARY KEY, -- of messages_n and index_n
	first INTEGER NOT NULL,    -- lowest message id that belongs there
	day   INTEGER NOT NULL,    -- days since 1970 (UTC) when it was begun
	rows  INTEGER NOT NULL
);
CREATE TABLE runs (
	run     INTEGER PRIMARY KEY,
	tbl     INTEGER NOT NULL,
	kind    INTEGER NOT NULL,
	level   INTEGER NOT NULL,
	entries INTEGER NOT NULL,
	lo      INTEGER NOT NULL,
	hi      INTEGER NOT NULL
);
CREATE TABLE lanes (
	connector INTEGER, priority INTEGER, horizon INTEGER NOT NULL, next INTEGER NOT NULL,
	PRIMARY KEY (connector, priority)
) WITHOUT ROWID;
CREATE TABLE ledger (
	account INTEGER, campaign INTEGER, cursor INTEGER NOT NULL, counts BLOB NOT NULL,
	PRIMARY KEY (account, campaign)
) WITHOUT ROWID;
CREATE TABLE parked (
	grp INTEGER, smsc_id TEXT, dest TEXT NOT NULL, status INTEGER NOT NULL,
	error INTEGER NOT NULL, at INTEGER NOT NULL,
	PRIMARY KEY (grp, smsc_id)
) WITHOUT ROWID;
CREATE TABLE accounts (
	id INTEGER PRIMARY KEY, name TEXT NOT NULL, system_id TEXT UNIQUE, password_hash TEXT NOT NULL,
	settings BLOB, created_at INTEGER NOT NULL
);
CREATE TABLE api_keys (
	hash BLOB PRIMARY KEY, account INTEGER NOT NULL, name TEXT NOT NULL, prefix TEXT NOT NULL,
	created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, settings BLOB
) WITHOUT ROWID;
CREATE TABLE campaigns (
	id INTEGER PRIMARY KEY, account INTEGER NOT NULL, status TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX campaigns_account ON campaigns (account);
CREATE TABLE recipients (
	campaign INTEGER, ordinal INTEGER, dest TEXT NOT NULL, fields BLOB,
	PRIMARY KEY (campaign, ordinal)
) WITHOUT ROWID;
CREATE TABLE objects (
	kind TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
`

// upgrades brings a database of version i+1 to the next.
func upgrades() []string {
	return []string{
		`
CREATE TABLE inbound (
	id      INTEGER PRIMARY KEY,
	account INTEGER NOT NULL, -- 0: nobody's
	status  INTEGER NOT NULL, -- message.InboundStatus
	route   INTEGER NOT NULL,
	url     TEXT NOT NULL,    -- webhook; empty: SMPP
	done_at INTEGER NOT NULL,
	body    BLOB NOT NULL     -- see codec_inbound.go
);
CREATE INDEX inbound_waiting ON inbound (status, id) WHERE status < 3;
CREATE INDEX inbound_account ON inbound (account, id);
`,
		`
CREATE TABLE usage (
	account INTEGER, day INTEGER, -- since 1970, UTC
	parts   BLOB NOT NULL,        -- accepted, by quarter of an hour: see usage.go
	PRIMARY KEY (account, day)
) WITHOUT ROWID;
CREATE TABLE listed (
	account INTEGER,          -- whose list, 0: everybody's
	number  INTEGER,          -- see suppression.Number
	sender  TEXT,             -- to which the entry is limited, '': none
	kind    INTEGER NOT NULL, -- suppression.Kind
	at      INTEGER NOT NULL, -- Unix ms
	source  TEXT NOT NULL,    -- how it came here
	PRIMARY KEY (account, number, sender)
) WITHOUT ROWID;
CREATE TABLE answers (
	n        INTEGER PRIMARY KEY, -- as they came
	account  INTEGER NOT NULL,
	key      BLOB NOT NULL,       -- of the request: see message.Answer
	body     BLOB NOT NULL,
	at       INTEGER NOT NULL,
	status   INTEGER NOT NULL,
	location TEXT NOT NULL,
	answer   BLOB NOT NULL
);
CREATE UNIQUE INDEX answers_key ON answers (account, key);
ALTER TABLE state ADD COLUMN moves INTEGER NOT NULL DEFAULT 0; -- number of the last movement's journal record
CREATE TABLE purses ( -- sums in millionths of the account's currency: see money.Balance
	account   INTEGER PRIMARY KEY,
	credits   INTEGER NOT NULL,
	charged   INTEGER NOT NULL,
	refunded  INTEGER NOT NULL,
	reserved  INTEGER NOT NULL,
	remaining INTEGER NOT NULL
);
CREATE TABLE movements (
	account    INTEGER,
	id         INTEGER,
	mirror     INTEGER NOT NULL, -- 1: the other side of a transfer
	kind       INTEGER NOT NULL,
	amount     INTEGER NOT NULL, -- that the account gets
	peer       INTEGER NOT NULL,
	by_account INTEGER NOT NULL,
	at         INTEGER NOT NULL,
	reference  TEXT NOT NULL,
	note       TEXT NOT NULL,
	PRIMARY KEY (account, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX movements_reference ON movements (account, reference) WHERE mirror = 0 AND reference <> '';
CREATE TABLE blocks ( -- entries of campaigns and contact lists, see crud_blocks.go
	owner INTEGER NOT NULL, -- campaign or contact list
	kind  INTEGER NOT NULL,
	first INTEGER NOT NULL, -- number of the first entry
	count INTEGER NOT NULL,
	data  BLOB NOT NULL
);
CREATE UNIQUE INDEX blocks_first ON blocks (owner, kind, first);
-- A block of one entry for each recipient as they were kept before: the number, no values.
INSERT INTO blocks SELECT campaign, 1, ordinal, 1,
	CAST(char(length(CAST(dest AS BLOB))) || dest || char(1, 1) AS BLOB) FROM recipients;
DROP TABLE recipients;
`,
	}
}

// tableSchema makes messages_n and index_n. Rows that wait, await a receipt or have an
// open outbox entry are few, so partial indexes serve those; everything else is found
// through the sorted runs in index_n (see runs.go).
const tableSchema = `
CREATE TABLE messages_%[1]d (
	id      INTEGER PRIMARY KEY,
	account INTEGER NOT NULL,
	status  INTEGER NOT NULL,
	lane    INTEGER, -- connector << 8 | priority while it waits, else NULL
	seq     INTEGER, -- lane sequence while it waits
	due     INTEGER, -- Unix ms of its turn while it is SCHEDULED, else NULL
	notify  INTEGER, -- 1 while the customer has to be told, else NULL
	body    BLOB NOT NULL -- see codec_message.go
);
CREATE INDEX waiting_%[1]d ON messages_%[1]d (lane, seq) WHERE lane IS NOT NULL;
CREATE INDEX due_%[1]d ON messages_%[1]d (due) WHERE due IS NOT NULL;
CREATE INDEX notify_%[1]d ON messages_%[1]d (notify) WHERE notify IS NOT NULL;
CREATE INDEX open_%[1]d ON messages_%[1]d (status, account) WHERE status < 5;
CREATE TABLE index_%[1]d (
	run INTEGER NOT NULL, key INTEGER NOT NULL, id INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE INDEX blocks_%[1]d ON index_%[1]d (run, key, id);
`

// state is the single row of the table of that name.
type state struct {
	uuid    [16]byte
	seed    uint64
	at      progress
	version int64
	nextRun int64
	orphans int64
}

// maxStatements bounds the prepared statements of a connection: each table of messages
// has its own.
const maxStatements = 400

// database is one connection with its prepared statements.
//
// sqlite.Conn keeps them too, but clears their bindings before each use. SQLite then
// expects other values and plans the statement anew, which costs more than running it.
type database struct {
	*sqlite.Conn
	statements map[string]*sqlite.Stmt
}

func openDatabase(path string, flags sqlite.OpenFlags) (*database, error) {
	conn, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return &database{Conn: conn, statements: make(map[string]*sqlite.Stmt)}, nil
}

// statement returns the prepared query with the bindings of its last use: the caller
// binds every parameter.
func (d *database) statement(query string) (*sqlite.Stmt, error) {
	if stmt := d.statements[query]; stmt != nil {
		return stmt, stmt.Reset()
	}
	stmt, err := d.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	d.statements[query] = stmt
	return stmt, nil
}

// trim forgets all statements when there are many. None may be running.
func (d *database) trim() error {
	if len(d.statements) < maxStatements {
		return nil
	}
	var errs []error
	for _, stmt := range d.statements {
		errs = append(errs, stmt.Finalize())
	}
	clear(d.statements)
	return errors.Join(errs...)
}

// openWriter opens the one connection that writes.
func openWriter(path string) (*database, error) {
	conn, err := openDatabase(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, err
	}
	err = pragmas(conn,
		fmt.Sprintf("page_size=%d", pageSize), "journal_mode=WAL", "synchronous=FULL",
		"wal_autocheckpoint=0", fmt.Sprintf("cache_size=-%d", writerCacheKiB), "temp_store=MEMORY")
	if err == nil {
		err = migrate(conn)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), conn.Close())
	}
	return conn, nil
}

func openReader(path string) (*database, error) {
	conn, err := openDatabase(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	err = pragmas(conn, "query_only=1", "wal_autocheckpoint=0", fmt.Sprintf("cache_size=-%d", readerCacheKiB))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s for reading: %w", path, err), conn.Close())
	}
	return conn, nil
}

func pragmas(conn *database, list ...string) error {
	for _, p := range list {
		if err := sqlitex.ExecuteTransient(conn.Conn, "PRAGMA "+p, nil); err != nil {
			return fmt.Errorf("pragma %s: %w", p, err)
		}
	}
	return nil
}

// migrate brings the schema to schemaVersion.
func migrate(conn *database) error {
	version, err := intPragma(conn, "user_version")
	switch {
	case err != nil:
		return err
	case version > schemaVersion:
		return fmt.Errorf("%w: its schema is %d, this program knows up to %d", ErrNewerSchema, version, schemaVersion)
	case version == schemaVersion:
		return nil
	}
	return transaction(conn, func() error {
		if version == 0 {
			if err := create(conn); err != nil {
				return err
			}
			version = 1
		}
		for _, script := range upgrades()[version-1:] {
			if err := sqlitex.ExecuteScript(conn.Conn, script, nil); err != nil {
				return fmt.Errorf("upgrade schema %d: %w", version, err)
			}
		}
		return sqlitex.ExecuteScript(conn.Conn, fmt.Sprintf("PRAGMA user_version=%d;", schemaVersion), nil)
	})
}

// create makes the first version of the schema.
func create(conn *database) error {
	var random [24]byte
	rand.Read(random[:])
	if err := sqlitex.ExecuteScript(conn.Conn, schema, nil); err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	return exec(conn, "INSERT INTO state VALUES (1, ?, ?, 0, 0, 0, 1, 1, 0)",
		random[:16], int64(binary.LittleEndian.Uint64(random[16:])))
}

func intPragma(conn *database, name string) (n int64, err error) {
	err = sqlitex.ExecuteTransient(conn.Conn, "PRAGMA "+name, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			n = stmt.ColumnInt64(0)
			return nil
		},
	})
	return n, err
}

// transaction runs f between BEGIN IMMEDIATE and COMMIT, or ROLLBACK when it fails.
func transaction(conn *database, f func() error) error {
	if err := conn.trim(); err != nil {
		return err
	}
	if err := exec(conn, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		err = exec(conn, "COMMIT")
	}
	if err != nil && !conn.AutocommitEnabled() {
		err = errors.Join(err, exec(conn, "ROLLBACK"))
	}
	return err
}

// exec runs a statement that returns nothing, kept prepared. Arguments are int64,
// string, []byte or nil.
func exec(conn *database, query string, args ...any) error {
	return query1(conn, query, nil, args...)
}

// query1 runs a statement, kept prepared, and calls row for each row.
func query1(conn *database, query string, row func(*sqlite.Stmt) error, args ...any) error {
	stmt, err := conn.statement(query)
	if err != nil {
		return err
	}
	for i, arg := range args {
		bind(stmt, i+1, arg)
	}
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return err
		}
		if row == nil {
			continue
		}
		if err := row(stmt); err != nil {
			return errors.Join(err, stmt.Reset())
		}
	}
}

func bind(stmt *sqlite.Stmt, i int, arg any) {
	switch v := arg.(type) {
	case int64:
		stmt.BindInt64(i, v)
	case string:
		stmt.BindText(i, v)
	case []byte:
		if v == nil {
			stmt.BindNull(i)
		} else {
			stmt.BindBytes(i, v)
		}
	case nil:
		stmt.BindNull(i)
	default:
		panic(fmt.Sprintf("store: cannot bind a %T", arg))
	}
}

// blob copies a blob into local, or into new memory when it is larger.
func blob(stmt *sqlite.Stmt, col int, local []byte) []byte {
	n := stmt.ColumnLen(col)
	if n > len(local) {
		local = make([]byte, n)
	}
	stmt.ColumnBytes(col, local[:n])
	return local[:n]
}

// columnBytes copies a blob.
func columnBytes(stmt *sqlite.Stmt, col int) []byte {
	b := make([]byte, stmt.ColumnLen(col))
	stmt.ColumnBytes(col, b)
	return b
}

func readState(conn *database) (st state, err error) {
	err = query1(conn, "SELECT uuid, seed, segment, offset, record, version, next_run, orphans FROM state", func(stmt *sqlite.Stmt) error {
		stmt.ColumnBytes(0, st.uuid[:])
		st.seed = uint64(stmt.ColumnInt64(1))
		st.at.pos = journal.Pos{Segment: uint64(stmt.ColumnInt64(2)), Offset: uint64(stmt.ColumnInt64(3))}
		st.at.record = uint64(stmt.ColumnInt64(4))
		st.version, st.nextRun, st.orphans = stmt.ColumnInt64(5), stmt.ColumnInt64(6), stmt.ColumnInt64(7)
		return nil
	})
	if err != nil {
		return st, fmt.Errorf("read state: %w", err)
	}
	return st, nil
}
