package stats

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Final is the final state that a delivery receipt reports.
type Final uint8

// Final states as the ledger sees them: everything that is final but not delivered (FAILED, REJECTED, EXPIRED,
// CANCELLED, UNKNOWN) is [FinalFailed]. Intermediate receipts are not passed to the ledger.
const (
	FinalDelivered Final = 1
	FinalFailed    Final = 2
)

// Effect tells what a receipt did to the ledger.
type Effect uint8

// Effects of a receipt.
const (
	Settled   Effect = iota // the message's first final receipt
	Duplicate               // the message was settled before
	Unknown                 // no such message was submitted by this worker, or it was rejected
	Parked                  // by SMSC id only: the receipt came before the response and is kept until that comes
)

// Resolution is the answer to "what became of it?" for a message still open after the drain.
type Resolution uint8

// Resolutions: pending = the target still says PENDING or SENT; lost = the target says that it is final or unknown, or
// cannot be asked.
const (
	ResolvedPending Resolution = 1
	ResolvedLost    Resolution = 2
)

// LedgerOptions configure a [Ledger]; the zero value is useful.
type LedgerOptions struct {
	Run       uint32 // identifies the run in client_ref
	Worker    uint16
	MaxIDs    int // SMSC ids in flight, default 4,000,000; an id beyond it is not kept and IDsRefused counts
	MaxParked int // receipts waiting for their response, default 65,536; one beyond it counts as unknown
	Stripes   int // counter stripes, default 2×GOMAXPROCS
	// NoReceipts says that nobody waits for receipts: an accepted message stays open and
	// keeps nothing but its state.
	NoReceipts bool
	// Shared says that receipts by SMSC id may come here that are for messages of other
	// workers, and the other way round: see [Ledger.Strays].
	Shared bool
}

func (o *LedgerOptions) setDefaults() {
	if o.MaxIDs <= 0 {
		o.MaxIDs = 4_000_000
	}
	if o.MaxParked <= 0 {
		o.MaxParked = 1 << 16
	}
	if o.Stripes <= 0 {
		o.Stripes = 2 * runtime.GOMAXPROCS(0)
	}
}

// Ledger follows every message from submit to final receipt. All methods are safe for concurrent use.
//
// Messages are numbered in order of issue. Their states stand in chunks of 16,384, one byte each; send times and
// target ids stand beside them while the chunk is young, 12 bytes each, and are packed away by [Ledger.Compact] for
// those that stay open, 16 bytes each. So a settled message costs one byte, one in flight 13 to 25, and up to 55 more
// when its SMSC id is kept for SMPP receipts.
//
//	state byte:  7 6 5 4 3 2 1 0
//	             │ │ │ │ └┬┘ └┬┘
//	             │ │ │ │  │   └── answer: 0 awaited, 1 accepted, 2 rejected, 3 unanswered
//	             │ │ │ │  └────── receipt: 0 none, 1 delivered, 2 failed
//	             │ │ │ └───────── issued
//	             │ │ └─────────── receipt came before the answer
//	             └─┴───────────── resolution after the drain: 0 none, 1 pending, 2 lost
type Ledger struct {
	run    uint32
	worker uint16
	brief  bool // LedgerOptions.NoReceipts
	shared bool // LedgerOptions.Shared

	next    atomic.Uint64 // sequence numbers issued
	chunks  atomic.Pointer[[]*ledgerChunk]
	growing sync.Mutex // guards growth of chunks and compaction

	stripes []ledgerStripe
	ids     idTable
	latency [2][]liveHistogram // submit → DLR, striped like the counters, double-buffered like the recorder
	states  stateTimes
	active  atomic.Uint32
	dense   int // chunks below it are compact; guarded by growing
}

// ledgerStripe is padded to two cache lines so that stripes do not disturb each other.
type ledgerStripe struct {
	accepted, rejected, unanswered, delivered, failed atomic.Uint64
	pending, lost                                     atomic.Uint64
	receipts, duplicates, unknown, early, idsRefused  atomic.Uint64
	_                                                 [4]uint64
}

// NewLedger makes a ledger.
func NewLedger(o LedgerOptions) *Ledger {
	o.setDefaults()
	l := &Ledger{run: o.Run, worker: o.Worker, brief: o.NoReceipts, shared: o.Shared, stripes: make([]ledgerStripe, o.Stripes)}
	l.chunks.Store(&[]*ledgerChunk{})
	for i := range l.latency {
		l.latency[i] = make([]liveHistogram, o.Stripes)
	}
	l.states.init(o.Stripes)
	l.ids.init(o.MaxIDs, o.MaxParked)
	return l
}

func (l *Ledger) stripe(seq uint64) *ledgerStripe { return &l.stripes[seq%uint64(len(l.stripes))] }

