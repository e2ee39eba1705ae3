package smpp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Send sends a request and returns when it is encoded into the write buffer; p may then
// be reused. It waits for a free place in the window and for room in the buffer, until
// ctx ends. When it returns an error, c is not called; nor is it for
// alert_notification, which has no response.
func (s *Session) Send(ctx context.Context, p PDU, c Completion) error {
	waited := false
	for {
		s.mu.Lock()
		if waited {
			s.waiting--
		}
		err := s.trySend(p, c)
		if !errors.Is(err, ErrWindowFull) {
			if waited {
				s.passOn()
			}
			s.mu.Unlock()
			return err
		}
		s.waiting++
		waited = true
		s.mu.Unlock()
		select {
		case <-s.space:
		case <-s.dying:
		case <-ctx.Done():
			s.mu.Lock()
			s.waiting--
			s.passOn()
			s.mu.Unlock()
			return ctx.Err()
		}
	}
}

// passOn wakes the next waiting Send when there is still a place. It needs mu.
func (s *Session) passOn() {
	if s.inFlight < s.opts.Window && len(s.out) < s.opts.WriteBuffer || s.phase != phaseBound {
		s.signalSpace()
	}
}

// TrySend is Send that returns ErrWindowFull instead of waiting.
func (s *Session) TrySend(p PDU, c Completion) error {
	s.mu.Lock()
	err := s.trySend(p, c)
	s.mu.Unlock()
	return err
}

// trySend needs mu.
func (s *Session) trySend(p PDU, c Completion) error {
	cmd := p.CommandID()
	if err := s.maySend(cmd); err != nil {
		return err
	}
	if s.inFlight >= s.opts.Window || len(s.out) >= s.opts.WriteBuffer {
		return ErrWindowFull
	}
	return s.request(cmd, p, c, true)
}

// maySend reports whether the session's phase and direction allow the request. It needs mu.
func (s *Session) maySend(cmd CommandID) error {
	switch s.phase {
	case phaseBound:
	case phaseUnbinding:
		return ErrUnbinding
	case phaseOpen:
		return ErrNotBound
	default:
		return ErrClosed
	}
	if cmd != CmdEnquireLink && !allowed(cmd, !s.server, s.bind) {
		return fmt.Errorf("%w: %s as %s", ErrNotBound, cmd, s.bind)
	}
	return nil
}

// request encodes a request of ours and notes it in the ring. A command without a
// response is only encoded. It needs mu.
func (s *Session) request(cmd CommandID, p PDU, c Completion, counted bool) error {
	last := s.lastSeq
	seq := s.nextSeq()
	out, err := s.encode(s.out, Header{ID: cmd, Seq: seq}, p)
	if err != nil {
		s.lastSeq = last
		return err
	}
	s.out = out
	s.counters.sent.Add(1)
	if cmd.Response() != CmdGenericNack {
		*s.slot(seq) = slot{seq: seq, cmd: cmd, state: slotWaiting, counted: counted, sent: time.Now(), c: c}
		if counted {
			s.inFlight++
		}
	}
	s.wakeUnlessCorked()
	return nil
}

// optional is a PDU whose optional parameters can be taken off.
type optional interface{ options() *TLVs }

func (p *SubmitSM) options() *TLVs        { return &p.TLVs }
func (p *DeliverSM) options() *TLVs       { return &p.TLVs }
func (p *SubmitMulti) options() *TLVs     { return &p.TLVs }
func (p *SubmitSMResp) options() *TLVs    { return &p.TLVs }
func (p *DeliverSMResp) options() *TLVs   { return &p.TLVs }
func (p *SubmitMultiResp) options() *TLVs { return &p.TLVs }
func (p *BindResp) options() *TLVs        { return &p.TLVs }

// encode appends a PDU, without optional parameters for a peer that does not know them
// (SMPP 3.4 §3.3.2). It needs mu.
func (s *Session) encode(dst []byte, h Header, p PDU) ([]byte, error) {
	if s.version < Version34 {
		if o, ok := p.(optional); ok && len(*o.options()) != 0 {
			return encodePlain(dst, h, p, o.options())
		}
	}
	return Append(dst, h, p)
}

func encodePlain(dst []byte, h Header, p PDU, t *TLVs) ([]byte, error) {
	if _, ok := t.Find(TagMessagePayload); ok {
		return dst, fmt.Errorf("%w: message_payload", ErrPeerVersion)
	}
	kept := *t
	*t = nil
	out, err := Append(dst, h, p)
	*t = kept
	return out, err
}

// Do sends a request and waits for its response. The PDU is a copy, nil when the
// response had no body. The error says that there was no usable response; a status other
// than ROK is not an error here. A request given up because ctx ended may still reach the peer.
func (s *Session) Do(ctx context.Context, p PDU) (Status, PDU, error) {
	call := newCall()
	if err := s.Send(ctx, p, call); err != nil {
		return 0, nil, err
	}
	return call.wait(ctx)
}

// call is the Completion of a caller that waits.
type call struct{ ch chan Result }

func newCall() *call { return &call{ch: make(chan Result, 1)} }

// Complete copies the body, which is valid only during the call.
func (c *call) Complete(r Result) {
	body, err := Clone(r.PDU)
	r.PDU = body
	if r.Err == nil {
		r.Err = err
	}
	c.ch <- r
}

func (c *call) wait(ctx context.Context) (Status, PDU, error) {
	select {
	case r := <-c.ch:
		return r.Status, r.PDU, r.Err
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}
