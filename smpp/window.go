package smpp

import "time"

// slot is a place in the in-flight ring. The ring is indexed by sequence_number and at
// least four windows long; a number whose place is still taken is passed over, so
// numbers rise but may have gaps behind a slow response.
type slot struct {
	seq     uint32
	cmd     CommandID
	state   slotState
	counted bool // takes part in the window
	sent    time.Time
	c       Completion
}

type slotState uint8

const (
	slotFree slotState = iota
	slotWaiting
	slotLate // timed out; kept for LateCompletion until the place is used again
)

// ringSize leaves room for the requests outside the window: enquire_link and unbind.
func ringSize(window int) int {
	n := 16
	for n < 4*window+4 {
		n *= 2
	}
	return n
}

// nextSeq returns the number of our next request. It needs mu.
func (s *Session) nextSeq() uint32 {
	if s.ring == nil { // most peers that connect and never bind are asked nothing
		s.ring = make([]slot, ringSize(s.opts.Window))
	}
	for {
		s.lastSeq++
		if s.lastSeq > MaxSequence {
			s.lastSeq = 1
		}
		if s.slot(s.lastSeq).state != slotWaiting {
			return s.lastSeq
		}
	}
}

func (s *Session) slot(seq uint32) *slot { return &s.ring[seq&uint32(len(s.ring)-1)] }

// take finds the request that a response answers and frees its place. It reports the slot as
// it was.
func (s *Session) take(h Header) (slot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ring == nil {
		return slot{}, false
	}
	p := s.slot(h.Seq)
	if p.state == slotFree || p.seq != h.Seq || h.ID != CmdGenericNack && h.ID != p.cmd|respBit {
		return slot{}, false
	}
	was := *p
	s.release(p, slotFree)
	return was, true
}

// release frees a place, or leaves it to a late response. It needs mu.
func (s *Session) release(p *slot, to slotState) {
	if p.state == slotWaiting && p.counted {
		s.inFlight--
		s.signalSpace()
		if s.inFlight == 0 {
			s.idle()
		}
	}
	p.state = to
	if to == slotFree {
		p.c = nil
	}
}

// idle tells those who wait for the last response. It needs mu.
func (s *Session) idle() {
	if s.drained != nil {
		close(s.drained)
		s.drained = nil
	}
	s.maybeConfirmUnbind()
}

// signalSpace lets a waiting Send look again. It needs mu.
func (s *Session) signalSpace() {
	if s.waiting == 0 {
		return
	}
	select {
	case s.space <- struct{}{}:
	default:
	}
}

// expire completes the requests that have waited too long.
func (s *Session) expire(now time.Time) {
	var expired []slot
	s.mu.Lock()
	for i := range s.ring {
		p := &s.ring[i]
		if p.state != slotWaiting || now.Sub(p.sent) < s.opts.ResponseTimeout {
			continue
		}
		expired = append(expired, *p)
		if _, late := p.c.(LateCompletion); late {
			s.release(p, slotLate)
		} else {
			s.release(p, slotFree)
		}
	}
	s.mu.Unlock()
	s.counters.timeouts.Add(uint64(len(expired)))
	for i := range expired {
		expired[i].c.Complete(Result{Err: ErrTimeout, Sent: expired[i].sent, Done: now})
	}
}

// completeAll ends every open request when the session is over.
func (s *Session) completeAll() {
	s.mu.Lock()
	var open []slot
	for i := range s.ring {
		if s.ring[i].state == slotWaiting {
			open = append(open, s.ring[i])
		}
		s.release(&s.ring[i], slotFree)
	}
	s.mu.Unlock()
	now := time.Now()
	for i := range open {
		open[i].c.Complete(Result{Err: ErrClosed, Sent: open[i].sent, Done: now})
	}
}
