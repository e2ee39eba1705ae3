package cluster_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"protei-bulk/bulk/store"
)

// registry is a store.Nodes in memory. Its link to a node can be cut: then calls hang as long as
// the caller waits.
type registry struct {
	mu        sync.Mutex
	nodes     map[uint16]store.NodeRow
	leases    map[string]store.Lease
	holders   map[string]string // lease → session
	listeners map[int]func(topic, payload string)
	next      int
}

func newRegistry() *registry {
	return &registry{
		nodes: make(map[uint16]store.NodeRow), leases: make(map[string]store.Lease),
		holders: make(map[string]string), listeners: make(map[int]func(string, string)),
	}
}

// link is how one node reaches the registry.
type link struct {
	*registry
	mu  sync.Mutex
	cut bool
}

func (l *link) sever(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

func (l *link) reach(ctx context.Context) error {
	l.mu.Lock()
	cut := l.cut
	l.mu.Unlock()
	if !cut {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (r *registry) alive(n uint16, ttl time.Duration) bool {
	row := r.nodes[n]
	return row.Session != "" && time.Since(row.Seen) < ttl
}

func (l *link) Register(ctx context.Context, node int, row store.NodeRow, ttl time.Duration) (store.NodeRow, error) {
	if err := l.reach(ctx); err != nil {
		return row, err
	}
	r := l.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if node < 0 {
		for node = 0; r.alive(uint16(node), ttl); node++ {
		}
	}
	row.Node = uint16(node)
	if r.alive(row.Node, ttl) && r.nodes[row.Node].Session != row.Session {
		return row, store.ErrTaken
	}
	row.Started, row.Seen = time.Now(), time.Now()
	r.nodes[row.Node] = row
	return row, nil
}

func (l *link) Heartbeat(ctx context.Context, row store.NodeRow, ttl time.Duration) (held []store.Lease, err error) {
	if err := l.reach(ctx); err != nil {
		return nil, err
	}
	r := l.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.nodes[row.Node]
	if was.Session != row.Session {
		return nil, store.ErrFenced
	}
	was.Seen, was.Info = time.Now(), row.Info
	r.nodes[row.Node] = was
	for name, session := range r.holders {
		if session == row.Session {
			lease := r.leases[name]
			lease.Expires = time.Now().Add(ttl)
			r.leases[name] = lease
			held = append(held, lease)
		}
	}
	return held, nil
}

func (l *link) Leave(_ context.Context, node uint16, session string) error {
	r := l.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if row := r.nodes[node]; row.Session == session {
		row.Session = ""
		r.nodes[node] = row
	}
	for name, s := range r.holders {
		if s == session {
			delete(r.holders, name)
		}
	}
	return nil
}

func (l *link) ListNodes(ctx context.Context) (rows []store.NodeRow, err error) {
	if err := l.reach(ctx); err != nil {
		return nil, err
	}
	r := l.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range uint16(8) {
		if row, ok := r.nodes[n]; ok {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (l *link) Acquire(ctx context.Context, name string, node uint16, session string, ttl time.Duration) (store.Lease, error) {
	if err := l.reach(ctx); err != nil {
		return store.Lease{}, err
	}
	r := l.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.leases[name]
	switch holder := r.holders[name]; {
	case holder == session:
	case holder != "" && time.Now().Before(was.Expires):
		return was, store.ErrTaken
	default:
		was.Epoch++
	}
	was.Name, was.Node, was.Expires = name, node, time.Now().Add(ttl)
	r.leases[name], r.holders[name] = was, session
	return was, nil
}

func (l *link) Release(ctx context.Context, name string, node uint16, epoch int64) error {
	if err := l.reach(ctx); err != nil {
		return err
	}
	r := l.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if held := r.leases[name]; held.Node == node && held.Epoch == epoch {
		delete(r.holders, name)
	}
	return nil
}

func (l *link) ListLeases(ctx context.Context) (list []store.Lease, err error) {
	if err := l.reach(ctx); err != nil {
		return nil, err
	}
	r := l.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.holders {
		if lease := r.leases[name]; time.Now().Before(lease.Expires) {
			list = append(list, lease)
		}
	}
	return list, nil
}

func (l *link) Announce(ctx context.Context, topic, payload string) error {
	if len(payload) > 7000 {
		return errors.New("too long")
	}
	if err := l.reach(ctx); err != nil {
		return err
	}
	r := l.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.listeners {
		go f(topic, payload)
	}
	return nil
}

func (l *link) Listen(ctx context.Context, f func(topic, payload string), _ func()) {
	r := l.registry
	r.mu.Lock()
	r.next++
	id := r.next
	r.listeners[id] = f
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	delete(r.listeners, id)
	r.mu.Unlock()
}
