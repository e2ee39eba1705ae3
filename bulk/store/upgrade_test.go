package store

import (
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"protei-bulk/bulk/message"
)

// TestUpgrade opens a folder as the first version left it.
func TestUpgrade(t *testing.T) {
	dir := t.TempDir()
	conn, err := openDatabase(filepath.Join(dir, DatabaseName), sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	if err := transaction(conn, func() error { return create(conn) }); err != nil {
		t.Fatal(err)
	}
	if err := sqlitex.ExecuteScript(conn.Conn, "PRAGMA user_version=1;", nil); err != nil {
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
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
