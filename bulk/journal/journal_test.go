package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/journal/faultfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const dir = "j"

var store = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// record is what a test appends and wants back.
type record struct {
	Kind    byte
	Payload string
}

func options(fs journal.FS) journal.Options {
	return journal.Options{Dir: dir, StoreUUID: store, SegmentBytes: 4096, Sync: true, FS: fs}
}

// reopen opens the log, replays it from a position and returns it with its records.
func reopen(opts journal.Options, from journal.Pos) (*journal.Log, []record, journal.Pos, error) {
	l, err := journal.Open(opts)
	if err != nil {
		return nil, nil, journal.Pos{}, err
	}
	var got []record
	end, err := l.Replay(from, func(_ journal.Pos, kind byte, payload []byte) error {
		got = append(got, record{kind, string(payload)})
		return nil
	})
	if err != nil {
		return nil, got, end, errors.Join(err, l.Close())
	}
	return l, got, end, nil
}

func mustOpen(t testing.TB, opts journal.Options, from journal.Pos) (*journal.Log, []record) {
	t.Helper()
	l, got, _, err := reopen(opts, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, got
}

func group(recs ...record) *journal.Group {
	g := &journal.Group{}
	for _, r := range recs {
		g.Add(r.Kind, []byte(r.Payload))
	}
	return g
}

func mustAppend(t testing.TB, l *journal.Log, recs ...record) journal.Pos {
	t.Helper()
	end, err := l.Append(group(recs...))
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// records makes n different records of size bytes.
func records(name string, n, size int) []record {
	var all []record
	for i := range n {
		p := fmt.Sprintf("%s-%d-", name, i)
		p += strings.Repeat("x", max(size-len(p), 0))
		all = append(all, record{byte(i%5 + 1), p})
	}
	return all
}

func TestReplayGivesBackEveryRecordInOrder(t *testing.T) {
	fs := faultfs.New()
	l, got := mustOpen(t, options(fs), journal.Pos{})
	if len(got) != 0 {
		t.Fatalf("a new log holds %d records", len(got))
	}
	var want []record
	var ends []journal.Pos
	var counts []int
	for i := range 60 {
		recs := records(fmt.Sprint("g", i), i%4+1, 50+i)
		ends = append(ends, mustAppend(t, l, recs...))
		want = append(want, recs...)
		counts = append(counts, len(want))
	}
	if ends[59].Segment < 3 {
		t.Fatalf("the log ended in segment %d, so it never rolled", ends[59].Segment)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for i := -1; i < len(ends); i += 7 {
		from, skip := journal.Pos{}, 0
		if i >= 0 {
			from, skip = ends[i], counts[i]
		}
		l, got, end, err := reopen(options(fs), from)
		if err != nil {
			t.Fatalf("replay from %s: %v", from, err)
		}
		if !slices.Equal(got, want[skip:]) {
			t.Errorf("replay from %s gave %d records, want %d", from, len(got), len(want)-skip)
		}
		if end != ends[59] {
			t.Errorf("replay from %s ended at %s, want %s", from, end, ends[59])
		}
		l.Close()
	}
}

func TestReplayGoesOnFromInsideAGroup(t *testing.T) {
	fs := faultfs.New()
	l, _ := mustOpen(t, options(fs), journal.Pos{})
	recs := records("r", 5, 40)
	mustAppend(t, l, recs...)
	l.Close()

	var after []journal.Pos
	l, err := journal.Open(options(fs))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Replay(journal.Pos{}, func(p journal.Pos, _ byte, _ []byte) error {
		after = append(after, p)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	for i, p := range after {
		l, got := mustOpen(t, options(fs), p)
		if !slices.Equal(got, recs[i+1:]) {
			t.Errorf("replay after record %d gave %v", i, got)
		}
		l.Close()
	}
}

func TestAppendsAfterReopenContinueTheSameSegment(t *testing.T) {
	fs := faultfs.New()
	var want []record
	from := journal.Pos{}
	for i := range 30 {
		l, got := mustOpen(t, options(fs), from)
		if !slices.Equal(got, want) {
			t.Fatalf("opening %d: got %d records, want %d", i, len(got), len(want))
		}
		recs := records(fmt.Sprint("o", i), 2, 30)
		end := mustAppend(t, l, recs...)
		want = append(want, recs...)
		if i == 0 && end.Segment != 1 || i == 20 && end.Segment != 1 {
			t.Errorf("opening %d wrote to segment %d", i, end.Segment)
		}
		l.Close()
	}
}

func TestReleasedSegmentsAreRecycled(t *testing.T) {
	fs := faultfs.New()
	l, _ := mustOpen(t, options(fs), journal.Pos{})
	var end journal.Pos
	var last []record
	for i := range 300 {
		last = records(fmt.Sprint("g", i), 3, 100)
		end = mustAppend(t, l, last...)
		l.Release(end)
	}
	created := fs.Count(faultfs.OpCreate)
	if end.Segment < 20 || created > 10 {
		t.Errorf("%d segments were written with %d files created", end.Segment, created)
	}
	before := journal.Pos{Segment: end.Segment, Offset: 128}
	l.Close()
	_, got := mustOpen(t, options(fs), before)
	if len(got) < 3 || !slices.Equal(got[len(got)-3:], last) {
		t.Errorf("the last segment replays %d records", len(got))
	}
	for _, r := range got {
		if !strings.HasPrefix(r.Payload, "g29") {
			t.Errorf("a stale record appeared: %.10s", r.Payload)
		}
	}
}

func TestReplayFromAReleasedPositionIsAnError(t *testing.T) {
	fs := faultfs.New()
	l, _ := mustOpen(t, options(fs), journal.Pos{})
	for i := range 100 {
		l.Release(mustAppend(t, l, records(fmt.Sprint("g", i), 3, 100)...))
	}
	l.Close()
	_, _, _, err := reopen(options(fs), journal.Pos{})
	var damage *journal.CorruptError
	if !errors.As(err, &damage) || damage.Segment != 1 {
		t.Errorf("replay from the start: %v, want segment 1 to be missing", err)
	}
}

func TestPositionBehindTheEndIsAnError(t *testing.T) {
	fs := faultfs.New()
	l, _ := mustOpen(t, options(fs), journal.Pos{})
	end := mustAppend(t, l, records("a", 3, 10)...)
	l.Close()
	end.Offset += 100
	_, _, _, err := reopen(options(fs), end)
	var damage *journal.CorruptError
	if !errors.As(err, &damage) {
		t.Errorf("replay from %s behind the end: %v", end, err)
	}
}

func TestGroupsTooLargeAreRefusedAndHarmless(t *testing.T) {
	fs := faultfs.New()
	l, _ := mustOpen(t, options(fs), journal.Pos{})
	fits := strings.Repeat("y", l.MaxGroupBytes()-8)
	if _, err := l.Append(group(record{1, fits + "z"})); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("a byte too much: %v, want ErrTooLarge", err)
	}
	mustAppend(t, l, record{1, fits})
	mustAppend(t, l, record{2, fits})
	l.Close()
	_, got := mustOpen(t, options(fs), journal.Pos{})
	if !slices.Equal(got, []record{{1, fits}, {2, fits}}) {
		t.Errorf("got %d records", len(got))
	}
}

func TestSecondOpenerIsRefused(t *testing.T) {
	opts := options(nil)
	opts.Dir = filepath.Join(t.TempDir(), "journal")
	l, _ := mustOpen(t, opts, journal.Pos{})
	mustAppend(t, l, record{1, "a"})
	if _, err := journal.Open(opts); !errors.Is(err, journal.ErrInUse) {
		t.Errorf("second opener: %v, want ErrInUse", err)
	}
	if err := journal.Inspect(opts.Dir, &bytes.Buffer{}, nil); !errors.Is(err, journal.ErrInUse) {
		t.Errorf("inspect while open: %v, want ErrInUse", err)
	}
	l.Close()
	mustOpen(t, opts, journal.Pos{})
}

func TestAnotherStoresSegmentIsRefused(t *testing.T) {
	fs := faultfs.New()
	l, _ := mustOpen(t, options(fs), journal.Pos{})
	mustAppend(t, l, record{1, "a"})
	l.Close()
	opts := options(fs)
	opts.StoreUUID[0] = 99
	_, _, _, err := reopen(opts, journal.Pos{})
	var other *journal.StoreError
	if !errors.As(err, &other) {
		t.Errorf("got %v, want StoreError", err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	fs := faultfs.New()
	l, _ := mustOpen(t, options(fs), journal.Pos{})
	mustAppend(t, l, record{1, "a"})
	l.Close()
	name := filepath.Join(dir, "000000000001.seg")
	seg, err := fs.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	setVersion(seg, 2)
	fs.Store(name, seg)
	_, _, _, err = reopen(options(fs), journal.Pos{})
	var newer *journal.VersionError
	if !errors.As(err, &newer) || newer.Version != 2 {
		t.Errorf("got %v, want VersionError 2", err)
	}
}

func TestAppendNeedsReplayFirst(t *testing.T) {
	l, err := journal.Open(options(faultfs.New()))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Append(group(record{1, "a"})); err == nil {
		t.Error("Append before Replay was taken")
	}
}

func TestErrorOfTheCallbackEndsTheReplay(t *testing.T) {
	fs := faultfs.New()
	l, _ := mustOpen(t, options(fs), journal.Pos{})
	mustAppend(t, l, records("a", 3, 10)...)
	l.Close()
	l, err := journal.Open(options(fs))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	boom := errors.New("boom")
	n := 0
	_, err = l.Replay(journal.Pos{}, func(journal.Pos, byte, []byte) error {
		if n++; n == 2 {
			return boom
		}
		return nil
	})
	if !errors.Is(err, boom) || n != 2 {
		t.Errorf("got %v after %d records", err, n)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	opts := options(nil)
	opts.Dir, opts.SegmentBytes, opts.Sync = t.TempDir(), 64<<20, false
	l, _ := mustOpen(t, opts, journal.Pos{})
	payload := make([]byte, 250)
	g := &journal.Group{}
	allocs := testing.AllocsPerRun(100, func() {
		g.Reset()
		for range 100 {
			g.Add(1, payload)
		}
		if _, err := l.Append(g); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("a group of 100 costs %v allocations, want 0", allocs)
	}
}

func TestPosEncodingKeepsTheOrder(t *testing.T) {
	all := []journal.Pos{{}, {Segment: 1}, {Segment: 1, Offset: 300}, {Segment: 2, Offset: 1}, {Segment: 1 << 40, Offset: 7}}
	for i, p := range all {
		b := p.Encode()
		if journal.DecodePos(b) != p {
			t.Errorf("%s does not survive encoding", p)
		}
		if i > 0 {
			if q := all[i-1].Encode(); bytes.Compare(q[:], b[:]) >= 0 || !all[i-1].Before(p) {
				t.Errorf("%s does not sort before %s", all[i-1], p)
			}
		}
	}
}
