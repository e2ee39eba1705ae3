package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
)

// list is a row of waiting_lists of a connector that is this node's: messages that were accepted together, and
// not claimed as they came.
type list struct {
	o        *owner
	priority message.Priority
	first    message.ID   // the least of its ids
	open     atomic.Int64 // of its messages, those that nothing else shows to wait or to have ended
	// todo are those that have not been looked at, oldest first. It is the feeder's.
	todo []message.ID
}

// leave notes that n messages are in the list no more. No shard must be locked.
func (l *list) leave(n int) {
	if n > 0 && l.open.Add(-int64(n)) == 0 {
		l.o.mu.Lock()
		l.o.spentLists = append(l.o.spentLists, l)
		l.o.mu.Unlock()
	}
}

// addList makes a list known. false: it is.
func (o *owner) addList(l *list) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	known := o.lists[l.priority]
	if known[l.first] != nil {
		return false
	}
	if known == nil {
		known = make(map[message.ID]*list)
		o.lists[l.priority] = known
	}
	known[l.first] = l
	return true
}

func (o *owner) dropList(l *list) {
	o.mu.Lock()
	delete(o.lists[l.priority], l.first)
	o.mu.Unlock()
}

// unfinished returns the lists of a lane with messages that the feeder has to look at again, oldest first.
func (o *owner) unfinished(p int) (all []*list) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.lists[p] {
		if len(l.todo) > 0 {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b *list) int { return cmp.Compare(a.first, b.first) })
	return all
}

// known returns the lists of a lane that are known and do not begin below an id.
func (o *owner) known(p int, from message.ID) []int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	firsts := []int64{} // nil would be NULL
	for first := range o.lists[p] {
		if first >= from {
			firsts = append(firsts, int64(first))
		}
	}
	return firsts
}

const insertList = "INSERT INTO waiting_lists (connector, priority, first, ids) VALUES ($1,$2,$3,$4)"

// freshList is a list that a transaction makes.
type freshList struct {
	lane message.Lane
	ids  []message.ID
	of   *list // of messages that come into a lane of this node
}

// listKey is what the messages of a list have in common: their lane, and whether they come into it.
type listKey struct {
	lane message.Lane
	o    *owner
}

// waits puts a message into a list of the transaction.
func (a *accepting) waits(m *message.Message, o *owner) *list {
	key := listKey{m.Lane(), o}
	f := a.lists[key]
	if f == nil {
		f = &freshList{lane: key.lane}
		if o != nil {
			f.of = &list{o: o, priority: m.Priority}
		}
		a.lists[key] = f
	}
	f.ids = append(f.ids, m.ID)
	return f.of
}

// nameLists makes the lists of the transaction known, before the feeder can see them.
func (a *accepting) nameLists() {
	for _, f := range a.lists {
		slices.Sort(f.ids)
		if f.of != nil {
			f.of.first = f.ids[0]
			f.of.open.Store(int64(len(f.ids)))
			f.of.o.addList(f.of)
		}
	}
}

func (a *accepting) queueLists(b *pgx.Batch) {
	for _, f := range a.lists {
		b.Queue(insertList, int16(f.lane.Connector), int16(f.lane.Priority), int64(f.ids[0]), ids64(f.ids))
	}
}

// forgetLists takes back what nameLists did: the transaction did not happen, or nobody knows of it.
func (a *accepting) forgetLists() {
	for _, f := range a.lists {
		if f.of != nil {
			f.of.o.dropList(f.of)
		}
	}
}

// listsPage is how many lists a feeder reads at once.
const listsPage = 200

// unknownLists reads lists of a lane that this node has not seen, from one that begins with an id on, oldest first.
func (s *Store) unknownLists(ctx context.Context, o *owner, p int, from message.ID) (fresh []*list, err error) {
	var first int64
	var ids []int64
	err = s.each(ctx, "SELECT first, ids FROM waiting_lists WHERE connector = $1 AND priority = $2 AND first >= $3 AND first <> ALL($4) ORDER BY first LIMIT $5",
		[]any{int16(o.connector), int16(p), int64(from), o.known(p, from), listsPage}, []any{&first, &ids}, func() error {
			l := &list{o: o, priority: message.Priority(p), first: message.ID(first), todo: make([]message.ID, len(ids))}
			for i, id := range ids {
				l.todo[i] = message.ID(id)
			}
			l.open.Store(int64(len(ids)))
			if o.addList(l) { // else it was made known meanwhile
				fresh = append(fresh, l)
			}
			return nil
		})
	return fresh, err
}

// member is a message of a list.
type member struct {
	id message.ID
	of *list
}

