package smsc

import (
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/smpp"
)

// record is a message on its way to its answer, its receipt or the receipt's answer. It
// holds no pointer: the collector passes over a million of them.
type record struct {
	id        uint64
	due       int64  // ms of the simulator's clock
	submitted int64  // Unix seconds
	next      uint32 // in a list
	seq       uint32 // of the submit
	origin    uint32 // number of the bind it came on
	delay     uint32 // ms between answer and receipt
	system    uint32 // index in spool.systems
	status    uint16 // answer
	flags     recordFlags
	userRef   uint16 // user_message_reference
	state     smpp.MessageState
	tries     uint8
	dataSM    bool

	source, dest address
	textLen      uint8
	text         [20]byte // the first characters of the message
}

// address is smpp.Address of up to 20 octets, by value.
type address struct {
	ton, npi, n uint8
	addr        [20]byte
}

func (a *address) set(from *smpp.Address) {
	a.ton, a.npi = from.TON, from.NPI
	a.n = uint8(copy(a.addr[:], from.Addr))
}

func (a *address) to(p *smpp.Address) { p.TON, p.NPI, p.Addr = a.ton, a.npi, a.addr[:a.n] }

type recordFlags uint16

const (
	owesAnswer   recordFlags = 1 << iota // submit_sm_resp has not been sent
	wantsReceipt                         // a receipt follows
	receiptFirst                         // and is sent before the answer
	otherBind                            // on another bind than the submit's
	intermediate                         // it is an intermediate notification
	hasUserRef                           // userRef is set
)

// slab hands out records by number; 0 is none. It grows by chunks and keeps them.
type slab struct {
	chunks []*[slabChunk]record
	free   uint32 // list of free records by next
	used   int
}

const slabChunk = 1024

func (sl *slab) at(slot uint32) *record { return &sl.chunks[slot/slabChunk][slot%slabChunk] }

func (sl *slab) take() uint32 {
	if sl.free == 0 {
		first := uint32(len(sl.chunks)) * slabChunk
		sl.chunks = append(sl.chunks, new([slabChunk]record))
		for i := uint32(slabChunk); i > 0; i-- {
			if slot := first + i - 1; slot != 0 {
				sl.at(slot).next, sl.free = sl.free, slot
			}
		}
	}
	slot := sl.free
	sl.free = sl.at(slot).next
	sl.used++
	return slot
}

func (sl *slab) put(slot uint32) {
	sl.at(slot).next, sl.free = sl.free, slot
	sl.used--
}

// system is one system_id: its binds and the receipts that wait for room on them.
type system struct {
	id    string
	peers []*peer
	ready list
	turn  int // where pick begins
}

// spool holds everything that is not finished. Its lock is never held during I/O.
type spool struct {
	window     int // receipts in flight on a bind
	retryDelay time.Duration
	ttl        time.Duration
	kick       chan struct{} // capacity 1: something is due before the wheel's goroutine looks

	used atomic.Int64 // copy of slab.used, for the bound

	mu       sync.Mutex // guards all below, and peer.out and peer.gone
	slab     slab
	wheel    wheel
	due      list
	systems  []*system
	byID     map[string]uint32
	sleeping int64 // the wheel's goroutine sleeps until this millisecond
	current  int   // binds
}

const maxSystems = 10_000

func newSpool(o *Options) *spool {
	return &spool{
		window: o.ReceiptWindow, retryDelay: o.RetryDelay, ttl: o.ReceiptTTL,
		kick: make(chan struct{}, 1), byID: make(map[string]uint32),
	}
}

// job is what is to be done for a record, outside the lock: answer the submit, send the
// receipt, or both.
type job struct {
	slot       uint32
	rec        record
	answer     *peer // send submit_sm_resp here
	to         *peer // send deliver_sm here
	thenAnswer bool  // after the receipt instead of before it
}

// enter takes a new record in and returns what to do with it at once.
func (sp *spool) enter(rec *record, wait, now int64) job {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	slot := sp.slab.take()
	sp.used.Store(int64(sp.slab.used))
	r := sp.slab.at(slot)
	*r = *rec
	if wait > 0 {
		sp.later(slot, now+wait+1)
		return job{}
	}
	return sp.step(slot, now)
}

