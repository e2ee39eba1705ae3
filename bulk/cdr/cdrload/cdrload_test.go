package cdrload_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/cdr"
	"protei-bulk/bulk/cdr/cdrload"
	"protei-bulk/bulk/message"
	"protei-bulk/load/target/targettest"
)

// write makes complete files of n records each and returns them.
func write(t *testing.T, format cdr.Format, compression cdr.Compression, first, files, n int) []string {
	t.Helper()
	dir := t.TempDir()
	w, err := cdr.Open(cdr.Options{Dir: dir, Format: format, Compression: compression, RotateBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range files * n {
		k := first + i
		r := cdr.Record{
			Time: 1_763_900_000_000 + int64(k), Message: message.ID(k), Part: 1, Parts: 2, Account: 7, From: `Shop "A", \B`, To: "+4915112345678",
			Connector: 3, SMSCID: fmt.Sprint(k), Status: message.Delivered, SubmittedAt: 1_763_899_999_000, DoneAt: 1_763_900_000_000 + int64(k),
			Attempts: 1, Priority: message.High, ViaSMPP: true, ClientRef: "größe\t\\N", Campaign: 12, PossibleDuplicate: true,
		}
		if err := w.Append([]cdr.Record{r}, cdr.Position{byte(k >> 8), byte(k)}); err != nil {
			t.Fatal(err)
		}
		if (i+1)%n == 0 {
			if err := w.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		all, err := cdr.Files([]string{dir})
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == files {
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d complete files, %d expected", len(all), files)
		}
		time.Sleep(time.Millisecond)
	}
}

func count(t *testing.T, conn *pgx.Conn, table string) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLoad loads files of each form into a real PostgreSQL, and again.
func TestLoad(t *testing.T) {
	pg := targettest.StartPostgres(t)
	conn, err := pgx.Connect(t.Context(), pg.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	plain := write(t, cdr.CSV, cdr.NoCompression, 1, 3, 10)
	packed := write(t, cdr.CSV, cdr.Zstd, 31, 1, 10)
	lines := write(t, cdr.JSON, cdr.Gzip, 41, 1, 10)
	all := append(append(append([]string{}, plain...), packed...), lines...)
	load := func(files ...string) (added int64, known int, err error) {
		err = cdrload.Load(t.Context(), cdrload.Options{DSN: pg.URL, Table: "billing.cdr", Done: func(r cdrload.Result) {
			added += r.Added
			if r.Known {
				known++
			}
		}}, files)
		return added, known, err
	}
	if _, _, err := load(all...); err == nil {
		t.Fatal("a schema that is missing was not noticed")
	}
	if _, err := conn.Exec(t.Context(), "CREATE SCHEMA billing"); err != nil {
		t.Fatal(err)
	}
	if added, known, err := load(all...); err != nil || added != 50 || known != 0 {
		t.Fatalf("the first time: %d added, %d known, %v", added, known, err)
	}
	if added, known, err := load(all...); err != nil || added != 0 || known != 5 {
		t.Errorf("the second time: %d added, %d known, %v", added, known, err)
	}
	// The same records in another form, and some new ones: only those are added.
	if added, _, err := load(write(t, cdr.JSON, cdr.NoCompression, 21, 1, 40)...); err != nil || added != 10 {
		t.Errorf("with ten new records: %d added, %v", added, err)
	}
	if n := count(t, conn, "billing.cdr"); n != 60 {
		t.Errorf("%d records", n)
	}
	var got struct {
		From, Ref, Status, Via string
		Time, Sent             *time.Time
		Batch, Campaign        *string
		Dup                    bool
	}
	err = conn.QueryRow(t.Context(), `SELECT "from", client_ref, status, via, time, sent_at, batch_id, campaign_id, possible_duplicate
		FROM billing.cdr WHERE message_id = '0000000000000029'`).
		Scan(&got.From, &got.Ref, &got.Status, &got.Via, &got.Time, &got.Sent, &got.Batch, &got.Campaign, &got.Dup)
	if err != nil {
		t.Fatal(err)
	}
	if got.From != `Shop "A", \B` || got.Ref != "größe\t\\N" || got.Status != "DELIVERED" || got.Via != "SMPP" || !got.Dup ||
		got.Time.UnixMilli() != 1_763_900_000_041 || got.Sent != nil || got.Batch != nil || got.Campaign == nil || *got.Campaign != "000000000000000c" {
		t.Errorf("a record came as %+v", got)
	}

	// A damaged file adds nothing, and its error says which.
	bad := write(t, cdr.CSV, cdr.NoCompression, 101, 1, 10)[0]
	text, err := os.ReadFile(bad)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, []byte(strings.Replace(string(text), "+4915112345678", "+4915112345679", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := load(bad); !errors.Is(err, cdr.ErrChanged) || !strings.Contains(err.Error(), filepath.Base(bad)) {
		t.Errorf("a damaged file: %v", err)
	}
	if n := count(t, conn, "billing.cdr"); n != 60 {
		t.Errorf("%d records after a damaged file", n)
	}
}

func TestNoDatabase(t *testing.T) {
	err := cdrload.Load(t.Context(), cdrload.Options{DSN: "postgres://u:s3cr3t-word@127.0.0.1:1/x"}, nil)
	if err == nil || strings.Contains(err.Error(), "s3cr3t-word") {
		t.Errorf("no database: %v", err)
	}
	err = cdrload.Load(t.Context(), cdrload.Options{DSN: "mysql://u:s3cr3t-word@h/x"}, nil)
	if diff := cmp.Diff(true, err != nil && !strings.Contains(err.Error(), "s3cr3t-word")); diff != "" {
		t.Errorf("not PostgreSQL: %v", err)
	}
}
