package smpp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// onUnbind stops our requests, and confirms when the handler's answers are out and the
// peer has answered what it was sent: closing before would leave the fate of our requests
// open (item 35 of SMPP.md). Both are bounded by ResponseTimeout.
func (s *Session) onUnbind(h Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phaseOpen {
		s.reply(Header{ID: CmdUnbindResp, Status: RINVBNDSTS, Seq: h.Seq})
		return
	}
	if s.phase >= phaseClosing || !s.unbindAsked.IsZero() {
		return
	}
	s.phase = phaseUnbinding
	s.unbindSeq, s.unbindAsked = h.Seq, time.Now()
	s.signalSpace()
	s.maybeConfirmUnbind()
}

// maybeConfirmUnbind ends a session that the peer has unbound when nothing is under way
// in either direction. It needs mu.
func (s *Session) maybeConfirmUnbind() {
	if !s.unbindAsked.IsZero() && s.unanswered == 0 && s.inFlight == 0 && s.phase == phaseUnbinding {
		s.confirmUnbind()
	}
}

// confirmUnbind sends unbind_resp as the last PDU. It needs mu.
func (s *Session) confirmUnbind() {
	s.reply(Header{ID: CmdUnbindResp, Seq: s.unbindSeq})
	s.finishOutput(ErrUnbound)
}

// Unbind ends the session in order: no new request of ours, wait for the responses to
// those in flight, unbind, wait for unbind_resp and for our own answers, close. It returns
// when the session is Done; when ctx ends before that, the session is closed and ctx's error returned.
// Requests of the peer that cross the unbind are still served.
func (s *Session) Unbind(ctx context.Context) error {
	err := s.unbind(ctx)
	if err != nil {
		s.fail(err)
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		s.fail(ctx.Err())
		<-s.done
	}
	return err
}

func (s *Session) unbind(ctx context.Context) error {
	drained, ended := s.beginUnbind()
	if ended {
		return nil
	}
	if err := s.awaitChan(ctx, drained); err != nil {
		return fmt.Errorf("unbind: %w", err)
	}
	asked := newCall()
	s.mu.Lock()
	if s.phase >= phaseClosing || !s.unbindAsked.IsZero() {
		s.mu.Unlock()
		return nil // the peer was first
	}
	err := s.request(CmdUnbind, &Unbind{}, asked, false)
	s.wakeWriter()
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("unbind: %w", err)
	}
	if _, _, err = asked.wait(ctx); err != nil {
		return s.unlessEnded(err)
	}
	return s.finishAnswers(ctx)
}

// beginUnbind stops new requests and returns a channel that is closed when none is in
// flight. It reports true when there is nothing to unbind.
func (s *Session) beginUnbind() (<-chan struct{}, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phaseOpen {
		s.finishOutput(ErrClosed)
	}
	if s.phase >= phaseClosing || !s.unbindAsked.IsZero() {
		return nil, true
	}
	s.phase = phaseUnbinding
	s.signalSpace()
	if s.inFlight == 0 {
		return nil, false
	}
	if s.drained == nil {
		s.drained = make(chan struct{})
	}
	return s.drained, false
}

// awaitChan waits for ch, nil being no wait.
func (s *Session) awaitChan(ctx context.Context, ch <-chan struct{}) error {
	if ch == nil {
		return nil
	}
	select {
	case <-ch:
	case <-s.dying:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// unlessEnded passes on err unless the session came to an orderly end by the peer's unbind.
func (s *Session) unlessEnded(err error) error {
	if errors.Is(s.Err(), ErrUnbound) {
		return nil
	}
	return fmt.Errorf("unbind: %w", err)
}

// finishAnswers closes when the handler has answered what it was given.
func (s *Session) finishAnswers(ctx context.Context) error {
	s.mu.Lock()
	if s.unanswered > 0 && s.served == nil {
		s.served = make(chan struct{})
	}
	served := s.served
	s.mu.Unlock()
	if err := s.awaitChan(ctx, served); err != nil {
		return fmt.Errorf("unbind: %w", err)
	}
	s.mu.Lock()
	s.finishOutput(ErrUnbound)
	s.mu.Unlock()
	return nil
}
