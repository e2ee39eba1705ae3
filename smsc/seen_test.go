package smsc

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// The set against a map, with limit and counts.
func TestSeenSetIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSeenSet(1 << 20)
		model := map[uint64]int{}
		for range rapid.IntRange(0, 3000).Draw(t, "n") {
			// Few different hashes, near each other: long probes and repeats.
			v := rapid.Uint64Range(0, 2000).Draw(t, "v")
			h := v*rapid.SampledFrom([]uint64{1, 64, 1 << 20, mix0}).Draw(t, "spread")<<countBits | v%seenShards
			sh := s.lock(h)
			w := sh.add(h, s.limit)
			tried(w)
			first := accepted(w)
			sh.mu.Unlock()
			if first != (model[h] == 0) {
				t.Fatalf("%x first: %v after %d", h, first, model[h])
			}
			model[h]++
		}
		for h, n := range model {
			if got := s.times(h); got != min(n, seenMaxCount) {
				t.Fatalf("%x seen %d times, not %d", h, got, n)
			}
		}
		if n, _ := s.size(); n != len(model) {
			t.Fatalf("%d messages for %d", n, len(model))
		}
	})
}

func TestSeenSetTakesAtMost20OctetsAMessage(t *testing.T) {
	s := newSeenSet(1 << 30)
	for i := range 600_000 {
		h := hashOf(fmt.Appendf(nil, "%016x/1", i))
		sh := s.lock(h)
		tried(sh.add(h, s.limit))
		sh.mu.Unlock()
		if i < 20_000 || i%997 != 0 {
			continue
		}
		messages, octets := s.size()
		if messages != i+1 {
			t.Fatalf("%d messages after %d", messages, i+1)
		}
		if octets > 20*messages {
			t.Fatalf("%d messages take %d octets", messages, octets)
		}
	}
}

func TestSeenSetAllocatesNothingForWhatItKnows(t *testing.T) {
	s := newSeenSet(1000)
	h := hashOf([]byte("0123456789abcdef/1"))
	allocs := testing.AllocsPerRun(100, func() {
		sh := s.lock(h)
		tried(sh.add(h, s.limit))
		sh.mu.Unlock()
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestHashHasNoNearCollisions(t *testing.T) {
	seen := make(map[uint64]string)
	for i := range 300_000 {
		for _, text := range []string{fmt.Sprint(i), fmt.Sprintf("%016x/1", i), fmt.Sprintf("Your code is %06d, keep it", i)} {
			h := hashOf([]byte(text)) &^ (1<<countBits - 1)
			if other, ok := seen[h]; ok {
				t.Fatalf("%q and %q", text, other)
			}
			seen[h] = text
		}
	}
	if hashPair([]byte("1"), []byte("2")) == hashPair([]byte("2"), []byte("1")) || hashPair([]byte("12"), nil) == hashPair([]byte("1"), []byte("2")) {
		t.Error("destination and text are interchangeable")
	}
}

func BenchmarkSeen(b *testing.B) {
	s := newSeenSet(1 << 30)
	i := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		i++
		h := fold(i, mix0)
		sh := s.lock(h)
		w := sh.add(h, s.limit)
		tried(w)
		accepted(w)
		sh.mu.Unlock()
	}
}