// later puts a record on the wheel. It needs mu. A wait that must not be cut short adds a
// millisecond for the part of now that is lost.
func (sp *spool) later(slot uint32, due int64) {
	sp.slab.at(slot).due = due
	sp.wheel.add(&sp.slab, slot)
	if due < sp.sleeping {
		sp.sleeping = due
		select {
		case sp.kick <- struct{}{}:
		default:
		}
	}
}

// step does what is next for a record whose wait is over. It needs mu.
func (sp *spool) step(slot uint32, now int64) job {
	r := sp.slab.at(slot)
	if r.flags&owesAnswer == 0 || r.flags&receiptFirst != 0 {
		return sp.place(slot)
	}
	r.flags &^= owesAnswer
	j := job{slot: slot}
	switch {
	case r.flags&wantsReceipt == 0:
		j.rec = *r
		sp.release(slot)
	case r.delay > 0:
		j.rec = *r
		sp.later(slot, now+int64(r.delay)+1)
	default:
		j = sp.place(slot)
	}
	j.answer = sp.origin(&j.rec)
	return j
}

// place finds a bind for a receipt, or lets it wait in the ready list. It needs mu.
func (sp *spool) place(slot uint32) job {
	r := sp.slab.at(slot)
	j := job{slot: slot, rec: *r}
	sys := sp.systems[r.system]
	p, anybody := sys.pick(r, sp.window)
	if p == nil {
		sys.ready.push(&sp.slab, slot)
		if !anybody && r.flags&owesAnswer != 0 { // no receipt can come first
			r.flags &^= owesAnswer
			j.answer = sp.origin(r)
		}
		return j
	}
	p.out++
	j.to = p
	if r.flags&owesAnswer != 0 {
		r.flags &^= owesAnswer
		j.answer, j.thenAnswer = sp.origin(r), true
	}
	return j
}

// pick returns a bind with room for the receipt; anybody says whether one could take it
// at all.
func (sys *system) pick(r *record, window int) (best *peer, anybody bool) {
	sys.turn++
	var origin *peer
	others := false
	for i := range sys.peers {
		p := sys.peers[(sys.turn+i)%len(sys.peers)]
		if !p.receives || p.gone {
			continue
		}
		if p.no == r.origin && p.out < window {
			origin = p
		}
		if p.no != r.origin {
			others = true
			if p.out < window && (best == nil || p.out < best.out) {
				best = p
			}
		}
		anybody = true
	}
	if origin != nil && (r.flags&otherBind == 0 || !others) {
		return origin, true
	}
	return best, anybody
}

// origin returns the bind that a record came on, nil when it is gone. It needs mu.
func (sp *spool) origin(r *record) *peer {
	for _, p := range sp.systems[r.system].peers {
		if p.no == r.origin && !p.gone {
			return p
		}
	}
	return nil
}

// release frees a record. It needs mu.
func (sp *spool) release(slot uint32) {
	sp.slab.put(slot)
	sp.used.Store(int64(sp.slab.used))
}

// full takes back a receipt for which the bind's write buffer had no room: soon again.
func (sp *spool) full(j *job, now int64) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.takeBack(j)
	const soon = 5
	sp.later(j.slot, now+soon)
}

// unsent takes back a receipt whose bind has ended, and says what to do instead.
func (sp *spool) unsent(j *job) job {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.takeBack(j)
	j.to.gone = true
	return sp.place(j.slot)
}

// takeBack needs mu.
func (sp *spool) takeBack(j *job) {
	j.to.out--
	if j.thenAnswer {
		sp.slab.at(j.slot).flags |= owesAnswer
	}
}

// finished ends a receipt on bind p and returns the next one that waits for room there.
func (sp *spool) finished(slot uint32, p *peer) job {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	p.out--
	sp.release(slot)
	return sp.pull(p)
}

// putOff keeps a receipt of bind p for another try and returns what to do now. Lost
// means that the bind is gone, and another may try at once. A receipt older than its time
// to live is given up.
func (sp *spool) putOff(slot uint32, p *peer, now, unix int64, lost bool) job {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	p.out--
	p.gone = p.gone || lost
	r := sp.slab.at(slot)
	if unix-r.submitted > int64(sp.ttl/time.Second) {
		p.tally.dropped.Add(1)
		sp.release(slot)
		return sp.pull(p)
	}
	p.tally.retried.Add(1)
	if lost {
		return sp.place(slot)
	}
	wait := min(sp.retryDelay<<min(r.tries, 16), maxRetryDelay)
	if r.tries < 255 {
		r.tries++
	}
	sp.later(slot, now+max(1, wait.Milliseconds()))
	return sp.pull(p)
}

