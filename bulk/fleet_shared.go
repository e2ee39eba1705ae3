package bulk

import (
	"context"
	"encoding/json"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/route"
	"protei-bulk/bulk/store"
)

// mine reports whether this node sends for a connector.
func (f *fleet) mine(id uint16) bool {
	if f.p.node == nil {
		return true
	}
	_, ok := f.owned.Load(id)
	return ok
}

// own makes the lanes of a connector this node's, and opens its links.
func (f *fleet) own(ctx context.Context, s store.Shared, id uint16, epoch int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return errStopped
	}
	states, err := s.Own(ctx, id, epoch)
	if err != nil {
		return err
	}
	f.p.lanes.Connector(id)
	restore := make([]queue.LaneState, len(states))
	for i, st := range states {
		restore[i] = queue.LaneState(st)
	}
	f.p.lanes.Restore(restore)
	f.owned.Store(id, true)
	if l := f.link(id); l != nil {
		return f.run(l)
	}
	return nil
}

// disown ends the links of a connector within ctx, and gives its lanes up.
func (f *fleet) disown(ctx context.Context, s store.Shared, id uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.owned.LoadAndDelete(id); !ok {
		return
	}
	var err error
	if l := f.link(id); l != nil && l.dispatcher != nil {
		err = l.dispatcher.Stop(ctx)
		f.put(&link{c: l.c, state: l.state, trouble: l.trouble})
	} else {
		err = f.p.lanes.Close(ctx, id)
	}
	if err != nil {
		f.p.log.Warn("connector given up before all was recorded", "connector", id, "error", err)
	}
	if err := s.Disown(context.WithoutCancel(ctx), id, err == nil); err != nil {
		f.p.log.Warn("connector given up; its next owner takes more for sent than was", "connector", id, "error", err)
	}
	f.p.lanes.Drop(id)
	f.p.inbound.LetGo(id)
}

// elsewhere is how a connector does that another node has. One that nobody has at the moment is
// soon somebody's: what is accepted for it waits.
func (f *fleet) elsewhere(id uint16) route.Condition {
	if c, ok := f.p.node.foreign()[id]; ok && c.State == "down" {
		return route.Down
	}
	return route.Up
}

// figures are what other nodes last said of the connectors that they have.
type figures struct {
	read time.Time
	by   map[uint16]api.Connector
}

// foreign returns the connectors of other nodes by number, up to lookEvery old.
func (n *node) foreign() map[uint16]api.Connector {
	if last := n.figures.Load(); last != nil && time.Since(last.read) < lookEvery {
		return last.by
	}
	next := &figures{read: time.Now(), by: make(map[uint16]api.Connector)}
	for _, m := range n.member.Nodes() {
		var h nodeHealth
		if !m.Alive || m.Node == n.member.Number() || json.Unmarshal(m.Health, &h) != nil {
			continue // a node of another version may say something else
		}
		for _, c := range h.Connectors {
			owner := int(m.Node)
			c.Node = &owner
			next.by[c.ID] = c
		}
	}
	n.figures.Store(next)
	return next.by
}

// borrow fills in what the node that has the connector says of it.
func (n *node) borrow(view *api.Connector) {
	c, ok := n.foreign()[view.ID]
	switch {
	case ok:
		wanted := *view
		*view = c
		view.Name, view.Address, view.TPS, view.Mode, view.Fixed = wanted.Name, wanted.Address, wanted.TPS, wanted.Mode, wanted.Fixed
	case view.Mode != string(connector.Stopped):
		view.State, view.LastError = "down", "no node has it at the moment"
	}
}
