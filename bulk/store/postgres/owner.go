package postgres

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"protei-bulk/bulk/message"
)

// claimAhead is how many messages of a lane may be claimed before the queue asks for them: those
// that are likely to be sent soon. After a crash they are the suspects. It is as many as
// results may be not durable yet (max_unsynced_settles): what is claimed as it comes costs PostgreSQL
// half as much as what is claimed later.
const claimAhead = 10_000

// owner is the right to the lanes of a connector, under one epoch of its lease.
type owner struct {
	connector uint16
	epoch     int64
	lost      atomic.Bool // another node has the lease

	mu    sync.Mutex // guards what follows
	next  int64      // number of the next claim
	spent []int64    // claims whose messages have all left
	lanes [message.NumPriorities]lane
	// Rows of waiting_lists that are known, by their first message, and those of them that nobody is in.
	lists      [message.NumPriorities]map[message.ID]*list
	spentLists []*list
	gone       bool // of Disown: nothing has a place any more

	feed   feed
	cancel context.CancelFunc
	done   chan struct{} // closed by the feeder at its end
}

// lane is what this node has of one lane. Its fields are guarded by owner.mu.
type lane struct {
	last   uint64  // place given last
	places []place // by place; of some the message has left
	coming int     // messages that are being committed for the lane
	behind bool    // older messages wait in the database: new ones do not overtake them
}

// place is a place in a lane.
type place struct {
	seq uint64
	e   *entry
}

// claim is a row of claims: messages that may be sent, or were.
type claim struct {
	o      *owner
	number int64
	open   atomic.Int64 // of its messages, those that still wait
}

// leave notes that a message of the claim waits no more.
func (c *claim) leave() {
	if c.open.Add(-1) == 0 {
		c.o.mu.Lock()
		c.o.spent = append(c.o.spent, c.number)
		c.o.mu.Unlock()
	}
}

// newClaim needs mu.
func (o *owner) newClaim(n int) *claim {
	o.next++
	c := &claim{o: o, number: o.next}
	c.open.Store(int64(n))
	return c
}

// LeaseOfConnector is the name of the lease that makes a node the owner of a connector's lanes.
func LeaseOfConnector(connector uint16) string { return "connector/" + strconv.Itoa(int(connector)) }

// owners are the connectors whose lanes are this node's.
type owners struct {
	mu  sync.Mutex                        // one change at a time
	all atomic.Pointer[map[uint16]*owner] // replaced as a whole
}

// of returns the owner of a connector's lanes, or nil: they are not this node's.
func (x *owners) of(connector uint16) *owner {
	all := x.all.Load()
	if all == nil {
		return nil
	}
	o := (*all)[connector]
	if o == nil || o.lost.Load() {
		return nil
	}
	return o
}

func (x *owners) list() []*owner {
	all := x.all.Load()
	if all == nil {
		return nil
	}
	return slices.Collect(maps.Values(*all))
}

func (x *owners) put(o *owner) {
	x.mu.Lock()
	defer x.mu.Unlock()
	next := make(map[uint16]*owner)
	if all := x.all.Load(); all != nil {
		maps.Copy(next, *all)
	}
	next[o.connector] = o
	x.all.Store(&next)
}

func (x *owners) remove(connector uint16) *owner {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := x.all.Load()
	if all == nil || (*all)[connector] == nil {
		return nil
	}
	next := maps.Clone(*all)
	o := next[connector]
	delete(next, connector)
	x.all.Store(&next)
	return o
}

// reserve says whether a new message may come into a lane of o, which it counts as coming, and
// whether it should be claimed at once.
func (s *Store) reserve(o *owner, p message.Priority) (comes, claimed bool) {
	room := s.opts.Room(message.Lane{Connector: o.connector, Priority: p})
	o.mu.Lock()
	defer o.mu.Unlock()
	l := &o.lanes[p]
	if l.behind {
		return false, false
	}
	if l.coming >= room {
		l.behind = true // the feeder brings it when there is room
		o.feed.poke()
		return false, false
	}
	l.coming++
	return true, len(l.places)+l.coming <= claimAhead
}

// cancelComing takes back what reserve gave.
func (o *owner) cancelComing(p message.Priority) {
	o.mu.Lock()
	o.lanes[p].coming--
	o.mu.Unlock()
}

// give gives the message of e, which has come, a place. The shard of e must not be locked. It
// returns 0 when the message waits no more.
func (s *Store) give(o *owner, e *entry, coming bool) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := &o.lanes[e.m.Priority]
	if coming {
		l.coming--
	}
	l.trim(s, o.connector)
	sh := s.live.shard(e.m.ID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if o.gone { // as Disown does to those that have a place
		if e.claim != nil && e.claim.o == o {
			e.claim = nil
		}
		if e.list != nil && e.list.o == o {
			e.list = nil
		}
		return 0
	}
	if !e.m.Waits() || sh.m[e.m.ID] != e {
		return 0
	}
	l.last++
	e.m.LaneSeq = l.last
	l.places = append(l.places, place{l.last, e})
	return l.last
}

// trimEvery is after how many places a lane forgets those that nobody stands at any more.
const trimEvery = 256

// trim forgets the places at the head that nobody stands at.
func (l *lane) trim(s *Store, connector uint16) {
	if l.last%trimEvery != 0 {
		return
	}
	n := 0
	for n < len(l.places) && !s.stands(connector, l.places[n]) {
		n++
	}
	l.places = slices.Delete(l.places, 0, n)
}

// stands reports whether the message of a place in a lane of the connector still has it: one that
// moved may have the same number in its new lane. No shard must be locked.
func (s *Store) stands(connector uint16, p place) bool {
	sh := s.live.shard(p.e.m.ID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return p.e.m.Connector == connector && p.e.m.LaneSeq == p.seq && p.e.m.Waits()
}
