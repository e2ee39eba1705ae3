package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
)

// readerCount is how many reads of the database run at once.
const readerCount = 4

// readers is a pool of connections that only read.
type readers struct{ free chan *database }

func openReaders(path string) (*readers, error) {
	r := &readers{free: make(chan *database, readerCount)}
	for range readerCount {
		conn, err := openReader(path)
		if err != nil {
			close(r.free)
			return nil, errors.Join(err, r.close())
		}
		r.free <- conn
	}
	return r, nil
}

func (r *readers) take() *database    { return <-r.free }
func (r *readers) put(conn *database) { r.free <- conn }

// close closes the connections as they come back.
func (r *readers) close() error {
	var errs []error
	for range readerCount {
		if conn, ok := <-r.free; ok {
			errs = append(errs, conn.Close())
		}
	}
	return errors.Join(errs...)
}

// read runs f in a read transaction with the catalog that belongs to it.
func (e *Embedded) read(ctx context.Context, f func(*database, *catalog) error) error {
	var conn *database
	select {
	case conn = <-e.readers.free:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-e.stopped:
		return ErrStopped
	}
	defer e.readers.put(conn)
	for {
		cat := e.catalog.Load()
		again, err := e.attempt(conn, cat, f)
		if !again {
			return err
		}
		runtime.Gosched() // the materialiser is between its commit and its new catalog
	}
}

func (e *Embedded) attempt(conn *database, cat *catalog, f func(*database, *catalog) error) (again bool, err error) {
	if err := conn.trim(); err != nil {
		return false, err
	}
	if err := exec(conn, "BEGIN"); err != nil {
		return false, fmt.Errorf("begin reading: %w", err)
	}
	version := int64(0)
	err = query1(conn, "SELECT version FROM state", func(stmt *sqlite.Stmt) error {
		version = stmt.ColumnInt64(0)
		return nil
	})
	if err == nil && version == cat.version {
		err = f(conn, cat)
	}
	return version != cat.version && err == nil, errors.Join(err, exec(conn, "COMMIT"))
}

// scanRow decodes the columns id, account, status, body.
func scanRow(stmt *sqlite.Stmt) (*message.Message, error) {
	var local [1024]byte
	body := blob(stmt, 3, local[:])
	m, err := DecodeMessage(message.ID(stmt.ColumnInt64(0)), string(body))
	if err != nil {
		return nil, err
	}
	m.Store.Row = m.Status
	if m.Tariff != nil {
		m.Store.RowOpen, m.Store.RowRefunded = uint8(m.OpenParts()), m.Refunded
	}
	return m, nil
}

// rowByID returns the row of id, or nil.
func rowByID(conn *database, cat *catalog, id message.ID) (m *message.Message, err error) {
	t := cat.of(id)
	if t == nil {
		return nil, nil
	}
	err = query1(conn, t.sql.byID, func(stmt *sqlite.Stmt) (err error) {
		m, err = scanRow(stmt)
		return err
	}, int64(id))
	if err != nil {
		return nil, fmt.Errorf("read message %s: %w", id, err)
	}
	return m, nil
}

// Message returns a copy of the message as it is now, durable changes not yet in
// SQLite included. ErrNotFound when there is none.
func (e *Embedded) Message(ctx context.Context, id message.ID) (*message.Message, error) {
	if id>>63 != 0 {
		return nil, ErrNotFound
	}
	for {
		if m := e.live.snapshot(id); m != nil {
			return m, nil
		}
		commits := e.commits.Load()
		m, err := e.row(ctx, id)
		switch {
		case err != nil:
			return nil, err
		case m != nil:
			m.Store = message.Bookkeeping{}
			return m, nil
		case commits == e.commits.Load():
			return nil, ErrNotFound
		}
	}
}

func (e *Embedded) row(ctx context.Context, id message.ID) (m *message.Message, err error) {
	err = e.read(ctx, func(conn *database, cat *catalog) error {
		m, err = rowByID(conn, cat, id)
		return err
	})
	return m, err
}

// Load returns the live object of a message, bringing it back from SQLite when needed:
// what events about it must name. ErrNotFound when there is none.
func (e *Embedded) Load(ctx context.Context, id message.ID) (*message.Message, error) {
	for {
		if m := e.live.find(id); m != nil {
			return m, nil
		}
		commits := e.commits.Load()
		m, err := e.row(ctx, id)
		if err != nil {
			return nil, err
		}
		if m == nil {
			if e.live.find(id) == nil && commits == e.commits.Load() {
				return nil, ErrNotFound
			}
			continue
		}
		if m = e.settleIn(m, commits, 0); m != nil {
			return m, nil
		}
	}
}

// settleIn makes a row that was read the live object of its id and returns it, or the
// object that is live already. It returns nil when the row may be old: since commits was
// read a newer one may have been written and its message evicted.
//
// With flags 0 nobody is known to use the object for long: it counts as dirty, so that
// the materialiser looks at it and lets it go again.
func (e *Embedded) settleIn(m *message.Message, commits int64, flags uint8) *message.Message {
	s := e.live.shard(m.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.m[m.ID]; found != nil {
		found.Store.Flags |= flags
		return found
	}
	if e.commits.Load() != commits {
		return nil
	}
	m.Store.Flags = flags
	e.adopt(s, m)
	if flags == 0 {
		m.Store.Flags |= flagDirty
		e.dirty.touch(m)
	}
	return m
}
