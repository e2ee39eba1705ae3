package cdr

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestList: the newest come first, strangers are none, and only what is complete can be opened.
func TestList(t *testing.T) {
	dir := t.TempDir()
	if none, err := List(dir+"/missing", ""); err != nil || len(none) != 0 {
		t.Fatalf("a folder that is missing has %v, %v", none, err)
	}
	for _, name := range []string{
		"cdr-20300131-090000-001.csv", "cdr-20300131-100000-001.csv.gz", "closing-20300131-110000-001.jsonl", "current.csv",
		"position", "notes.csv", "cdr-x.csv", "cdr-20300131-100000-002.csv.gz.tmp",
	} {
		write(t, dir, name, []byte("12345"))
	}
	at := func(hour int) time.Time { return time.Date(2030, 1, 31, hour, 0, 0, 0, time.UTC) }
	got, err := List(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	want := []File{
		{"current.csv", Writing, 5, time.Time{}},
		{"closing-20300131-110000-001.jsonl", Closing, 5, at(11)},
		{"cdr-20300131-100000-001.csv.gz", Complete, 5, at(10)},
		{"cdr-20300131-090000-001.csv", Complete, 5, at(9)},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	for before, older := range map[string][]File{
		"current.csv":                   want[1:],
		"cdr-20300131-110000-001.jsonl": want[2:], // it has got its end meanwhile
		"cdr-20300131-093000-001.csv":   want[3:], // it is gone
		want[3].Name:                    nil,
	} {
		if got, err := List(dir, before); err != nil || !cmp.Equal(older, got) {
			t.Errorf("older than %s: %v, %v", before, got, err)
		}
	}
	if _, err := List(dir, "notes.csv"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("older than what is no file: %v", err)
	}
	f, err := OpenFile(dir, "cdr-20300131-090000-001.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if text, err := io.ReadAll(f); err != nil || string(text) != "12345" {
		t.Errorf("it holds %q, %v", text, err)
	}
	for _, name := range []string{
		"current.csv", "position", "../files.go", "cdr-20300131-090000-001.csv/", "cdr-20300131-120000-001.csv", "../" + "cdr-20300131-090000-001.csv",
		"cdr-20300131-090000/../position.csv", "cdr-20300131-090000\x00.csv", "cdr-20300131-090000" + strings.Repeat("0", 300) + ".csv",
	} {
		if f, err := OpenFile(dir, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, %v, want none", name, f, err)
		}
	}
}
