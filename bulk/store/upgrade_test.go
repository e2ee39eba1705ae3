package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
)

// TestUpgrade opens folders as the versions before left them.
func TestUpgrade(t *testing.T) {
	for version := 1; version < schemaVersion; version++ {
		t.Run(fmt.Sprintf("from %d", version), func(t *testing.T) { upgradeFrom(t, version) })
	}
}

func upgradeFrom(t *testing.T, version int) {
	dir := t.TempDir()
	conn, err := openDatabase(filepath.Join(dir, DatabaseName), sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	if err := transaction(conn, func() error { return create(conn) }); err != nil {
		t.Fatal(err)
	}
	for _, script := range append(upgrades()[:version-1], fmt.Sprintf("PRAGMA user_version=%d;", version)) {
		if err := sqlitex.ExecuteScript(conn.Conn, script, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := sqlitex.ExecuteScript(conn.Conn, "INSERT INTO recipients VALUES (7, 1, '+49151', NULL), (7, 2, 'x', NULL);", nil); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for range 2 { // the second time there is nothing to do
		e, err := OpenEmbedded(Options{Dir: dir, MinFreeDisk: -1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Inbounds(t.Context(), message.InboundQuery{Limit: 1}); err != nil {
			t.Error(err)
		}
		if n := e.Parts(1, 0, 1); n != 0 {
			t.Errorf("%d parts", n)
		}
		if b := e.Balance(1); b != (money.Balance{}) {
			t.Errorf("balance %+v", b)
		}
		if list, err := e.Movements(t.Context(), 1, 0, 10); err != nil || len(list) != 0 {
			t.Errorf("movements %+v, %v", list, err)
		}
		if _, err := e.Answer(t.Context(), 1, [32]byte{}); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		// Recipients as they were kept are blocks of one: the number, line 0, no values.
		blocks, err := e.Blocks(t.Context(), 7, 1, 1, 10)
		if err != nil || len(blocks) != 2 || string(blocks[0].Data) != "\x06+49151\x01\x01" || blocks[1].First != 2 || string(blocks[1].Data) != "\x01x\x01\x01" {
			t.Errorf("blocks %+v, %v", blocks, err)
		}
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
