package bulk

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/cdr"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store/postgres"
)

// TestWrittenRecordsAreForgotten: a node that ends between the files and the store forgets there what is in
// the files. Another node would write it again when this one does not come back.
func TestWrittenRecordsAreForgotten(t *testing.T) {
	url, dir := sharedStore(t), t.TempDir()
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url, Retention: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background()) //nolint:errcheck // nothing of it is looked at
	if err := s.SetNode(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.SetBook(t.Context(), "these files"); err != nil {
		t.Fatal(err)
	}
	files, err := cdr.Open(cdr.Options{Dir: dir, Format: cdr.CSV})
	if err != nil {
		t.Fatal(err)
	}
	connect := func() *pgx.Conn {
		db, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close(context.Background()) })
		return db
	}
	db, other := connect(), connect()
	for i, to := range []string{"79160000001", "79160000002", "79160000003"} {
		text := files.Encode(nil, []cdr.Record{{Message: message.ID(i + 1), Part: 1, Parts: 1, To: to, Status: message.Delivered}})
		if _, err := db.Exec(t.Context(), "INSERT INTO cdr_outbox (node, book, records) VALUES (1, 'these files', $1)", text); err != nil {
			t.Fatal(err)
		}
	}
	hold, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold.Exec(t.Context(), "SELECT FROM cdr_outbox FOR UPDATE"); err != nil { // none can be forgotten
		t.Fatal(err)
	}
	o := cdrOutbox{store: s, files: files}
	ctx, cancel := context.WithCancel(t.Context())
	cut := make(chan error, 1)
	go func() {
		_, err := o.bring(ctx)
		cut <- err
	}()
	waiting := 0
	eventually(t, "they are in the files and wait to be forgotten", func() bool {
		select {
		case err := <-cut:
			t.Fatalf("nothing waits: %v", err)
		default:
		}
		err := db.QueryRow(t.Context(), "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'DELETE FROM cdr_outbox%' AND wait_event_type = 'Lock'").Scan(&waiting)
		return err == nil
	})
	cancel()
	if err := <-cut; err == nil {
		t.Fatal("forgot what another transaction holds")
	}
	if _, err := db.Exec(t.Context(), "SELECT pg_terminate_backend($1)", waiting); err != nil { // it would go on by itself
		t.Fatal(err)
	}
	if err := hold.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if more, err := o.bring(t.Context()); more || err != nil {
		t.Fatal(more, err)
	}
	var left int
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM cdr_outbox").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left of what is in the files (%v)", left, err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.csv"))
	var text strings.Builder
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	if n := strings.Count(text.String(), "7916000000"); n != 3 {
		t.Errorf("%d records in %v, want 3", n, names)
	}
}
