package queue

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"protei-bulk/bulk/message"
)

// order lets the messages that ask for it (message.Ordered) leave in the order of their
// ids for each account and destination, over all lanes and connectors: one is with the
// taker at a time, the next follows when the store has it that the SMSC took the first,
// or that it ended. Later ones that come out of their lane meanwhile are parked here.
//
//	chain of an account and destination:  [ 17 out ] [ 23 parked ] [ 42 in its lane ] [ 58 parked ]
//
// A start does not know yet which messages wait: the first ordered one that comes out of a
// lane has the store read through, and until that is done ordered ones are parked. Without
// any, nothing of this happens.
//
// Its lock is taken after a Queue's.
type order struct {
	o *Options

	mu     sync.Mutex // guards below
	state  orderState
	chains map[chainKey]*chain
	parked map[message.ID]*chain // those that have an item here
	count  int                   // links

	wanted chan struct{} // 1: the store is to be read through
}

type orderState uint8

const (
	orderUnread orderState = iota
	orderAsked
	orderReady
)

type chainKey struct {
	account uint32
	dest    string
}

// chain has the waiting messages of one account and destination.
type chain struct {
	links []link     // by id
	out   message.ID // with the taker, or on the way to it; 0: none
}

// link is one message. It is parked when it has a queue.
type link struct {
	id   message.ID
	item Item
	q    *Queue
}

// freed is an item that is parked no more: its turn has come, or its message ended.
type freed struct {
	item  Item
	q     *Queue
	ended bool
}

func newOrder(o *Options) *order {
	return &order{
		o: o, chains: map[chainKey]*chain{}, parked: map[message.ID]*chain{}, wanted: make(chan struct{}, 1),
	}
}

func keyOf(m *message.Message) chainKey { return chainKey{m.Account, m.Dest.Addr} }

// full reports whether no more ordered messages should be accepted.
func (o *order) full() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count >= o.o.MaxOrdered
}

// find returns the place of id in c.
func (c *chain) find(id message.ID) (int, bool) {
	return slices.BinarySearchFunc(c.links, id, func(l link, id message.ID) int { return cmp.Compare(l.id, id) })
}

// join needs mu. It returns the chain and place of a message, which is added when it is new.
func (o *order) join(m *message.Message) (*chain, int) {
	key := keyOf(m)
	c := o.chains[key]
	if c == nil {
		c = new(chain)
		o.chains[key] = c
	}
	i, there := c.find(m.ID)
	if !there {
		c.links = slices.Insert(c.links, i, link{id: m.ID})
		o.count++
	}
	return c, i
}

// leave needs mu. It takes a message out of its chain, and adds its item, if it has one
// here, to turn.
func (o *order) leave(m *message.Message, turn []freed) (*chain, []freed) {
	key := keyOf(m)
	c := o.chains[key]
	if c == nil {
		return nil, turn
	}
	if i, there := c.find(m.ID); there {
		turn = o.drop(c, i, turn)
		c.links = slices.Delete(c.links, i, i+1)
		o.count--
	}
	if c.out == m.ID {
		c.out = 0
	}
	if len(c.links) == 0 && c.out == 0 {
		delete(o.chains, key)
		return nil, turn
	}
	return c, turn
}

// drop needs mu. It takes the item of a link away, which somebody else decides about now.
func (o *order) drop(c *chain, i int, turn []freed) []freed {
	l := &c.links[i]
	if l.q == nil {
		return turn
	}
	turn = append(turn, freed{item: l.item, q: l.q, ended: true})
	l.item, l.q = Item{}, nil
	delete(o.parked, l.id)
	return turn
}

// next needs mu. It gives out the first of a chain when that is parked.
func (o *order) next(c *chain, turn []freed) []freed {
	if c == nil || o.state != orderReady || c.out != 0 || len(c.links) == 0 || c.links[0].q == nil {
		return turn
	}
	l := &c.links[0]
	turn = append(turn, freed{item: l.item, q: l.q})
	l.item, l.q = Item{}, nil
	delete(o.parked, l.id)
	c.out = l.id
	return turn
}

