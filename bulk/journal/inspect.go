package journal

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Inspect prints what stands in the log of dir to w: segments, groups, records by
// kind, and damage. kind names the kinds; it may be nil. Inspect takes the lock, so it
// answers ErrInUse while the log is open. Damage is printed and returned as an error
// too; nothing is changed.
func Inspect(dir string, w io.Writer, kind func(byte) string) error {
	fs := OS()
	numbers, err := listSegments(fs, dir)
	if err != nil {
		return err
	}
	if len(numbers) == 0 {
		return fmt.Errorf("%s holds no journal segments", dir)
	}
	lock, err := fs.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return fmt.Errorf("lock journal %s: %w", dir, err)
	}
	defer lock.Close()
	if kind == nil {
		kind = func(k byte) string { return strconv.Itoa(int(k)) }
	}
	return inspect(fs, dir, numbers, w, kind)
}

// inspection is what one segment holds.
type inspection struct {
	number       uint64
	first, last  uint64 // group sequences
	groups       int
	torn         int
	records      int
	bytes        uint64
	oldest, when int64 // Unix ms
	unsynced     int
}

func inspect(fs FS, dir string, numbers []uint64, w io.Writer, kind func(byte) string) error {
	start, err := oldestStarted(fs, dir, numbers)
	if err != nil {
		return err
	}
	var (
		segs  []*inspection
		kinds [256]int
	)
	tipSeq := uint64(0)
	if f, err := fs.OpenRead(filepath.Join(dir, tipName)); err == nil && start.number != 0 {
		tipSeq = readTip(f, start.uuid)
		f.Close()
	}
	r := &reader{fs: fs, dir: dir, numbers: numbers, from: Pos{Segment: start.number}, tipSeq: tipSeq}
	r.fn = func(_ Pos, kind byte, _ []byte) error {
		kinds[kind]++
		return nil
	}
	r.onGroup = func(at Pos, h groupHeader, whole bool) {
		if len(segs) == 0 || segs[len(segs)-1].number != at.Segment {
			segs = append(segs, &inspection{number: at.Segment, first: h.seq, oldest: h.at})
		}
		segs[len(segs)-1].add(h, whole)
	}
	var damage error
	if start.number != 0 {
		damage = r.run()
	}
	out := &strings.Builder{}
	fmt.Fprintf(out, "journal   %s\n", dir)
	if r.uuid != nil {
		fmt.Fprintf(out, "store     %x\n", *r.uuid)
	}
	fmt.Fprintf(out, "end       %s, after group %d\n", r.end, r.seq)
	if r.torn != "" {
		fmt.Fprintf(out, "torn      %s: it is cut at the next start\n", r.torn)
	}
	if damage != nil {
		fmt.Fprintf(out, "DAMAGE    %v\n", damage)
	}
	printSegments(out, numbers, segs, r.end)
	printKinds(out, kinds[:], kind)
	if _, err := io.WriteString(w, out.String()); err != nil {
		return err
	}
	return damage
}

// oldestStarted returns the header with which the unbroken run of segments begins.
func oldestStarted(fs FS, dir string, numbers []uint64) (segmentHeader, error) {
	oldest := segmentHeader{}
	for i, n := range slices.Backward(numbers) {
		if i+1 < len(numbers) && n != numbers[i+1]-1 {
			break
		}
		s, err := openSegment(fs, filepath.Join(dir, segmentName(n)), n)
		if err != nil {
			return segmentHeader{}, err
		}
		s.file.Close()
		if s.started {
			oldest = s.header
		} else if n == 1 && oldest.number == 0 {
			oldest.number = n
		}
	}
	return oldest, nil
}

func (i *inspection) add(h groupHeader, whole bool) {
	i.groups++
	i.last = h.seq
	i.when = h.at
	i.records += int(h.count)
	i.bytes += uint64(groupHeaderSize) + uint64(h.body)
	if !whole {
		i.torn++
	}
	if !h.synced {
		i.unsynced++
	}
}

func printSegments(out io.Writer, numbers []uint64, segs []*inspection, end Pos) {
	fmt.Fprintf(out, "\n%-20s %10s %22s %10s %12s  %s\n", "segment", "groups", "group numbers", "records", "bytes", "written")
	for _, n := range numbers {
		i := slices.IndexFunc(segs, func(s *inspection) bool { return s.number == n })
		if i < 0 {
			note := "ready for use"
			if n <= end.Segment {
				note = "released, or without a valid header"
			}
			fmt.Fprintf(out, "%-20s %10s  %s\n", segmentName(n), "-", note)
			continue
		}
		s := segs[i]
		note := ""
		if s.torn > 0 {
			note += "  torn at its end"
		}
		if s.unsynced > 0 {
			note += fmt.Sprintf("  %d groups without sync", s.unsynced)
		}
		fmt.Fprintf(out, "%-20s %10d %22s %10d %12d  %s .. %s%s\n", segmentName(n), s.groups,
			fmt.Sprintf("%d..%d", s.first, s.last), s.records, s.bytes, clock(s.oldest), clock(s.when), note)
	}
}

func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

func printKinds(out io.Writer, kinds []int, kind func(byte) string) {
	fmt.Fprintf(out, "\n%-20s %10s\n", "record kind", "records")
	for k, n := range kinds {
		if n > 0 {
			fmt.Fprintf(out, "%-20s %10d\n", kind(byte(k)), n)
		}
	}
}
