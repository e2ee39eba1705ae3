package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// op is a write of something other than messages. It rides in the materialiser's next
// transaction and is answered after its sync, or with ErrDiskFull.
type op struct {
	do   func(*database) error // nil: nothing, the transaction is waited for
	done chan error
	err  error
}

// run executes the op so that its failure undoes only itself.
func (o *op) run(conn *database) {
	if o.do == nil {
		return
	}
	release := sqlitex.Save(conn.Conn)
	o.err = o.do(conn)
	release(&o.err)
}

// write1 runs do in the next transaction and returns when that is durable.
func (e *Embedded) write1(ctx context.Context, do func(*database) error) error {
	if a, ok := ctx.Value(alongsideKey{}).(*alongside); ok {
		do = a.with(do)
	}
	return e.ride(ctx, do)
}

// ride is write1 without what goes along with a write. With nil it waits for the next transaction,
// however long that takes on a full disk.
func (e *Embedded) ride(ctx context.Context, do func(*database) error) error {
	o := op{do: do, done: make(chan error, 1)}
	select {
	case e.ops <- o:
	case <-e.stopped:
		return e.reason()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-o.done:
		return err
	case <-e.stopped:
		select {
		case err := <-o.done:
			return err
		default:
			return e.reason()
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reason says why the store takes nothing more.
func (e *Embedded) reason() error {
	if err := e.failed(); err != nil {
		return err
	}
	return ErrStopped
}

// collect gathers the ops that come within opLinger after the first.
func (e *Embedded) collect(first op) []op {
	ops := []op{first}
	timer := time.NewTimer(opLinger)
	defer timer.Stop()
	for len(ops) < cap(e.ops) {
		select {
		case o := <-e.ops:
			ops = append(ops, o)
		case <-timer.C:
			return ops
		}
	}
	return ops
}

// drain takes the ops that wait already.
func (m *materialiser) drain() []op {
	ops := append(m.later, m.e.drainOps()...)
	m.later = nil
	return ops
}

func (e *Embedded) drainOps() (ops []op) {
	for {
		select {
		case o := <-e.ops:
			ops = append(ops, o)
		default:
			return ops
		}
	}
}

// refuseOps answers what waits after the store failed.
func (m *materialiser) refuseOps() {
	for _, o := range m.drain() {
		o.done <- m.e.reason()
	}
}

// one runs a query that gives at most one row; ErrNotFound when it gives none.
func (e *Embedded) one(ctx context.Context, query string, row func(*sqlite.Stmt) error, args ...any) error {
	found := false
	err := e.rows(ctx, query, func(stmt *sqlite.Stmt) error {
		found = true
		return row(stmt)
	}, args...)
	if err == nil && !found {
		return ErrNotFound
	}
	return err
}

func (e *Embedded) rows(ctx context.Context, query string, row func(*sqlite.Stmt) error, args ...any) error {
	return e.read(ctx, func(conn *database, _ *catalog) error { return query1(conn, query, row, args...) })
}

// deleted runs a DELETE; ErrNotFound when it deletes nothing.
func deleted(conn *database, query string, args ...any) error {
	if err := exec(conn, query, args...); err != nil {
		return err
	}
	if conn.Changes() == 0 {
		return ErrNotFound
	}
	return nil
}

// wrap names the action of an error; ErrNotFound keeps its identity.
func wrap(err error, format string, args ...any) error {
	if err == nil || errors.Is(err, ErrNotFound) {
		return err
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
