package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/journal"
)

// journalFolder is the journal's folder inside the data folder.
const journalFolder = "journal"

// copyPages is how many pages of the database are copied between two looks at the context.
const copyPages = 4096

// Copy tells what a backup or a restored folder holds.
type Copy struct {
	UUID    [16]byte // of the store
	Records uint64   // journal records that were ever written, up to the copy
	Replay  uint64   // of them those that SQLite does not hold and the next start replays
}

// Backup copies the store into dir, which it makes, while it works: the database as of one
// moment, and the journal from that moment's position up to the last durable group. All that
// was acknowledged before the call is in the copy. The journal keeps its segments meanwhile,
// and SQLite its WAL, so that the disk needs room for as much as arrives. ErrDiskFull when
// Options.MinFreeDisk would not stay free.
func (e *Embedded) Backup(ctx context.Context, dir string) error {
	unpin := e.log.Pin()
	defer unpin()
	if err := e.roomForCopy(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	at, err := e.copyDatabase(ctx, filepath.Join(dir, DatabaseName))
	if err != nil {
		return fmt.Errorf("back up the database: %w", err)
	}
	if err := e.failed(); err != nil {
		return err
	}
	if _, err := e.log.CopyTo(filepath.Join(dir, journalFolder), at); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return nil
}

// roomForCopy looks whether the database and a few segments fit beside what there is.
func (e *Embedded) roomForCopy(parent string) error {
	if e.opts.MinFreeDisk < 0 {
		return nil
	}
	info, err := os.Stat(filepath.Join(e.opts.Dir, DatabaseName))
	if err != nil {
		return fmt.Errorf("back up the database: %w", err)
	}
	free, err := freeBytes(parent)
	if err != nil {
		return err
	}
	if need := info.Size() + e.opts.MinFreeDisk; free < need {
		return fmt.Errorf("%w: a backup needs %d MiB on the disk of %s, %d are free", ErrDiskFull, need>>20, parent, free>>20)
	}
	return nil
}

// copyDatabase copies the database as of one moment and returns its journal position. One
// read transaction spans the copy: the writer goes on beside it.
func (e *Embedded) copyDatabase(ctx context.Context, path string) (at journal.Pos, err error) {
	from, err := openReader(filepath.Join(e.opts.Dir, DatabaseName))
	if err != nil {
		return at, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := openDatabase(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return at, err
	}
	err = pragmas(to, "journal_mode=OFF", "synchronous=OFF") // synced at the end, as a whole
	if err == nil {
		err = exec(from, "BEGIN")
	}
	if err == nil {
		var st state
		if st, err = readState(from); err == nil {
			at, err = st.at.pos, copyPagesTo(ctx, to, from)
		}
		err = errors.Join(err, exec(from, "ROLLBACK"))
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return at, err
	}
	return at, syncFile(path)
}

func copyPagesTo(ctx context.Context, to, from *database) error {
	b, err := sqlite.NewBackup(to.Conn, "main", from.Conn, "main")
	if err != nil {
		return err
	}
	more := true
	for more && err == nil {
		if more, err = b.Step(copyPages); err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}
	return errors.Join(err, b.Close())
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// CheckFolder looks whether dir, of a store that is not open, is whole: SQLite's own check,
// the journal from the database's position on, and both of the same store. It changes
// nothing that the next start would do otherwise.
func CheckFolder(dir string) (c Copy, err error) {
	lock, err := lockFolder(dir)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	st, err := checkDatabase(filepath.Join(dir, DatabaseName))
	if err != nil {
		return c, err
	}
	c = Copy{UUID: st.uuid, Records: st.at.record}
	log, err := journal.Open(journal.Options{Dir: filepath.Join(dir, journalFolder), StoreUUID: st.uuid, Sync: true})
	if err != nil {
		return c, fmt.Errorf("check journal: %w", err)
	}
	_, err = log.Replay(st.at.pos, func(_ journal.Pos, kind byte, payload []byte) error {
		c.Records++
		c.Replay++
		_, err := decodeRecord(kind, payload)
		return err
	})
	if err != nil {
		err = fmt.Errorf("check journal: %w", err)
	}
	return c, errors.Join(err, log.Close())
}

func checkDatabase(path string) (st state, err error) {
	if _, err := os.Stat(path); err != nil {
		return st, fmt.Errorf("check database: %w", err)
	}
	conn, err := openReader(path)
	if err != nil {
		return st, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	version, err := intPragma(conn, "user_version")
	switch {
	case err != nil:
		return st, fmt.Errorf("check database %s: %w", path, err)
	case version > schemaVersion:
		return st, fmt.Errorf("%w: its schema is %d, this program knows up to %d", ErrNewerSchema, version, schemaVersion)
	}
	var faults []error
	err = query1(conn, "PRAGMA quick_check(5)", func(stmt *sqlite.Stmt) error {
		if text := stmt.ColumnText(0); text != "ok" {
			faults = append(faults, errors.New(text))
		}
		return nil
	})
	if err = errors.Join(append(faults, err)...); err != nil {
		return st, fmt.Errorf("check database %s: %w", path, err)
	}
	return readState(conn)
}