// Issue takes n consecutive sequence numbers for messages about to be sent at `at` (since the run's start).
func (l *Ledger) Issue(n int, at time.Duration) (first uint64) {
	last := l.next.Add(uint64(n))
	first = last - uint64(n)
	stamp := stampOf(at)
	for seq := first; seq < last; seq++ {
		c := l.chunk(seq)
		if c == nil {
			c = l.grow(seq)
		}
		c.issue(int(seq%ledgerChunkSize), stamp)
	}
	return first
}

// Sent corrects the send time of a message whose sending had to wait.
func (l *Ledger) Sent(seq uint64, at time.Duration) {
	if c := l.chunk(seq); c != nil {
		if y := c.young.Load(); y != nil {
			atomic.StoreUint32(&y.sent[seq%ledgerChunkSize], stampOf(at))
		}
	}
}

// Accept notes a positive answer. id is the target's message id and may be nil; one of 16 hex digits is kept while the
// message is open, for asking the target after the drain.
func (l *Ledger) Accept(seq uint64, id []byte) {
	c := l.chunk(seq)
	if c == nil {
		return
	}
	i := int(seq % ledgerChunkSize)
	if n, ok := parseID(id); ok {
		if y := c.young.Load(); y != nil {
			atomic.StoreUint64(&y.ids[i], n)
		}
	}
	for {
		old := c.load(i)
		if a := old & answerMask; old&issuedBit == 0 || a == answerAccepted || a == answerRejected {
			return
		}
		if !c.swap(i, old, old&^answerMask|answerAccepted) {
			continue
		}
		s := l.stripe(seq)
		if old&answerMask == answerUnanswered {
			s.unanswered.Add(^uint64(0))
		}
		s.accepted.Add(1)
		return
	}
}

// AcceptSMPP is [Ledger.Accept] for a submit_sm_resp: it also makes the message findable by [Ledger.ReceiptID], and
// settles it when its receipt is parked already.
func (l *Ledger) AcceptSMPP(seq uint64, id []byte) {
	l.Accept(seq, id)
	if len(id) == 0 || l.brief {
		return
	}
	parked, found, kept := l.ids.bind(l.ids.hash(id), seq)
	if !kept {
		l.stripe(seq).idsRefused.Add(1)
	}
	if found {
		l.settle(seq, parked.final, parked.at, true)
	}
}

// Reject notes a negative answer, a throttled one included.
func (l *Ledger) Reject(seq uint64) { l.answer(seq, answerRejected) }

// Unanswered notes that no answer came. A receipt that comes later still settles the message.
func (l *Ledger) Unanswered(seq uint64) { l.answer(seq, answerUnanswered) }

// answer sets the answer of a message that has none. One whose receipt is there already was accepted, whatever is said
// about it later: the receipt proves it.
func (l *Ledger) answer(seq uint64, answer uint32) {
	c := l.chunk(seq)
	if c == nil {
		return
	}
	i := int(seq % ledgerChunkSize)
	for {
		old := c.load(i)
		if old&issuedBit == 0 || old&answerMask != answerAwaited {
			return
		}
		if c.swap(i, old, old|answer) {
			break
		}
	}
	if s := l.stripe(seq); answer == answerRejected {
		s.rejected.Add(1)
	} else {
		s.unanswered.Add(1)
	}
}

// Receipt notes a final receipt found by client_ref, at `at` since the run's start. It proves that the message was
// accepted, so it settles one whose answer is still awaited or never came.
func (l *Ledger) Receipt(seq uint64, f Final, at time.Duration) Effect {
	l.stripe(seq).receipts.Add(1)
	return l.settle(seq, f, at, false)
}

// ReceiptID notes a final receipt found by the SMSC's message id, as deliver_sm carries it.
func (l *Ledger) ReceiptID(id []byte, f Final, at time.Duration) Effect {
	p := parkedReceipt{final: f, at: at, next: at + firstOffer}
	if l.shared {
		p.id = string(id)
	}
	seq, match := l.ids.receipt(l.ids.hash(id), p)
	s := l.stripe(seq)
	s.receipts.Add(1)
	switch match {
	case idLive:
		return l.settle(seq, f, at, false)
	case idSettled:
		s.duplicates.Add(1)
		return Duplicate
	case idParked:
		return Parked
	default:
		s.unknown.Add(1)
		return Unknown
	}
}

// UnknownReceipt counts a receipt whose client_ref is not ours.
func (l *Ledger) UnknownReceipt() {
	l.stripes[0].receipts.Add(1)
	l.stripes[0].unknown.Add(1)
}

