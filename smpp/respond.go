package smpp

// Respond answers the request of the peer with sequence number seq and command id (the
// request's). A response with an error status is a header only, whatever body is, except
// for deliver_sm_resp, whose one NUL some peers insist on; with ROK and a nil body the
// response's empty body is sent. It never blocks: what waits to be written is bounded by
// MaxInFlight and by the reader, which stops. A body that cannot be encoded is replaced
// by RSYSERR and returned as the error.
func (s *Session) Respond(seq uint32, id CommandID, st Status, body PDU) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase >= phaseClosing {
		return ErrClosed
	}
	err := s.respond(Header{ID: id.Response(), Status: st, Seq: seq}, body)
	if err != nil {
		s.reply(Header{ID: id.Response(), Status: RSYSERR, Seq: seq})
	}
	s.answered()
	return err
}

// answered counts one response of the handler and lets what waited for it go on. It needs mu.
func (s *Session) answered() {
	if s.unanswered == 0 {
		return
	}
	s.unanswered--
	s.signalReader()
	if s.unanswered > 0 {
		return
	}
	if s.served != nil {
		close(s.served)
		s.served = nil
	}
	s.maybeConfirmUnbind()
}

// reply queues a response without a body; a session that has ended needs none. It needs mu.
func (s *Session) reply(h Header) { _ = s.respond(h, nil) }

// respond queues a response. It needs mu.
func (s *Session) respond(h Header, body PDU) error {
	if s.phase >= phaseClosing {
		return ErrClosed
	}
	before := len(s.out)
	switch {
	case h.ID == CmdDeliverSMResp && (h.Status != ROK || body == nil):
		body = (*DeliverSMResp)(nil)
	case h.Status != ROK:
		body = nil
	case body == nil:
		body = emptyResponse(h.ID)
	}
	out, err := s.appendResponse(h, body)
	if err != nil {
		return err
	}
	s.out = out
	s.outResp += len(out) - before
	s.wakeUnlessCorked()
	return nil
}

func (s *Session) appendResponse(h Header, body PDU) ([]byte, error) {
	if d, ok := body.(*DeliverSMResp); ok && d == nil {
		h.Length = HeaderLen + 1
		return append(AppendHeader(s.out, h), 0), nil // SMPP 3.4 §4.6.2: message_id is NULL
	}
	return s.encode(s.out, h, body)
}

// emptyResponse is the body of a success that says nothing more, nil when there is none.
func emptyResponse(id CommandID) PDU {
	switch id {
	case CmdSubmitSMResp, CmdDataSMResp, CmdQuerySMResp, CmdSubmitMultiResp:
		return NewPDU(id)
	default:
		return nil
	}
}
