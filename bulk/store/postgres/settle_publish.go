package postgres

import (
	"protei-bulk/bulk/message"
)

// publish hands what was committed to the applier.
func (g *settling) publish() {
	g.s.count(g.pages)
	g.s.refunded(g.refunds)
	c := committed{}
	hints := make(map[message.Lane][]message.ID)
	var leaving []*claim
	var off []*list
	for _, t := range g.touched {
		sh := g.s.live.shard(t.e.m.ID)
		sh.mu.Lock()
		if t.refused == nil {
			g.settle(t, hints, &leaving, &off)
		}
		sh.mu.Unlock()
		c.freed = append(c.freed, t.e)
	}
	for _, cl := range leaving {
		cl.leave()
	}
	for _, l := range off {
		l.leave(1)
	}
	for _, l := range g.dropped {
		l.o.dropList(l)
	}
	for _, ch := range g.list {
		g.collect(ch, &c)
	}
	g.s.commits <- c
	for lane, ids := range hints {
		g.s.opts.Hint(lane, ids)
	}
	g.clear()
}

// settle notes in a message's entry what its row is now. The shard must be locked.
func (g *settling) settle(t *touch, hints map[message.Lane][]message.ID, leaving *[]*claim, off *[]*list) {
	e := t.e
	if t.changed {
		e.version++
		e.waits, e.waitsFor, e.awaits = t.waits, e.m.Connector, t.awaits
	}
	if t.tell || t.told {
		g.s.tellsOf(e, t.tell)
	}
	waits := e.m.Waits()
	if e.claim != nil && (!waits || e.claim.o.connector != e.m.Connector) {
		*leaving = append(*leaving, e.claim)
		e.claim = nil
	}
	if e.list != nil && (!standsOrShould(e.m) || e.list.o.connector != e.m.Connector) {
		*off = append(*off, e.list)
		e.list = nil
	}
	if waits && t.changed && g.s.owners.of(e.m.Connector) == nil {
		e.m.LaneSeq = 0
		hints[e.m.Lane()] = append(hints[e.m.Lane()], e.m.ID)
	}
}

// collect adds the events of a change that happened, and its callback.
func (g *settling) collect(ch *change, c *committed) {
	for i := range ch.evs {
		ev := ch.evs[i]
		t := g.by[ev.Msg.ID]
		if t.e == nil {
			continue
		}
		if t.refused != nil {
			ch.err = t.refused
			continue
		}
		if ev.Kind == message.Requeue && ev.Changed {
			if o := g.s.owners.of(t.e.m.Connector); o != nil {
				c.comes = append(c.comes, arrival{o: o, e: t.e, event: len(c.evs)})
			}
		}
		c.evs = append(c.evs, ev)
	}
	if ch.after != nil && ch.err == nil {
		before := c.before
		c.before = func() {
			if before != nil {
				before()
			}
			ch.after()
		}
	}
	c.dones = append(c.dones, settled{ch.done, ch.err})
}
