package esme

// Receiving reports whether a session of the account takes receipts and inbound messages here.
func (s *Server) Receiving(account uint32) bool {
	s.mu.Lock()
	b := s.boxes[account]
	s.mu.Unlock()
	return b != nil && b.receiving()
}

// Received returns the accounts that Receiving is true of.
func (s *Server) Received() (accounts []uint32) {
	for _, b := range s.allBoxes() {
		if b.receiving() {
			accounts = append(accounts, b.account)
		}
	}
	return accounts
}

func (b *mailbox) receiving() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.receivers) > 0
}

// Reread tells that there may be more in the outbox of these accounts than Push was given.
func (s *Server) Reread(accounts []uint32) {
	for _, id := range accounts {
		s.mu.Lock()
		b := s.boxes[id]
		s.mu.Unlock()
		if b != nil {
			b.mu.Lock()
			b.wantSweep, b.restart = true, true
			b.mu.Unlock()
		}
	}
	s.requestSweep()
}
