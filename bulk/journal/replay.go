package journal

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Func is called for each record in order. after is the position after the record;
// payload is valid only during the call. An error ends the replay.
type Func func(after Pos, kind byte, payload []byte) error

// Replay calls fn for every record after from, finds the end of the log and makes it
// ready for Append. from is the zero Pos or a position that Append or Replay gave;
// the segments before it are left alone until Release.
//
// Damage in the last group is what a crash leaves: the records before it are kept and
// the log goes on after them. Damage before that is a *CorruptError, a newer format a
// *VersionError, another store's file a *StoreError; then fn may have seen the records
// before it, and the log stays unusable.
func (l *Log) Replay(from Pos, fn Func) (Pos, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return Pos{}, ErrClosed
	}
	if l.replayed {
		return Pos{}, fmt.Errorf("journal: Replay twice")
	}
	numbers, err := listSegments(l.fs, l.opts.Dir)
	if err != nil {
		return Pos{}, err
	}
	t, tipSeq := openTip(l)
	r := &reader{
		fs: l.fs, dir: l.opts.Dir, uuid: &l.opts.StoreUUID, numbers: numbers,
		from: from, tipSeq: tipSeq, lenient: !l.opts.Sync, fn: fn,
	}
	if err := r.run(); err != nil {
		_ = t.close()
		return Pos{}, err
	}
	if err := l.resume(r); err != nil {
		_ = t.close()
		return Pos{}, err
	}
	r.warn(l.opts.Logger)
	if tipSeq > r.seq {
		t.reset() // only after a lenient cut
	}
	l.tip, l.replayed = t, true
	return l.end, nil
}

// resume sets the place of the next group from what r found.
func (l *Log) resume(r *reader) error {
	for _, n := range r.drop {
		if err := l.fs.Remove(filepath.Join(l.opts.Dir, segmentName(n))); err != nil {
			return fmt.Errorf("remove the lost end of the journal: %w", err)
		}
	}
	if len(r.drop) > 0 {
		if err := l.fs.SyncDir(l.opts.Dir); err != nil {
			return fmt.Errorf("remove the lost end of the journal: %w", err)
		}
	}
	l.seq, l.end = r.seq, r.end
	var kept []uint64
	for _, n := range r.numbers {
		if n <= r.end.Segment && !slices.Contains(r.drop, n) {
			kept = append(kept, n)
		}
	}
	if r.end.Segment != 0 && !r.sealed && r.size != 0 {
		f, err := l.fs.Open(filepath.Join(l.opts.Dir, segmentName(r.end.Segment)))
		if err != nil {
			return fmt.Errorf("open journal segment %d: %w", r.end.Segment, err)
		}
		l.cur, l.curSize = f, int64(r.size)
	}
	l.prep = newPreparer(l, kept, r.end.Segment+1)
	return nil
}

