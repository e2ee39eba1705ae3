package smsc

import "math/bits"

// wheel orders records by the millisecond they are due. Two rings of lists: one slot a
// millisecond for the next four seconds, one slot 4,096 ms for 70 minutes; what is
// due later waits in the last slot and is placed again. The zero wheel is ready.
type wheel struct {
	now  int64 // the last millisecond worked off
	n    int
	near [nearSlots]list
	busy [nearSlots / 64]uint64 // near slots that hold something
	far  [farSlots]list
	nFar int
}

const (
	nearBits  = 12
	nearSlots = 1 << nearBits
	farSlots  = 1024
)

// list is a queue of records, linked by record.next; 0 is the end.
type list struct{ head, tail uint32 }

func (l *list) push(sl *slab, slot uint32) {
	sl.at(slot).next = 0
	if l.head == 0 {
		l.head = slot
	} else {
		sl.at(l.tail).next = slot
	}
	l.tail = slot
}

func (l *list) pop(sl *slab) uint32 {
	slot := l.head
	if slot == 0 {
		return 0
	}
	l.head = sl.at(slot).next
	if l.head == 0 {
		l.tail = 0
	}
	return slot
}

// add places a record by its due time, the next millisecond at the earliest.
func (w *wheel) add(sl *slab, slot uint32) {
	w.n++
	w.place(sl, slot, max(sl.at(slot).due, w.now+1))
}

func (w *wheel) place(sl *slab, slot uint32, due int64) {
	if due-w.now < nearSlots {
		i := due & (nearSlots - 1)
		w.near[i].push(sl, slot)
		w.busy[i/64] |= 1 << (i % 64)
		return
	}
	turn := min(due>>nearBits, w.now>>nearBits+farSlots-1)
	w.far[turn&(farSlots-1)].push(sl, slot)
	w.nFar++
}

// advance moves to the millisecond to and appends what fell due to the list.
func (w *wheel) advance(sl *slab, to int64, due *list) {
	for w.now < to {
		if w.n == 0 {
			w.now = to
			return
		}
		w.now++
		if w.now&(nearSlots-1) == 0 {
			w.cascade(sl)
		}
		i := w.now & (nearSlots - 1)
		for slot := w.near[i].pop(sl); slot != 0; slot = w.near[i].pop(sl) {
			w.n--
			due.push(sl, slot)
		}
		w.busy[i/64] &^= 1 << (i % 64)
	}
}

// cascade spreads the far slot whose time has come over the near ring.
func (w *wheel) cascade(sl *slab) {
	from := &w.far[w.now>>nearBits&(farSlots-1)]
	waiting := *from
	*from = list{}
	for slot := waiting.pop(sl); slot != 0; slot = waiting.pop(sl) {
		w.nFar--
		w.place(sl, slot, max(sl.at(slot).due, w.now))
	}
}

// next returns the millisecond at which something may fall due; false when nothing waits.
func (w *wheel) next() (int64, bool) {
	if w.n == 0 {
		return 0, false
	}
	edge := (w.now>>nearBits + 1) << nearBits // where the far ring is looked at
	if w.n == w.nFar {
		return edge, true
	}
	for at := w.now + 1; ; {
		i := at & (nearSlots - 1)
		if word := w.busy[i/64] >> (i % 64); word != 0 {
			at += int64(bits.TrailingZeros64(word))
			if w.nFar > 0 {
				at = min(at, edge)
			}
			return at, true
		}
		at += 64 - i%64
	}
}
