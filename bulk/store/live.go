package store

import (
	"sync"
	"sync/atomic"

	"protei-bulk/bulk/message"
)

// Bits of message.Bookkeeping.Flags, written under the shard's lock.
const (
	flagDirty   = 1 << iota // in the dirty list: the row is older than the message
	flagGone                // left the live table: another object may stand for the id
	flagWaiting             // counted in its lane's waiting messages
	flagOpen                // counted among the open outbox entries
	flagIndexed             // a part is in the receipt index
	flagLoaded              // handed out by a Load call: its holder will use it soon
	flagWriting             // its row is in a transaction that is not committed yet
)

const (
	shardBits  = 7
	shardCount = 1 << shardBits
)

// live is the table of messages that something still happens to: one object for each id.
type live struct {
	size   atomic.Int64
	shards [shardCount]shard
}

type shard struct {
	mu sync.Mutex // guards the map and the state of its messages
	m  map[message.ID]*message.Message
	_  [48]byte // own cache line
}

func (l *live) init() {
	for i := range l.shards {
		l.shards[i].m = make(map[message.ID]*message.Message)
	}
}

func (l *live) shard(id message.ID) *shard {
	return &l.shards[uint64(id)*0x9E3779B97F4A7C15>>(64-shardBits)]
}

// find returns the live object of id, or nil.
func (l *live) find(id message.ID) *message.Message {
	s := l.shard(id)
	s.mu.Lock()
	m := s.m[id]
	s.mu.Unlock()
	return m
}

// snapshot returns a copy of the live message, or nil.
func (l *live) snapshot(id message.ID) *message.Message {
	s := l.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.m[id]; m != nil {
		return copyMessage(m)
	}
	return nil
}

// add puts m in the table. The shard must be locked and m.ID free.
func (l *live) add(s *shard, m *message.Message) {
	s.m[m.ID] = m
	l.size.Add(1)
}

// evict takes m out of the table. The shard must be locked.
func (l *live) evict(s *shard, m *message.Message) {
	delete(s.m, m.ID)
	m.Store.Flags |= flagGone
	l.size.Add(-1)
}

// copyMessage returns a copy that shares only what never changes.
func copyMessage(m *message.Message) *message.Message {
	c := *m
	c.SetParts(len(m.Parts))
	copy(c.Parts, m.Parts)
	c.Store = message.Bookkeeping{}
	return &c
}