// listSegments returns the numbers of the segment files, ascending.
func listSegments(fs FS, dir string) ([]uint64, error) {
	names, err := fs.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read journal folder: %w", err)
	}
	var numbers []uint64
	for _, name := range names {
		base, ok := strings.CutSuffix(name, segmentExt)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(base, 10, 64)
		if err != nil || n == 0 || segmentName(n) != name {
			continue
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers, nil
}

// reader walks the log once. Its results are seq, end, sealed, size, torn and drop.
type reader struct {
	fs      FS
	dir     string
	uuid    *[16]byte // nil: any, and then that of the first segment
	numbers []uint64
	from    Pos
	tipSeq  uint64
	lenient bool
	fn      Func
	onGroup func(at Pos, h groupHeader, whole bool) // for Inspect, may be nil

	first  uint64   // segment that the walk begins with
	seq    uint64   // of the last whole group
	end    Pos      // after the last record
	size   uint64   // of the segment of end
	sealed bool     // that segment takes no more groups: a torn one stands at its end
	torn   string   // what was wrong at end, when something was
	cut    bool     // lenient: there was more behind the damage
	drop   []uint64 // lenient: segments after the damage
}

func (r *reader) path(number uint64) string { return filepath.Join(r.dir, segmentName(number)) }

func (r *reader) corrupt(number uint64, offset uint64, format string, args ...any) error {
	return &CorruptError{Path: r.path(number), Segment: number, Offset: int64(offset), Reason: fmt.Sprintf(format, args...)}
}

// warn tells what of the log is given up.
func (r *reader) warn(log *slog.Logger) {
	switch {
	case r.cut:
		log.Warn("journal: cut at damage, which an unsynced log may have after a crash; what was written later is lost",
			"position", r.end.String(), "reason", r.torn, "last_group", r.seq, "known_group", r.tipSeq, "dropped_segments", r.drop)
	case r.torn != "":
		log.Warn("journal: the last group was cut", "position", r.end.String(), "reason", r.torn)
	}
}

// run reads from the segment of r.from to the end of the log, which a lenient reader puts
// at the first damage.
func (r *reader) run() error {
	err := r.walk()
	if corrupt := (*CorruptError)(nil); r.lenient && errors.As(err, &corrupt) {
		return r.restart(fmt.Sprintf("segment %d at %d: %s", corrupt.Segment, corrupt.Offset, corrupt.Reason))
	}
	return err
}

func (r *reader) walk() error {
	number := max(r.from.Segment, 1)
	if _, found := slices.BinarySearch(r.numbers, number); !found {
		if len(r.numbers) == 0 && r.from.IsZero() && r.tipSeq == 0 {
			return nil // a new log
		}
		next, err := r.peek(number + 1)
		switch {
		case err != nil:
			return err
		case next != nil && next.prev == r.from: // restart began it
			number++
		default:
			return r.corrupt(number, 0, "the segment is missing")
		}
	}
	r.first = number
	for ; ; number++ {
		more, err := r.segment(number)
		if err != nil || !more {
			return err
		}
	}
}

// segment reads one segment and reports whether the log goes on in the next one.
func (r *reader) segment(number uint64) (more bool, err error) {
	s, err := openSegment(r.fs, r.path(number), number)
	if err != nil {
		return false, err
	}
	defer s.file.Close()
	if !s.started {
		// Only the end of the log can have no header; the groups behind it were
		// written with it or after it.
		return false, r.finish(s, 0, "the segment has no valid header", false)
	}
	if err := r.admit(s); err != nil {
		return false, err
	}
	next, err := r.peek(number + 1)
	if err != nil {
		return false, err
	}
	limit := s.header.size
	var strange error // lenient: of the next segment
	if next != nil && (next.prev.Segment != number || next.prev.Offset > s.header.size) {
		strange = r.corrupt(number+1, 48, "it continues %s, not segment %d", next.prev, number)
		if !r.lenient {
			return false, strange
		}
		next = nil
	}
	if next != nil {
		limit = next.prev.Offset
	}
	stop, why, inside, err := r.groups(s, limit)
	if err != nil {
		return false, err
	}
	r.end, r.size = Pos{number, stop}, s.header.size
	if strange != nil {
		return false, strange
	}
	if next == nil {
		return false, r.finish(s, stop, why, inside)
	}
	if stop < limit {
		if r.lenient {
			return false, r.finish(s, stop, why, true)
		}
		return false, r.corrupt(number, stop, "%s, and the log goes on to offset %d", why, limit)
	}
	return true, nil
}

// admit checks that the segment belongs here.
func (r *reader) admit(s *segmentFile) error {
	h := &s.header
	if r.uuid == nil {
		r.uuid = &h.uuid
	}
	if h.uuid != *r.uuid {
		return &StoreError{Path: s.path, Got: h.uuid, Want: *r.uuid}
	}
	if s.number == r.first {
		r.seq = h.firstSeq - 1
	}
	if h.firstSeq != r.seq+1 {
		return r.corrupt(s.number, 64, "it begins with group %d, the log before it ends with %d", h.firstSeq, r.seq)
	}
	return nil
}

// peek returns the header of a segment if that has been started, else nil.
func (r *reader) peek(number uint64) (*segmentHeader, error) {
	if _, found := slices.BinarySearch(r.numbers, number); !found {
		return nil, nil
	}
	s, err := openSegment(r.fs, r.path(number), number)
	if err != nil {
		return nil, err
	}
	defer s.file.Close()
	if !s.started {
		return nil, nil
	}
	return &s.header, nil
}

// groups reads the groups of s up to limit. It returns where it had to stop and why,
// and whether that is inside a group whose header is good.
func (r *reader) groups(s *segmentFile, limit uint64) (stop uint64, why string, inside bool, err error) {
	at := uint64(segmentHeaderSize)
	for at < limit {
		raw, err := s.read(at, groupHeaderSize)
		if err != nil {
			return at, "", false, err
		}
		var h groupHeader
		if !h.parse(raw, Pos{s.number, at}) {
			return at, "no valid group header", false, nil
		}
		if h.seq != r.seq+1 {
			return at, fmt.Sprintf("group %d follows group %d", h.seq, r.seq), true, nil
		}
		stop, why, err := r.records(s, h, at, limit)
		if err != nil {
			return stop, why, true, err
		}
		if r.onGroup != nil {
			r.onGroup(Pos{s.number, at}, h, why == "")
		}
		if why != "" && stop != limit {
			return stop, why, true, nil
		}
		if why == "" {
			r.seq = h.seq
		}
		at = stop
	}
	return at, "", false, nil
}

// records reads the body of the group at offset at.
func (r *reader) records(s *segmentFile, h groupHeader, at, limit uint64) (stop uint64, why string, err error) {
	start := at + groupHeaderSize
	body, err := s.read(start, int(h.body))
	if err != nil {
		return start, "", err
	}
	seed := h.seed(s.number)
	off, n := start, uint32(0)
	for ; n < h.count && off < limit; n++ {
		kind, payload, size := parseRecord(body, seed, off)
		if size == 0 {
			break
		}
		body = body[size:]
		off += uint64(size)
		after := Pos{s.number, off}
		if !r.from.Before(after) {
			continue
		}
		if err := r.fn(after, kind, payload); err != nil {
			return off, "", err
		}
	}
	if n < h.count || off != start+uint64(h.body) {
		if n == 0 {
			off = at // nothing of it is kept
		}
		return off, fmt.Sprintf("record %d of group %d does not validate", n+1, h.seq), nil
	}
	return off, "", nil
}

// finish decides what stands after offset stop of s, behind which nothing validates:
// the end of the log, a torn last group, or damage before the last group.
func (r *reader) finish(s *segmentFile, stop uint64, why string, inside bool) error {
	if inside {
		r.torn = why
	}
	// A file that was cut short is not written again: its end is not zero-filled.
	r.sealed = inside || s.length < s.header.size
	later, err := r.laterGroup(s, stop)
	if err != nil {
		return err
	}
	reason := ""
	switch {
	case later != Pos{}:
		reason = fmt.Sprintf("%s, but a later group stands at %s", why, later)
	case r.tipSeq > r.seq:
		reason = fmt.Sprintf("the log ends after group %d, but group %d was durable and not the last", r.seq, r.tipSeq)
	case r.end.Before(r.from):
		reason = fmt.Sprintf("the log ends before position %s, from which it is to be replayed", r.from)
	}
	if reason == "" {
		return nil
	}
	if r.lenient {
		return r.restart(reason)
	}
	if later.Segment > s.number && r.headerLost(s.number+1) {
		return r.corrupt(s.number+1, 0, "the segment has no valid header, but a later group stands at %s", later)
	}
	return r.corrupt(s.number, stop, "%s", reason)
}

// restart gives up what follows the damage, which only a log that is not synced may
// do: the next group begins a new segment, and everything from there on is dropped.
func (r *reader) restart(reason string) error {
	r.torn, r.sealed, r.cut = reason, true, true
	if r.end.Before(r.from) {
		r.end = r.from
		r.drop = r.numbers
		return nil
	}
	i, _ := slices.BinarySearch(r.numbers, r.end.Segment+1)
	r.drop = r.numbers[i:]
	return nil
}

// headerLost reports whether the damage may begin with the header of segment number,
// behind which a later group stands: it must have had one. Only when its first group
// is readable and does not follow the last whole group, the damage begins before it.
func (r *reader) headerLost(number uint64) bool {
	s, err := openSegment(r.fs, r.path(number), number)
	if err != nil {
		return false
	}
	defer s.file.Close()
	raw, err := s.read(segmentHeaderSize, groupHeaderSize)
	var h groupHeader
	return err == nil && (!h.parse(raw, Pos{number, segmentHeaderSize}) || h.seq == r.seq+1)
}

// laterGroup looks for the header of a group that was written after the next one
// (sequence r.seq+1), which may be torn. Since a group is written only when the one
// before it is durable, such a header proves that durable records are missing.
func (r *reader) laterGroup(s *segmentFile, stop uint64) (Pos, error) {
	if at, err := s.scan(stop, r.seq+1); err != nil || !at.IsZero() {
		return at, err
	}
	i, _ := slices.BinarySearch(r.numbers, s.number+1)
	for _, n := range r.numbers[i:] {
		next, err := openSegment(r.fs, r.path(n), n)
		if err != nil {
			return Pos{}, err
		}
		at, err := next.scan(0, r.seq+1)
		next.file.Close()
		if err != nil || !at.IsZero() {
			return at, err
		}
	}
	return Pos{}, nil
}

// segmentFile reads a segment through a window.
type segmentFile struct {
	path    string
	number  uint64
	file    File
	length  uint64 // of the file
	started bool   // it has a valid header of its own number
	header  segmentHeader

	win  []byte
	base uint64
}

const windowBytes = 1 << 20

func openSegment(fs FS, path string, number uint64) (*segmentFile, error) {
	f, err := fs.OpenRead(path)
	if err != nil {
		return nil, fmt.Errorf("open journal segment %d: %w", number, err)
	}
	s := &segmentFile{path: path, number: number, file: f}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open journal segment %d: %w", number, err)
	}
	s.length = uint64(size)
	raw, err := s.read(0, segmentHeaderSize)
	if err != nil {
		f.Close()
		return nil, err
	}
	s.started = s.header.parse(raw) && s.header.number == number
	if s.started && s.header.version > formatVersion {
		f.Close()
		return nil, &VersionError{Path: path, Version: s.header.version}
	}
	return s, nil
}

