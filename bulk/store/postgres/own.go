package postgres

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// Own implements store.Shared. What an owner before claimed and did not settle is suspect: it
// comes first, claimed anew. The rest of what waits is brought by a feeder.
func (s *Store) Own(ctx context.Context, connector uint16, epoch int64) ([]store.LaneState, error) {
	if s.owners.of(connector) != nil {
		return nil, fmt.Errorf("connector %d is this node's already", connector)
	}
	o := &owner{connector: connector, epoch: epoch, done: make(chan struct{})}
	o.feed.init()
	suspects, err := s.takeClaims(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("take over connector %d: %w", connector, err)
	}
	if err := s.loadParked(ctx, connector); err != nil {
		return nil, fmt.Errorf("take over connector %d: %w", connector, err)
	}
	states := make([]store.LaneState, 0, len(o.lanes))
	var c *claim
	if len(suspects) > 0 {
		o.next = 1 // of takeClaims
		c = &claim{o: o, number: 1}
		c.open.Store(int64(len(suspects)))
	}
	for i := range suspects {
		e := s.adopt(&suspects[i])
		e.claim = c
		s.give(o, e, false)
	}
	for p := range o.lanes {
		l := &o.lanes[p]
		l.behind = true
		states = append(states, store.LaneState{Lane: message.Lane{Connector: connector, Priority: message.Priority(p)}, Horizon: l.last, Next: l.last + 1})
	}
	s.owners.put(o)
	feeding, cancel := context.WithCancel(s.working)
	o.cancel = cancel
	s.others.Go(func() { s.feeder(feeding, o) })
	return states, nil
}

// takeClaims makes the claims of epochs before one of this one, and returns their messages that
// still wait, oldest first.
func (s *Store) takeClaims(ctx context.Context, o *owner) (suspects []found, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		suspects = nil
		b := &pgx.Batch{}
		s.fence(b, []*owner{o})
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, rowColumns+"FROM (SELECT DISTINCT unnest(ids) AS id FROM claims WHERE connector = $1 AND epoch <= $2) u "+eachID+"WHERE m.connector = $1", int16(o.connector), o.epoch)
		if err != nil {
			return err
		}
		var r row
		var ids []int64
		_, err = pgx.ForEachRow(rows, r.columns(), func() error {
			m, err := r.message()
			if err == nil && m.Waits() && m.Status != message.Held { // a held one has no place
				suspects = append(suspects, r.found(m))
				ids = append(ids, int64(m.ID))
			}
			return err
		})
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM claims WHERE connector = $1 AND epoch <= $2", int16(o.connector), o.epoch); err != nil {
			return err
		}
		if len(ids) > 0 {
			_, err = tx.Exec(ctx, "INSERT INTO claims (connector, epoch, number, ids) VALUES ($1,$2,1,$3)", int16(o.connector), o.epoch, ids)
		}
		return err
	})
	oldestFirst(suspects)
	return suspects, err
}

// Disown implements store.Shared.
func (s *Store) Disown(ctx context.Context, connector uint16, clean bool) (err error) {
	o := s.owners.remove(connector)
	if o == nil {
		return nil
	}
	if clean && !o.lost.Load() {
		err = wrap(s.unclaim(ctx, o), "give back what was claimed for connector %d", connector)
	}
	o.lost.Store(true)
	o.cancel()
	<-o.done
	o.mu.Lock()
	o.gone = true
	var here []*entry
	for p := range o.lanes {
		for _, pl := range o.lanes[p].places {
			here = append(here, pl.e)
		}
		o.lanes[p].places = nil
	}
	o.mu.Unlock()
	for _, e := range here {
		sh := s.live.shard(e.m.ID)
		sh.mu.Lock()
		if e.m.Connector == connector { // else it has moved, and may stand in a lane there
			e.m.LaneSeq, e.claim, e.list = 0, nil, nil
			s.release(sh, e)
		}
		sh.mu.Unlock()
	}
	return err
}

// unclaim makes messages that wait of those that are claimed and were not sent.
func (s *Store) unclaim(ctx context.Context, o *owner) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		s.fence(b, []*owner{o})
		b.Queue(`WITH unsent AS (UPDATE messages m SET version = version + 1
WHERE status = $3 AND id IN (SELECT unnest(ids) FROM claims WHERE connector = $1 AND epoch = $2)
AND NOT EXISTS (SELECT FROM waiting w WHERE w.connector = m.connector AND w.priority = m.priority AND w.id = m.id)
RETURNING connector, priority, id)
INSERT INTO waiting (connector, priority, id) SELECT * FROM unsent ON CONFLICT DO NOTHING`, int16(o.connector), o.epoch, int16(message.Pending))
		b.Queue("DELETE FROM claims WHERE connector = $1 AND epoch = $2", int16(o.connector), o.epoch)
		return tx.SendBatch(ctx, b).Close()
	})
}

// Recovery implements store.Store: this node has no lanes before Own.
func (s *Store) Recovery() []store.LaneState { return nil }

