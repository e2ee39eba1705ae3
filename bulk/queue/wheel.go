package queue

import (
	"container/heap"
	"math/bits"
)

const (
	wheelTick  = 100 // ms
	wheelSlots = 1024
)

// wheel keeps items until their due time, to 100 ms and up to 102 s ahead (later ones
// wait in the last slot and go round). Adding is O(1).
type wheel struct {
	slots [wheelSlots][]Item
	used  [wheelSlots / 64]uint64 // bit per slot that is not empty
	tick  int64                   // every tick up to this one has been emptied
	count int
}

func tickOf(ms int64) int64 { return (ms + wheelTick - 1) / wheelTick }

// add keeps it until it.Due; now sets the wheel's position when it is empty.
func (w *wheel) add(it Item, now int64) {
	if w.count == 0 {
		w.tick = max(w.tick, now/wheelTick)
	}
	t := min(max(tickOf(it.Due), w.tick+1), w.tick+wheelSlots-1)
	s := int(t % wheelSlots)
	w.slots[s] = append(w.slots[s], it)
	w.used[s/64] |= 1 << (s % 64)
	w.count++
}

// advance hands every item that is due at now to fn, which also gets the ones that
// only sat in the last slot and are not due yet: it adds those again.
func (w *wheel) advance(now int64, fn func(Item)) {
	to := now / wheelTick
	if w.count == 0 {
		w.tick = max(w.tick, to)
		return
	}
	for w.tick < to && w.count > 0 {
		w.tick++
		s := int(w.tick % wheelSlots)
		items := w.slots[s]
		if len(items) == 0 {
			continue
		}
		w.slots[s] = nil
		w.used[s/64] &^= 1 << (s % 64)
		w.count -= len(items)
		for _, it := range items {
			fn(it)
		}
	}
	w.tick = max(w.tick, to)
}

// next returns when the next slot becomes due in Unix ms, or 0 when the wheel is empty.
func (w *wheel) next() int64 {
	if w.count == 0 {
		return 0
	}
	start := int((w.tick + 1) % wheelSlots)
	for i := 0; i <= wheelSlots/64; i++ {
		word := (start/64 + i) % (wheelSlots / 64)
		b := w.used[word]
		if i == 0 {
			b &= ^uint64(0) << (start % 64)
		}
		if b == 0 {
			continue
		}
		s := word*64 + bits.TrailingZeros64(b)
		ahead := (s - start + wheelSlots) % wheelSlots
		return (w.tick + 1 + int64(ahead)) * wheelTick
	}
	return 0
}

// remove takes out the items for which match says so and reports how many.
func (w *wheel) remove(match func(*Item) bool) int {
	n := 0
	for s := range w.slots {
		kept := w.slots[s][:0]
		for i := range w.slots[s] {
			if match(&w.slots[s][i]) {
				n++
				continue
			}
			kept = append(kept, w.slots[s][i])
		}
		clear(w.slots[s][len(kept):])
		w.slots[s] = kept
		if len(kept) == 0 {
			w.used[s/64] &^= 1 << (s % 64)
		}
	}
	w.count -= n
	return n
}

// bySeq is a heap of items that were delayed and are due now.
type bySeq []Item

func (h bySeq) Len() int           { return len(h) }
func (h bySeq) Less(i, j int) bool { return h[i].Seq < h[j].Seq }
func (h bySeq) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *bySeq) Push(x any)        { *h = append(*h, x.(Item)) }

func (h *bySeq) Pop() any {
	last := len(*h) - 1
	it := (*h)[last]
	(*h)[last] = Item{}
	*h = (*h)[:last]
	return it
}

func (h *bySeq) add(it Item) { heap.Push(h, it) }

func (h *bySeq) pop() Item { return heap.Pop(h).(Item) }

func (h *bySeq) remove(seq uint64) bool {
	for i := range *h {
		if (*h)[i].Seq == seq {
			heap.Remove(h, i)
			return true
		}
	}
	return false
}

// pull moves the items for which want says so to dst, up to its capacity.
func (h *bySeq) pull(dst []Item, want func(*Item) bool) []Item {
	kept := (*h)[:0]
	for i := range *h {
		if it := &(*h)[i]; len(dst) < cap(dst) && want(it) {
			dst = append(dst, *it)
		} else {
			kept = append(kept, *it)
		}
	}
	clear((*h)[len(kept):])
	*h = kept
	heap.Init(h)
	return dst
}
