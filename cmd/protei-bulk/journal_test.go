package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"protei-bulk/bulk/journal"
)

func TestJournalInspect(t *testing.T) {
	data := t.TempDir()
	l, err := journal.Open(journal.Options{Dir: filepath.Join(data, "journal"), SegmentBytes: 4096, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Replay(journal.Pos{}, nil); err != nil {
		t.Fatal(err)
	}
	var g journal.Group
	for range 4 {
		g.Reset()
		g.Add(1, []byte("accept"))
		g.Add(3, []byte("settle"))
		if _, err := l.Append(&g); err != nil {
			t.Fatal(err)
		}
	}
	code, _, stderr := inspect(data)
	if code != 1 || !strings.Contains(stderr, "stop the platform first") {
		t.Errorf("of a log in use: code %d, %s", code, stderr)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := inspect(data)
	if code != 0 || !strings.Contains(stdout, "settled                       4") {
		t.Errorf("code %d\n%s%s", code, stdout, stderr)
	}
	name := filepath.Join(data, "journal", "000000000001.seg")
	seg, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	seg[180] ^= 1
	if err := os.WriteFile(name, seg, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, _ := inspect(filepath.Join(data, "journal")); code != 1 || !strings.Contains(stdout, "DAMAGE") {
		t.Errorf("of a damaged log: code %d\n%s", code, stdout)
	}
	if code, _, stderr := inspect(t.TempDir()); code != 1 || !strings.Contains(stderr, "no journal") {
		t.Errorf("of a folder without one: code %d, %s", code, stderr)
	}
}

func inspect(dir string) (code int, stdout, stderr string) {
	var out, errs strings.Builder
	env := &environment{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }}
	return run(context.Background(), env, []string{"journal", "inspect", dir}), out.String(), errs.String()
}
