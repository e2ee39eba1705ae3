package bulk

import (
	"context"
	"encoding/json"

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
}

// elsewhere is how a connector does that another node has. One that nobody has at the moment is
// soon somebody's: what is accepted for it waits.
func (f *fleet) elsewhere(id uint16) route.Condition {
	for _, n := range f.p.node.member.Nodes() {
		if !n.Alive {
			continue
		}
		var h nodeHealth
		if json.Unmarshal(n.Health, &h) != nil {
			continue
		}
		for _, c := range h.Connectors {
			if c.ID == id && c.State == "down" {
				return route.Down
			}
		}
	}
	return route.Up
}