// pull takes the next receipt that waits for room, for bind p or a better one. It needs mu.
func (sp *spool) pull(p *peer) job {
	if p.gone || !p.receives || p.out >= sp.window {
		return job{}
	}
	sys := sp.systems[p.system]
	slot := sys.ready.pop(&sp.slab)
	if slot == 0 {
		return job{}
	}
	return sp.place(slot)
}

// next is pull for a bind that has just come.
func (sp *spool) next(p *peer) job {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.pull(p)
}

// collect moves the wheel to now and appends up to a batch of jobs; more says that some
// are left. It returns when to look again, if nothing is left.
func (sp *spool) collect(jobs []job, now int64) (out []job, more bool, next int64) {
	const batch = 128
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.wheel.advance(&sp.slab, now, &sp.due)
	for len(jobs) < batch {
		slot := sp.due.pop(&sp.slab)
		if slot == 0 {
			break
		}
		jobs = append(jobs, sp.step(slot, now))
	}
	next, waiting := sp.wheel.next()
	if !waiting {
		next = 1 << 62
	}
	sp.sleeping = next
	return jobs, sp.due.head != 0, next
}

// knows notes a system_id and reports whether there is room for it.
func (sp *spool) knows(systemID string) bool {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if _, ok := sp.byID[systemID]; ok {
		return true
	}
	if len(sp.systems) >= maxSystems {
		return false
	}
	sp.byID[systemID] = uint32(len(sp.systems))
	sp.systems = append(sp.systems, &system{id: systemID})
	return true
}

func (sp *spool) join(p *peer) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	p.system = sp.byID[p.systemID]
	sys := sp.systems[p.system]
	sys.peers = append(sys.peers, p)
	sp.current++
}

func (sp *spool) leave(p *peer) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	p.gone = true
	sys := sp.systems[p.system]
	for i, q := range sys.peers {
		if q == p {
			sys.peers = append(sys.peers[:i:i], sys.peers[i+1:]...)
			sp.current--
			return
		}
	}
}

// cut takes the binds of a system_id, or all for an empty one, out of service and
// returns them.
func (sp *spool) cut(systemID string) (binds []*peer) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	for _, sys := range sp.systems {
		for _, p := range sys.peers {
			if !p.gone && (systemID == "" || sys.id == systemID) {
				p.gone = true
				binds = append(binds, p)
			}
		}
	}
	return binds
}

// size returns the records held and the binds, and how many of those can receive.
func (sp *spool) size() (records, binds, receivers int) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	for _, sys := range sp.systems {
		for _, p := range sys.peers {
			if p.receives {
				receivers++
			}
		}
	}
	return sp.slab.used, sp.current, receivers
}

// drop forgets the receipts that wait, not those in flight nor owed answers.
func (sp *spool) drop() {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	var kept list
	for _, sys := range sp.systems {
		sp.dropList(&sys.ready, &kept)
	}
	sp.dropList(&sp.due, &kept)
	for i := range sp.wheel.near {
		sp.dropList(&sp.wheel.near[i], &kept)
	}
	for i := range sp.wheel.far {
		sp.dropList(&sp.wheel.far[i], &kept)
	}
	sp.wheel = wheel{now: sp.wheel.now}
	for slot := kept.pop(&sp.slab); slot != 0; slot = kept.pop(&sp.slab) {
		sp.later(slot, sp.slab.at(slot).due)
	}
	sp.used.Store(int64(sp.slab.used))
}

// dropList empties l, moving the records that still owe an answer to kept, without their
// receipt.
func (sp *spool) dropList(l, kept *list) {
	for slot := l.pop(&sp.slab); slot != 0; slot = l.pop(&sp.slab) {
		r := sp.slab.at(slot)
		if r.flags&owesAnswer == 0 {
			sp.slab.put(slot)
			continue
		}
		r.flags &^= wantsReceipt | receiptFirst
		kept.push(&sp.slab, slot)
	}
}
