package queue

import "sort"

const chunkItems = 256

type chunk [chunkItems]Item

// fifo is a queue of Items in the order of Seq, in recycled chunks. A cancelled item
// stays as a hole (Msg nil) until it reaches the front.
//
//	chunks:  [ . . . head x x ] [ x x x x x x ] [ x x x tail . . ]
type fifo struct {
	chunks []*chunk
	head   int // index of the first item in chunks[0]
	slots  int // items and holes from head on
	live   int // items
	spare  []*chunk
}

// maxSpare is how many empty chunks a fifo keeps: 64 × 256 items.
const maxSpare = 64

func (f *fifo) at(i int) *Item {
	i += f.head
	return &f.chunks[i/chunkItems][i%chunkItems]
}

func (f *fifo) push(it Item) {
	if f.head+f.slots == len(f.chunks)*chunkItems {
		f.grow()
	}
	f.slots++
	f.live++
	*f.at(f.slots - 1) = it
}

func (f *fifo) grow() {
	if n := len(f.spare); n > 0 {
		f.chunks = append(f.chunks, f.spare[n-1])
		f.spare = f.spare[:n-1]
		return
	}
	f.chunks = append(f.chunks, new(chunk))
}

// front returns the first item, or nil. It removes holes before it.
func (f *fifo) front() *Item {
	for f.slots > 0 {
		if it := f.at(0); it.Msg != nil {
			return it
		}
		f.drop()
	}
	return nil
}

// pop removes the item that front returned.
func (f *fifo) pop() {
	f.live--
	f.drop()
}

func (f *fifo) drop() {
	*f.at(0) = Item{}
	f.slots--
	f.head++
	if f.head < chunkItems {
		return
	}
	f.head = 0
	if len(f.spare) < maxSpare {
		f.spare = append(f.spare, f.chunks[0])
	}
	n := copy(f.chunks, f.chunks[1:])
	f.chunks[n] = nil
	f.chunks = f.chunks[:n]
}

// remove makes a hole of the item with that seq and reports whether it was there.
func (f *fifo) remove(seq uint64) bool {
	i := f.search(seq)
	if i == f.slots {
		return false
	}
	it := f.at(i)
	if it.Seq != seq || it.Msg == nil {
		return false
	}
	*it = Item{Seq: seq}
	f.live--
	return true
}

func (f *fifo) search(seq uint64) int {
	return sort.Search(f.slots, func(i int) bool { return f.at(i).Seq >= seq })
}

// pull moves the items for which want says so to dst, up to its capacity.
func (f *fifo) pull(dst []Item, want func(*Item) bool) []Item {
	for i := 0; i < f.slots && len(dst) < cap(dst); i++ {
		it := f.at(i)
		if it.Msg == nil || !want(it) {
			continue
		}
		dst = append(dst, *it)
		*it = Item{Seq: it.Seq}
		f.live--
	}
	return dst
}

func (f *fifo) reset() {
	for f.slots > 0 {
		f.drop()
	}
	f.live = 0
}
