package smpp

import (
	"fmt"
	"time"
)

// corkBytes is how much gathers while the reader works through a batch before the
// writer is woken all the same.
const corkBytes = 8 << 10

// wakeWriter needs mu.
func (s *Session) wakeWriter() {
	if !s.writerIdle {
		return
	}
	s.writerIdle = false
	s.wake <- struct{}{} // has room: idle means that the last one was taken
}

// wakeUnlessCorked leaves the wake-up to the reader while it has more PDUs at hand. It needs mu.
func (s *Session) wakeUnlessCorked() {
	if !s.corked || len(s.out) >= corkBytes {
		s.wakeWriter()
	}
}

// cork lets output gather while the reader handles what one read brought.
func (s *Session) cork() {
	s.mu.Lock()
	s.corked = true
	s.mu.Unlock()
}

// uncork wakes the writer for what has gathered.
func (s *Session) uncork() {
	s.mu.Lock()
	s.corked = false
	if len(s.out) != 0 {
		s.wakeWriter()
	}
	s.mu.Unlock()
}

// writeLoop sends what gathers in out, one Write per wake-up, swapping two buffers.
func (s *Session) writeLoop() {
	defer close(s.wrote)
	var spare []byte
	for {
		buf, ok := s.nextOutput(spare)
		if !ok {
			return
		}
		if _, err := s.conn.Write(buf); err != nil {
			s.fail(fmt.Errorf("write to %s: %w", s.RemoteAddr(), endReason(err)))
			return
		}
		spare = buf
		if cap(spare) > 4*s.opts.WriteBuffer {
			spare = nil
		}
	}
}

// nextOutput waits for output and takes it, leaving spare in its place. It reports false when
// the session is over, after the last output has been sent.
func (s *Session) nextOutput(spare []byte) ([]byte, bool) {
	s.mu.Lock()
	s.writeBegan = time.Time{}
	for len(s.out) == 0 || s.phase == phaseClosed {
		if s.phase == phaseClosed {
			s.mu.Unlock()
			return nil, false
		}
		if s.phase == phaseClosing {
			s.mu.Unlock()
			s.hangUp()
			return nil, false
		}
		s.writerIdle = true
		s.mu.Unlock()
		<-s.wake
		s.mu.Lock()
	}
	buf := s.out
	s.out, s.outResp = spare[:0], 0
	s.writeBegan = time.Now()
	s.signalSpace()
	s.signalReader()
	s.mu.Unlock()
	return buf, true
}

const lingerTime = time.Second

// hangUp closes our direction and gives the peer a moment to close its own. Closing at
// once with unread bytes would reset the connection and take our last PDU with it.
func (s *Session) hangUp() {
	c, ok := s.conn.(interface{ CloseWrite() error })
	if !ok || c.CloseWrite() != nil {
		s.conn.Close()
		return
	}
	if s.conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		s.conn.Close()
	}
}

// signalReader lets a reader that waits look again. It needs mu.
func (s *Session) signalReader() {
	if !s.readerWaits {
		return
	}
	select {
	case s.resume <- struct{}{}:
	default:
	}
}
