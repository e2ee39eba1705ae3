package postgres

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"protei-bulk/bulk/store"
	"protei-bulk/internal/servers"
)

// TestAcceptsAgain: a node that only accepts, and has no connector to settle for, finds out by
// itself that PostgreSQL is back.
func TestAcceptsAgain(t *testing.T) {
	server := servers.TestPostgres(t)
	url, err := server.NewDatabase()
	if err != nil {
		t.Fatal(err)
	}
	n := open(t, url, 1)
	n.accept(n.make(1, 1))
	if err := server.Crash(); err != nil {
		t.Fatal(err)
	}
	if err := n.Accept(t.Context(), n.make(1, 1), store.AcceptExtra{}); !errors.Is(err, store.ErrBusy) || n.Err() == nil {
		t.Errorf("PostgreSQL is away: %v, the store says %v", err, n.Err())
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	n.until("messages are accepted again", func() bool { return n.Err() == nil })
	n.accept(n.make(1, 1))
}

// TestChangeWithoutRoom: a change that PostgreSQL has no room for says so, and nothing new is taken until there is.
func TestChangeWithoutRoom(t *testing.T) {
	a := open(t, database(t), 1)
	const noRoom = `CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON accounts EXECUTE FUNCTION no_room()`
	if _, err := a.pool.Exec(t.Context(), noRoom); err != nil {
		t.Fatal(err)
	}
	err := a.PutAccount(t.Context(), &store.AccountRow{Name: "new"})
	if !errors.Is(err, store.ErrDiskFull) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), `save account "new"`) {
		t.Errorf("%v, want that the disk is full", err)
	}
	if a.Err() == nil || !errors.Is(a.Accept(t.Context(), a.make(1, 1), store.AcceptExtra{}), store.ErrDiskFull) {
		t.Errorf("the store says %v, and takes messages", a.Err())
	}
	a.until("it takes changes again", func() bool { return a.Err() == nil })
	if _, err := a.pool.Exec(t.Context(), "DROP TRIGGER no_room ON accounts"); err != nil {
		t.Fatal(err)
	}
	if err := a.PutAccount(t.Context(), &store.AccountRow{Name: "new"}); err != nil {
		t.Error(err)
	}
}
