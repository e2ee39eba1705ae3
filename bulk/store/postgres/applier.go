package postgres

import (
	"protei-bulk/bulk/message"
)

// committed is what a transaction has made durable, on its way to those who are told.
type committed struct {
	evs   []message.Event
	comes []arrival
	dones []settled
	freed []*entry // of which this node may let go
	// before runs ahead of all of it, on the applier.
	before func()
}

// arrival is a message that gets a place in a lane of this node.
type arrival struct {
	o      *owner
	e      *entry
	event  int  // index of the event that says so
	coming bool // counted by reserve
}

// settled is a done callback with its argument.
type settled struct {
	done func(error)
	err  error
}

// applier gives messages their places and tells what was committed, in the order of the
// commits of each writer. It ends when commits is closed.
func (s *Store) applier() {
	defer close(s.applied)
	for c := range s.commits {
		s.tell(&c)
	}
}

func (s *Store) tell(c *committed) {
	if c.before != nil {
		c.before()
	}
	for _, a := range c.comes {
		if c.evs[a.event].Seq = s.give(a.o, a.e, a.coming); c.evs[a.event].Seq == 0 {
			s.letGo(a.e) // it ended meanwhile, or the lane is not ours any more
		}
	}
	if len(c.evs) > 0 {
		s.groups.Add(1)
		s.events.Add(int64(len(c.evs)))
		s.opts.Applied(c.evs)
	}
	for i := range c.evs {
		s.matchParked(&c.evs[i])
	}
	for _, d := range c.dones {
		if d.done != nil {
			d.done(d.err)
		}
	}
	for _, e := range c.freed {
		sh := s.live.shard(e.m.ID)
		sh.mu.Lock()
		e.pinned--
		s.release(sh, e)
		sh.mu.Unlock()
	}
}

// letGo releases a message that has no place in a lane.
func (s *Store) letGo(e *entry) {
	sh := s.live.shard(e.m.ID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s.release(sh, e)
}
