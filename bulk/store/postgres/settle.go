package postgres

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
	"protei-bulk/internal/pause"
)

// settler is the settle writer of a shard; see settleQueue.
func (s *Store) settler(shard int) {
	w := &writer{s: s, number: settleWriter + int16(shard)}
	defer w.close()
	g := &settling{s: s, w: w}
	tick := time.NewTicker(receiptLinger / 2)
	defer tick.Stop()
	for {
		b, closed := s.settles.take(shard)
		if len(b.list) == 0 {
			if closed {
				return
			}
			select {
			case <-s.settles.shards[shard].wake:
				if shard == 0 {
					_ = pause.For(s.working, settleLinger)
				}
			case <-tick.C: // what is young may have become old
			}
			continue
		}
		g.commit(b.list)
		s.settles.done(shard, &b)
	}
}

// settling is one transaction of a settle writer, and what it uses again.
type settling struct {
	s       *Store
	w       *writer
	list    []*change
	touched []*touch // in the order of their first event
	by      map[message.ID]*touch
	rows    columns
	awaits  awaiting
	spent   map[*owner][]int64
	dropped []*list // rows of waiting_lists that end
	updated []message.ID
	pages   pages            // what is counted
	refunds map[uint32]worth // by payer
}

// touch is a message that the transaction changes.
type touch struct {
	e       *entry
	o       *owner // of its lane when the first event came, nil: not this node's
	changed bool   // its row
	refused error  // its events change nothing
	evs     []*message.Event
	was     before // the events
	wasTold bool
	tell    bool // a new entry in the outbox
	told    bool // the entry ends
	waits   bool // changed: it has a row in waiting then
	awaits  bool // it has open rows in receipts then
}

// commit makes the changes durable, however long that takes, and hands them to the applier.
func (g *settling) commit(list []*change) {
	g.list = list
	if err := g.gather(); err != nil {
		g.giveUp(err)
		return
	}
	for {
		g.apply()
		err := g.takeBack()
		if err == nil {
			err = g.attempt()
		}
		switch {
		case err == nil:
			g.publish()
			return
		case errors.Is(err, store.ErrFenced):
		case errors.Is(err, errConflict):
			err = g.reload(g.stale())
		case !connectionFailed(err) && !transient(err):
			g.s.log.Error("a change of messages cannot be stored", "error", err)
			g.giveUp(err)
			if g.s.opts.Failed != nil {
				g.s.opts.Failed(fmt.Errorf("store changes of messages: %w", err))
			}
			return
		}
		for connectionFailed(err) || transient(err) {
			if pause.For(g.s.stop, g.s.retryPause()) != nil {
				g.giveUp(store.ErrStopped)
				return
			}
			if errors.Is(err, errUnanswered) {
				happened, lookErr := g.w.happened(g.s.stop)
				if lookErr == nil && happened {
					g.s.attempt(nil)
					g.publish()
					return
				}
				if lookErr != nil {
					g.s.attempt(lookErr)
					continue
				}
			}
			err = g.s.pool.Ping(g.s.stop)
		}
	}
}

// takeBack brings messages whose events ran and are refused since, for their lane went to another
// node meanwhile, to the state of their rows: else the next change would be counted from a state
// that was never stored.
func (g *settling) takeBack() error {
	var ids []message.ID
	for _, t := range g.touched {
		if t.refused != nil && t.changed {
			ids = append(ids, t.e.m.ID)
		}
	}
	return g.reload(ids)
}

// giveUp ends the changes without any of them.
func (g *settling) giveUp(err error) {
	c := committed{}
	for _, ch := range g.list {
		c.dones = append(c.dones, settled{ch.done, err})
	}
	for _, t := range g.touched {
		c.freed = append(c.freed, t.e)
	}
	g.s.commits <- c
	g.clear()
}

func (g *settling) clear() {
	g.touched, g.by, g.list, g.spent, g.dropped = nil, nil, nil, nil, nil
}

// gather finds the objects of the messages that the events name; those that this node does not
// hold are read. It pins them.
func (g *settling) gather() error {
	g.by = make(map[message.ID]*touch)
	var missing []message.ID
	for _, c := range g.list {
		for i := range c.evs {
			id := c.evs[i].Msg.ID
			if g.by[id] != nil {
				continue
			}
			t := &touch{}
			g.by[id] = t
			sh := g.s.live.shard(id)
			sh.mu.Lock()
			if t.e = sh.m[id]; t.e != nil {
				t.e.pinned++
				g.touched = append(g.touched, t)
			} else {
				missing = append(missing, id)
			}
			sh.mu.Unlock()
		}
	}
	for len(missing) > 0 {
		list, err := g.s.queryIDs(g.s.stop, missing)
		if err == nil {
			for i := range list {
				g.pin(&list[i])
			}
			break
		}
		g.s.attempt(err)
		if !connectionFailed(err) && !transient(err) || pause.For(g.s.stop, retryAfter) != nil {
			return err
		}
	}
	return nil
}

func (g *settling) pin(f *found) {
	e := g.s.adopt(f)
	sh := g.s.live.shard(f.m.ID)
	sh.mu.Lock()
	e.pinned++
	sh.mu.Unlock()
	t := g.by[f.m.ID]
	t.e = e
	g.touched = append(g.touched, t)
}

