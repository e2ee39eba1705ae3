package cluster

import (
	"context"
	"errors"
	"slices"

	"protei-bulk/bulk/store"
)

// hold is a lease that this node has.
type hold struct {
	lease   store.Lease
	busy    bool // its work begins or ends
	running bool
}

// look compares what this node holds with what it should.
func (m *Member) look(ctx context.Context, leases []store.Lease) error {
	rows, err := m.o.Store.ListNodes(ctx)
	if err != nil {
		return err
	}
	all, err := m.o.Store.ListLeases(ctx)
	if err != nil {
		return err
	}
	m.see(rows, all)
	wanted := m.o.Wanted()
	m.mu.Lock()
	mine := m.share(wanted)
	for name, h := range m.holds {
		if !slices.ContainsFunc(leases, func(l store.Lease) bool { return l.Name == name && l.Epoch == h.lease.Epoch }) {
			delete(m.holds, name) // somebody took it
			m.o.Lost(h.lease)
		}
	}
	for name, h := range m.holds {
		if !h.busy && !mine[name] {
			m.end(h)
		}
	}
	var take []string
	for name := range mine {
		if m.holds[name] == nil {
			take = append(take, name)
		}
	}
	m.mu.Unlock()
	for _, name := range take {
		l, err := m.o.Store.Acquire(ctx, name, m.row.Node, m.row.Session, m.o.TTL)
		if errors.Is(err, store.ErrTaken) {
			continue
		}
		if err != nil {
			return err
		}
		m.begin(l)
	}
	m.bury()
	return nil
}

// begin starts the work of a lease.
func (m *Member) begin(l store.Lease) {
	h := &hold{lease: l, busy: true}
	m.mu.Lock()
	m.holds[l.Name] = h
	m.mu.Unlock()
	m.work.Go(func() {
		m.log.Info("lease taken", "lease", l.Name, "epoch", l.Epoch)
		err := m.o.Gained(m.ctx, l)
		if err != nil {
			if m.ctx.Err() == nil {
				m.log.Error("cannot begin what a lease is for", "lease", l.Name, "error", err)
			}
			m.release(h)
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		h.busy, h.running = false, true
		if m.holds[l.Name] != h { // lost meanwhile
			m.o.Lost(l)
		}
	})
}

// end ends the work of a lease in order and gives it back. It needs mu.
func (m *Member) end(h *hold) {
	h.busy, h.running = true, false
	m.work.Go(func() {
		m.o.Losing(context.WithoutCancel(m.ctx), h.lease)
		if m.release(h) {
			// The others look at once; without it, soon.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), m.o.TTL)
			defer cancel()
			_ = m.o.Store.Announce(ctx, TopicNodes, h.lease.Name)
		}
	})
}

// release gives a lease back, unless it was lost meanwhile. It is this node's until that is done.
func (m *Member) release(h *hold) bool {
	defer signal(m.ended)
	l := h.lease
	m.mu.Lock()
	held := m.holds[l.Name] == h
	m.mu.Unlock()
	if !held {
		return false
	}
	err := m.free(l)
	m.mu.Lock()
	if m.holds[l.Name] == h {
		delete(m.holds, l.Name)
	}
	m.mu.Unlock()
	if err == nil {
		m.log.Info("lease given back", "lease", l.Name, "epoch", l.Epoch)
	}
	return err == nil
}

func (m *Member) free(l store.Lease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), m.o.TTL)
	defer cancel()
	err := m.o.Store.Release(ctx, l.Name, m.row.Node, l.Epoch)
	if err != nil {
		m.log.Warn("cannot give back a lease; it runs out", "lease", l.Name, "error", err)
	}
	return err
}

// loseAll ends all work of leases at once.
func (m *Member) loseAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, h := range m.holds {
		delete(m.holds, name)
		m.log.Warn("lease lost", "lease", name, "epoch", h.lease.Epoch)
		m.o.Lost(h.lease)
	}
	signal(m.ended)
}
