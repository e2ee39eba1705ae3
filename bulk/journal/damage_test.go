package journal_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/journal/faultfs"
)

// setVersion changes the format version of a segment and mends the header's CRC, as
// DESIGN.md lays it out: bytes 12..16, over the rest of the first 128.
func setVersion(seg []byte, version uint32) {
	binary.LittleEndian.PutUint32(seg[8:], version)
	tab := crc32.MakeTable(crc32.Castagnoli)
	crc := crc32.Update(0, tab, seg[:12])
	binary.LittleEndian.PutUint32(seg[12:], crc32.Update(crc, tab, seg[16:128]))
}

// span is where one group stands, segment header included when it came with it.
type span struct {
	segment    uint64
	start, end int
	before     int // records in the groups before it
}

// sample is a small log of three live segments, every one in a recycled file.
type sample struct {
	fs     *faultfs.FS
	before *faultfs.FS // the same before the last group was written
	from   journal.Pos
	want   []record
	spans  []span
	end    journal.Pos
}

const sampleSegment = 4096

func newSample(t testing.TB, lastGroups int) *sample {
	t.Helper()
	s := &sample{fs: faultfs.New()}
	l, _ := mustOpen(t, options(s.fs), journal.Pos{})
	end := journal.Pos{}
	for end.Segment < 6 { // stale bytes everywhere
		end = mustAppend(t, l, records(fmt.Sprint("stale", end), 4, 90)...)
		l.Release(end)
	}
	for end.Segment == 6 {
		s.from = end
		end = mustAppend(t, l, records("old", 2, 200)...)
	}
	// The last group appended opened segment 7 and belongs to the sample.
	s.note(end, records("old", 2, 200))
	for n := 0; end.Segment < 9 || n < lastGroups; {
		recs := records(fmt.Sprint("live", end), 3, 120)
		waitPrepared(s.fs, end.Segment+1)
		s.before = s.fs.Clone()
		end = mustAppend(t, l, recs...)
		s.note(end, recs)
		if end.Segment == 9 {
			n++
		}
	}
	s.end = end
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// waitPrepared waits until the preparer has made a segment ready.
func waitPrepared(fs *faultfs.FS, number uint64) {
	for {
		if b, err := fs.Load(segPath(number)); err == nil && len(b) == sampleSegment {
			return
		}
		runtime.Gosched()
	}
}

func (s *sample) note(end journal.Pos, recs []record) {
	sp := span{segment: end.Segment, end: int(end.Offset), before: len(s.want)}
	if n := len(s.spans); n > 0 && s.spans[n-1].segment == end.Segment {
		sp.start = s.spans[n-1].end
	}
	s.spans = append(s.spans, sp)
	s.want = append(s.want, recs...)
}

// at returns the group that offset off of a segment belongs to, or nil.
func (s *sample) at(segment uint64, off int) *span {
	for i := range s.spans {
		if sp := &s.spans[i]; sp.segment == segment && off >= sp.start && off < sp.end {
			return sp
		}
	}
	return nil
}

// justBefore reports whether damage names the end of the segment before hit, which
// opens its own: when nothing of a segment is left, its first group may as well have
// stood there.
func (s *sample) justBefore(hit *span, damage *journal.CorruptError) bool {
	i := slices.IndexFunc(s.spans, func(sp span) bool { return sp == *hit })
	if hit.start != 0 || i < 1 {
		return false
	}
	prev := s.spans[i-1]
	return damage.Segment == prev.segment && damage.Offset == int64(prev.end)
}

func (s *sample) last() *span { return &s.spans[len(s.spans)-1] }

func segPath(n uint64) string { return filepath.Join(dir, fmt.Sprintf("%012d.seg", n)) }

// check replays a damaged copy and compares with what the damaged place calls for.
// The damage touches the group hit, nil when it touches none; off is its first byte.
func (s *sample) check(t *testing.T, fs *faultfs.FS, hit *span, off int) {
	t.Helper()
	l, got, end, err := reopen(options(fs), s.from)
	if len(got) > len(s.want) || !slices.Equal(got, s.want[:len(got)]) {
		t.Fatalf("false records appeared: %d records", len(got))
	}
	if hit != nil && hit != s.last() {
		var damage *journal.CorruptError
		if !errors.As(err, &damage) {
			t.Fatalf("damage before the last group: error %v, want CorruptError", err)
		}
		here := damage.Segment == hit.segment && damage.Offset >= int64(hit.start) && damage.Offset <= int64(off)
		if !here && !s.justBefore(hit, damage) {
			t.Fatalf("damage at %d:%d was reported as %v", hit.segment, off, damage)
		}
		return
	}
	if err != nil {
		t.Fatalf("damage in the last group or behind it: %v", err)
	}
	defer l.Close()
	if hit == nil && (len(got) != len(s.want) || end != s.end) {
		t.Fatalf("damage outside the log cut it to %d records, end %s", len(got), end)
	}
	if len(got) < s.last().before {
		t.Fatalf("%d records are left, want at least the %d before the last group", len(got), s.last().before)
	}
	more := records("more", 2, 60)
	if _, err := l.Append(group(more...)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(group(more...)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	again, got2, _, err := reopen(options(fs), s.from)
	if err != nil {
		t.Fatalf("after the repair and two more groups: %v", err)
	}
	again.Close()
	if want := slices.Concat(got, more, more); !slices.Equal(got2, want) {
		t.Fatalf("after the repair %d records, want %d", len(got2), len(want))
	}
}

func TestEveryFlippedBit(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and many files: nothing to race")
	}
	for _, groups := range []int{1, 4} { // the last group opens its segment, or does not
		s := newSample(t, groups)
		for segment := uint64(7); segment <= 10; segment++ {
			image, err := s.fs.Load(segPath(segment))
			if err != nil {
				t.Fatal(err)
			}
			for off := range image {
				hit := s.at(segment, off)
				bits := []byte{1 << (off % 8)}
				if hit != nil {
					bits = []byte{1, 1 << (off % 8), 0x80}
				}
				for _, bit := range bits {
					image[off] ^= bit
					fs := s.fs.Clone()
					fs.Store(segPath(segment), image)
					s.check(t, fs, hit, off)
					image[off] ^= bit
				}
				if t.Failed() {
					t.Fatalf("segment %d, offset %d", segment, off)
				}
			}
		}
	}
}

func TestCutAtEveryOffset(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and many files: nothing to race")
	}
	cuts := map[string]func(image []byte, off int) []byte{
		"file ends":    func(image []byte, off int) []byte { return image[:off] },
		"zeros follow": func(image []byte, off int) []byte { return append(image[:off:off], make([]byte, len(image)-off)...) },
	}
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			for _, groups := range []int{1, 4} {
				s := newSample(t, groups)
				for segment := uint64(7); segment <= 9; segment++ {
					image, err := s.fs.Load(segPath(segment))
					if err != nil {
						t.Fatal(err)
					}
					for off := range image {
						fs := s.fs.Clone()
						left := cut(image, off)
						fs.Store(segPath(segment), left)
						for off < len(left)-1 && left[off] == image[off] {
							off++ // a zero that was one before
						}
						s.check(t, fs, s.at(segment, off), off)
					}
				}
			}
		})
	}
}

