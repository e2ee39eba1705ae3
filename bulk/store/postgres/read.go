package postgres

import (
	"context"
	"fmt"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// View implements store.Store.
func (s *Store) View(m *message.Message, f func(*message.Message)) {
	sh := s.live.shard(m.ID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f(m)
}

// Message implements store.Store: a message as it was last committed.
func (s *Store) Message(ctx context.Context, id message.ID) (*message.Message, error) {
	list, err := s.query(ctx, "WHERE m.id = $1", int64(id))
	if err != nil {
		return nil, fmt.Errorf("read message %s: %w", id, err)
	}
	if len(list) == 0 {
		return nil, store.ErrNotFound
	}
	m := list[0].m
	sh := s.live.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.m[id]; e != nil && e.m.Waits() {
		m.LaneSeq = e.m.LaneSeq // its place is only here
	}
	return m, nil
}

// LoadNotify implements store.Store, for what this node tells.
func (s *Store) LoadNotify(ctx context.Context, after message.ID, limit int) ([]*message.Message, error) {
	list, err := s.query(ctx, "JOIN outbox o ON o.id = m.id WHERE o.id > $1 AND o.node = $2 ORDER BY o.id LIMIT $3", int64(after), int16(s.node.Load()), limit)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	msgs := make([]*message.Message, len(list))
	for i := range list {
		msgs[i] = s.current(&list[i])
	}
	return msgs, nil
}

// Load implements store.Store: the object of a message, which is read when need be.
func (s *Store) Load(ctx context.Context, id message.ID) (*message.Message, error) {
	sh := s.live.shard(id)
	sh.mu.Lock()
	e := sh.m[id]
	sh.mu.Unlock()
	if e != nil {
		return e.m, nil
	}
	list, err := s.query(ctx, "WHERE m.id = $1", int64(id))
	if err != nil {
		return nil, fmt.Errorf("load message %s: %w", id, err)
	}
	if len(list) == 0 {
		return nil, store.ErrNotFound
	}
	return list[0].m, nil // an event about it finds its object, or makes one
}
