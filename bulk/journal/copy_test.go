package journal_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/journal/faultfs"
)

// The copy is made while groups are appended and segments are released: it holds every
// group that was durable before it began, and ends where it says.
func TestCopyWhileItIsWritten(t *testing.T) {
	fs := faultfs.New()
	l, _ := mustOpen(t, options(fs), journal.Pos{})
	all := records("r", 4000, 90)
	var done atomic.Uint64 // groups appended
	finished := make(chan error, 1)
	next := make(chan struct{}, 1)
	ends := make([]journal.Pos, len(all))
	go func() {
		defer close(finished)
		for i := range all {
			end, err := l.Append(group(all[i]))
			if err != nil {
				finished <- err
				return
			}
			ends[i] = end
			done.Store(uint64(i + 1))
			if i > 20 {
				l.Release(ends[i-20])
			}
			if i%500 == 250 {
				next <- struct{}{}
			}
		}
	}()
	for n := range 8 {
		<-next
		unpin := l.Pin()
		// What SQLite holds when the copy begins: not before what was released.
		at := int(done.Load())
		from, first := ends[at-1], at
		to := fmt.Sprintf("copy%d", n)
		end, err := l.CopyTo(to, from)
		unpin()
		if err != nil {
			t.Fatal(err)
		}
		opts := options(fs)
		opts.Dir = to
		c, got, stop, err := reopen(opts, from)
		if err != nil {
			t.Fatalf("copy %d from %v to %v: %v", n, from, end, err)
		}
		if stop != end {
			t.Errorf("copy %d ends at %v, CopyTo said %v", n, stop, end)
		}
		if !slices.Equal(got, all[first:first+len(got)]) {
			t.Fatalf("copy %d holds other records than were appended", n)
		}
		extra := record{5, "goes on"}
		mustAppend(t, c, extra)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		again, got2 := mustOpen(t, opts, from)
		if len(got2) != len(got)+1 || got2[len(got)] != extra {
			t.Fatalf("copy %d does not go on: %d records, then %d", n, len(got), len(got2))
		}
		_ = again.Close()
	}
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
}

func TestPinHoldsReleasesBack(t *testing.T) {
	fs := faultfs.New()
	l, _ := mustOpen(t, options(fs), journal.Pos{})
	unpin, second := l.Pin(), l.Pin()
	var end journal.Pos
	for i := range 400 {
		end = mustAppend(t, l, records(fmt.Sprint(i), 1, 200)...)
	}
	l.Release(end)
	count := func() int {
		names, err := fs.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	before := count()
	unpin()
	unpin() // once only
	if n := count(); n < before {
		t.Fatalf("%d files of %d are left while one pin holds", n, before)
	}
	if _, err := l.CopyTo("copy", journal.Pos{Segment: 1, Offset: 128}); err != nil {
		t.Fatal(err)
	}
	second()
	if n := count(); n >= before {
		t.Fatalf("%d of %d files are left after the last pin", n, before)
	}
	if _, err := l.CopyTo("other", end); err == nil {
		t.Error("a copy without a pin passed")
	}
}
