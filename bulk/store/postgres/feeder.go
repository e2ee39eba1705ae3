package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
)

const (
	// feedBatch is how many rows a feeder reads at once.
	feedBatch = 5000
	// lookEvery is how often a feeder looks at all rows for what nobody hinted at, but it pauses
	// at least lookPause times as long as it read for the look before: many messages in the lanes
	// are many rows to pass over.
	lookEvery = time.Second
	lookPause = 20
	// roomEvery is how often a feeder that waits for room in a lane looks for it.
	roomEvery = 50 * time.Millisecond
	// lateCommit is how long after its id was made a message may be committed. One that takes
	// longer, and of which nobody hints, is found by a look at all rows.
	lateCommit = time.Second
	// maxHints bounds the hints that wait for the feeder of a connector, in messages: what does
	// not fit is found by looking.
	maxHints = 100_000
)

// hint names messages that were committed for a lane.
type hint struct {
	ids   []message.ID
	taken func(error)
}

// feed is what a feeder is told.
type feed struct {
	wake  chan struct{}
	mu    sync.Mutex
	hints [message.NumPriorities][]hint // guarded by mu
	size  int                           // messages of hints that are not done; guarded by mu
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
	if o.feed.add(lane.Priority, hint{ids, taken}) {
		o.feed.poke()
		return
	}
	taken(nil) // it is found by looking
	o.setBehind(int(lane.Priority), true)
	o.feed.poke()
}

// errNotOurs: the hint is for a lane of another node.
var errNotOurs = errors.New("the lane is another node's")

func (f *feed) add(p message.Priority, h hint) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.size+len(h.ids) > maxHints {
		return false
	}
	f.hints[p] = append(f.hints[p], h)
	f.size += len(h.ids)
	return true
}

// take returns the hints for a lane, which count until they are done.
func (f *feed) take(p int) []hint {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.hints[p]
	f.hints[p] = nil
	return list
}

// done notes that nobody will look at n messages of hints any more.
func (f *feed) done(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.size -= n
}

func (o *owner) setBehind(p int, behind bool) {
	o.mu.Lock()
	o.lanes[p].behind = behind
	o.mu.Unlock()
}

func (o *owner) behind(p int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lanes[p].behind
}

// feeder brings what waits in the database into the lanes of an owner: all of it at first, then
// what is hinted at, and what was missed. It is the only one that reads for these lanes.
type feeder struct {
	s     *Store
	o     *owner
	lanes [message.NumPriorities]feeding
	took  time.Duration // reading, since the look at all rows began
}

// feeding is what a feeder knows of a lane.
type feeding struct {
	hints []hint  // taken out of the feed, oldest first
	lists []*list // to be looked at, oldest first
	walk  bool    // lists from from on, and rows above cursor, have not been looked at yet
	// from is where the walk began, cursor how far it came. When it ends, everything is in the lane that was
	// committed before it began: the next one need not look at what is below next.
	from, cursor, next message.ID
	began              time.Time // of the walk
}

func (s *Store) feeder(ctx context.Context, o *owner) {
	defer close(o.done)
	f := &feeder{s: s, o: o}
	defer f.giveUp()
	full, again := time.NewTimer(lookEvery), time.NewTimer(roomEvery)
	defer full.Stop()
	defer again.Stop()
	f.lookAtAll()
	looking := true
	for {
		more, waits, err := f.round(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.attempt(err)
			s.log.Error("read what waits for a connector", "connector", o.connector, "error", err)
		} else if more {
			continue
		}
		if looking { // what waits for room is looked at again: messages of any age may join it
			full.Reset(max(lookEvery, lookPause*f.took))
			looking = false
		}
		switch {
		case err != nil:
			again.Reset(lookEvery)
		case waits:
			again.Reset(roomEvery)
		default:
			again.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-o.feed.wake:
		case <-again.C:
		case <-full.C:
			f.lookAtAll()
			looking = true
		}
	}
}

// lookAtAll lets each lane's walk begin with the oldest row.
func (f *feeder) lookAtAll() {
	f.took = 0
	for p := range f.lanes {
		f.start(p, 0)
	}
}

func (f *feeder) start(p int, after message.ID) {
	l := &f.lanes[p]
	l.walk, l.from, l.cursor, l.began = true, after, after, time.Now()
	l.lists = f.o.unfinished(p)
}

// giveUp lets go of the hints that were not taken in: the rows wait for the next owner.
func (f *feeder) giveUp() {
	for p := range f.lanes {
		for _, h := range append(f.lanes[p].hints, f.o.feed.take(p)...) {
			h.taken(errNotOurs)
		}
	}
}

