package smsc

import (
	"testing"

	"pgregory.net/rapid"
)

// Every record falls due in its millisecond, in order, whatever the steps of the clock.
func TestWheelIsOnTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sl slab
		var w wheel
		due := map[uint32]int64{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			for range rapid.IntRange(0, 3).Draw(t, "adds") {
				slot := sl.take()
				wait := rapid.OneOf(rapid.Int64Range(-5, 100), rapid.Int64Range(0, 20_000), rapid.Int64Range(0, 30_000_000)).Draw(t, "wait")
				sl.at(slot).due = w.now + wait
				w.add(&sl, slot)
				due[slot] = max(w.now+wait, w.now+1)
			}
			next, waiting := w.next()
			if waiting != (len(due) > 0) {
				t.Fatalf("waiting %v with %d records", waiting, len(due))
			}
			step := rapid.OneOf(rapid.Int64Range(0, 10), rapid.Int64Range(0, 10_000), rapid.Int64Range(0, 500_000)).Draw(t, "step")
			from, to := w.now, w.now+step
			var out list
			w.advance(&sl, to, &out)
			last := int64(0)
			for slot := out.pop(&sl); slot != 0; slot = out.pop(&sl) {
				at := due[slot]
				if at <= from || at > to || at < last || at < next {
					t.Fatalf("due at %d came between %d and %d after %d, expected from %d", at, from, to, last, next)
				}
				last = at
				delete(due, slot)
				sl.put(slot)
			}
			for slot, at := range due {
				if at <= to {
					t.Fatalf("record %d, due at %d, did not come by %d", slot, at, to)
				}
			}
			if sl.used != len(due) || w.n != len(due) {
				t.Fatalf("%d records, %d used, %d on the wheel", len(due), sl.used, w.n)
			}
		}
	})
}

func TestSlabReusesRecords(t *testing.T) {
	var sl slab
	seen := map[uint32]bool{}
	for range 3 * slabChunk {
		slot := sl.take()
		if slot == 0 || seen[slot] {
			t.Fatalf("record %d given twice or none", slot)
		}
		seen[slot] = true
	}
	for slot := range seen {
		sl.put(slot)
	}
	chunks := len(sl.chunks)
	for range 3 * slabChunk {
		sl.take()
	}
	if len(sl.chunks) != chunks {
		t.Errorf("grew from %d to %d chunks", chunks, len(sl.chunks))
	}
}

func BenchmarkWheel(b *testing.B) {
	var sl slab
	var w wheel
	var due list
	b.ReportAllocs()
	for b.Loop() {
		slot := sl.take()
		sl.at(slot).due = w.now + 2000
		w.add(&sl, slot)
		if sl.used%20 == 0 {
			w.advance(&sl, w.now+1, &due)
			for slot := due.pop(&sl); slot != 0; slot = due.pop(&sl) {
				sl.put(slot)
			}
		}
	}
}
