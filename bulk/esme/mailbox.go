package esme

import (
	"container/heap"
	"errors"
	"slices"
	"sync"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

// mailbox holds the receipts of one account that a receiver is bound for, and its
// sessions. It never holds more than Options.MaxPending.
//
//	push, sweep ──> queue ──> flying ──> confirming ──> gone
//	                  ^─ retries <─┘ (temporary refusal, timeout: with a delay)
type mailbox struct {
	srv     *Server
	account uint32
	kicked  bool // guarded by courier.mu

	mu        sync.Mutex // guards below
	bound     int        // sessions of the account, of any type
	receivers []*receiver
	next      int // receiver that gets the next receipt
	run       int // receipts given to it in a row
	entries   map[message.ID]*entry
	queue     fifo
	retries   retryHeap
	pause     time.Time // nothing is sent before: the ESME asked for it
	pauses    int       // in a row
	timer     *time.Timer
	armed     time.Time // when timer fires, zero: it does not
	writer    receiptWriter

	wantSweep bool                    // there may be receipts in the outbox only
	restart   bool                    // the sweep begins at the first id again
	full      bool                    // the sweep stopped for lack of room
	refused   bool                    // Push was refused for lack of room
	cursor    message.ID              // the sweep has read up to here
	gone      map[message.ID]struct{} // confirmed while a page was read; nil: no page is
}

// receiver is a session that takes receipts.
type receiver struct {
	sess *smpp.Session
	open int // deliver_sm without a response; guarded by box.mu
}

// entry is one receipt in a mailbox.
type entry struct {
	box      *mailbox
	to       *receiver // while flying
	n        Notice
	state    entryState // guarded by box.mu
	attempts int
	due      time.Time // in retries
	pieces   [][]byte  // parts of a long inbound message for an old ESME; nil: it goes as it is
	piece    int       // the part whose turn it is
}

type entryState uint8

const (
	waiting    entryState = iota // in queue or retries
	flying                       // deliver_sm sent
	confirming                   // its end is on the way to the outbox
)

func newMailbox(s *Server, id uint32) *mailbox {
	return &mailbox{srv: s, account: id, entries: make(map[message.ID]*entry)}
}

// Push takes a final state for delivery; it does not block and may be called from the store's
// hook. False means that nobody is there to take the receipt or that there is no room:
// it stays in the outbox and is read from there.
func (s *Server) Push(n Notice) bool {
	s.mu.Lock()
	b := s.boxes[n.Account]
	s.mu.Unlock()
	if b == nil || !b.push(&n) {
		return false
	}
	s.courier.kick(b)
	return true
}

func (b *mailbox) push(n *Notice) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.receivers) == 0 {
		return false
	}
	if e := b.entries[n.MessageID]; e != nil {
		if e.state == waiting {
			e.n = *n // a late receipt corrected UNKNOWN before the customer heard of it
		}
		return true
	}
	if len(b.entries) >= b.srv.opts.MaxPending {
		b.refused = true
		return false
	}
	b.add(n)
	return true
}

// add needs mu.
func (b *mailbox) add(n *Notice) {
	e := &entry{box: b, n: *n}
	b.entries[n.MessageID] = e
	b.queue.push(e)
}

// count takes part in the binds of the account here, unless there are most already.
func (b *mailbox) count(most int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bound >= most {
		return false
	}
	b.bound++
	return true
}

func (b *mailbox) uncount() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bound--
}

// leave takes a session off. With the last receiver the waiting receipts go too: the
// outbox has them. It reports whether the session was a bind, and whether it was the last receiver.
func (b *mailbox) leave(of *bind, sess *smpp.Session) (counted, last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if counted = of.counted; counted {
		of.counted = false
		b.bound--
	}
	before := len(b.receivers)
	b.receivers = slices.DeleteFunc(b.receivers, func(r *receiver) bool { return r.sess == sess })
	if len(b.receivers) != 0 {
		return counted, false
	}
	b.queue, b.retries = fifo{}, nil
	b.pause, b.pauses, b.restart = time.Time{}, 0, true
	for id, e := range b.entries {
		if e.state == waiting {
			delete(b.entries, id)
		}
	}
	return counted, before > 0
}

const (
	breath = 64                    // sends under one hold of the lock
	repeat = 50 * time.Millisecond // looks again when no session takes a receipt
)

// pump sends what waits, as far as the windows allow.
func (b *mailbox) pump() {
	now := b.srv.opts.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.pause) {
		b.arm(now)
		return
	}
	for len(b.retries) > 0 && !b.retries[0].due.After(now) {
		b.queue.push(heap.Pop(&b.retries).(*entry))
	}
	for sent := 1; ; sent++ {
		e := b.queue.peek()
		if e == nil || e.state == waiting && !b.send(e) {
			break
		}
		b.queue.pop()
		if sent%breath == 0 {
			b.mu.Unlock() // Push comes from the store's goroutine: let it in
			b.mu.Lock()
		}
	}
	b.arm(now)
}

// runLength is how many receipts go to one session before the next one's turn.
const runLength = 16

// send hands e to a session. It reports false when no window has room. It needs mu.
func (b *mailbox) send(e *entry) bool {
	var pdu *smpp.DeliverSM
	for range b.receivers {
		if b.next >= len(b.receivers) || b.run >= runLength {
			b.next, b.run = (b.next+1)%len(b.receivers), 0
		}
		to := b.receivers[b.next]
		if to.open < to.sess.Window() {
			switch {
			case e.cuts(to.sess):
				pdu = b.writer.piece(e)
			case pdu == nil:
				pdu = b.writer.write(b.srv, &e.n)
			}
			if b.hand(e, to, pdu) {
				return true
			}
		}
		b.run = runLength // full or closing: the next one
	}
	return false
}

