package journal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"protei-bulk/bulk/journal"
)

func TestInspectShowsSegmentsKindsAndDamage(t *testing.T) {
	opts := options(nil)
	opts.Dir = t.TempDir()
	l, _ := mustOpen(t, opts, journal.Pos{})
	for range 20 {
		mustAppend(t, l, records("r", 5, 100)...)
	}
	end := l.End()
	l.Close()

	var out strings.Builder
	if err := journal.Inspect(opts.Dir, &out, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0102030405060708090a0b0c0d0e0f10", "end       " + end.String() + ", after group 20", "000000000001.seg", "ready for use"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}

	name := filepath.Join(opts.Dir, "000000000001.seg")
	seg, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	seg[1000] ^= 4
	if err := os.WriteFile(name, seg, 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := journal.Inspect(opts.Dir, &out, nil); err == nil || !strings.Contains(out.String(), "DAMAGE    journal segment 1 ") {
		t.Errorf("damage was not shown: %v\n%s", err, out.String())
	}
}

func TestInspectLeavesOtherFoldersAlone(t *testing.T) {
	var out strings.Builder
	dir := t.TempDir()
	for _, name := range []string{dir, filepath.Join(dir, "none")} {
		if err := journal.Inspect(name, &out, nil); err == nil {
			t.Errorf("%s was inspected", name)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("the folder holds %v now, %v", files, err)
	}
}
