package bulk

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"protei-bulk/bulk/store"
)

// madeArchive is a small valid backup, file by file, before harm is done to it.
func madeArchive(t *testing.T) map[string][]byte {
	t.Helper()
	s, err := store.OpenEmbedded(store.Options{Dir: t.TempDir(), MinFreeDisk: -1, SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(t.Context())
	dir := filepath.Join(t.TempDir(), "copy")
	if err := s.Backup(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{backupInfoFile: []byte(`{"format":1,"version":"test","made":"2030-01-01T00:00:00Z"}`)}
	names, _ := filepath.Glob(filepath.Join(dir, "journal", "*"))
	for _, path := range append(names, filepath.Join(dir, store.DatabaseName)) {
		name, _ := filepath.Rel(dir, path)
		if files[name], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func pack(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	a := newArchive(&out)
	for name, text := range files {
		if err := a.content(name, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRestore(t *testing.T) {
	files := madeArchive(t)
	whole := inOrder(t, files, sizeOf(files))
	dir := filepath.Join(t.TempDir(), "data")
	done, err := Restore(bytes.NewReader(whole), dir)
	if err != nil || done.Info.Version != "test" {
		t.Fatalf("%+v, %v", done, err)
	}
	s, err := store.OpenEmbedded(store.Options{Dir: dir, MinFreeDisk: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// What is not a whole backup is refused, and nothing of it stays.
func TestRestoreRefusesHarm(t *testing.T) {
	files := madeArchive(t)
	whole := pack(t, files)
	with := func(name, text string) []byte {
		changed := map[string][]byte{name: []byte(text)}
		for n, b := range files {
			if _, ok := changed[n]; !ok {
				changed[n] = b
			}
		}
		return pack(t, changed)
	}
	for _, c := range []struct {
		name, says string
		archive    []byte
	}{
		{"nothing", "not a backup", nil},
		{"text", "not a backup", []byte("Dear customer, ")},
		{"cut short", "cut short", whole[:len(whole)/2]},
		{"without its end", "cut short", withoutSums(t, whole)},
		{"a changed octet", "checksum", changedContent(t, whole)},
		{"a path that leads out", "does not belong", with("../evil", "x")},
		{"a file of another kind", "does not belong", with("run.sh", "x")},
		{"no database", "database", pack(t, map[string][]byte{backupInfoFile: files[backupInfoFile]})},
		{"a newer format", "format 2", with(backupInfoFile, `{"format":2,"version":"v9"}`)},
		{"a database that is none", "database", with(store.DatabaseName, "SQLite format 4")},
		{"a database larger than any disk", "shall stay free", claims(t, store.DatabaseName, 1<<50)},
		{"a sparse claim of a segment", "larger than it can be", claims(t, "journal/000000000001.seg", 1<<31)},
		{"a bomb of a description", "larger than it can be", with(backupInfoFile, strings.Repeat(" ", maxInfo+1))},
		{"a bomb of a key", "larger than it can be", with(vaultFile, strings.Repeat("k", maxInfo+1))},
		{"more than it says of itself", "in this backup", inOrder(t, files, 4096)},
		{"a file too many for its size", "in this backup", inOrder(t, files, sizeOf(files)-1)},
	} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "data")
		_, err := Restore(bytes.NewReader(c.archive), dir)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want it to say %q", c.name, err, c.says)
		}
		if left, _ := filepath.Glob(filepath.Join(parent, "*")); len(left) > 0 {
			t.Errorf("%s: left %v", c.name, left)
		}
	}
}

// sizeOf adds up the files as a backup says it of itself.
func sizeOf(files map[string][]byte) (size int64) {
	for name, text := range files {
		if name != backupInfoFile {
			size += int64(len(text))
		}
	}
	return size
}

// claims is an archive whose file is said to have so many bytes, and has a few.
func claims(t *testing.T, name string, size int64) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	if err := w.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Flush(), zip.Close()); err != nil && !strings.Contains(err.Error(), "missed writing") {
		t.Fatal(err)
	}
	return out.Bytes()
}

// inOrder is the backup as the platform writes it, and says that its files have so many bytes.
func inOrder(t *testing.T, files map[string][]byte, size int64) []byte {
	t.Helper()
	var out bytes.Buffer
	a := newArchive(&out)
	err := a.content(backupInfoFile, fmt.Appendf(nil, `{"format":1,"version":"test","bytes":%d}`, size))
	for name, text := range files {
		if name != backupInfoFile {
			err = errors.Join(err, a.content(name, text))
		}
	}
	if err = errors.Join(err, a.close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// rewrite copies an archive with each file passed through change, the checksums as they are.
func rewrite(t *testing.T, whole []byte, change func(name string, text []byte) ([]byte, bool)) []byte {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	to := gzip.NewWriter(&out)
	w := tar.NewWriter(to)
	for in := tar.NewReader(zip); ; {
		head, err := in.Next()
		if err != nil {
			break
		}
		var text bytes.Buffer
		if _, err := text.ReadFrom(in); err != nil {
			t.Fatal(err)
		}
		b, keep := change(head.Name, text.Bytes())
		if !keep {
			continue
		}
		head.Size = int64(len(b))
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func withoutSums(t *testing.T, whole []byte) []byte {
	return rewrite(t, whole, func(name string, text []byte) ([]byte, bool) { return text, name != checksumFile })
}

func changedContent(t *testing.T, whole []byte) []byte {
	return rewrite(t, whole, func(name string, text []byte) ([]byte, bool) {
		if name == store.DatabaseName {
			text[len(text)/2] ^= 1
		}
		return text, true
	})
}
