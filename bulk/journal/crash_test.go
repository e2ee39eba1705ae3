package journal_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/journal/faultfs"
)

// errLost says that a crash took an acknowledged group.
var errLost = errors.New("an acknowledged group was lost")

// crashes runs a writer through many crashes at random bytes, each followed by a
// replay, and checks that every acknowledged record is still there, in order, and that
// nothing came back that was never appended.
func crashes(seed uint64, sync bool, generations int) error {
	rnd := rand.New(rand.NewPCG(seed, 7))
	fs := faultfs.New()
	opts := options(fs)
	opts.Sync = sync
	var (
		acked, maybe []record // maybe: records of groups whose write was cut
		from         journal.Pos
		skipped      int // acknowledged records before from
	)
	for gen := range generations {
		opts.FS = fs
		l, got, _, err := reopen(opts, from)
		if err != nil {
			return fmt.Errorf("generation %d: %w", gen, err)
		}
		acked, err = reconcile(got, acked, maybe, skipped)
		if err != nil {
			l.Close()
			return fmt.Errorf("generation %d: %w", gen, err)
		}
		fs.CrashAfter(int64(rnd.IntN(6000)))
		for n := 0; ; n++ {
			recs := records(fmt.Sprintf("%d.%d", gen, n), rnd.IntN(4)+1, rnd.IntN(200))
			end, err := l.Append(group(recs...))
			if err != nil {
				maybe = recs
				break
			}
			acked = append(acked, recs...)
			if rnd.IntN(8) == 0 {
				from, skipped = end, len(acked)
				l.Release(from)
			}
		}
		l.Close()
		keep := []func() bool{nil, faultfs.KeepAll, faultfs.KeepSome(rnd.Uint64())}
		fs = fs.Crash(keep[rnd.IntN(len(keep))])
	}
	return nil
}

// reconcile returns the records that are in the log for sure now.
func reconcile(got, acked, maybe []record, skipped int) ([]record, error) {
	want := acked[skipped:]
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		return nil, fmt.Errorf("%w: %d of %d records", errLost, len(got), len(want))
	}
	extra := got[len(want):]
	if len(extra) > len(maybe) || !slices.Equal(extra, maybe[:len(extra)]) {
		return nil, fmt.Errorf("%d records appeared that were never appended there", len(extra))
	}
	return append(acked, extra...), nil
}

