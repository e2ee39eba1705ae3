package stats

import (
	"slices"
	"sort"
	"sync/atomic"
	"time"
)

// ledgerChunkSize is the number of messages in a chunk.
const ledgerChunkSize = 1 << 14

// State bits, see [Ledger].
const (
	answerMask       = 3
	answerAwaited    = 0
	answerAccepted   = 1
	answerRejected   = 2
	answerUnanswered = 3
	receiptShift     = 2
	receiptMask      = 3 << receiptShift
	issuedBit        = 1 << 4
	earlyBit         = 1 << 5
	resolutionShift  = 6
	resolutionMask   = 3 << resolutionShift
)

// isOpen tells whether a message still waits: for an answer, or for its receipt.
func isOpen(state uint32) bool {
	return state&issuedBit != 0 && state&receiptMask == 0 && state&answerMask != answerRejected &&
		state&resolutionMask == 0
}

// stampUnit is the resolution of send times: 32 bits of it wrap after 11.9 hours, which bounds submit → DLR.
const stampUnit = 10 * time.Microsecond

func stampOf(at time.Duration) uint32 { return uint32(at / stampUnit) }

// sinceStamp is the time from a stamp to `at`.
func sinceStamp(sent uint32, at time.Duration) time.Duration {
	d := stampOf(at) - sent
	if d > 1<<32-1<<20 {
		return 0 // up to 10 s "before" it was sent: the send time was corrected by Sent meanwhile
	}
	return time.Duration(d) * stampUnit
}

// ledgerChunk holds the states of ledgerChunkSize messages, four to a word, and of those in flight their send times
// and ids: in arrays while the chunk is young, in a short sorted list when few are left.
type ledgerChunk struct {
	states [ledgerChunkSize / 4]uint32
	young  atomic.Pointer[youngFlights]
	old    atomic.Pointer[[]oldFlight]
}

type youngFlights struct {
	sent [ledgerChunkSize]uint32
	ids  [ledgerChunkSize]uint64
}

// oldFlight is a straggler: a message still open when most of its chunk is settled.
type oldFlight struct {
	id   uint64
	sent uint32
	slot uint32
}

func newLedgerChunk() *ledgerChunk {
	c := &ledgerChunk{}
	c.young.Store(&youngFlights{})
	return c
}

func (c *ledgerChunk) load(i int) uint32 {
	return atomic.LoadUint32(&c.states[i>>2]) >> (i & 3 * 8) & 0xFF
}

// swap replaces a state unless it (or a neighbour in its word) changed; the caller loads again and retries.
func (c *ledgerChunk) swap(i int, old, state uint32) bool {
	shift := i & 3 * 8
	word := atomic.LoadUint32(&c.states[i>>2])
	if word>>shift&0xFF != old {
		return false
	}
	return atomic.CompareAndSwapUint32(&c.states[i>>2], word, word&^(0xFF<<shift)|state<<shift)
}

func (c *ledgerChunk) issue(i int, stamp uint32) {
	if y := c.young.Load(); y != nil {
		atomic.StoreUint32(&y.sent[i], stamp)
	}
	atomic.OrUint32(&c.states[i>>2], issuedBit<<(i&3*8))
}

// flight returns send time and id of an open message.
func (c *ledgerChunk) flight(i int) (sent uint32, id uint64, ok bool) {
	if y := c.young.Load(); y != nil {
		return atomic.LoadUint32(&y.sent[i]), atomic.LoadUint64(&y.ids[i]), true
	}
	list := c.old.Load()
	if list == nil {
		return 0, 0, false
	}
	n := sort.Search(len(*list), func(n int) bool { return (*list)[n].slot >= uint32(i) })
	if n == len(*list) || (*list)[n].slot != uint32(i) {
		return 0, 0, false
	}
	return (*list)[n].sent, (*list)[n].id, true
}

// compact packs the open messages of a full chunk away once they are fewer than half, and again when half of those are
// settled. It returns true when nothing is left to pack. It may run beside every other method: the list is published
// before the arrays go and is never changed, and an id that a late Accept writes into the arrays meanwhile is at worst
// not kept.
//
// With brief, accepted messages are let go of as settled ones are.
func (c *ledgerChunk) compact(brief bool) (done bool) {
	y := c.young.Load()
	if y == nil {
		return c.shrink()
	}
	var list []oldFlight
	for i := range ledgerChunkSize {
		state := c.load(i)
		if state&issuedBit == 0 {
			return false
		}
		if !isOpen(state) || brief && state&answerMask == answerAccepted {
			continue
		}
		if state&answerMask == answerAwaited || len(list) >= ledgerChunkSize/2 {
			return false
		}
		list = append(list, oldFlight{
			id: atomic.LoadUint64(&y.ids[i]), sent: atomic.LoadUint32(&y.sent[i]), slot: uint32(i),
		})
	}
	list = slices.Clip(list)
	c.old.Store(&list)
	c.young.Store(nil)
	return len(list) == 0
}

// shrink rewrites the list of open messages when half of it is settled.
func (c *ledgerChunk) shrink() (done bool) {
	list := *c.old.Load()
	open := 0
	for _, f := range list {
		if isOpen(c.load(int(f.slot))) {
			open++
		}
	}
	if open*2 > len(list) {
		return false
	}
	left := make([]oldFlight, 0, open)
	for _, f := range list {
		if isOpen(c.load(int(f.slot))) {
			left = append(left, f)
		}
	}
	c.old.Store(&left)
	return len(left) == 0
}

func (c *ledgerChunk) bytes() int {
	n := ledgerChunkSize + 16
	if c.young.Load() != nil {
		n += ledgerChunkSize * 12
	}
	if list := c.old.Load(); list != nil {
		n += len(*list) * 16
	}
	return n
}

// chunk returns the chunk of seq, nil when there is none yet.
func (l *Ledger) chunk(seq uint64) *ledgerChunk {
	chunks := *l.chunks.Load()
	if n := seq / ledgerChunkSize; n < uint64(len(chunks)) {
		return chunks[n]
	}
	return nil
}

// grow adds chunks up to that of seq. The slice is replaced, never changed in place below its length, so readers need
// no lock.
func (l *Ledger) grow(seq uint64) *ledgerChunk {
	l.growing.Lock()
	defer l.growing.Unlock()
	chunks := *l.chunks.Load()
	for uint64(len(chunks)) <= seq/ledgerChunkSize {
		chunks = append(chunks, newLedgerChunk())
	}
	l.chunks.Store(&chunks)
	return chunks[seq/ledgerChunkSize]
}

// Compact frees what settled messages no longer need; once a second is right.
func (l *Ledger) Compact() {
	l.growing.Lock()
	defer l.growing.Unlock()
	chunks := *l.chunks.Load()
	for n := l.dense; n < len(chunks); n++ {
		if chunks[n].compact(l.brief) && n == l.dense {
			l.dense++
		}
	}
}
