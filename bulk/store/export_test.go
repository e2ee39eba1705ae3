package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
)

// Probed returns opts with a function that the materialiser calls at the points of each
// transaction: "begin", "copied" (the rows' images are taken), "try", "written", "no room" (it was undone), "committed" (SQLite has it,
// the journal was not released) and "released". While it runs the database files do not change.
func Probed(opts Options, probe func(point string)) Options {
	opts.probe = func(point string, _ *database) error {
		probe(point)
		return nil
	}
	return opts
}

// Bounded returns opts with a database that may grow by so many pages in a transaction, negative: by any
// number. At its end a transaction needs 128.
func Bounded(opts Options, pages func() int64) Options {
	before := opts.probe
	opts.roomPause = time.Millisecond
	opts.probe = func(point string, conn *database) error {
		var err error
		switch n := pages(); {
		case point == "try":
			err = bound(conn, n)
		case point == "written" && n >= 0:
			err = exec(conn, "INSERT INTO objects VALUES ('test', 'need', zeroblob(?))", int64(128*pageSize))
			if err == nil {
				err = exec(conn, "DELETE FROM objects WHERE kind = 'test' AND key = 'need'")
			}
		}
		return errors.Join(err, before(point, conn))
	}
	return opts
}

func bound(conn *database, pages int64) error {
	most := int64(1) << 31
	if pages >= 0 {
		now, err := intPragma(conn, "page_count")
		if err != nil {
			return err
		}
		most = now + pages
	}
	return pragmas(conn, fmt.Sprint("max_page_count=", most))
}

// AnswerRows counts the answers in SQLite.
func AnswerRows(e *Embedded) (n int64) {
	_ = e.one(context.Background(), "SELECT count(*) FROM answers", func(stmt *sqlite.Stmt) error {
		n = stmt.ColumnInt64(0)
		return nil
	})
	return n
}
