package postgres

import (
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
	// settleLinger is how long the first settle writer gathers: what happens to a message within it
	// is one change of its row.
	settleLinger = 5 * time.Millisecond
)

// change is one call, or what of it concerns a shard, that a settle writer makes durable.
type change struct {
	evs  []message.Event
	done func(error)
	err  error // of one of its events
	// Anything else that goes into the transaction: queue adds its statements, at each try anew,
	// and after runs on the applier when it is committed. With o it is refused when another node
	// has taken over.
	queue func(b *pgx.Batch)
	after func()
	o     *owner
}

// refused notes that the change is not this node's to make any more.
func (c *change) refused() bool {
	if c.o != nil && c.o.lost.Load() {
		c.err = store.ErrFenced
	}
	return c.o != nil && c.err != nil
}

// settleShards is how many writers settle at most. What happens to a message is always one shard's.
const settleShards = 2

// splitAbove is how many changes of the second shard make its own writer worth its transactions: fewer go with
// those of the first.
const splitAbove = 1000

// settleQueue is what waits for the settle writers. The first takes both shards while they fit into one
// transaction; when the second has splitAbove changes, its own writer takes those.
type settleQueue struct {
	mu     sync.Mutex // guards what follows
	shards [settleShards]settleShard
	young  map[message.ID]*sent // Submitted alone: its receipt is likely to come soon
	ages   []*sent              // of young, oldest first; some have left it
	closed bool

	size atomic.Int64 // events that wait or are being written
}

// settleShard is what waits for one transaction at a time.
type settleShard struct {
	list []*change
	size int           // of list, in events and changes
	busy bool          // a transaction with changes of this shard is under way
	wake chan struct{} // of its own writer
}

func (sh *settleShard) add(c *change) {
	sh.list = append(sh.list, c)
	sh.size += weight(c)
}

func weight(c *change) int { return len(c.evs) + 1 }

// sent is a part that an SMSC took and nothing else is known of yet.
type sent struct {
	c  *change
	id message.ID // of its event, which belongs to a writer once c is ripe
	at time.Time
}

// receiptLinger is how long a submit_sm_resp waits for its receipt, so that both are one change
// of the row. What a crash loses of it is sent again: max_unsynced_settles bounds that.
const receiptLinger = 100 * time.Millisecond

func (q *settleQueue) init() {
	for i := range q.shards {
		q.shards[i].wake = make(chan struct{}, 1)
	}
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
		q.ripe(q.ages[0].id)
		q.ages = q.ages[1:]
	}
}

func (q *settleQueue) ripe(id message.ID) {
	if s := q.young[id]; s != nil {
		delete(q.young, id)
		q.shards[shardOf(id)].add(s.c)
	}
}

// shardOf returns the shard that what happens to a message goes through.
func shardOf(id message.ID) int { return int(uint64(id) * 0x9E3779B97F4A7C15 >> 63) }

// shard returns the shard of a change, all of whose events are in one.
func (c *change) shard() int {
	if len(c.evs) == 0 {
		return 0
	}
	return shardOf(c.evs[0].Msg.ID)
}

// put takes a change, all of whose events are in one shard.
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
		s := &sent{c, c.evs[0].Msg.ID, now}
		q.young[s.id] = s
		q.ages = append(q.ages, s)
		q.mu.Unlock()
		return
	}
	q.shards[c.shard()].add(c)
	q.mu.Unlock()
	signal(q.shards[0].wake)
}

// batch is what a settle writer takes: changes that fit in one transaction.
type batch struct {
	list   []*change
	events int
	of     [settleShards]bool // the shards that it is of, which are busy until it is done
}

// take returns what a writer shall do, or whether there will be nothing for it any more.
func (q *settleQueue) take(writer int) (b batch, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.grow(&change{}, time.Now())
	second := &q.shards[1]
	if writer == 1 {
		if !second.busy && second.size >= splitAbove {
			q.fill(&b, 1)
		}
		return b, q.closed && b.list == nil
	}
	q.fill(&b, 0)
	switch {
	case second.busy:
	case second.size < splitAbove, q.closed: // its own writer may have ended
		q.fill(&b, 1)
	default:
		signal(second.wake)
	}
	return b, q.closed && b.list == nil && !second.busy && second.size == 0
}

// fill adds to a batch what fits of a shard that is not busy. It needs mu.
func (q *settleQueue) fill(b *batch, shard int) {
	sh := &q.shards[shard]
	list, sum := takeHead(&sh.list, maxSettled, weight)
	sh.size -= sum
	b.list = append(b.list, list...)
	b.events += sum - len(list)
	b.of[shard] = len(list) > 0
	sh.busy = sh.busy || len(list) > 0
}

// done notes that the batch of a writer is written.
func (q *settleQueue) done(writer int, b *batch) {
	q.size.Add(-int64(b.events))
	q.mu.Lock()
	for i := range b.of {
		if b.of[i] {
			q.shards[i].busy = false
		}
	}
	q.mu.Unlock()
	if writer == 1 {
		signal(q.shards[0].wake) // what it leaves is the other's
	}
}

func (q *settleQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	for i := range q.shards {
		signal(q.shards[i].wake)
	}
}

// Record implements store.Store.
func (s *Store) Record(ev message.Event, done func(error)) {
	s.settles.put(&change{evs: []message.Event{ev}, done: done})
}

// RecordMany implements store.Store. It keeps evs.
func (s *Store) RecordMany(evs []message.Event, done func(error)) {
	var parts [settleShards][]message.Event
	for i := range evs {
		shard := shardOf(evs[i].Msg.ID)
		parts[shard] = append(parts[shard], evs[i])
	}
	all := joint{done: done}
	for _, part := range parts {
		if len(part) > 0 {
			all.open++
		}
	}
	if all.open == 0 {
		s.settles.put(&change{done: done})
		return
	}
	for _, part := range parts {
		if len(part) > 0 {
			s.settles.put(&change{evs: part, done: all.part})
		}
	}
}

// joint is a callback after several changes, with the first of their errors.
type joint struct {
	mu   sync.Mutex
	open int   // guarded by mu
	err  error // guarded by mu
	done func(error)
}

func (j *joint) part(err error) {
	j.mu.Lock()
	if j.err == nil {
		j.err = err
	}
	j.open--
	last := j.open == 0
	err = j.err
	j.mu.Unlock()
	if last && j.done != nil {
		j.done(err)
	}
}

// write makes something else durable with the next transaction of the settle writer.
func (s *Store) write(queue func(b *pgx.Batch), after func(), done func(error)) {
	s.settles.put(&change{queue: queue, after: after, done: done})
}

// takeHead takes from the head of a list what fits into most, its first one in any case, and
// returns it with its weight.
func takeHead[T any](list *[]T, most int, weight func(T) int) (head []T, sum int) {
	n := 0
	for ; n < len(*list); n++ {
		w := weight((*list)[n])
		if n > 0 && sum+w > most {
			break
		}
		sum += w
	}
	head = slices.Clone((*list)[:n])
	*list = slices.Delete(*list, 0, n)
	return head, sum
}
