package cdr

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"protei-bulk/bulk/message"
)

const currentName = "current.csv"

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func position(n int) (p Position) {
	binary.BigEndian.PutUint64(p[8:], uint64(n))
	return p
}

func record(n int) Record {
	return Record{
		Time: 1_763_900_000_000 + int64(n), Message: message.ID(n), Part: 1, Parts: 2, Account: 7,
		From: "Shop", To: "+4915112345678", Connector: 1, SMSCID: fmt.Sprintf("%x", n*7919), Status: message.Delivered,
		SubmittedAt: 1_763_899_999_000, SentAt: 1_763_899_999_500, DoneAt: 1_763_900_000_000, Attempts: 1,
		Priority: message.Normal, ClientRef: fmt.Sprint("ref-", n), Batch: 0xb, Campaign: 0,
	}
}

func open(t testing.TB, opts Options) *Writer {
	t.Helper()
	w, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func add(t testing.TB, w *Writer, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := w.Append([]Record{record(n)}, position(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// tidy waits until every closed file is complete and old ones are gone.
func tidy(t testing.TB, w *Writer) {
	t.Helper()
	if err := w.ends.tidy(); err != nil {
		t.Fatal(err)
	}
}

// ids returns the message ids of all lines in dir: of complete files, which are verified,
// of those that wait for their end, and of the current one.
func ids(t testing.TB, dir string) (all []int) {
	t.Helper()
	complete, err := Files([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range complete {
		if _, err := ReadFile(name, func(r *Record) error { all = append(all, int(r.Message)); return nil }); err != nil {
			t.Error(err)
		}
	}
	closing, _ := filepath.Glob(filepath.Join(dir, "closing-*.csv"))
	for _, name := range append(closing, filepath.Join(dir, currentName)) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := csv.NewReader(f)
		lines.Comment = '#' // of a trailer that awaits the rename
		rows, err := lines.ReadAll()
		f.Close()
		if err != nil || len(rows) == 0 || strings.Join(rows[0], ",")+"\n" != Header {
			t.Fatalf("%s: %v, header %q", name, err, rows[:min(1, len(rows))])
		}
		for _, row := range rows[1:] {
			id, err := message.ParseID(row[1])
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, int(id))
		}
	}
	return all
}

func upTo(n int) (all []int) {
	for i := 1; i <= n; i++ {
		all = append(all, i)
	}
	return all
}

func TestGoldenLines(t *testing.T) {
	for format, name := range map[Format]string{CSV: "lines.csv", JSON: "lines.jsonl"} {
		t.Run(string(format), func(t *testing.T) { goldenLines(t, format, name) })
	}
}

func goldenLines(t *testing.T, format Format, name string) {
	plain := record(1)
	hostile := record(2)
	hostile.From, hostile.ClientRef = `=HYPERLINK("http://evil","x")`, "line\nbreak, \"quoted\"\r\x00\x7f end \xff"
	hostile.To, hostile.SMSCID = "+49-151", "@cmd"
	hostile.Status, hostile.Error, hostile.ViaSMPP = message.Failed, 34, true
	empty := Record{Time: 1, Message: 3, Part: 1, Parts: 1, Status: message.Rejected, Error: 0x58, Priority: message.Critical, Campaign: 0xc, PossibleDuplicate: true}
	late := record(4)
	late.Time, late.ClientRef, late.From = 4_102_444_799_999, "größe 漢字", "-5"
	e := newEncoder()
	got := []byte(format.header())
	for _, r := range []Record{plain, hostile, empty, late} {
		if format == JSON {
			got = e.jsonLine(got, &r)
		} else {
			got = e.line(got, &r)
		}
	}
	golden := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("lines differ; -update writes them anew\ngot\n%swant\n%s", got, want)
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "a,b", `"`, "=1+1", "+4915", "+49x", "\r\n", "\xff", "-", "\t@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		line := text([]byte("x"), s)
		if bytes.ContainsAny(line, "\r\n\x00\t") {
			t.Fatalf("%q gives a line with control characters: %q", s, line)
		}
		rows, err := csv.NewReader(bytes.NewReader(line)).ReadAll()
		if err != nil || len(rows) != 1 || len(rows[0]) != 2 {
			t.Fatalf("%q gives %q: %v %v", s, line, rows, err)
		}
		if field := rows[0][1]; formula(field) {
			t.Fatalf("%q gives the formula %q", s, field)
		}
	})
}

func TestTimesMatchTheStandardLibrary(t *testing.T) {
	e := newEncoder()
	for ms := int64(1); ms < 253_402_300_799_999; ms += 86_412_345_678 {
		if got, want := string(e.time(nil, ms)), time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Fatalf("%d: %s, want %s", ms, got, want)
		}
	}
}

func TestRecordsBehindThePositionAreIgnored(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir})
	add(t, w, 1, 10)
	if w.Position() != position(10) {
		t.Errorf("position %x", w.Position())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = open(t, Options{Dir: dir})
	if w.Position() != position(10) {
		t.Errorf("position after reopening %x", w.Position())
	}
	add(t, w, 5, 20) // the replay begins too early
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, dir); !slices.Equal(got, upTo(20)) {
		t.Errorf("records %v", got)
	}
	if err := w.Append(nil, position(99)); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}
}

