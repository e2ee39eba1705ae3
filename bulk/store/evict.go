package store

import "protei-bulk/bulk/message"

// waits reports whether m stands in its lane. A SCHEDULED message has a sequence too, but
// comes back by its due time and gets a new one then.
func waits(m *message.Message) bool { return m.LaneSeq != 0 && m.Status != message.Scheduled }

// keeps reports whether m, whose row is up to date, stays in the live table. Its shard
// must be locked.
//
// A lane's queue holds its oldest messages, so the ones above the bound are the newest,
// which the queue did not take; it loads them when their turn comes.
func (e *Embedded) keeps(m *message.Message) bool {
	b := &m.Store
	switch {
	case waits(m):
		return b.Flags&flagLoaded != 0 || e.lanes.get(m.Lane()).waiting.Load() <= int64(e.opts.LaneCache)
	case m.Status == message.Scheduled:
		return b.Flags&flagLoaded != 0
	case m.Status == message.Sent:
		return b.Flags&flagIndexed != 0
	case m.Notify == message.NotifyOpen:
		return b.Flags&flagLoaded != 0 || e.open.Load() <= int64(e.opts.OutboxCache)
	default:
		return false
	}
}

// forget takes m out of the live table and of the counts that bound it. The shard must
// be locked.
func (e *Embedded) forget(s *shard, m *message.Message) {
	b := &m.Store
	if b.Flags&flagWaiting != 0 {
		e.lanes.get(m.Lane()).waiting.Add(-1)
	}
	if b.Flags&flagOpen != 0 {
		e.open.Add(-1)
	}
	b.Flags &^= flagWaiting | flagOpen
	e.live.evict(s, m)
}

// adopt counts a message that was loaded from SQLite among the bounded sets. The shard
// must be locked.
func (e *Embedded) adopt(s *shard, m *message.Message) {
	if waits(m) {
		e.lanes.get(m.Lane()).waiting.Add(1)
		m.Store.Flags |= flagWaiting
	}
	if m.Notify == message.NotifyOpen {
		e.open.Add(1)
		m.Store.Flags |= flagOpen
	}
	e.live.add(s, m)
}