// A crash leaves the beginning of the last write over what was there before: zeros or
// the stale bytes of a recycled segment.
func TestLastWriteCutAtEveryByte(t *testing.T) {
	for _, groups := range []int{1, 4} {
		s := newSample(t, groups)
		image, err := s.fs.Load(segPath(9))
		if err != nil {
			t.Fatal(err)
		}
		old, err := s.before.Load(segPath(9))
		if err != nil {
			t.Fatal(err)
		}
		last := s.last()
		for cut := last.start; cut < last.end; cut++ {
			fs := s.before.Clone()
			fs.Store(segPath(9), slices.Concat(image[:cut], old[cut:]))
			s.check(t, fs, last, cut)
			// The other way round: the end arrived, the beginning did not.
			fs = s.before.Clone()
			fs.Store(segPath(9), slices.Concat(image[:last.start], old[last.start:cut+1], image[cut+1:]))
			s.check(t, fs, last, last.start)
		}
	}
}

func TestMissingSegmentIsNamed(t *testing.T) {
	s := newSample(t, 2)
	for _, n := range []uint64{7, 8} {
		fs := s.fs.Clone()
		if err := fs.Remove(segPath(n)); err != nil {
			t.Fatal(err)
		}
		_, _, _, err := reopen(options(fs), s.from)
		var damage *journal.CorruptError
		if !errors.As(err, &damage) {
			t.Fatalf("segment %d is gone: %v", n, err)
		}
	}
}

// Two tears in a row, at every pair of places, must not make the first look like
// damage in the middle nor bring anything back.
func TestTornTwice(t *testing.T) {
	recs1, recs2 := records("first", 3, 30), records("second", 3, 30)
	base := faultfs.New()
	l, _ := mustOpen(t, options(base), journal.Pos{})
	want := records("kept", 2, 30)
	mustAppend(t, l, want...)
	l.Close()
	for cut1 := int64(1); cut1 < 180; cut1 += 5 {
		for cut2 := int64(1); cut2 < 320; cut2 += 11 {
			one := tear(t, base, recs1, cut1)
			two := tear(t, one, recs2, cut2)
			l, got, _, err := reopen(options(two), journal.Pos{})
			if err != nil {
				t.Fatalf("torn at %d and %d: %v", cut1, cut2, err)
			}
			l.Close()
			if len(got) < 2 || !slices.Equal(got[:2], want) || !prefixes(got[2:], recs1, recs2) {
				t.Fatalf("torn at %d and %d: got %v", cut1, cut2, got)
			}
		}
	}
}

// tear appends recs in a write that stops after n bytes.
func tear(t *testing.T, fs *faultfs.FS, recs []record, n int64) *faultfs.FS {
	t.Helper()
	fs = fs.Clone()
	l, _, _, err := reopen(options(fs), journal.Pos{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// Let the preparer finish, so that the budget is the group's alone.
	for fs.Count(faultfs.OpSyncDir) == 0 {
		runtime.Gosched()
	}
	fs.CrashAfter(n)
	_, _ = l.Append(group(recs...))
	return fs.Crash(faultfs.KeepAll)
}

// prefixes reports whether got is a beginning of a followed by a beginning of b.
func prefixes(got, a, b []record) bool {
	n := 0
	for n < len(got) && n < len(a) && got[n] == a[n] {
		n++
	}
	return len(got)-n <= len(b) && slices.Equal(got[n:], b[:len(got)-n])
}
