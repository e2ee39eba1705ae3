package esme

import "protei-bulk/smpp"

// Intermediate tells a customer a state on the way (esm_class 0x20) when a session has room
// for it now. It is not kept: the final state follows anyhow. It does not block and may
// be called from the store's hook.
func (s *Server) Intermediate(n Notice, state smpp.MessageState) {
	s.mu.Lock()
	b := s.boxes[n.Account]
	s.mu.Unlock()
	if b == nil || state.Final() {
		return
	}
	n.Intermediate = state
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, to := range b.receivers {
		if to.open >= to.sess.Window() {
			continue
		}
		if to.sess.TrySend(b.writer.write(s, &n), forgotten{}) == nil {
			s.stats.intermediates.Add(1)
			return
		}
	}
}

// forgotten is a request whose answer does not matter.
type forgotten struct{}

// Complete implements smpp.Completion.
func (forgotten) Complete(smpp.Result) {}

// Alert passes an alert_notification on to a receiver of the account, if there is one.
func (s *Server) Alert(account uint32, p *smpp.AlertNotification) {
	s.mu.Lock()
	b := s.boxes[account]
	s.mu.Unlock()
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, to := range b.receivers {
		if to.sess.TrySend(p, forgotten{}) == nil {
			s.stats.alerts.Add(1)
			return
		}
	}
}