// LoadLane implements store.Store: what stands in a lane of this node, and the queue has let go.
func (s *Store) LoadLane(_ context.Context, key message.Lane, after uint64, limit int) (msgs []*message.Message, complete uint64, err error) {
	o := s.owners.of(key.Connector)
	if o == nil {
		return nil, after, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	l := &o.lanes[key.Priority]
	from, _ := slices.BinarySearchFunc(l.places, after+1, func(p place, seq uint64) int { return cmp.Compare(p.seq, seq) })
	for _, p := range l.places[from:] {
		if len(msgs) == limit {
			return msgs, complete, nil
		}
		if s.stands(o.connector, p) {
			msgs = append(msgs, p.e.m)
		}
		complete = p.seq
	}
	return msgs, max(l.last, after), nil
}

// RecordHorizon implements store.Store: the messages that stand in the lane up to seq are claimed;
// what is granted is the last place of which all before it are.
func (s *Store) RecordHorizon(key message.Lane, seq uint64, done func(granted uint64, err error)) {
	o := s.owners.of(key.Connector)
	if o == nil {
		done(0, store.ErrFenced)
		return
	}
	fresh, granted := s.unclaimed(o, key.Priority, seq)
	if len(fresh) == 0 {
		done(granted, nil)
		return
	}
	o.mu.Lock()
	c := o.newClaim(len(fresh))
	o.mu.Unlock()
	ids := make([]int64, len(fresh))
	for i, e := range fresh {
		ids[i] = int64(e.m.ID)
	}
	s.settles.put(&change{o: o, queue: func(b *pgx.Batch) {
		b.Queue("INSERT INTO claims (connector, epoch, number, ids) VALUES ($1,$2,$3,$4)", int16(o.connector), o.epoch, c.number, ids)
	}, after: func() {
		for _, e := range fresh {
			s.claimed(e, c)
		}
		_, granted = s.unclaimed(o, key.Priority, seq)
	}, done: func(err error) { done(granted, err) }})
}

// claimed notes that a message may be sent. If it left meanwhile, it leaves the claim too.
func (s *Store) claimed(e *entry, c *claim) {
	sh := s.live.shard(e.m.ID)
	sh.mu.Lock()
	stays := e.m.Waits() && e.m.LaneSeq != 0 && e.claim == nil && sh.m[e.m.ID] == e
	var of *list
	if stays {
		e.claim, of, e.list = c, e.list, nil
	}
	sh.mu.Unlock()
	if of != nil {
		of.leave(1)
	}
	if !stays {
		c.leave()
	}
}

// unclaimed returns the messages up to a place that are not claimed yet, and the last place up
// to which all are.
func (s *Store) unclaimed(o *owner, p message.Priority, seq uint64) (fresh []*entry, granted uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := &o.lanes[p]
	granted = min(seq, l.last)
	for _, pl := range l.places {
		if pl.seq > seq {
			break
		}
		sh := s.live.shard(pl.e.m.ID)
		sh.mu.Lock()
		if pl.e.claim == nil && pl.e.m.Connector == o.connector && pl.e.m.LaneSeq == pl.seq && pl.e.m.Waits() {
			if len(fresh) == 0 {
				granted = pl.seq - 1
			}
			fresh = append(fresh, pl.e)
		}
		sh.mu.Unlock()
	}
	return fresh, granted
}

// held returns the messages that stand in the lanes, and some that did.
func (o *owner) held() (msgs []*message.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for p := range o.lanes {
		for _, pl := range o.lanes[p].places {
			msgs = append(msgs, pl.e.m)
		}
	}
	return msgs
}

// LoadDue implements store.Store, for the connectors of this node.
func (s *Store) LoadDue(ctx context.Context, before int64, limit int) ([]*message.Message, error) {
	var connectors []int16
	for _, o := range s.owners.list() {
		connectors = append(connectors, int16(o.connector))
	}
	if len(connectors) == 0 {
		return nil, nil
	}
	list, err := s.query(ctx, "WHERE m.connector = ANY($1) AND m.rare = 2 AND m.due < $2 ORDER BY m.due LIMIT $3", connectors, before, limit)
	if err != nil {
		return nil, fmt.Errorf("read what is due: %w", err)
	}
	msgs := make([]*message.Message, len(list))
	for i := range list {
		msgs[i] = s.current(&list[i])
	}
	return msgs, nil
}

// current returns the object of a message that was read, without making this node hold it.
func (s *Store) current(f *found) *message.Message {
	sh := s.live.shard(f.m.ID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.m[f.m.ID]; e != nil {
		return e.m
	}
	return f.m
}

// waitingPage is how many rows EachWaiting reads at once.
const waitingPage = 5000

// EachWaiting implements store.Store, for the connectors of this node.
func (s *Store) EachWaiting(ctx context.Context, want func(*message.Message) bool, f func(*message.Message)) error {
	look := func(m *message.Message) {
		if want(m) {
			s.View(m, func(m *message.Message) {
				if m.Waits() {
					f(m)
				}
			})
		}
	}
	lanes := func() {
		for _, o := range s.owners.list() {
			for _, m := range o.held() {
				look(m)
			}
		}
	}
	lanes()
	var connectors []int16
	for _, o := range s.owners.list() {
		connectors = append(connectors, int16(o.connector))
		for p := range o.lanes {
			for after := int64(0); ; {
				list, err := s.query(ctx, joinWaiting+"WHERE w.connector = $1 AND w.priority = $2 AND w.id > $3 ORDER BY w.id LIMIT $4", int16(o.connector), int16(p), after, waitingPage)
				if err != nil {
					return fmt.Errorf("read what waits: %w", err)
				}
				for i := range list {
					look(s.current(&list[i]))
				}
				if len(list) < waitingPage {
					break
				}
				after = int64(list[len(list)-1].m.ID)
			}
		}
	}
	_, err := s.eachListed(ctx, connectors, 0, math.MaxInt, func(f *found) { look(s.current(f)) })
	lanes() // what came into one meanwhile may have left its list
	return err
}