// apply runs the events that have not run, and makes the rows.
func (g *settling) apply() {
	first := g.spent == nil
	if first {
		g.spent = make(map[*owner][]int64)
		for _, c := range g.list {
			for i := range c.evs {
				ev := &c.evs[i]
				t := g.by[ev.Msg.ID]
				if t.e == nil {
					c.err = store.ErrNotFound
					continue
				}
				ev.Msg = t.e.m
				t.evs = append(t.evs, ev)
			}
		}
	}
	g.rows.reset()
	g.awaits.reset()
	for _, t := range g.touched {
		sh := g.s.live.shard(t.e.m.ID)
		sh.mu.Lock()
		if first {
			t.wasTold = t.e.told
			t.was = before{t.e.m.Status, worthOf(t.e.m)}
		}
		g.run(t)
		if t.changed && t.refused == nil {
			g.await(t)
			g.rows.change(t.e.m, t.e.version, t.awaits)
			g.wait(t)
		}
		sh.mu.Unlock()
	}
}

// run applies the events of a message that have not been. Its shard must be locked.
func (g *settling) run(t *touch) {
	m := t.e.m
	if t.o != nil && t.o.lost.Load() || t.o == nil && len(t.evs) > 0 && t.evs[0].Now == 0 && m.Waits() && g.s.owners.of(m.Connector) == nil {
		t.refused = store.ErrFenced // it stands in a lane of another node
	}
	if t.refused != nil {
		return
	}
	if t.o == nil {
		t.o = g.s.owners.of(m.Connector)
	}
	for _, ev := range t.evs {
		if ev.Now != 0 {
			continue // it has run
		}
		ev.Apply()
		if ev.Changed && ev.Kind != message.Notified {
			t.changed = true
		}
	}
	open := m.Notify == message.NotifyOpen
	t.tell, t.told = open && !t.wasTold, !open && t.wasTold
}

// wait keeps waiting in step with the row. The message's shard must be locked.
func (g *settling) wait(t *touch) {
	e := t.e
	claimed := e.claim != nil && e.claim.o.connector == e.m.Connector
	listed := e.list != nil && e.list.o.connector == e.m.Connector
	t.waits = standsOrShould(e.m) && !claimed && !listed
	stays := e.waits && t.waits && e.waitsFor == e.m.Connector
	if e.waits && !stays {
		g.rows.waitsNot.add(e.waitsFor, e.m)
	}
	if t.waits && !stays {
		g.rows.waits.add(e.m.Connector, e.m)
	}
}

// errConflict: a row is not as this node believed.
var errConflict = errors.New("a message was changed by another node")

func (g *settling) attempt() error {
	b := g.w.begin()
	g.w.mark(b)
	g.fence(b)
	g.updated = g.updated[:0]
	if len(g.rows.id) > 0 {
		g.rows.update(b).Query(func(rows pgx.Rows) error {
			var id int64
			_, err := pgx.ForEachRow(rows, []any{&id}, func() error { g.updated = append(g.updated, message.ID(id)); return nil })
			return err
		})
	}
	g.awaits.queue(b)
	g.outbox(b)
	g.dropSpent(b)
	g.s.bookSettles(b, g)
	for _, c := range g.list { // after the purses: one of them may take the lock of noteRecords
		if c.queue != nil && !c.refused() {
			c.queue(b)
		}
	}
	g.noteRecords(b)
	began := time.Now()
	err := g.w.commit(b, func() error {
		if len(g.updated) != len(g.rows.id) {
			return errConflict
		}
		return nil
	})
	if err == nil {
		g.s.opts.Committed(time.Since(began))
		g.s.rows.Add(int64(len(g.rows.id)))
	}
	return err
}

func (g *settling) fence(b *pgx.Batch) {
	var all []*owner
	add := func(o *owner) {
		if !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	for _, t := range g.touched {
		if t.o != nil && t.refused == nil {
			add(t.o)
		}
	}
	for _, c := range g.list {
		if c.o != nil && !c.refused() {
			add(c.o)
		}
	}
	g.s.fence(b, all)
}

// stale returns the messages whose rows are not as believed.
func (g *settling) stale() (ids []message.ID) {
	slices.Sort(g.updated)
	for _, id := range g.rows.id {
		if _, ok := slices.BinarySearch(g.updated, message.ID(id)); !ok {
			ids = append(ids, message.ID(id))
		}
	}
	return ids
}

// reload brings messages to the state of their rows, so that events that are not refused run again.
func (g *settling) reload(ids []message.ID) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := g.s.queryIDs(g.s.stop, ids)
	if err != nil {
		return err
	}
	g.s.reloads.Add(int64(len(ids)))
	there := make(map[message.ID]*found, len(list))
	for i := range list {
		there[list[i].m.ID] = &list[i]
	}
	for _, id := range ids {
		t := g.by[id]
		sh := g.s.live.shard(id)
		sh.mu.Lock()
		if f := there[id]; f != nil {
			t.e.become(f)
			t.wasTold = f.teller != nil
			t.was = before{t.e.m.Status, worthOf(t.e.m)}
		} else {
			t.refused = store.ErrNotFound // beyond the retention
		}
		t.changed = false
		for _, ev := range t.evs {
			ev.Now, ev.Changed = 0, false
		}
		sh.mu.Unlock()
	}
	return nil
}

// become makes the state of e's message that of its row. The shard must be locked.
func (e *entry) become(f *found) {
	m := e.m
	m.Status, m.DueAt, m.PossibleDuplicate, m.Refunded, m.Notify, m.DoneAt, m.Connector = f.m.Status, f.m.DueAt, f.m.PossibleDuplicate, f.m.Refunded, f.m.Notify, f.m.DoneAt, f.m.Connector
	copy(m.Parts, f.m.Parts)
	e.version, e.waits, e.waitsFor, e.awaits = f.version, f.waits, f.m.Connector, awaitsReceipt(f.m)
}
