package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

const (
	// maxSettled is how many changes one transaction takes at most, a single one aside.
	maxSettled = 5000
	// settleLinger is how long the settle writer gathers: what happens to a message within it
	// is one change of its row.
	settleLinger = 5 * time.Millisecond
)

// change is one call that the settle writer makes durable.
type change struct {
	evs  []message.Event
	done func(error)
	err  error // of one of its events
	// Anything else that goes into the transaction: queue adds its statements, at each try anew,
	// and after runs on the applier when it is committed.
	queue func(b *pgx.Batch)
	after func()
}

// settleQueue is what waits for the settle writer.
type settleQueue struct {
	mu     sync.Mutex // guards what follows
	list   []*change
	young  map[message.ID]*sent // Submitted alone: its receipt is likely to come soon
	ages   []*sent              // of young, oldest first; some have left it
	closed bool
	wake   chan struct{}
	size   atomic.Int64 // events that wait or are being written
}

// sent is a part that an SMSC took and nothing else is known of yet.
type sent struct {
	c  *change
	at time.Time
}

// receiptLinger is how long a submit_sm_resp waits for its receipt, so that both are one change
// of the row. What a crash loses of it is sent again: max_unsynced_settles bounds that.
const receiptLinger = 100 * time.Millisecond

func (q *settleQueue) init() {
	q.wake = make(chan struct{}, 1)
	q.young = make(map[message.ID]*sent)
}

// alone reports whether c is a Submitted that may wait for its receipt.
func (c *change) alone() bool {
	return len(c.evs) == 1 && c.evs[0].Kind == message.Submitted && c.queue == nil && len(c.evs[0].Msg.Parts) == 1 && c.evs[0].Msg.Flags&message.WantReceipt != 0
}

// grow puts what is young and belongs to the messages of c before it, and what is too old. It
// needs mu.
func (q *settleQueue) grow(c *change, now time.Time) {
	for i := range c.evs {
		q.ripe(c.evs[i].Msg.ID)
	}
	for len(q.ages) > 0 && (now.Sub(q.ages[0].at) >= receiptLinger || q.closed) {
		q.ripe(q.ages[0].c.evs[0].Msg.ID)
		q.ages = q.ages[1:]
	}
}

func (q *settleQueue) ripe(id message.ID) {
	if s := q.young[id]; s != nil {
		delete(q.young, id)
		q.list = append(q.list, s.c)
	}
}

func (q *settleQueue) put(c *change) {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		if c.done != nil {
			c.done(store.ErrStopped)
		}
		return
	}
	now := time.Now()
	q.grow(c, now)
	q.size.Add(int64(len(c.evs)))
	if c.alone() {
		s := &sent{c, now}
		q.young[c.evs[0].Msg.ID] = s
		q.ages = append(q.ages, s)
		q.mu.Unlock()
		return
	}
	q.list = append(q.list, c)
	q.mu.Unlock()
	signal(q.wake)
}

func (q *settleQueue) take() (list []*change, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.grow(&change{}, time.Now())
	n, sum := 0, 0
	for n < len(q.list) && (n == 0 || sum+len(q.list[n].evs)+1 <= maxSettled) {
		sum += len(q.list[n].evs) + 1
		n++
	}
	list = slices.Clone(q.list[:n])
	q.list = slices.Delete(q.list, 0, n)
	return list, q.closed
}

func (q *settleQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	signal(q.wake)
}

// Record implements store.Store.
func (s *Store) Record(ev message.Event, done func(error)) {
	s.settles.put(&change{evs: []message.Event{ev}, done: done})
}

// RecordMany implements store.Store. It keeps evs.
func (s *Store) RecordMany(evs []message.Event, done func(error)) {
	s.settles.put(&change{evs: slices.Clone(evs), done: done})
}

// write makes something else durable with the next transaction of the settle writer.
func (s *Store) write(queue func(b *pgx.Batch), after func(), done func(error)) {
	s.settles.put(&change{queue: queue, after: after, done: done})
}

// settler is the settle writer.
func (s *Store) settler() {
	w := &writer{s: s, number: settleWriter}
	defer w.close()
	g := &settling{s: s, w: w}
	tick := time.NewTicker(receiptLinger / 2)
	defer tick.Stop()
	for {
		list, closed := s.settles.take()
		if len(list) == 0 {
			if closed {
				return
			}
			select {
			case <-s.settles.wake:
				_ = sleep(s.working, settleLinger)
			case <-tick.C: // what is young may have become old
			}
			continue
		}
		n := 0
		for _, c := range list {
			n += len(c.evs)
		}
		g.commit(list)
		s.settles.size.Add(-int64(n))
	}
}

