package postgres

import (
	"sync"
	"sync/atomic"

	"protei-bulk/bulk/message"
)

const (
	shardBits  = 7
	shardCount = 1 << shardBits
)

// entry is one message that this node holds: it waits in a lane here, is in flight, awaits a
// receipt, or its customer is being told.
type entry struct {
	m        *message.Message
	version  int32  // of the row
	claim    *claim // it may be sent, or was; nil: it may not yet
	indexed  bool   // a part is in the receipt index
	told     bool   // its outbox entry is there, and this node's; see tellsOf
	waits    bool   // it has a row in waiting
	waitsFor uint16 // the connector of that row
	list     *list  // it waits by a row of waiting_lists
	awaits   bool   // it has open rows in receipts
	pinned   int    // changes under way
}

// live is the table of them: one object for each id.
type live struct {
	size   atomic.Int64
	shards [shardCount]shard
}

type shard struct {
	mu sync.Mutex // guards the map, its entries, and the state of their messages
	m  map[message.ID]*entry
	_  [48]byte // own cache line
}

func (l *live) init() {
	for i := range l.shards {
		l.shards[i].m = make(map[message.ID]*entry)
	}
}

func (l *live) shard(id message.ID) *shard {
	return &l.shards[uint64(id)*0x9E3779B97F4A7C15>>(64-shardBits)]
}

// has reports whether the message is held here.
func (l *live) has(id message.ID) bool {
	s := l.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[id] != nil
}

// adopt makes a message as its row is the object of its id, unless there is one. It returns the entry.
func (l *live) adopt(f *found) *entry {
	m := f.m
	s := l.shard(m.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.m[m.ID]; e != nil {
		return e
	}
	e := &entry{m: m, version: f.version, waits: f.waits, waitsFor: m.Connector, list: f.list, awaits: awaitsReceipt(m)}
	s.m[m.ID] = e
	l.size.Add(1)
	return e
}

// tellsOf notes whether this node tells a customer the message's state. The shard must be locked.
func (s *Store) tellsOf(e *entry, tells bool) {
	if e.told != tells {
		e.told = tells
		if tells {
			s.telling.Add(1)
		} else {
			s.telling.Add(-1)
		}
	}
}

// release lets go of a message that nothing here happens to any more, or not soon. Its shard sh
// must be locked.
func (s *Store) release(sh *shard, e *entry) {
	m := e.m
	waits := m.Waits() && m.LaneSeq != 0
	told := e.told && m.Notify == message.NotifyOpen && s.telling.Load() <= int64(s.opts.OutboxCache)
	if waits || told || e.claim != nil || e.list != nil || e.pinned > 0 || e.indexed && m.Status == message.Sent {
		return
	}
	if sh.m[m.ID] == e {
		delete(sh.m, m.ID)
		s.live.size.Add(-1)
		s.tellsOf(e, false)
	}
}
