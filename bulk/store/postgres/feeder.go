package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"protei-bulk/bulk/message"
)

const (
	// feedBatch is how many rows a feeder reads at once.
	feedBatch = 5000
	// lookEvery is how often a feeder looks for what nobody hinted at, but it pauses at least
	// lookPause times as long as the look before took: many messages in the lanes are many rows
	// to pass over.
	lookEvery = time.Second
	lookPause = 20
	// maxHints bounds the hints that wait for the feeder of a connector, in messages: what does
	// not fit is found by looking.
	maxHints = 100_000
)

// hint names messages that were committed for a lane.
type hint struct {
	priority message.Priority
	ids      []message.ID
	taken    func(error)
}

// feed is what a feeder is told.
type feed struct {
	wake  chan struct{}
	mu    sync.Mutex
	hints []hint // guarded by mu
	size  int    // messages of hints; guarded by mu
}

func (f *feed) init() { f.wake = make(chan struct{}, 1) }

func (f *feed) poke() { signal(f.wake) }

// Hinted implements store.Shared.
func (s *Store) Hinted(lane message.Lane, ids []message.ID, taken func(error)) {
	o := s.owners.of(lane.Connector)
	if o == nil {
		taken(errNotOurs)
		return
	}
	o.feed.mu.Lock()
	full := o.feed.size+len(ids) > maxHints
	if !full {
		o.feed.hints = append(o.feed.hints, hint{lane.Priority, ids, taken})
		o.feed.size += len(ids)
	}
	o.feed.mu.Unlock()
	if full {
		taken(nil) // it is found by looking
		o.fallBehind(lane.Priority)
		return
	}
	o.feed.poke()
}

func (o *owner) fallBehind(p message.Priority) {
	o.mu.Lock()
	o.lanes[p].behind = true
	o.mu.Unlock()
}

// errNotOurs: the hint is for a lane of another node.
var errNotOurs = errors.New("the lane is another node's")

// takeHint returns a hint, oldest first.
func (f *feed) takeHint() (h hint, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.hints) == 0 {
		return h, false
	}
	h = f.hints[0]
	f.hints = f.hints[1:]
	f.size -= len(h.ids)
	return h, true
}

// feeder brings what waits in the database into the lanes of o: all of it at first, then what is
// hinted at, and what was missed. It is the only one that reads for these lanes.
func (s *Store) feeder(ctx context.Context, o *owner) {
	defer close(o.done)
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	var cursors [message.NumPriorities]message.ID // how far this look came
	look, began := true, time.Now()
	for {
		more, err := s.feedHints(ctx, o)
		for p := range o.lanes {
			if err != nil {
				break
			}
			if look || s.behind(o, p) {
				var again bool
				again, err = s.look(ctx, o, message.Priority(p), &cursors[p])
				more = more || again
			}
		}
		if err != nil && ctx.Err() == nil {
			s.attempt(err)
			s.log.Error("read what waits for a connector", "connector", o.connector, "error", err)
			more = false
		}
		if more {
			if ctx.Err() != nil {
				return
			}
			continue
		}
		if look {
			timer.Reset(max(lookEvery, lookPause*time.Since(began)))
			look = false
		}
		select {
		case <-ctx.Done():
			return
		case <-o.feed.wake:
		case <-timer.C:
			look, began = true, time.Now()
		}
	}
}

func (s *Store) behind(o *owner, p int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lanes[p].behind
}

// room is how many messages a lane takes now.
func (s *Store) room(o *owner, p message.Priority) int {
	free := s.opts.Room(message.Lane{Connector: o.connector, Priority: p})
	o.mu.Lock()
	defer o.mu.Unlock()
	return min(free-o.lanes[p].coming, feedBatch)
}

// feedHints takes in what was hinted at, and reports whether there may be more at once.
func (s *Store) feedHints(ctx context.Context, o *owner) (more bool, err error) {
	h, ok := o.feed.takeHint()
	if !ok {
		return false, nil
	}
	if s.behind(o, int(h.priority)) || s.room(o, h.priority) < len(h.ids) {
		o.fallBehind(h.priority) // others came before it
		h.taken(nil)
		return true, nil
	}
	list, err := s.query(ctx, "WHERE m.id = ANY($1) AND m.waits AND m.connector = $2", ids64(h.ids), int16(o.connector))
	if err != nil {
		h.taken(err)
		return false, err
	}
	s.bring(o, list)
	h.taken(nil)
	return true, nil
}

// look brings the lane's next rows that wait, from the cursor on. At the end it begins again.
// While it reads, what this node accepts may overtake what is read: otherwise a lane with a
// steady flow would never catch up.
func (s *Store) look(ctx context.Context, o *owner, p message.Priority, cursor *message.ID) (more bool, err error) {
	room := s.room(o, p)
	if room <= 0 {
		o.fallBehind(p)
		return false, nil
	}
	o.mu.Lock()
	o.lanes[p].behind = false
	o.mu.Unlock()
	ids, err := s.waiting(ctx, o, p, *cursor)
	if err != nil {
		o.fallBehind(p)
		return false, err
	}
	full := len(ids) == feedBatch
	var last message.ID
	fresh := ids[:0]
	for _, id := range ids {
		if s.live.has(id) {
			last = id
			continue
		}
		if len(fresh) == room {
			full = true
			break
		}
		fresh, last = append(fresh, id), id
	}
	if len(fresh) > 0 {
		list, err := s.query(ctx, "WHERE m.id = ANY($1) AND m.waits AND m.connector = $2 ORDER BY m.id", ids64(fresh), int16(o.connector))
		if err != nil {
			o.fallBehind(p)
			return false, err
		}
		s.bring(o, list)
	}
	if *cursor = last; !full {
		*cursor = 0
		return false, nil
	}
	o.fallBehind(p)
	return true, nil
}

// waiting returns the ids of a lane's rows that wait, above one.
func (s *Store) waiting(ctx context.Context, o *owner, p message.Priority, after message.ID) (ids []message.ID, err error) {
	var id int64
	err = s.each(ctx, "SELECT id FROM messages WHERE waits AND connector = $1 AND priority = $2 AND id > $3 ORDER BY id LIMIT $4",
		[]any{int16(o.connector), int16(p), int64(after), feedBatch}, []any{&id}, func() error { ids = append(ids, message.ID(id)); return nil })
	return ids, err
}

// bring gives messages that were read places in their lanes.
func (s *Store) bring(o *owner, list []found) {
	c := committed{}
	for i := range list {
		f := &list[i]
		e := s.live.adopt(f.m, f.version)
		if e.m != f.m {
			continue // it is here already
		}
		o.mu.Lock()
		o.lanes[f.m.Priority].coming++
		o.mu.Unlock()
		c.comes = append(c.comes, arrival{o: o, e: e, event: len(c.evs), coming: true})
		c.evs = append(c.evs, message.Event{Kind: message.Requeue, Msg: f.m, Part: message.AllParts, Changed: true, Was: f.m.Status, Now: f.m.Status})
	}
	if len(c.evs) > 0 {
		s.commits <- c
	}
}

// TakeWaiting takes a message that waits for a connector of this node, and is not in its lane yet,
// for the caller: it is not brought there any more. False: it is in the lane, or on its way, or
// does not wait.
func (s *Store) TakeWaiting(ctx context.Context, id message.ID) (bool, error) {
	list, err := s.query(ctx, "WHERE m.id = $1 AND m.waits", int64(id))
	if err != nil || len(list) == 0 || s.owners.of(list[0].m.Connector) == nil {
		return false, err
	}
	f := &list[0]
	return s.live.adopt(f.m, f.version).m == f.m, nil
}
