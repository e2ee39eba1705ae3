package journal_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"protei-bulk/bulk/journal"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A log of format version 1, as a release wrote it, is replayed by every later program.
func TestVersion1IsReplayed(t *testing.T) {
	golden := filepath.Join("testdata", "v1", "000000000001.seg")
	want := slices.Concat(records("first", 3, 40), records("second", 2, 100), []record{{255, ""}})
	opts := options(nil)
	opts.Dir = t.TempDir()
	if *update {
		l, _ := mustOpen(t, opts, journal.Pos{})
		mustAppend(t, l, want[:3]...)
		mustAppend(t, l, want[3:]...)
		l.Close()
		copyFile(t, filepath.Join(opts.Dir, filepath.Base(golden)), golden)
		opts.Dir = t.TempDir()
	}
	copyFile(t, golden, filepath.Join(opts.Dir, filepath.Base(golden)))
	l, got := mustOpen(t, opts, journal.Pos{})
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	more := record{7, "and it goes on"}
	mustAppend(t, l, more)
	l.Close()
	if _, got = mustOpen(t, opts, journal.Pos{}); !slices.Equal(got, append(want, more)) {
		t.Errorf("after one more group: %v", got)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
