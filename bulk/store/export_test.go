package store

import (
	"context"

	"zombiezen.com/go/sqlite"
)

// Probed returns opts with a function that the materialiser calls at the points of each
// transaction: "begin", "copied" (the rows' images are taken), "committed" (SQLite has it, the journal was not released) and
// "released". While it runs the database files do not change.
func Probed(opts Options, probe func(point string)) Options {
	opts.probe = probe
	return opts
}

// AnswerRows counts the answers in SQLite.
func AnswerRows(e *Embedded) (n int64) {
	_ = e.one(context.Background(), "SELECT count(*) FROM answers", func(stmt *sqlite.Stmt) error {
		n = stmt.ColumnInt64(0)
		return nil
	})
	return n
}