func TestAcknowledgedGroupsSurviveCrashes(t *testing.T) {
	for seed := range uint64(40) {
		if err := crashes(seed, true, 25); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// The same test without the fdatasync must find a loss: it can fail. About one run of 25 crashes in 3,000 loses nothing by
// chance, as where a crash falls depends on the scheduler too.
func TestCrashTestFindsAMissingSync(t *testing.T) {
	const seeds = 10
	found := 0
	for seed := range uint64(seeds) {
		if err := crashes(seed, false, 25); errors.Is(err, errLost) {
			found++
		} else if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	if found < seeds-1 {
		t.Errorf("a loss in %d of %d runs without fdatasync: the crash test proves nothing", found, seeds)
	}
}

func TestFailedSyncPoisonsTheLog(t *testing.T) {
	for _, op := range []faultfs.Op{faultfs.OpDatasync, faultfs.OpWrite} {
		t.Run(string(op), func(t *testing.T) {
			fs := faultfs.New()
			l, _ := mustOpen(t, options(fs), journal.Pos{})
			mustAppend(t, l, record{1, "kept"})
			fs.SetHook(faultfs.FailNth(op, 1, syscall.EIO, false))
			_, err := l.Append(group(record{1, "lost"}))
			if !errors.Is(err, journal.ErrFailed) || !errors.Is(err, syscall.EIO) {
				t.Errorf("got %v, want ErrFailed with EIO", err)
			}
			fs.SetHook(nil)
			if _, err := l.Append(group(record{1, "never"})); !errors.Is(err, journal.ErrFailed) {
				t.Errorf("after the failure: %v, want ErrFailed for ever", err)
			}
			l.Close()
			_, got := mustOpen(t, options(fs.Crash(nil)), journal.Pos{})
			if !slices.Equal(got, []record{{1, "kept"}}) {
				t.Errorf("after a restart: %v", got)
			}
		})
	}
}

// noRoomIn lets writes to a file fail after so many bytes.
func noRoomIn(file string, written int) faultfs.Hook {
	return func(op faultfs.Op, name string) error {
		if op == faultfs.OpWrite && filepath.Base(name) == file {
			return &faultfs.Short{Bytes: written, Err: syscall.ENOSPC}
		}
		return nil
	}
}

// TestFullDiskRefusesAGroup: a file system that never writes in place has no room for a group in a segment
// that is there. The next group takes the place of what was written, whole, torn or lost at a crash.
func TestFullDiskRefusesAGroup(t *testing.T) {
	again := []record{{1, "room"}, {2, "again"}}
	for _, written := range []int{0, 60, 600, 1200} {
		t.Run(fmt.Sprint(written), func(t *testing.T) {
			fs := faultfs.New()
			l, _ := mustOpen(t, options(fs), journal.Pos{})
			mustAppend(t, l, record{1, "kept"})
			for range 3 {
				fs.SetHook(noRoomIn("000000000001.seg", written))
				if _, err := l.Append(group(records("lost", 5, 200)...)); !errors.Is(err, journal.ErrNoRoom) || !journal.NoRoom(err) {
					t.Fatalf("got %v, want ErrNoRoom", err)
				}
			}
			fs.SetHook(nil)
			mustAppend(t, l, again...)
			mustAppend(t, l, record{3, "more"})
			l.Close()
			_, got := mustOpen(t, options(fs.Crash(nil)), journal.Pos{})
			if want := append([]record{{1, "kept"}}, append(again, record{3, "more"})...); !slices.Equal(got, want) {
				t.Errorf("after a restart: %v, want %v", got, want)
			}
		})
	}
}

// TestNoRecordOfARefusedGroupCounts: a group that the disk had no room for left records behind; the one that
// takes its place is torn by a crash before it covers them.
func TestNoRecordOfARefusedGroupCounts(t *testing.T) {
	fs := faultfs.New()
	l, _ := mustOpen(t, options(fs), journal.Pos{})
	mustAppend(t, l, record{1, "kept"})
	fs.SetHook(noRoomIn("000000000001.seg", 1<<20))
	if _, err := l.Append(group(records("lost", 5, 200)...)); !errors.Is(err, journal.ErrNoRoom) {
		t.Fatalf("got %v, want ErrNoRoom", err)
	}
	fs.SetHook(nil)
	fs.CrashAfter(300) // the header and some of five records
	next := records("next", 5, 200)
	if _, err := l.Append(group(next...)); err == nil {
		t.Fatal("the machine did not crash")
	}
	_, got := mustOpen(t, options(fs.Crash(faultfs.KeepAll)), journal.Pos{})
	if n := len(got) - 1; n < 1 || n == len(next) || !slices.Equal(got[1:], next[:n]) {
		t.Errorf("after the crash: %v, want what was written of %v", got, next)
	}
}

func TestFullDiskRefusesTheNextSegmentOnly(t *testing.T) {
	fs := faultfs.New()
	l, _ := mustOpen(t, options(fs), journal.Pos{})
	full := func(op faultfs.Op, name string) error {
		if op == faultfs.OpCreate {
			return syscall.ENOSPC
		}
		return nil
	}
	mustAppend(t, l, records("a", 4, 200)...) // segment 1 is there, 2 may be in the making
	fs.SetHook(full)
	var err error
	var want []record
	for i := 0; err == nil && i < 100; i++ {
		recs := records(fmt.Sprint("b", i), 4, 200)
		if _, err = l.Append(group(recs...)); err == nil {
			want = append(want, recs...)
		}
	}
	if !errors.Is(err, journal.ErrNoSegment) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v, want ErrNoSegment with ENOSPC", err)
	}
	fs.SetHook(nil)
	for tries := 0; err != nil; tries++ {
		if _, err = l.Append(group(record{1, "room again"})); err != nil && tries > 2 {
			t.Fatalf("with room again: %v", err)
		}
	}
	l.Close()
	_, got := mustOpen(t, options(fs.Crash(nil)), journal.Pos{})
	if len(got) != 4+len(want)+1 || !slices.Equal(got[4:4+len(want)], want) {
		t.Errorf("%d records after a restart, want %d", len(got), 4+len(want)+1)
	}
}

func TestEveryCallThatFailsWhileOpeningIsAnError(t *testing.T) {
	base := faultfs.New()
	l, _ := mustOpen(t, options(base), journal.Pos{})
	for i := range 30 {
		mustAppend(t, l, records(fmt.Sprint(i), 3, 100)...)
	}
	l.Close()
	for _, op := range []faultfs.Op{faultfs.OpRead, faultfs.OpOpen, faultfs.OpReadDir} {
		for n := 1; ; n++ {
			fs := base.Clone()
			failed := false
			hook := faultfs.FailNth(op, n, syscall.EIO, false)
			fs.SetHook(func(o faultfs.Op, name string) error {
				if name == "j/tip" {
					return nil // its faults are not errors
				}
				err := hook(o, name)
				failed = failed || err != nil
				return err
			})
			opened, err := journal.Open(options(fs))
			if err != nil {
				t.Fatal(err)
			}
			_, err = opened.Replay(journal.Pos{}, func(journal.Pos, byte, []byte) error { return nil })
			opened.Close() // joins the preparer, whose faults show later
			if !failed {
				break
			}
			if err != nil && !errors.Is(err, syscall.EIO) {
				t.Errorf("%s %d fails: %v, want EIO", op, n, err)
			}
		}
	}
}

// A log that is not synced may lose its middle when the machine stops: it is cut there.
func TestUnsyncedLogIsCutAtTheDamage(t *testing.T) {
	s := newSample(t, 3)
	image, err := s.fs.Load(segPath(8))
	if err != nil {
		t.Fatal(err)
	}
	image[1000] ^= 1
	fs := s.fs.Clone()
	fs.Store(segPath(8), image)
	opts := options(fs)
	opts.Sync = false
	l, got, _, err := reopen(opts, s.from)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || len(got) >= len(s.want) || !slices.Equal(got, s.want[:len(got)]) {
		t.Fatalf("%d of %d records are left", len(got), len(s.want))
	}
	more := records("more", 2, 50)
	if _, err := l.Append(group(more...)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, again := mustOpen(t, options(fs), s.from) // strict again: no trace of the damage
	if want := slices.Concat(got, more); !slices.Equal(again, want) {
		t.Errorf("%d records after the cut, want %d", len(again), len(want))
	}
}

// SQLite is always synced, so without fdatasync its position may be ahead of the log.
func TestUnsyncedLogGoesOnBehindALostEnd(t *testing.T) {
	fs := faultfs.New()
	opts := options(fs)
	opts.Sync = false
	l, _ := mustOpen(t, opts, journal.Pos{})
	end := mustAppend(t, l, records("gone", 5, 100)...)
	l.Close()
	opts.FS = fs.Crash(nil)
	l, got, _, err := reopen(opts, end)
	if err != nil || len(got) != 0 {
		t.Fatalf("replay from %s: %d records, %v", end, len(got), err)
	}
	more := records("more", 3, 100)
	if _, err := l.Append(group(more...)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, got = mustOpen(t, opts, end)
	if !slices.Equal(got, more) {
		t.Errorf("got %v", got)
	}
}

// TestUnsyncedLogAlwaysOpens crashes a log that is not synced again and again, with a
// position of its own that is always durable. It may lose records, but it opens each time
// and then holds what is appended, from its position on.
func TestUnsyncedLogAlwaysOpens(t *testing.T) {
	cut := 0
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		fs := faultfs.New()
		opts := options(fs)
		opts.Sync = false
		var from journal.Pos
		var written []record // since from
		for gen := range 12 {
			opts.FS = fs
			l, got, _, err := reopen(opts, from)
			if err != nil {
				t.Fatalf("seed %d, generation %d, from %s: %v", seed, gen, from, err)
			}
			if len(got) < len(written) {
				cut++
			}
			// What was being written may be there; nothing in the middle may be missing.
			if n := min(len(got), len(written)); !slices.Equal(got[:n], written[:n]) {
				t.Fatalf("seed %d, generation %d: %d records are not a beginning of the %d", seed, gen, len(got), len(written))
			}
			written = got
			fs.CrashAfter(int64(rnd.IntN(12_000)))
			for n := 0; ; n++ {
				recs := records(fmt.Sprintf("%d.%d", gen, n), rnd.IntN(4)+1, rnd.IntN(200))
				end, err := l.Append(group(recs...))
				if err != nil {
					break
				}
				if written = append(written, recs...); rnd.IntN(8) == 0 {
					from, written = end, nil
					l.Release(from)
				}
			}
			l.Close()
			keep := []func() bool{nil, faultfs.KeepAll, faultfs.KeepSome(rnd.Uint64())}
			fs = fs.Crash(keep[rnd.IntN(len(keep))])
		}
	}
	if cut == 0 {
		t.Error("no crash took anything: the test proves nothing")
	}
	t.Logf("%d cuts", cut)
}

// TestUnsyncedLogWithoutSomeSegments takes away every choice of segments.
func TestUnsyncedLogWithoutSomeSegments(t *testing.T) {
	s := newSample(t, 3)
	for choice := 1; choice < 16; choice++ {
		fs := s.fs.Clone()
		for i := range 4 {
			if name := segPath(uint64(6 + i)); choice>>i&1 != 0 {
				if err := fs.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		opts := options(fs)
		var log strings.Builder
		opts.Sync, opts.Logger = false, slog.New(slog.NewTextHandler(&log, nil))
		l, got, _, err := reopen(opts, s.from)
		if err != nil {
			t.Fatalf("without %04b: %v", choice, err)
		}
		if len(got) > len(s.want) || !slices.Equal(got, s.want[:len(got)]) {
			t.Fatalf("without %04b: %d records are not the first ones", choice, len(got))
		}
		if whole := choice == 1; whole != (len(got) == len(s.want)) || whole == strings.Contains(log.String(), "cut at damage") {
			t.Errorf("without %04b: %d of %d records, log %q", choice, len(got), len(s.want), log.String())
		}
		more := records("more", 2, 50)
		if _, err := l.Append(group(more...)); err != nil {
			t.Fatal(err)
		}
		l.Close()
		opts.Sync = true // strict: no trace of the damage
		if _, again := mustOpen(t, opts, s.from); !slices.Equal(again, slices.Concat(got, more)) {
			t.Errorf("without %04b: %d records after the cut, want %d", choice, len(again), len(got)+len(more))
		}
	}
}
