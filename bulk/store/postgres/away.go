package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"protei-bulk/bulk/store"
	"protei-bulk/internal/pause"
)

const (
	// probeEvery is how often PostgreSQL is asked whether it takes changes again.
	probeEvery = 250 * time.Millisecond
	// fullRetry is the pause before a transaction is tried again that had no room on the disk: each
	// try writes to the log, which may be on the same disk.
	fullRetry = time.Second
)

// trouble is why nothing is accepted now.
type trouble struct {
	err  error
	full bool // its disk is; else it cannot be reached
}

// Err returns why nothing is accepted now: PostgreSQL cannot be reached, or has no room on its
// disk. It is nil again when it takes changes.
func (s *Store) Err() error {
	if t := s.away.Load(); t != nil {
		return t.err
	}
	return nil
}

// refusal returns what an Accept is refused with just now, if it is.
func (s *Store) refusal() error {
	switch t := s.away.Load(); {
	case t == nil:
		return nil
	case t.full:
		return store.ErrDiskFull
	}
	return store.ErrBusy
}

// diskFull reports whether PostgreSQL lacks room on its disk.
func diskFull(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == pgDiskFull && !connectionFailed(err)
}

const pgDiskFull = "53100"

// attempt keeps in mind whether PostgreSQL can be reached: err is of something that was tried.
func (s *Store) attempt(err error) {
	t := s.away.Load()
	switch {
	case err == nil && t != nil && !t.full: // a small change may pass on a disk that is full
		s.answers(t)
	case err != nil && (t == nil || t.full):
		s.turnsAway(t, &trouble{err: fmt.Errorf("PostgreSQL does not take changes: %w", err)})
	}
}

// lacksRoom keeps in mind that PostgreSQL's disk is full, until the prober finds room.
func (s *Store) lacksRoom(err error) {
	if t := s.away.Load(); t == nil || !t.full {
		s.turnsAway(t, &trouble{fmt.Errorf("PostgreSQL has no room on its disk: %w", err), true})
	}
}

func (s *Store) turnsAway(was, is *trouble) {
	if s.away.CompareAndSwap(was, is) {
		s.log.Error("PostgreSQL does not take changes; trying again until it does", "error", is.err)
	}
}

func (s *Store) answers(was *trouble) {
	if s.away.CompareAndSwap(was, nil) {
		s.log.Info("PostgreSQL takes changes again")
	}
}

// retryPause is how long a transaction that failed waits before it is tried again.
func (s *Store) retryPause() time.Duration {
	if t := s.away.Load(); t != nil && t.full {
		return fullRetry
	}
	return retryAfter
}

// prober finds out that PostgreSQL takes changes again: while it does not, nothing is accepted that
// would show it.
func (s *Store) prober() {
	for pause.For(s.working, probeEvery) == nil {
		t := s.away.Load()
		if t == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(s.working, s.opts.StatementTimeout)
		err := s.pool.Ping(ctx)
		if err == nil && t.full {
			err = s.room(ctx)
		}
		cancel()
		switch {
		case err == nil:
			s.answers(t)
		case connectionFailed(err) && s.working.Err() == nil:
			s.attempt(err)
		}
		if t.full {
			_ = pause.For(s.working, fullRetry)
		}
	}
}

// errNoRoomTaken undoes what room did.
var errNoRoomTaken = errors.New("only a question")

// room asks for 4 MB on the disk, as a big transaction does, and gives them back. Nothing of it is
// written to PostgreSQL's log.
func (s *Store) room(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "CREATE UNLOGGED TABLE room_on_disk (x text); INSERT INTO room_on_disk SELECT repeat('x', 1900) FROM generate_series(1, 2048)")
		if err == nil {
			err = errNoRoomTaken
		}
		return err
	})
	if errors.Is(err, errNoRoomTaken) {
		return nil
	}
	return err
}