// After a crash at any byte behind the last Sync, the replay from Position gives each
// record once.
func TestTornLinesAreCutAndDerivedAgain(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir})
	add(t, w, 1, 5)
	if err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	durable := read(t, dir, checkpointName)
	synced := len(read(t, dir, currentName))
	add(t, w, 6, 7)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole := read(t, dir, currentName)
	for cut := synced; cut <= len(whole); cut += 2 {
		crashed := t.TempDir()
		write(t, crashed, checkpointName, durable)
		write(t, crashed, currentName, append(whole[:cut:cut], make([]byte, cut%3)...)) // and a zero or two
		w := open(t, Options{Dir: crashed})
		if w.Position() != position(5) {
			t.Fatalf("cut at %d: position %x", cut, w.Position())
		}
		add(t, w, 6, 7)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got := read(t, crashed, currentName); !bytes.Equal(got, whole) {
			t.Fatalf("cut at %d:\n%s", cut, got)
		}
	}
}

func TestSyncToWaitsForItsPosition(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir})
	add(t, w, 1, 4)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.SyncTo(ctx, position(5)); !errors.Is(err, context.Canceled) {
		t.Errorf("before its position had come: %v", err)
	}
	synced := make(chan error, 1)
	go func() { synced <- w.SyncTo(t.Context(), position(5)) }()
	add(t, w, 5, 5)
	if err := <-synced; err != nil {
		t.Fatal(err)
	}
	points, last, err := openCheckpoints(filepath.Join(dir, checkpointName))
	if err != nil {
		t.Fatal(err)
	}
	points.file.Close()
	if last.pos != position(5) || int(last.length) != len(read(t, dir, currentName)) {
		t.Errorf("durable are %d bytes up to %x", last.length, last.pos)
	}
}

func TestSyncedLinesThatAreGoneAreAnError(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir})
	add(t, w, 1, 5)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, currentName), 300); err != nil {
		t.Fatal(err)
	}
	if w, err := Open(Options{Dir: dir}); err == nil {
		w.Close()
		t.Error("a file without its synced lines was taken")
	}
}

func TestTornCheckpointLeavesTheOneBefore(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir})
	add(t, w, 1, 3)
	if err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	add(t, w, 4, 6)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	points := read(t, dir, checkpointName)
	_, last, err := openCheckpoints(filepath.Join(dir, checkpointName))
	if err != nil {
		t.Fatal(err)
	}
	points[int(last.turn%2)*slotSize+20] ^= 1
	write(t, dir, checkpointName, points)
	w = open(t, Options{Dir: dir})
	if w.Position() != position(3) {
		t.Errorf("position %x, want that of the first Sync", w.Position())
	}
	add(t, w, 4, 6)
	w.Close()
	if got := ids(t, dir); !slices.Equal(got, upTo(6)) {
		t.Errorf("records %v", got)
	}
}