// hand tries one session. A receipt that cannot be encoded is at its end, too. It needs mu.
func (b *mailbox) hand(e *entry, to *receiver, pdu *smpp.DeliverSM) bool {
	e.state, e.to = flying, to
	to.open++
	err := to.sess.TrySend(pdu, e)
	if err == nil {
		b.run++
		return true
	}
	e.state = waiting
	to.open--
	if errors.Is(err, smpp.ErrWindowFull) || smpp.StatusOf(err) == smpp.RSYSERR {
		return false // the session's fault
	}
	b.srv.log.Error("esme: a receipt or inbound message that cannot be sent", "message", e.n.MessageID, "error", err)
	e.n.Failed = true
	b.srv.stats.dropped.Add(1)
	b.confirm(e)
	return true
}

// arm sets the timer to the next moment at which something may be sent. It needs mu.
func (b *mailbox) arm(now time.Time) {
	var due time.Time
	switch {
	case len(b.receivers) == 0:
		return
	case now.Before(b.pause):
		due = b.pause
	case b.queue.peek() != nil: // windows or buffers are full; a completion may not come
		due = now.Add(repeat)
	case len(b.retries) > 0:
		due = b.retries[0].due
	default:
		return
	}
	if now.Before(b.armed) && !due.Before(b.armed) {
		return // it fires before that
	}
	b.armed = due
	wait := max(due.Sub(now), time.Millisecond)
	if b.timer == nil {
		b.timer = time.AfterFunc(wait, func() { b.srv.courier.kick(b) })
		return
	}
	b.timer.Reset(wait)
}

func (b *mailbox) stopTimer() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
	}
}

// Complete is told how deliver_sm ended (item 56 of SMPP.md). It runs on the read goroutine of
// the session, and sends the next receipts.
func (e *entry) Complete(r smpp.Result) {
	b := e.box
	now := b.srv.opts.Now()
	b.mu.Lock()
	e.to.open--
	switch {
	case errors.Is(r.Err, smpp.ErrClosed):
		b.giveBack(e)
	case r.Err != nil:
		b.retry(e, now)
	case r.Status == smpp.ROK && e.another():
		b.pauses = 0
		b.giveBack(e)
	case r.Status == smpp.ROK:
		b.srv.stats.receipts.Add(1)
		b.pauses = 0
		b.confirm(e)
	case r.Status == smpp.RXPAPPN, r.Status == smpp.RXRAPPN:
		b.srv.stats.refusedReceipts.Add(1)
		b.srv.log.Info("esme: receipt refused for good", "message", e.n.MessageID, "account", b.account, "status", r.Status)
		e.n.Failed = true
		b.confirm(e)
	case r.Status == smpp.RMSGQFUL, r.Status == smpp.RTHROTTLED:
		b.pauses++
		b.pause = now.Add(b.srv.backoff(b.pauses))
		b.srv.stats.retries.Add(1)
		b.giveBack(e)
	default:
		b.retry(e, now)
	}
	b.mu.Unlock()
	b.pump()
}

// CompleteLate spares the repetition when the ESME answers after the timeout.
func (e *entry) CompleteLate(r smpp.Result) {
	e.box.mu.Lock()
	defer e.box.mu.Unlock()
	if r.Err == nil && r.Status == smpp.ROK && e.pieces == nil && e.state == waiting && e.box.entries[e.n.MessageID] == e {
		e.box.srv.stats.receipts.Add(1)
		e.box.confirm(e) // the queue passes over what does not wait
	}
}

// giveBack puts e back where it was: at the head of the queue, for any receiver. It needs mu.
func (b *mailbox) giveBack(e *entry) {
	e.state = waiting
	b.queue.pushFront(e)
}

// retry makes e wait before it is sent again. It needs mu.
func (b *mailbox) retry(e *entry, now time.Time) {
	b.srv.stats.retries.Add(1)
	if b.srv.tooOld(&e.n, now) {
		b.srv.stats.givenUp.Add(1)
		e.n.Failed = true
		b.confirm(e)
		return
	}
	e.attempts++
	e.state = waiting
	e.due = now.Add(b.srv.backoff(e.attempts))
	heap.Push(&b.retries, e)
}

func (s *Server) tooOld(n *Notice, now time.Time) bool {
	return n.DoneAt > 0 && now.Sub(time.UnixMilli(n.DoneAt)) > s.opts.GiveUp
}

// backoff doubles from RetryMin to RetryMax.
func (s *Server) backoff(attempt int) time.Duration {
	d := s.opts.RetryMin
	for ; attempt > 1 && d < s.opts.RetryMax; attempt-- {
		d *= 2
	}
	return min(d, s.opts.RetryMax)
}

// confirm sends e's end to the outbox. It needs mu.
func (b *mailbox) confirm(e *entry) {
	e.state = confirming
	b.srv.courier.confirm(e)
}

// finished is called when the outbox has noted e's end, or did not.
func (b *mailbox) finished(e *entry, err error) {
	b.mu.Lock()
	if b.entries[e.n.MessageID] == e {
		delete(b.entries, e.n.MessageID)
	}
	if b.gone != nil && err == nil {
		b.gone[e.n.MessageID] = struct{}{}
	}
	b.wantSweep = b.wantSweep || err != nil
	sweep := (b.full || b.refused) && len(b.entries) <= b.srv.opts.MaxPending/2
	if sweep {
		b.wantSweep = true
	}
	b.mu.Unlock()
	if sweep {
		b.srv.requestSweep()
	}
}
