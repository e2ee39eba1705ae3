package smpp

// SetSequence makes seq the number of the last request of s.
func (s *Session) SetSequence(seq uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastSeq = seq
}