func TestRotationBySize(t *testing.T) {
	dir := t.TempDir()
	w := open(t, Options{Dir: dir, RotateBytes: 1000})
	for n := 1; n <= 60; n += 6 {
		add(t, w, n, n+5)
		if err := w.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tidy(t, w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "cdr-????????-??????-???.csv"))
	if len(files) < 9 {
		t.Errorf("%d closed files", len(files))
	}
	if got := ids(t, dir); !slices.Equal(got, upTo(60)) {
		t.Errorf("records %v", got)
	}
}

func TestRotationByAgeAndRetention(t *testing.T) {
	dir := t.TempDir()
	var clock atomic.Int64
	clock.Store(time.Now().UnixMilli())
	w := open(t, Options{Dir: dir, RotateEvery: time.Minute, Keep: 48 * time.Hour, now: func() time.Time { return time.UnixMilli(clock.Load()) }})
	add(t, w, 1, 3)
	if err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		tidy(t, w)
		files, _ := filepath.Glob(filepath.Join(dir, "cdr-*.csv"))
		return len(files)
	}
	if count() != 0 {
		t.Error("a young file was rotated")
	}
	clock.Add(time.Minute.Milliseconds())
	if err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if count() != 1 {
		t.Errorf("%d closed files after a minute", count())
	}
	clock.Add((47 * time.Hour).Milliseconds())
	_ = w.Sync(t.Context())
	if count() != 1 {
		t.Errorf("%d closed files; an empty one was rotated, or one deleted too early", count())
	}
	clock.Add((2 * time.Hour).Milliseconds())
	_ = w.Sync(t.Context())
	if count() != 0 {
		t.Error("an old file was kept")
	}
}

// A crash at each step of a rotation leaves every record once.
func TestCrashWhileRotating(t *testing.T) {
	name := "closing-20261123-120000-001.csv"
	steps := map[string]func(dir string){
		"before the rename": func(string) {},
		"after the rename":  func(dir string) { rename(t, dir, name) },
		"with a new file":   func(dir string) { rename(t, dir, name); write(t, dir, currentName, []byte(Header[:20])) },
		"with lines in the new file": func(dir string) {
			rename(t, dir, name)
			e, r := newEncoder(), record(11)
			lines := []byte(Header)
			for range 20 { // longer than the old one
				lines = e.line(lines, &r)
			}
			write(t, dir, currentName, lines)
		},
	}
	for step, crash := range steps {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			w := open(t, Options{Dir: dir})
			add(t, w, 1, 10)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			points, last, err := openCheckpoints(filepath.Join(dir, checkpointName))
			if err != nil {
				t.Fatal(err)
			}
			last.sealed = name
			if err := points.write(last); err != nil {
				t.Fatal(err)
			}
			points.file.Close()
			crash(dir)
			for range 2 { // and once more
				w = open(t, Options{Dir: dir})
				if w.Position() != position(10) {
					t.Fatalf("position %x", w.Position())
				}
				w.Close()
			}
			w = open(t, Options{Dir: dir, RotateBytes: 100})
			add(t, w, 11, 12)
			w.Close()
			if got := ids(t, dir); !slices.Equal(got, upTo(12)) {
				t.Errorf("records %v", got)
			}
		})
	}
}