// round brings what there is room for. more: it may go on at once; waits: it goes on when there is
// room.
func (f *feeder) round(ctx context.Context) (more, waits bool, err error) {
	defer func(began time.Time) { f.took += time.Since(began) }(time.Now())
	for p := range f.lanes {
		l := &f.lanes[p]
		l.hints = append(l.hints, f.o.feed.take(p)...)
		if !l.walk && f.o.behind(p) {
			f.start(p, l.next)
		}
		f.sift(l)
		room := f.room(message.Priority(p))
		if room > 0 && len(l.hints)+len(l.lists) > 0 {
			n, err := f.follow(ctx, p, room)
			if err != nil {
				return false, false, err
			}
			room -= n
		}
		if room > 0 && l.walk {
			if err := f.step(ctx, p, room); err != nil {
				return false, false, err
			}
		}
		switch open := l.walk || len(l.hints)+len(l.lists) > 0; {
		case !open:
		case f.room(message.Priority(p)) > 0:
			more = true
		default:
			waits = true
			if l.walk {
				f.o.setBehind(p, true) // what is accepted now must not overtake what waits
			}
		}
	}
	return more, waits, nil
}

// room is how many messages a lane takes now.
func (f *feeder) room(p message.Priority) int {
	free := f.s.opts.Room(message.Lane{Connector: f.o.connector, Priority: p})
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	return min(free-f.o.lanes[p].coming, feedBatch)
}

// sift drops of the hints what is in the lane already and what the walk comes by.
func (f *feeder) sift(l *feeding) {
	l.hints = slices.DeleteFunc(l.hints, func(h hint) bool {
		for _, id := range h.ids {
			if !f.passes(l, id) {
				return false
			}
		}
		f.o.feed.done(len(h.ids))
		h.taken(nil)
		return true
	})
}

// passes reports whether a hint of the message needs no look at its row.
func (f *feeder) passes(l *feeding, id message.ID) bool {
	return l.walk && id > l.cursor || f.s.live.has(id)
}

// follow brings up to room messages that hints name, and the rest of their lists, and returns how many it asked for.
func (f *feeder) follow(ctx context.Context, p, room int) (asked int, err error) {
	l := &f.lanes[p]
	defer func() {
		if err != nil {
			f.start(p, 0) // what the hints name is found by looking
		}
	}()
	if len(l.lists) == 0 {
		if oldest := f.oldest(l); oldest != 0 {
			if l.lists, err = f.s.unknownLists(ctx, f.o, p, message.FirstID(oldest.Time().Add(-lateCommit))); err != nil {
				return 0, err
			}
		}
	}
	if asked, err = f.bringListed(ctx, l, room); err != nil || len(l.lists) > 0 {
		return asked, err
	}
	var ids []message.ID
	n := 0 // hints that are taken in whole
	for room -= asked; n < len(l.hints) && len(ids) < room; n++ {
		h := &l.hints[n]
		fits := min(len(h.ids), room-len(ids))
		for _, id := range h.ids[:fits] {
			if !f.passes(l, id) {
				ids = append(ids, id)
			}
		}
		f.o.feed.done(fits)
		if h.ids = h.ids[fits:]; len(h.ids) > 0 {
			break
		}
	}
	err = f.s.bringRows(ctx, f.o, ids)
	for _, h := range l.hints[:n] {
		h.taken(err)
	}
	l.hints = slices.Delete(l.hints, 0, n)
	return asked + len(ids), err
}

// oldest returns the oldest message that hints name and that is not here; 0: there is none.
func (f *feeder) oldest(l *feeding) (oldest message.ID) {
	for _, h := range l.hints {
		for _, id := range h.ids {
			if (oldest == 0 || id < oldest) && !f.passes(l, id) {
				oldest = id
			}
		}
	}
	return oldest
}

// step brings what the walk comes by next, up to room: rows up to where the next list begins, then lists. At the end
// of the walk the lane is not behind any more. While a walk reads, what this node accepts may overtake what is read,
// unless the lane is behind: otherwise a look at a lane with a steady flow would never end.
func (f *feeder) step(ctx context.Context, p, room int) (err error) {
	l := &f.lanes[p]
	if len(l.lists) == 0 {
		// All that are not known, also those that were committed late: what a hint names is among them.
		if l.lists, err = f.s.unknownLists(ctx, f.o, p, l.from); err != nil {
			return err
		}
	}
	below := ^message.ID(0) >> 1
	if len(l.lists) > 0 {
		below = l.lists[0].first
	}
	limit := min(feedBatch, room+feedBatch/10) // a few are in the lane already
	ids, err := f.s.waiting(ctx, f.o, p, l.cursor, below, limit)
	if err != nil {
		return err
	}
	end := len(ids) < limit
	cursor := l.cursor
	fresh := ids[:0]
	for _, id := range ids {
		if !f.s.live.has(id) {
			if len(fresh) == room {
				end = false
				break
			}
			fresh = append(fresh, id)
		}
		cursor = id
	}
	if err := f.s.bringWaiting(ctx, f.o, p, fresh); err != nil {
		return err
	}
	l.cursor = cursor
	switch {
	case !end:
	case len(l.lists) > 0:
		_, err = f.bringListed(ctx, l, room-len(fresh))
	default:
		l.walk, l.next = false, message.FirstID(l.began.Add(-lateCommit))
		f.o.setBehind(p, false)
	}
	return err
}

