package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"protei-bulk/bulk/store"
	"protei-bulk/internal/pause"
)

// The writers, as the table progress has them.
const (
	acceptWriter = 1
	settleWriter = 2 // and those of the other shards
)

// retryAfter is the pause before PostgreSQL is tried again.
const retryAfter = 100 * time.Millisecond

// errUnanswered: the connection went away between COMMIT and its answer.
var errUnanswered = errors.New("the commit was not answered")

// writer is one connection that writes messages, one transaction at a time: two round trips, the
// second for COMMIT alone, so that what the first brought may still undo it. COPY has one in between.
type writer struct {
	s      *Store
	number int16
	conn   *pgxpool.Conn
	token  int64  // of the transaction under way
	pid    uint32 // server process of the last transaction
	rows   []byte // of messages, for copyRows, before COMMIT; empty: none
}

func (w *writer) close() {
	if w.conn != nil {
		w.conn.Release()
	}
}

// begin starts the statements of a transaction.
func (w *writer) begin() *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	return b
}

// mark lets happened recognise the transaction.
func (w *writer) mark(b *pgx.Batch) {
	w.token = token()
	b.Queue("INSERT INTO progress (node, writer, token) VALUES ($1,$2,$3) ON CONFLICT (node, writer) DO UPDATE SET token = excluded.token",
		int16(w.s.node.Load()), w.number, w.token)
}

// happened reports whether the transaction with the mark was committed.
func (w *writer) happened(ctx context.Context) (bool, error) {
	if err := w.end(ctx); err != nil {
		return false, err
	}
	var last int64
	err := w.s.one(ctx, "SELECT token FROM progress WHERE node = $1 AND writer = $2", []any{int16(w.s.node.Load()), w.number}, &last)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return last == w.token, err
}

// commit runs the statements, asks check, and commits. After an error nothing has happened,
// unless it is errUnanswered.
func (w *writer) commit(b *pgx.Batch, check func() error) (err error) {
	began := time.Now()
	defer func() {
		w.s.dbTime.Add(int64(time.Since(began)))
		if connectionFailed(err) {
			w.s.attempt(err)
			if w.conn != nil {
				_ = w.conn.Conn().Close(context.Background()) // the pool makes a new one
				w.conn.Release()
				w.conn = nil
			}
		} else {
			w.s.attempt(nil)
		}
		if diskFull(err) {
			w.s.lacksRoom(err)
		}
	}()
	ctx, cancel := context.WithTimeout(w.s.stop, w.s.opts.StatementTimeout)
	defer cancel()
	if w.conn == nil {
		if w.conn, err = w.s.pool.Acquire(ctx); err != nil {
			return fmt.Errorf("%w: %w", errConnection, err)
		}
	}
	w.pid = w.conn.Conn().PgConn().PID()
	if err = w.conn.SendBatch(ctx, b).Close(); err == nil {
		err = check()
	}
	if err == nil && len(w.rows) > 0 {
		_, err = w.conn.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(w.rows), copyRows)
	}
	if err != nil {
		if !connectionFailed(err) {
			if _, undo := w.conn.Exec(ctx, "ROLLBACK"); undo != nil {
				return fmt.Errorf("%w: %w", errConnection, undo)
			}
		}
		return err
	}
	if _, err = w.conn.Exec(ctx, "COMMIT"); err != nil {
		if connectionFailed(err) {
			return fmt.Errorf("%w: %w: %w", errConnection, errUnanswered, err)
		}
		return err
	}
	return nil
}

// errConnection: the connection is of no use any more.
var errConnection = errors.New("connection to PostgreSQL")

// connectionFailed reports whether err says nothing of what was asked, but of the connection.
func connectionFailed(err error) bool {
	if err == nil {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		// What is FATAL ended the connection: the server stops, or took the node for dead. That the
		// address is wrong (28: password, 3D: database) is another matter. 53300: too many connections.
		wrong := strings.HasPrefix(pg.Code, "28") || strings.HasPrefix(pg.Code, "3D")
		return !wrong && (pg.Severity == "FATAL" || pg.Severity == "PANIC" || pg.Code == "53300" || strings.HasPrefix(pg.Code, "57P"))
	}
	var network net.Error
	return errors.Is(err, errConnection) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || pgconn.SafeToRetry(err) || errors.Is(err, net.ErrClosed)
}

// transient reports whether the same transaction may pass when it is tried again: the server had a
// conflict, was too slow, or is out of something (53: disk, memory; 58: its system) for now.
func transient(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "40001", "40P01", "55P03", "57014": // serialization, deadlock, lock and statement timeout
		return true
	}
	return strings.HasPrefix(pg.Code, "53") || strings.HasPrefix(pg.Code, "58")
}

// end waits until the server process that had a commit without an answer is gone: only then is what
// the database shows the last word.
func (w *writer) end(ctx context.Context) error { return w.s.gone(ctx, w.pid) }

// gone waits until a server process of this store is gone, and ends it.
func (s *Store) gone(ctx context.Context, pid uint32) error {
	for {
		var gone bool
		err := s.pool.QueryRow(ctx, "SELECT NOT EXISTS (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND application_name = 'protei-bulk')", int64(pid)).Scan(&gone)
		if err != nil || gone {
			return err
		}
		if err := pause.For(ctx, retryAfter/10); err != nil {
			return err
		}
	}
}

func alreadyThere(err error) bool {
	var pg *pgconn.PgError
	// Duplicate table, or the race of two that make it; 42P17: a partition that would overlap.
	return errors.As(err, &pg) && (pg.Code == "42P07" || pg.Code == "23505")
}

// fence makes a transaction fail with store.ErrFenced unless the leases of owners are still
// theirs, and keeps others from taking them until it ends.
func (s *Store) fence(b *pgx.Batch, all []*owner) {
	if len(all) == 0 {
		return
	}
	names := make([]string, len(all))
	epochs := make([]int64, len(all))
	for i, o := range all {
		names[i], epochs[i] = LeaseOfConnector(o.connector), o.epoch
	}
	b.Queue(`SELECT u.i FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS u(name, epoch, i)
JOIN leases l ON l.name = u.name AND l.epoch = u.epoch FOR KEY SHARE OF l`, names, epochs).Query(func(rows pgx.Rows) error {
		held := make([]bool, len(all))
		var i int64
		if _, err := pgx.ForEachRow(rows, []any{&i}, func() error { held[i-1] = true; return nil }); err != nil {
			return err
		}
		fenced := false
		for i, o := range all {
			if !held[i] && !o.lost.Swap(true) {
				s.log.Warn("another node has taken over a connector", "connector", o.connector, "epoch", o.epoch)
			}
			fenced = fenced || !held[i]
		}
		if fenced {
			return store.ErrFenced
		}
		return nil
	})
}