func TestFullDiskIsReportedAndSurvived(t *testing.T) {
	dir := t.TempDir()
	var full atomic.Bool
	trouble := make(chan error, 10)
	w := open(t, Options{
		Dir: dir, MaxBuffer: 2000, retry: time.Millisecond,
		Trouble: func(err error) { trouble <- err },
		writeAt: func(f *os.File, b []byte, off int64) (int, error) {
			if full.Load() {
				n, _ := f.WriteAt(b[:len(b)/2], off)
				return n, syscall.ENOSPC
			}
			return f.WriteAt(b, off)
		},
	})
	add(t, w, 1, 5)
	if err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	appended := make(chan struct{})
	go func() {
		defer close(appended)
		for n := 6; n <= 200; n++ { // more than the buffer holds: waits
			if err := w.Append([]Record{record(n)}, position(n)); err != nil {
				t.Error(err)
			}
		}
	}()
	if err := <-trouble; !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("trouble %v", err)
	}
	w.mu.Lock()
	if len(w.buf) > 3000 {
		t.Errorf("%d bytes in memory", len(w.buf))
	}
	w.mu.Unlock()
	full.Store(false)
	if err := <-trouble; err != nil {
		t.Errorf("the end of trouble came as %v", err)
	}
	<-appended
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, dir); !slices.Equal(got, upTo(200)) {
		t.Errorf("%d records", len(got))
	}
}

func TestCloseGivesUpOnADiskThatStaysFull(t *testing.T) {
	w := open(t, Options{Dir: t.TempDir(), writeAt: func(f *os.File, b []byte, off int64) (int, error) {
		if off == 0 {
			return f.WriteAt(b, off) // the header
		}
		return 0, syscall.ENOSPC
	}})
	add(t, w, 1, 5)
	if err := w.Close(); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close: %v", err)
	}
}

func TestFromEvent(t *testing.T) {
	m := &message.Message{ID: 5, Status: message.Pending, Flags: message.WantReceipt}
	m.SetParts(3)
	apply := func(ev message.Event) []Record {
		ev.Msg = m
		ev.Apply()
		return FromEvent(nil, &ev)
	}
	if r := apply(message.Event{Kind: message.Submitted, Part: 0, SMSCID: "a", At: 10}); len(r) != 0 {
		t.Errorf("a part that awaits its receipt gave %v", r)
	}
	r := apply(message.Event{Kind: message.Settle, Part: 0, Status: message.Delivered, At: 20})
	if len(r) != 1 || r[0].Part != 1 || r[0].Parts != 3 || r[0].SMSCID != "a" || r[0].Status != message.Delivered || r[0].DoneAt != 20 {
		t.Errorf("a receipt gave %+v", r)
	}
	if r := apply(message.Event{Kind: message.Settle, Part: 0, Status: message.Failed, At: 21}); len(r) != 0 {
		t.Errorf("a second final state gave %v", r)
	}
	r = apply(message.Event{Kind: message.Settle, Part: message.AllParts, Status: message.Cancelled, At: 30})
	if len(r) != 2 || r[0].Part != 2 || r[1].Part != 3 {
		t.Errorf("a cancel gave %+v", r)
	}
	m = &message.Message{ID: 6, Status: message.Pending}
	m.SetParts(1)
	if r := apply(message.Event{Kind: message.Submitted, SMSCID: "b", At: 40}); len(r) != 1 || r[0].Status != message.Sent {
		t.Errorf("a part sent without a receipt wanted gave %+v", r)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	w := open(t, Options{Dir: t.TempDir()})
	recs := []Record{record(1), record(2)}
	n := 0
	w.buf = make([]byte, 0, 1<<20)
	if allocs := testing.AllocsPerRun(1000, func() {
		n++
		_ = w.Append(recs, position(n))
	}); allocs > 0.1 {
		t.Errorf("%v allocations", allocs)
	}
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func rename(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, currentName), filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	w := open(b, Options{Dir: b.TempDir(), RotateBytes: 1 << 40})
	recs := make([]Record, 100)
	for i := range recs {
		recs[i] = record(i)
	}
	n, cpu := 0, cpuTime(b)
	b.ReportAllocs()
	for b.Loop() {
		n++
		if err := w.Append(recs, position(n)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpuTime(b)-cpu)/float64(n*100), "cpu-ns/record")
}

// cpuTime is the CPU time of the process, of user and system.
func cpuTime(b *testing.B) time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func BenchmarkEncode(b *testing.B) {
	e, r := newEncoder(), record(1)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = e.line(dst[:0], &r)
	}
}