// settle applies a receipt; wasParked means that it came before the response.
func (l *Ledger) settle(seq uint64, f Final, at time.Duration, wasParked bool) Effect {
	s := l.stripe(seq)
	c := l.chunk(seq)
	if c == nil {
		s.unknown.Add(1)
		return Unknown
	}
	i := int(seq % ledgerChunkSize)
	for {
		old := c.load(i)
		switch {
		case old&issuedBit == 0, old&answerMask == answerRejected:
			s.unknown.Add(1)
			return Unknown
		case old&receiptMask != 0:
			s.duplicates.Add(1)
			return Duplicate
		}
		state := old&^(resolutionMask|answerMask) | uint32(f.outcome())<<receiptShift | answerAccepted
		early := wasParked || old&answerMask == answerAwaited
		if early {
			state |= earlyBit
		}
		if !c.swap(i, old, state) {
			continue
		}
		if early {
			s.early.Add(1)
		}
		l.countSettled(s, old, f)
		l.observe(seq, i, f, at)
		return Settled
	}
}

// countSettled moves the totals for a message whose state was old.
func (l *Ledger) countSettled(s *ledgerStripe, old uint32, f Final) {
	switch old & answerMask {
	case answerUnanswered:
		s.unanswered.Add(^uint64(0))
		s.accepted.Add(1)
	case answerAwaited:
		s.accepted.Add(1)
	}
	switch Resolution(old >> resolutionShift & 3) {
	case ResolvedPending:
		s.pending.Add(^uint64(0))
	case ResolvedLost:
		s.lost.Add(^uint64(0))
	}
	if f.outcome() == FinalDelivered {
		s.delivered.Add(1)
	} else {
		s.failed.Add(1)
	}
}

// observe records submit → DLR.
func (l *Ledger) observe(seq uint64, i int, f Final, at time.Duration) {
	sent, _, ok := l.chunk(seq).flight(i)
	if !ok {
		return
	}
	took := sinceStamp(sent, at)
	h := l.latency[l.active.Load()]
	h[seq%uint64(len(h))].record(took)
	l.states.record(f.state(), seq, took)
}

// Resolve notes what the target says about an open message after the drain. An unanswered message is never lost, it stays
// unanswered; one that the target knows as pending was accepted.
func (l *Ledger) Resolve(seq uint64, r Resolution) {
	c := l.chunk(seq)
	if c == nil {
		return
	}
	i := int(seq % ledgerChunkSize)
	for {
		old := c.load(i)
		if old&issuedBit == 0 || old&receiptMask != 0 || old&answerMask == answerRejected || old&resolutionMask != 0 {
			return
		}
		if r == ResolvedLost && old&answerMask != answerAccepted {
			return
		}
		state := old&^answerMask | answerAccepted | uint32(r)<<resolutionShift
		if !c.swap(i, old, state) {
			continue
		}
		s := l.stripe(seq)
		switch old & answerMask {
		case answerUnanswered:
			s.unanswered.Add(^uint64(0))
			s.accepted.Add(1)
		case answerAwaited:
			s.accepted.Add(1)
		}
		if r == ResolvedPending {
			s.pending.Add(1)
		} else {
			s.lost.Add(1)
		}
		return
	}
}

// OpenMessages calls fn for every message that was not rejected and has neither receipt nor resolution, oldest first,
// until fn returns false.
func (l *Ledger) OpenMessages(fn func(OpenMessage) bool) {
	total := l.next.Load()
	for n, c := range *l.chunks.Load() {
		for i := range ledgerChunkSize {
			seq := uint64(n)*ledgerChunkSize + uint64(i)
			if seq >= total {
				return
			}
			state := c.load(i)
			if !isOpen(state) {
				continue
			}
			m := OpenMessage{Seq: seq, Answered: state&answerMask == answerAccepted}
			if sent, id, ok := c.flight(i); ok {
				m.Sent, m.ID = time.Duration(sent)*stampUnit, id
			}
			if !fn(m) {
				return
			}
		}
	}
}

// OpenMessage is a message without a final receipt.
type OpenMessage struct {
	Seq      uint64
	ID       uint64        // the target's message id when it is 16 hex digits, else 0
	Sent     time.Duration // since the start of the run, modulo 11.9 hours
	Answered bool          // accepted; false = awaiting or unanswered
}

// ExpireParked gives up on parked receipts older than `before` (since the run's start): they count as receipts without
// a submit. It returns how many there were.
func (l *Ledger) ExpireParked(before time.Duration) int {
	n := l.ids.expireParked(before)
	l.stripes[0].unknown.Add(uint64(n))
	return n
}

// drainLatency moves the submit → DLR latencies recorded since the last call into dst; all also takes what the current
// second has so far.
func (l *Ledger) drainLatency(dst *Histogram, all bool) {
	l.states.drain()
	which := l.active.Load()
	l.active.Store(which ^ 1)
	for i := range l.latency[which] {
		l.latency[which][i].drainInto(dst)
	}
	if all {
		for i := range l.latency[which^1] {
			l.latency[which^1][i].drainInto(dst)
		}
	}
}

// MemoryBytes estimates what the ledger holds.
func (l *Ledger) MemoryBytes() int {
	n := l.ids.bytes()
	for _, c := range *l.chunks.Load() {
		n += c.bytes()
	}
	return n + 8*len(*l.chunks.Load())
}