// settling is one transaction of the settle writer, and what it uses again.
type settling struct {
	s       *Store
	w       *writer
	list    []*change
	touched []*touch // in the order of their first event
	by      map[message.ID]*touch
	rows    columns
	spent   map[*owner][]int64
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
		err := g.attempt()
		switch {
		case err == nil:
			g.publish()
			return
		case errors.Is(err, store.ErrFenced):
		case errors.Is(err, errConflict):
			err = g.reload()
		case !connectionFailed(err) && !transient(err):
			g.s.log.Error("a change of messages cannot be stored", "error", err)
			g.giveUp(err)
			if g.s.opts.Failed != nil {
				g.s.opts.Failed(fmt.Errorf("store changes of messages: %w", err))
			}
			return
		}
		for connectionFailed(err) || transient(err) {
			if sleep(g.s.stop, retryAfter) != nil {
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
	g.touched, g.by, g.list, g.spent = nil, nil, nil, nil
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
		list, err := g.s.query(g.s.stop, "WHERE m.id = ANY($1)", ids64(missing))
		if err == nil {
			for i := range list {
				g.pin(&list[i])
			}
			break
		}
		g.s.attempt(err)
		if !connectionFailed(err) && !transient(err) || sleep(g.s.stop, retryAfter) != nil {
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
	for _, t := range g.touched {
		sh := g.s.live.shard(t.e.m.ID)
		sh.mu.Lock()
		if first {
			t.wasTold = t.e.told
			t.was = before{t.e.m.Status, worthOf(t.e.m)}
		}
		g.run(t)
		if t.changed && t.refused == nil {
			g.rows.change(t.e.m, t.e.version, t.e.claim != nil && t.e.claim.o.connector == t.e.m.Connector)
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
	g.await(b)
	g.outbox(b)
	g.dropSpent(b)
	for _, c := range g.list {
		if c.queue != nil {
			c.queue(b)
		}
	}
	g.s.bookSettles(b, g)
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
	for _, t := range g.touched {
		if t.o != nil && t.refused == nil && !slices.Contains(all, t.o) {
			all = append(all, t.o)
		}
	}
	g.s.fence(b, all)
}

// await notes the parts that were given to an SMSC and have no receipt yet.
func (g *settling) await(b *pgx.Batch) {
	var ids []int64
	var connectors, parts []int16
	var smscIDs []string
	for _, t := range g.touched {
		if t.refused != nil || t.e.m.Flags&message.WantReceipt == 0 {
			continue
		}
		for _, ev := range t.evs {
			if ev.Kind != message.Submitted || !ev.Changed {
				continue
			}
			sh := g.s.live.shard(t.e.m.ID)
			sh.mu.Lock()
			sent := t.e.m.Parts[ev.Part].Status == message.Sent
			sh.mu.Unlock()
			if sent {
				ids, connectors = append(ids, int64(t.e.m.ID)), append(connectors, int16(t.e.m.Connector))
				smscIDs, parts = append(smscIDs, ev.SMSCID), append(parts, int16(ev.Part))
			}
		}
	}
	if len(ids) > 0 {
		b.Queue("INSERT INTO receipts (id, connector, smsc_id, part) SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::smallint[])",
			ids, connectors, smscIDs, parts)
	}
}

// outbox opens and ends the entries of those whose customers are told.
func (g *settling) outbox(b *pgx.Batch) {
	var open, ended []int64
	for _, t := range g.touched {
		switch {
		case t.refused != nil:
		case t.tell:
			open = append(open, int64(t.e.m.ID))
		case t.told:
			ended = append(ended, int64(t.e.m.ID))
		}
	}
	if len(open) > 0 {
		b.Queue("INSERT INTO outbox (id, node) SELECT unnest($1::bigint[]), $2 ON CONFLICT (id) DO UPDATE SET node = excluded.node", open, int16(g.s.node.Load()))
	}
	if len(ended) > 0 {
		b.Queue("DELETE FROM outbox WHERE id = ANY($1)", ended)
	}
}

// dropSpent deletes the claims that no message is left of.
func (g *settling) dropSpent(b *pgx.Batch) {
	for _, o := range g.s.owners.list() {
		o.mu.Lock()
		if len(o.spent) > 0 {
			g.spent[o] = append(g.spent[o], o.spent...)
			o.spent = nil
		}
		o.mu.Unlock()
	}
	for o, numbers := range g.spent {
		b.Queue("DELETE FROM claims WHERE connector = $1 AND epoch = $2 AND number = ANY($3)", int16(o.connector), o.epoch, numbers)
	}
}

// reload brings the messages whose rows are not as believed to the state of their rows, so that
// their events run again.
func (g *settling) reload() error {
	var stale []message.ID
	slices.Sort(g.updated)
	for _, id := range g.rows.id {
		if _, ok := slices.BinarySearch(g.updated, message.ID(id)); !ok {
			stale = append(stale, message.ID(id))
		}
	}
	list, err := g.s.query(g.s.stop, "WHERE m.id = ANY($1)", ids64(stale))
	if err != nil {
		return err
	}
	g.s.reloads.Add(int64(len(stale)))
	there := make(map[message.ID]*found, len(list))
	for i := range list {
		there[list[i].m.ID] = &list[i]
	}
	for _, id := range stale {
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
	e.version = f.version
}

// publish hands what was committed to the applier.
func (g *settling) publish() {
	g.s.count(g.pages)
	g.s.refunded(g.refunds)
	c := committed{}
	hints := make(map[message.Lane][]message.ID)
	var leaving []*claim
	for _, t := range g.touched {
		sh := g.s.live.shard(t.e.m.ID)
		sh.mu.Lock()
		if t.refused == nil {
			g.settle(t, hints, &leaving)
		}
		sh.mu.Unlock()
		c.freed = append(c.freed, t.e)
	}
	for _, cl := range leaving {
		cl.leave()
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
func (g *settling) settle(t *touch, hints map[message.Lane][]message.ID, leaving *[]*claim) {
	e := t.e
	if t.changed {
		e.version++
	}
	if t.tell || t.told {
		g.s.tellsOf(e, t.tell)
	}
	waits := e.m.Waits()
	if e.claim != nil && (!waits || e.claim.o.connector != e.m.Connector) {
		*leaving = append(*leaving, e.claim)
		e.claim = nil
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
	if ch.after != nil {
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
