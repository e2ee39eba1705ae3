package suppression

import (
	"math/bits"
	"sync/atomic"
)

// set is a hash table of Numbers with their Kinds: 8 octets a slot, at most three quarters
// of them in use. Any number of goroutines read it without a lock while one writes.
//
//	slot: 0 empty | kinds << 56 | Number; an entry that was removed keeps its Number with no kinds
type set struct {
	table atomic.Pointer[table]
	used  int // slots that are not empty; the writer's
	size  int // entries; the writer's
}

type table struct {
	slots []atomic.Uint64
	shift uint // of the hash, to an index
}

const (
	kindShift  = 56
	numberMask = 1<<kindShift - 1
	firstSlots = 16
)

func newTable(slots int) *table {
	return &table{slots: make([]atomic.Uint64, slots), shift: uint(64 - bits.TrailingZeros(uint(slots)))}
}

// find returns the slot of n, or the empty one where it would be.
func (t *table) find(n Number) *atomic.Uint64 {
	mask := len(t.slots) - 1
	for i := int(uint64(n) * 0x9E3779B97F4A7C15 >> t.shift); ; i++ {
		slot := &t.slots[i&mask]
		if v := slot.Load(); v == 0 || Number(v&numberMask) == n {
			return slot
		}
	}
}

// get returns the kinds of n, 0 when it is not there.
func (s *set) get(n Number) Kinds {
	if s == nil {
		return 0
	}
	t := s.table.Load()
	if t == nil {
		return 0
	}
	return Kinds(t.find(n).Load() >> kindShift)
}

// put sets the kinds of n; 0 removes it.
func (s *set) put(n Number, k Kinds) {
	t := s.table.Load()
	if t == nil || 4*(s.used+1) > 3*len(t.slots) {
		t = s.grow(t)
	}
	slot := t.find(n)
	old := slot.Load()
	switch {
	case old == 0 && k == 0:
		return
	case old == 0:
		s.used++
	}
	s.size += present(k) - present(Kinds(old>>kindShift))
	slot.Store(uint64(k)<<kindShift | uint64(n))
}

func present(k Kinds) int {
	if k == 0 {
		return 0
	}
	return 1
}

// grow makes a table with room for one more entry, without those that were removed.
func (s *set) grow(old *table) *table {
	slots := firstSlots
	for 2*(s.size+1) > slots { // half full at most, so that the next time is not soon
		slots *= 2
	}
	t := newTable(slots)
	s.used = 0
	if old != nil {
		for i := range old.slots {
			if v := old.slots[i].Load(); v>>kindShift != 0 {
				t.find(Number(v & numberMask)).Store(v)
				s.used++
			}
		}
	}
	s.table.Store(t)
	return t
}
