package smpp

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// readLoop reads and dispatches PDUs until the connection ends. It is the read goroutine.
func (s *Session) readLoop() {
	var err error
	defer func() {
		if p := recover(); p != nil {
			s.opts.Logger.Error("smpp session: panic", "peer", s.RemoteAddr(), "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("smpp: panic: %v", p)
		}
		s.end(err)
	}()
	err = s.readAll()
}

func (s *Session) readAll() error {
	for {
		pdu, err := s.rd.next()
		switch {
		case err != nil:
			s.refuseFraming(err)
		case pdu != nil && !s.discard:
			s.dispatch(pdu)
		case pdu == nil:
			if err := s.fill(); err != nil {
				return err
			}
		}
	}
}

// fill reads once; before it may block, everything that has gathered goes out.
func (s *Session) fill() error {
	s.uncork()
	if err := s.awaitOutput(); err != nil {
		return err
	}
	if err := s.rd.fill(s.conn); err != nil {
		return err
	}
	s.now = time.Now()
	s.lastRead.Store(s.now.UnixNano())
	s.cork()
	return nil
}

// refuseFraming answers a command_length that cannot be (item 2 and 3 of SMPP.md: NULL
// sequence_number) and throws away the rest of the stream, whose boundaries are lost.
func (s *Session) refuseFraming(err error) {
	s.rd.r, s.rd.w = 0, 0
	if s.discard {
		return
	}
	s.discard = true
	s.counters.malformed.Add(1)
	s.mu.Lock()
	s.reply(Header{ID: CmdGenericNack, Status: RINVCMDLEN})
	s.finishOutput(err)
	s.mu.Unlock()
}

// awaitOutput stops reading while the peer does not take its responses.
func (s *Session) awaitOutput() error {
	return s.await(func() bool { return s.outResp < s.opts.WriteBuffer })
}

// await blocks the reader until ok, which needs mu, holds or the session dies.
func (s *Session) await(ok func() bool) error {
	s.mu.Lock()
	for !ok() && s.phase < phaseClosing {
		s.readerWaits = true
		s.corked = false
		if len(s.out) != 0 {
			s.wakeWriter()
		}
		s.mu.Unlock()
		select {
		case <-s.resume:
		case <-s.dying:
			return ErrClosed
		}
		s.mu.Lock()
		s.readerWaits = false
	}
	s.mu.Unlock()
	return nil
}

func (s *Session) dispatch(pdu []byte) {
	h, body := ParseHeader(pdu), pdu[HeaderLen:]
	if h.ID.IsResponse() {
		s.onResponse(h, body)
		return
	}
	s.onRequest(h, body)
}

// onResponse completes the request that h answers.
func (s *Session) onResponse(h Header, body []byte) {
	sl, ok := s.take(h)
	if !ok {
		s.counters.unknown.Add(1)
		s.opts.Logger.Debug("smpp: response to no request", "peer", s.RemoteAddr(), "command", h.ID, "seq", h.Seq, "status", h.Status)
		return
	}
	r := Result{Status: h.Status, Sent: sl.sent, Done: s.now}
	if h.ID == CmdGenericNack {
		if r.Status == ROK {
			r.Status = RUNKNOWNERR
		}
	} else {
		r.PDU, r.Err = s.responseBody(h, body)
	}
	if sl.state == slotLate {
		s.counters.late.Add(1)
		sl.c.(LateCompletion).CompleteLate(r)
		return
	}
	sl.c.Complete(r)
}

// responseBody decodes the body of a response. With an error status a body is optional,
// and nobody needs a broken one (SMPP 3.4 §4.4.2).
func (s *Session) responseBody(h Header, body []byte) (PDU, error) {
	if h.Status != ROK && len(body) == 0 {
		return nil, nil
	}
	p := s.dec.body(h.ID)
	if p == nil {
		return nil, nil
	}
	if err := p.DecodeBody(body); err != nil {
		s.counters.malformed.Add(1)
		if h.Status != ROK {
			return nil, nil
		}
		return nil, err
	}
	return p, nil
}

// onRequest answers what the session answers itself and gives the rest to the handler.
func (s *Session) onRequest(h Header, body []byte) {
	s.counters.received.Add(1)
	switch h.ID {
	case CmdSubmitSM, CmdDeliverSM, CmdDataSM, CmdSubmitMulti, CmdQuerySM, CmdCancelSM, CmdReplaceSM, CmdAlertNotification:
		s.onMessage(h, body)
	case CmdEnquireLink:
		s.answer(h, StatusOf(s.dec.link.DecodeBody(body)))
	case CmdUnbind:
		s.onUnbind(h)
	case CmdBindReceiver, CmdBindTransmitter, CmdBindTransceiver:
		s.onBind(h, body)
	case CmdOutbind:
		s.onOutbind(h, body)
	default:
		s.counters.malformed.Add(1)
		s.answer(h, RINVCMDID)
	}
}

// answer responds to a request that never reached the handler, without a body.
func (s *Session) answer(h Header, st Status) {
	s.mu.Lock()
	s.reply(Header{ID: h.ID.Response(), Status: st, Seq: h.Seq})
	s.mu.Unlock()
}

// allowed reports whether the direction of a bind admits a message command
// (SMPP 3.4 §2.3), sent to the SMSC or to the ESME.
func allowed(cmd CommandID, toSMSC bool, b BindType) bool {
	switch cmd {
	case CmdSubmitSM, CmdSubmitMulti, CmdQuerySM, CmdCancelSM, CmdReplaceSM:
		return toSMSC && b.CanTransmit()
	case CmdDeliverSM, CmdAlertNotification:
		return !toSMSC && b.CanReceive()
	case CmdDataSM:
		return toSMSC && b.CanTransmit() || !toSMSC && b.CanReceive()
	default:
		return false
	}
}

// onMessage checks a message command against the bind, the window and its form, and
// gives it to the handler.
func (s *Session) onMessage(h Header, body []byte) {
	st, err := s.admit(h.ID)
	if err != nil {
		return
	}
	if st != ROK {
		s.answer(h, st)
		return
	}
	p := s.dec.body(h.ID)
	if err := s.decode(p, body); err != nil {
		s.counters.malformed.Add(1)
		s.opts.Logger.Debug("smpp: refused", "peer", s.RemoteAddr(), "seq", h.Seq, "error", err)
		s.unadmit(h.ID)
		s.answer(h, StatusOf(err))
		return
	}
	s.req = Request{Header: h, PDU: p}
	if s.opts.Handler != nil {
		s.opts.Handler.HandleRequest(s, &s.req)
		return
	}
	if h.ID != CmdAlertNotification {
		_ = s.Respond(h.Seq, h.ID, s.nobody(), nil) // a session that has ended needs no answer
	}
}

// nobody is the answer when there is no handler.
func (s *Session) nobody() Status {
	if s.server {
		return RSYSERR
	}
	return RXTAPPN
}

var errReaderStopped = errors.New("smpp: reader stopped")

// admit checks phase, direction and window, and counts the request as unanswered. It
// waits while MaxInFlight are, unless WindowFull answers them.
func (s *Session) admit(cmd CommandID) (Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.admissible(cmd); st != ROK {
		return st, nil
	}
	if s.unanswered >= s.opts.MaxInFlight {
		if s.opts.WindowFull != ROK {
			return s.opts.WindowFull, nil
		}
		s.mu.Unlock()
		err := s.await(func() bool { return s.unanswered < s.opts.MaxInFlight })
		s.mu.Lock()
		if err != nil || s.phase >= phaseClosing {
			return 0, errReaderStopped
		}
	}
	if cmd != CmdAlertNotification {
		s.unanswered++
	}
	return ROK, nil
}

// admissible needs mu. Requests that cross our unbind are still served; after the
// peer's own unbind nothing is.
func (s *Session) admissible(cmd CommandID) Status {
	switch {
	case s.phase == phaseOpen, !s.unbindAsked.IsZero():
		return RINVBNDSTS
	case !allowed(cmd, s.server, s.bind):
		return RINVBNDSTS
	default:
		return ROK
	}
}

func (s *Session) unadmit(cmd CommandID) {
	if cmd == CmdAlertNotification {
		return
	}
	s.mu.Lock()
	s.unanswered--
	s.mu.Unlock()
}

// decode reads the body, and on a server checks its values.
func (s *Session) decode(p PDU, body []byte) error {
	if err := p.DecodeBody(body); err != nil {
		return err
	}
	if !s.server {
		return nil
	}
	if v, ok := p.(validator); ok {
		return v.validate(&s.opts.Rules, s.version)
	}
	return nil
}