// waiting returns the ids of a lane's rows that wait, above one id and below another.
func (s *Store) waiting(ctx context.Context, o *owner, p int, after, below message.ID, limit int) (ids []message.ID, err error) {
	var id int64
	err = s.each(ctx, "SELECT id FROM waiting WHERE connector = $1 AND priority = $2 AND id > $3 AND id < $4 ORDER BY id LIMIT $5",
		[]any{int16(o.connector), int16(p), int64(after), int64(below), limit}, []any{&id}, func() error { ids = append(ids, message.ID(id)); return nil })
	return ids, err
}

// bringRows brings those of the messages, which are not held here, that wait for o by a row of their own.
func (s *Store) bringRows(ctx context.Context, o *owner, ids []message.ID) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := s.queryIDs(ctx, ids)
	if err == nil {
		s.bring(o, slices.DeleteFunc(list, func(f found) bool { return !f.waits || !waitsFor(o, &f) }))
	}
	return err
}

// bringWaiting brings messages of a lane that have a row in waiting, and are not held here, and deletes the rows
// of those that do not wait for it: they had one beside a list.
func (s *Store) bringWaiting(ctx context.Context, o *owner, p int, ids []message.ID) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := s.bodies(ctx, ids64(ids))
	if err != nil {
		return err
	}
	var over []found
	list = slices.DeleteFunc(list, func(f found) bool {
		waits := waitsFor(o, &f)
		if !waits {
			over = append(over, f)
		}
		return !waits
	})
	for i := range list {
		list[i].waits = true
	}
	s.bring(o, list)
	s.dropRows(o, p, over)
	return nil
}

// waitsFor reports whether a message that is not held here should stand in a lane of o.
func waitsFor(o *owner, f *found) bool { return f.m.Connector == o.connector && standsOrShould(f.m) }

// dropWaiting deletes rows of messages that are as they were read. Who changes one of them meanwhile waits for it.
const dropWaiting = `WITH over AS MATERIALIZED (SELECT m.id FROM unnest($3::bigint[], $4::integer[]) AS u(id, version)
JOIN messages m ON m.id = u.id AND m.version = u.version FOR UPDATE OF m)
DELETE FROM waiting w USING over WHERE w.connector = $1 AND w.priority = $2 AND w.id = over.id`

// dropRows deletes rows of waiting that say what is not so.
func (s *Store) dropRows(o *owner, p int, over []found) {
	if len(over) == 0 {
		return
	}
	ids, versions := make([]int64, len(over)), make([]int32, len(over))
	for i, f := range over {
		ids[i], versions[i] = int64(f.m.ID), f.version
	}
	s.settles.put(&change{o: o, queue: func(b *pgx.Batch) {
		b.Queue(dropWaiting, int16(o.connector), int16(p), ids, versions)
	}})
}

// bring gives messages that were read places in their lanes. It returns those that this node holds otherwise.
func (s *Store) bring(o *owner, list []found) (held []found) {
	c := committed{}
	for i := range list {
		f := &list[i]
		status := f.m.Status // once it is in the live table, others change it
		e := s.live.adopt(f)
		if e.m != f.m {
			held = append(held, *f)
			continue
		}
		o.mu.Lock()
		o.lanes[f.m.Priority].coming++
		o.mu.Unlock()
		c.comes = append(c.comes, arrival{o: o, e: e, event: len(c.evs), coming: true})
		c.evs = append(c.evs, message.Event{Kind: message.Requeue, Msg: f.m, Part: message.AllParts, Changed: true, Was: status, Now: status})
	}
	if len(c.evs) > 0 {
		s.commits <- c
	}
	return held
}

// TakeWaiting takes a message that waits for a connector of this node, and is not in its lane yet,
// for the caller: it is not brought there any more. False: it is in the lane, or on its way, or
// does not wait.
func (s *Store) TakeWaiting(ctx context.Context, id message.ID) (bool, error) {
	list, err := s.query(ctx, "WHERE m.id = $1", int64(id))
	if err != nil || len(list) == 0 || !standsOrShould(list[0].m) || s.owners.of(list[0].m.Connector) == nil {
		return false, err
	}
	f := &list[0]
	return s.live.adopt(f).m == f.m, nil
}
