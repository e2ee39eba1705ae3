package postgres

import (
	"errors"
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