// applied takes what an event of an ordered message means, and adds whose turn it is then
// to turn. It runs on the applier goroutine.
func (o *order) applied(ev *message.Event, waits bool, turn []freed) []freed {
	if !ev.Changed || ev.Kind == message.Notified {
		return turn
	}
	m := ev.Msg
	o.mu.Lock()
	defer o.mu.Unlock()
	if !waits {
		c, turn := o.leave(m, turn)
		return o.next(c, turn)
	}
	c, i := o.join(m)
	if ev.Kind == message.Requeue { // it has a new place in a lane
		turn = o.drop(c, i, turn)
		if c.out == m.ID {
			c.out = 0
		}
	}
	return o.next(c, turn)
}

// take reports whether an item that came out of q may go now, and parks it otherwise. It
// needs q.mu.
func (o *order) take(q *Queue, it *Item) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	c, i := o.join(it.Msg)
	if o.state == orderReady {
		if i == 0 && (c.out == 0 || c.out == it.Msg.ID) {
			c.out = it.Msg.ID
			return true
		}
		it.notSent()
	}
	c.links[i].item, c.links[i].q = *it, q
	o.parked[it.Msg.ID] = c
	if o.state == orderUnread {
		o.state = orderAsked
		o.wanted <- struct{}{}
	}
	return false
}

// notSent says that the process before this one has not sent the item, although it is below
// the horizon: another one had to go first.
func (it *Item) notSent() {
	if it.Suspect {
		it.Suspect, it.Dup = false, false
	}
}

// cancel takes a parked item out and reports whether it did.
func (o *order) cancel(id message.ID, seq uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.parked[id]
	if c == nil {
		return false
	}
	i, there := c.find(id)
	if !there || c.links[i].item.Seq != seq {
		return false
	}
	c.links[i].item, c.links[i].q = Item{}, nil
	delete(o.parked, id)
	return true
}

// pull moves parked items of q for which want says so to dst, up to its capacity.
func (o *order) pull(q *Queue, dst []Item, want func(*Item) bool) []Item {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, c := range o.parked {
		if len(dst) == cap(dst) {
			break
		}
		i, there := c.find(id)
		if !there || c.links[i].q != q || !want(&c.links[i].item) {
			continue
		}
		dst = append(dst, c.links[i].item)
		c.links[i].item, c.links[i].q = Item{}, nil
		delete(o.parked, id)
	}
	return dst
}

// each calls f with the parked items of q.
func (o *order) each(q *Queue, f func(*Item)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, c := range o.parked {
		if i, there := c.find(id); there && c.links[i].q == q {
			f(&c.links[i].item)
		}
	}
}

// keeper reads the store through when that is wanted, and tries again until it could.
func (l *Lanes) keeper(ctx context.Context) {
	select {
	case <-l.order.wanted:
	case <-ctx.Done():
		return
	}
	for {
		err := l.readOrdered(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		l.o.Logger.Error("look for ordered messages", "err", err)
		select {
		case <-time.After(loadRetry):
		case <-ctx.Done():
			return
		}
	}
}

// readOrdered makes the chains of everything that waits.
func (l *Lanes) readOrdered(ctx context.Context) error {
	o := l.order
	err := l.o.Store.EachWaiting(ctx, func(m *message.Message) bool { return m.Flags&message.Ordered != 0 }, func(m *message.Message) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if m.Waits() {
			o.join(m)
		}
	})
	if err != nil {
		return err
	}
	var turn []freed
	o.mu.Lock()
	o.state = orderReady
	for _, c := range o.chains {
		for i := range c.links {
			if i > 0 {
				c.links[i].item.notSent()
			}
		}
		turn = o.next(c, turn)
	}
	o.mu.Unlock()
	deliver(turn)
	return nil
}

// deliver hands items whose turn has come to the takers of their queues.
func deliver(turn []freed) {
	for i := range turn {
		q := turn[i].q
		q.mu.Lock()
		if turn[i].ended {
			q.unhold(&turn[i].item)
		} else {
			q.freed = append(q.freed, turn[i].item)
		}
		wake := q.waiting
		q.mu.Unlock()
		if wake {
			q.signal()
		}
	}
}

// OrderFull reports whether as many ordered messages wait as there may.
func (l *Lanes) OrderFull() bool { return l.order.full() }
