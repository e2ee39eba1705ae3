// Package cdrload copies complete CDR files into PostgreSQL. Load is all of it; it starts
// no goroutine.
//
// A file is one transaction: all of its records are there afterwards, or none. A record
// is known by message, part and status, and a file by its checksum, so that loading again
// adds nothing, whatever became of the names.
package cdrload

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"protei-bulk/bulk/cdr"
)

// Options of Load.
type Options struct {
	DSN   string // postgres://user:password@host:port/database, or key=value pairs
	Table string // name of the table, with its schema if need be: cdr
	// Done, when set, is told each file.
	Done func(Result)
}

// Result is what became of one file.
type Result struct {
	File    string `json:"file"`
	Records int64  `json:"records"` // in the file
	Added   int64  `json:"added"`   // to the table: the others were there
	Known   bool   `json:"known"`   // the whole file had been loaded before
}

// Load loads the files in order and ends at the first that cannot be loaded; what came
// before stays. Files are what cdr.Files returns. The tables are made when they are missing.
func Load(ctx context.Context, opts Options, files []string) error {
	config, err := pgx.ParseConfig(opts.DSN)
	if err != nil {
		return errors.New("the DSN is not one of PostgreSQL: want postgres://user:password@host:port/database or key=value pairs")
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "protei-bulk cdr load"
	}
	if opts.Table == "" {
		opts.Table = "cdr"
	}
	l := loader{records: pgx.Identifier(strings.Split(opts.Table, ".")), opts: &opts}
	l.files = append(append(pgx.Identifier{}, l.records[:len(l.records)-1]...), l.records[len(l.records)-1]+"_files")
	for _, part := range l.records {
		if part == "" || len(part) > 56 {
			return fmt.Errorf("%q is not the name of a table", opts.Table)
		}
	}
	if l.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", withoutPassword(err, config))
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = l.conn.Close(end)
	}()
	if err := l.create(ctx); err != nil {
		return err
	}
	for _, file := range files {
		r, err := l.load(ctx, file)
		if err != nil {
			return err
		}
		if opts.Done != nil {
			opts.Done(r)
		}
	}
	return nil
}

// withoutPassword hides the password in an error's text.
func withoutPassword(err error, config *pgx.ConnConfig) error {
	text := err.Error()
	for _, secret := range []string{config.Password, url.QueryEscape(config.Password), url.PathEscape(config.Password)} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "HIDDEN")
		}
	}
	return errors.New(text)
}

type loader struct {
	opts           *Options
	conn           *pgx.Conn
	records, files pgx.Identifier
}

// columns are those of cdr.Header, with the types of PostgreSQL.
var columns = []struct{ name, kind string }{
	{"time", "timestamptz NOT NULL"},
	{"message_id", "text NOT NULL"},
	{"part", "integer NOT NULL"},
	{"parts", "integer NOT NULL"},
	{"account", "bigint NOT NULL"},
	{"from", "text NOT NULL"},
	{"to", "text NOT NULL"},
	{"connector", "integer NOT NULL"},
	{"smsc_id", "text NOT NULL"},
	{"status", "text NOT NULL"},
	{"error", "bigint NOT NULL"},
	{"submitted_at", "timestamptz"},
	{"sent_at", "timestamptz"},
	{"done_at", "timestamptz"},
	{"attempts", "integer NOT NULL"},
	{"priority", "text NOT NULL"},
	{"via", "text NOT NULL"},
	{"client_ref", "text NOT NULL"},
	{"batch_id", "text"},
	{"campaign_id", "text"},
	{"possible_duplicate", "boolean NOT NULL"},
}

func names() (all []string) {
	for _, c := range columns {
		all = append(all, c.name)
	}
	return all
}

// create makes what is missing. Two loaders that begin at once both try, and one waits.
func (l *loader) create(ctx context.Context) error {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s (", l.records.Sanitize())
	for _, c := range columns {
		fmt.Fprintf(&b, "%s %s, ", pgx.Identifier{c.name}.Sanitize(), c.kind)
	}
	b.WriteString("PRIMARY KEY (message_id, part, status));\n")
	fmt.Fprintf(&b, "CREATE INDEX IF NOT EXISTS %s ON %s (time);\n",
		pgx.Identifier{l.records[len(l.records)-1] + "_time"}.Sanitize(), l.records.Sanitize())
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s (sha256 text PRIMARY KEY, name text NOT NULL, records bigint NOT NULL, loaded_at timestamptz NOT NULL DEFAULT now());",
		l.files.Sanitize())
	return l.transaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('protei-bulk cdr load'))"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, b.String(), pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("make table %s: %w", l.opts.Table, err)
		}
		return nil
	})
}

func (l *loader) transaction(ctx context.Context, f func(pgx.Tx) error) error {
	tx, err := l.conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // of no effect after a commit
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("PostgreSQL: commit: %w", err)
	}
	return nil
}

func (l *loader) load(ctx context.Context, file string) (Result, error) {
	sum, err := cdr.ReadFile(file, nil)
	if err != nil {
		return Result{}, err
	}
	r := Result{File: file, Records: sum.Records}
	err = l.transaction(ctx, func(tx pgx.Tx) error {
		var claimed pgconn.CommandTag
		claimed, err = tx.Exec(ctx, "INSERT INTO "+l.files.Sanitize()+" (sha256, name, records) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
			sum.SHA256, filepath.Base(file), sum.Records)
		if err != nil {
			return err
		}
		if claimed.RowsAffected() == 0 {
			r.Known = true
			return nil
		}
		r.Added, err = l.copy(ctx, tx, file, sum)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("load %s: %w", file, err)
	}
	return r, nil
}

// copy brings the records in beside the table, and from there what is new into it.
func (l *loader) copy(ctx context.Context, tx pgx.Tx, file string, sum cdr.Summary) (int64, error) {
	const beside = "protei_bulk_cdr_load"
	if _, err := tx.Exec(ctx, "CREATE TEMPORARY TABLE "+beside+" (LIKE "+l.records.Sanitize()+") ON COMMIT DROP"); err != nil {
		return 0, err
	}
	rows := stream(file)
	defer rows.stop()
	n, err := tx.CopyFrom(ctx, pgx.Identifier{beside}, names(), rows)
	if err == nil && (rows.sum != sum || n != sum.Records) {
		err = fmt.Errorf("%w while it was loaded", cdr.ErrChanged)
	}
	if err != nil {
		return 0, err
	}
	added, err := tx.Exec(ctx, "INSERT INTO "+l.records.Sanitize()+" SELECT * FROM "+beside+" ON CONFLICT DO NOTHING")
	return added.RowsAffected(), err
}