// read returns up to n bytes at off, fewer only at the end of the file. They are
// valid until the next read.
func (s *segmentFile) read(off uint64, n int) ([]byte, error) {
	if off >= s.length {
		return nil, nil
	}
	n = int(min(uint64(n), s.length-off))
	if off >= s.base && off+uint64(n) <= s.base+uint64(len(s.win)) {
		i := off - s.base
		return s.win[i : i+uint64(n)], nil
	}
	want := int(min(uint64(max(n, windowBytes)), s.length-off))
	if cap(s.win) < want {
		s.win = make([]byte, want)
	}
	s.win, s.base = s.win[:want], off
	if got, err := s.file.ReadAt(s.win, int64(off)); got < want {
		s.win = s.win[:0]
		return nil, fmt.Errorf("read journal segment %d at %d: %w", s.number, off, err)
	}
	return s.win[:n], nil
}

// scan looks from offset start on for a valid group header with a sequence above seq
// and returns its place, or the zero Pos.
func (s *segmentFile) scan(start, seq uint64) (Pos, error) {
	for off := start; off+groupHeaderSize <= s.length; {
		b, err := s.read(off, windowBytes)
		if err != nil {
			return Pos{}, err
		}
		for i := 0; ; i++ {
			j := bytes.Index(b[i:], []byte(groupMagic))
			if j < 0 {
				break
			}
			i += j
			at := Pos{s.number, off + uint64(i)}
			var h groupHeader
			if h.parse(b[i:], at) && h.seq > seq {
				return at, nil
			}
		}
		off += uint64(len(b) - groupHeaderSize + 1)
	}
	return Pos{}, nil
}