// bringListed brings up to room messages of the lists that a lane's feeding has, and returns how many it read. A list
// leaves l.lists when each of its messages was looked at, also when one of them has to be once more, at the next walk.
func (f *feeder) bringListed(ctx context.Context, l *feeding, room int) (int, error) {
	var want []member
	for len(l.lists) > 0 && len(want) < room {
		of := l.lists[0]
		todo, again, left := of.todo, of.todo[:0], 0
		for len(todo) > 0 && len(want) < room {
			id := todo[0]
			todo = todo[1:]
			switch f.s.standing(f.o, id) {
			case notHere:
				want = append(want, member{id, of})
			case covered:
				left++
			case busy:
				again = append(again, id)
			}
		}
		done := len(todo) == 0
		of.todo = append(again, todo...)
		of.leave(left)
		if !done {
			break
		}
		l.lists = l.lists[1:]
	}
	if len(want) == 0 {
		return 0, nil
	}
	err := f.s.bringList(ctx, f.o, want)
	if err != nil {
		for _, w := range want {
			w.of.todo = append(w.of.todo, w.id)
		}
		l.lists = f.o.unfinished(int(want[0].of.priority))
	}
	return len(want), err
}

// standing is how a message of a list stands to this node.
type standing int

const (
	notHere standing = iota // its row says what it does
	covered                 // it waits by a claim or by a row of its own, or has ended: the list may forget it
	busy                    // it is being changed, or taken: what comes of it has to be seen later
)

func (s *Store) standing(o *owner, id message.ID) standing {
	sh := s.live.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.m[id]
	switch {
	case e == nil:
		return notHere
	case e.pinned > 0 || e.list != nil:
		return busy
	case e.claim != nil && e.claim.o == o, e.waits && e.waitsFor == o.connector, !standsOrShould(e.m), e.m.Connector != o.connector:
		return covered
	}
	return busy
}

// bringList brings those messages of lists that wait for o, oldest first, and takes the others off their lists.
func (s *Store) bringList(ctx context.Context, o *owner, want []member) error {
	slices.SortFunc(want, func(a, b member) int { return cmp.Compare(a.id, b.id) })
	ids := make([]int64, len(want))
	for i, w := range want {
		ids[i] = int64(w.id)
	}
	there, err := s.bodies(ctx, ids)
	if err != nil {
		return err
	}
	var come []found
	for _, w := range want {
		var f *found
		if len(there) > 0 && there[0].m.ID == w.id {
			f, there = &there[0], there[1:]
		}
		if f == nil || !waitsFor(o, f) {
			w.of.leave(1)
			continue
		}
		f.list = w.of
		come = append(come, *f)
	}
	for _, f := range s.bring(o, come) {
		f.list.todo = append(f.list.todo, f.m.ID)
	}
	return nil
}

// bodies reads messages alone, oldest first.
func (s *Store) bodies(ctx context.Context, ids []int64) (list []found, err error) {
	var r row
	err = s.each(ctx, selectBodies, []any{ids}, []any{&r.id, &r.version, &r.body}, func() error {
		m, err := r.message()
		if err == nil {
			list = append(list, r.found(m))
		}
		return err
	})
	oldestFirst(list)
	return list, err
}

// listsAfter reads lists of some connectors that begin above an id, at most limit of them, and returns their
// messages in the order of the lists, and the beginning of the last one; 0: there are no more.
func (s *Store) listsAfter(ctx context.Context, connectors []int16, after message.ID, limit int) (ids []message.ID, last message.ID, err error) {
	var first int64
	var some []int64
	n := 0
	err = s.each(ctx, "SELECT first, ids FROM waiting_lists WHERE connector = ANY($1) AND first > $2 ORDER BY first LIMIT $3",
		[]any{connectors, int64(after), limit}, []any{&first, &some}, func() error {
			n++
			for _, id := range some {
				ids = append(ids, message.ID(id))
			}
			return nil
		})
	if n == limit {
		last = message.ID(first)
	}
	return ids, last, err
}

// eachListed calls f with each message of lists of these connectors, which are this node's, as its row is. Some stand in
// a lane: they may come into it while the caller looks.
// It begins above a list and ends after most messages, and returns what to go on above; 0: there is nothing.
func (s *Store) eachListed(ctx context.Context, connectors []int16, after message.ID, most int, f func(*found)) (message.ID, error) {
	for n := 0; n < most; {
		ids, last, err := s.listsAfter(ctx, connectors, after, listsPage)
		if err != nil {
			return after, fmt.Errorf("read the lists of what waits: %w", err)
		}
		n += len(ids)
		for page := range slices.Chunk(ids, waitingPage) {
			list, err := s.queryIDs(ctx, page)
			if err != nil {
				return after, fmt.Errorf("read what waits: %w", err)
			}
			for i := range list {
				f(&list[i])
			}
		}
		if after = last; after == 0 {
			break
		}
	}
	return after, nil
}
