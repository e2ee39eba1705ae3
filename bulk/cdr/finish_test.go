package cdr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// Every format and compression gives complete files that verify and give back each record.
func TestCompleteFiles(t *testing.T) {
	for _, format := range []Format{CSV, JSON} {
		for _, compression := range []Compression{NoCompression, Gzip, Zstd} {
			t.Run(fmt.Sprint(format, " ", compression), func(t *testing.T) {
				dir := t.TempDir()
				w := open(t, Options{Dir: dir, Format: format, Compression: compression, RotateBytes: 2000})
				for n := 1; n <= 60; n += 6 {
					add(t, w, n, n+5)
					if err := w.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				tidy(t, w)
				files, err := Files([]string{dir})
				if err != nil || len(files) < 4 {
					t.Fatalf("%d complete files, %v", len(files), err)
				}
				n := 0
				for _, name := range files {
					if !strings.HasSuffix(name, format.extension()+compression.extension()) {
						t.Errorf("a file is called %s", name)
					}
					before := n
					sum, err := ReadFile(name, func(r *Record) error {
						n++
						if diff := cmp.Diff(record(n), *r); diff != "" {
							t.Errorf("record %d: %s", n, diff)
						}
						return nil
					})
					if err != nil || sum.Records != int64(n-before) || len(sum.SHA256) != 64 {
						t.Errorf("%s: %+v, %v", name, sum, err)
					}
				}
				if left, _ := filepath.Glob(filepath.Join(dir, "closing-*")); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		}
	}
}

// Each change of a complete file is noticed.
func TestDamageIsNoticed(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir, RotateBytes: 1000})
	add(t, w, 1, 10)
	if err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	tidy(t, w)
	files, _ := Files([]string{dir})
	if len(files) != 1 {
		t.Fatalf("complete files: %v", files)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	verify := func(b []byte) error {
		t.Helper()
		name := filepath.Join(t.TempDir(), "cdr-x.csv")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadFile(name, nil)
		return err
	}
	if err := verify(whole); err != nil {
		t.Fatal(err)
	}
	for i := range whole { // one bit anywhere
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		if err := verify(changed); err == nil {
			t.Fatalf("a changed bit in octet %d of %d was not noticed", i, len(whole))
		}
	}
	for i := range whole { // an end anywhere
		if err := verify(whole[:i]); err == nil {
			t.Fatalf("an end after %d of %d octets was not noticed", i, len(whole))
		}
	}
	if err := verify(append(bytes.Clone(whole), "x\n"...)); !errors.Is(err, ErrChanged) {
		t.Errorf("something behind the end: %v", err)
	}
	if err := verify(whole[:bytes.LastIndex(whole, []byte("#"))]); !errors.Is(err, ErrNoTrailer) {
		t.Errorf("without its last line: %v", err)
	}
}

// A crash before each step of closing a file, and again at each step of the start behind
// it, leaves each record once.
func TestCrashAtEachStepOfClosing(t *testing.T) {
	for _, compression := range []Compression{NoCompression, Gzip, Zstd} {
		steps := map[string]int{}
		run := func(t *testing.T, at string, nth int) {
			dir := t.TempDir()
			count, crashed := 0, atomic.Bool{}
			opts := Options{Dir: dir, Compression: compression, RotateBytes: 1000, retry: time.Hour, between: func(step string) error {
				if crashed.Load() {
					return errCrash // nothing happens any more
				}
				if step == at {
					if count++; count == nth {
						crashed.Store(true)
						return errCrash
					}
				}
				if at == "" {
					steps[step]++
				}
				return nil
			}}
			w, err := Open(opts)
			if err != nil {
				t.Fatal(err)
			}
			for n := 1; n <= 30 && !crashed.Load(); n += 10 {
				for i := n; i < n+10; i++ {
					if err := w.Append([]Record{record(i)}, position(i)); err != nil {
						break
					}
				}
				synced := make(chan error, 1)
				go func() { synced <- w.Sync(t.Context()) }()
				for waiting := true; waiting; {
					select {
					case <-synced:
						waiting = false
					case <-time.After(time.Millisecond):
						waiting = !crashed.Load()
					}
				}
				if !crashed.Load() {
					_ = w.ends.tidy()
				}
			}
			if at != "" && !crashed.Load() {
				t.Fatal("it did not crash")
			}
			_ = w.Close()
			w, err = Open(Options{Dir: dir, Compression: compression, RotateBytes: 1000})
			if err != nil {
				t.Fatal(err)
			}
			start := int(w.Position()[15])
			add(t, w, start+1, 40)
			if err := w.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			tidy(t, w)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if got := ids(t, dir); !slices.Equal(got, upTo(40)) {
				t.Errorf("records %v", got)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "closing-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
		t.Run(string(compression), func(t *testing.T) {
			run(t, "", 0)
			if len(steps) < 5 {
				t.Fatalf("only these steps were seen: %v", steps)
			}
			for step := range steps {
				for nth := 1; nth <= 2; nth++ {
					t.Run(fmt.Sprint(step, " ", nth), func(t *testing.T) { run(t, step, nth) })
				}
			}
		})
	}
}

// A part of the trailer that a crash left is cut, whatever its length.
func TestTornTrailer(t *testing.T) {
	for _, format := range []Format{CSV, JSON} {
		dir := t.TempDir()
		e, r := newEncoder(), record(1)
		lines := e.line([]byte(Header), &r)
		if format == JSON {
			lines = e.jsonLine(nil, &r)
		}
		trailer := format.trailer(1, make([]byte, 32))
		for cut := 0; cut <= len(trailer); cut++ {
			for _, name := range []string{"cdr-1" + format.extension()} {
				_ = os.Remove(filepath.Join(dir, name))
			}
			write(t, dir, "closing-1"+format.extension(), append(bytes.Clone(lines), trailer[:cut]...))
			w := open(t, Options{Dir: dir, Format: format})
			tidy(t, w)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if s, err := ReadFile(filepath.Join(dir, "cdr-1"+format.extension()), func(*Record) error { return nil }); err != nil || s.Records != 1 {
				t.Fatalf("%s cut after %d of %q: %+v %v", format, cut, trailer, s, err)
			}
		}
	}
}

// The format can be changed between two runs, in both directions, with and without records.
func TestChangedFormat(t *testing.T) {
	dir := t.TempDir()
	n := 0
	for turn, format := range []Format{CSV, JSON, JSON, CSV, JSON, CSV} {
		w := open(t, Options{Dir: dir, Format: format})
		if w.Position() != position(n) {
			t.Fatalf("turn %d: position %x, want %d", turn, w.Position(), n)
		}
		if turn != 4 { // one run without a record
			add(t, w, n+1, n+3)
			n += 3
		}
		tidy(t, w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		currents, _ := filepath.Glob(filepath.Join(dir, "current.*"))
		if len(currents) != 1 {
			t.Fatalf("turn %d: %v", turn, currents)
		}
	}
	if got := ids(t, dir); !slices.Equal(got, upTo(n)) {
		t.Errorf("records %v", got)
	}
}

func TestRetentionBySize(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir, RotateBytes: 1000, KeepBytes: 6000})
	for n := 1; n <= 60; n += 6 { // each of more than 1,000 octets
		add(t, w, n, n+5)
		if err := w.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		tidy(t, w)
	}
	files, _ := Files([]string{dir})
	total := int64(0)
	for _, name := range files {
		st, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		total += st.Size()
	}
	got := ids(t, dir)
	if total > 6000 || len(files) < 3 || got[len(got)-1] != 60 || got[0] == 1 {
		t.Errorf("%d files of %d octets with records %v", len(files), total, got)
	}
}

// Completing a file on a full disk is tried again; the file is kept meanwhile.
func TestFullDiskWhileCompleting(t *testing.T) {
	dir := t.TempDir()
	var full atomic.Bool
	full.Store(true)
	w := open(t, Options{Dir: dir, RotateBytes: 1000, writeAt: func(f *os.File, b []byte, off int64) (int, error) {
		if full.Load() && strings.Contains(f.Name(), closingPrefix) {
			return 0, syscall.ENOSPC
		}
		return f.WriteAt(b, off)
	}})
	add(t, w, 1, 12)
	if err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.ends.tidy(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	if files, _ := Files([]string{dir}); len(files) != 0 {
		t.Errorf("complete files: %v", files)
	}
	full.Store(false)
	tidy(t, w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, dir); !slices.Equal(got, upTo(12)) {
		t.Errorf("records %v", got)
	}
}

// What a file claims of itself is not believed: a zstd frame that unpacks to much is read in
// pieces, a line without an end is refused.
func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "cdr-1.csv.zst", z.EncodeAll(make([]byte, 64<<20), nil))
	write(t, dir, "cdr-2.csv.gz", []byte("no gzip"))
	write(t, dir, "cdr-3.jsonl", []byte("{\"time\":1}\n"+JSON.trailer(1, nil)))
	write(t, dir, "cdr-4.csv", []byte("a,b\n"))
	write(t, dir, "current.csv", []byte(Header))
	for i, name := range []string{"cdr-1.csv.zst", "cdr-2.csv.gz", "cdr-3.jsonl", "cdr-4.csv", "cdr-5.csv", "x.txt"} {
		if _, err := ReadFile(filepath.Join(dir, name), func(*Record) error { return nil }); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("file %d: %v", i, err)
		}
	}
	if _, err := Files([]string{filepath.Join(dir, "current.csv")}); err == nil {
		t.Error("the file that is being written was taken")
	}
}

func TestJSONLinesAreJSON(t *testing.T) {
	e, r := newEncoder(), record(1)
	r.From, r.ClientRef, r.Batch = "\"\\\x01\xff漢\u2028", "\t", 0
	line := e.jsonLine(nil, &r)
	if bytes.Count(line, []byte("\n")) != 1 {
		t.Fatalf("not one line: %q", line)
	}
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	for _, column := range strings.Split(strings.TrimSpace(Header), ",") {
		if _, ok := got[column]; !ok {
			t.Errorf("%s is missing", column)
		}
	}
	if got["from"] != "\"\\\x01\ufffd漢\u2028" || got["batch_id"] != nil || len(got) != columns {
		t.Errorf("%v", got)
	}
}

func FuzzSplitCSV(f *testing.F) {
	for _, s := range []string{"", "a,b", `"a,""b""",c`, `"`, `"x"y`, ",,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		line := text(text([]byte("x"), s), "end")
		fields, err := splitCSV(nil, string(line))
		if err != nil || len(fields) != 3 || fields[2] != "end" {
			t.Fatalf("%q became %q: %q %v", s, line, fields, err)
		}
		_, _ = splitCSV(nil, s) // any line: no panic
	})
}

// The finisher can be woken in the middle of a rotation and give the closing file its last name
// before the position says so. A crash then must not make the new file the closing one again.
func TestFinisherAheadOfTheRotation(t *testing.T) {
	for _, step := range []string{"new file", "new position"} {
		dir := t.TempDir()
		var w *Writer
		crashed := make(chan struct{})
		ahead := false
		opts := Options{Dir: dir, RotateBytes: 1000, retry: time.Hour, between: func(at string) error {
			if at == step && !ahead {
				ahead = true
				if err := w.ends.tidy(); err != nil {
					t.Error(err)
				}
				close(crashed)
				return errCrash
			}
			return nil
		}}
		var err error
		if w, err = Open(opts); err != nil {
			t.Fatal(err)
		}
		add(t, w, 1, 10)
		go func() { _ = w.Sync(t.Context()) }()
		<-crashed
		_ = w.Close()
		if w, err = Open(Options{Dir: dir, RotateBytes: 1000}); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		add(t, w, int(w.Position()[15])+1, 40)
		if err := w.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		tidy(t, w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, dir); !slices.Equal(got, upTo(40)) {
			t.Errorf("%s: records %v", step, got)
		}
	}
}
