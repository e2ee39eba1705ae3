package store

import "protei-bulk/bulk/message"

// View calls f with m, a live message, while its state cannot change. f must be quick
// and must not call the store.
func (e *Embedded) View(m *message.Message, f func(*message.Message)) {
	s := e.live.shard(m.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	f(m)
}
