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

// take returns changes that fit in one transaction and how many events they have, or whether there
// will be none any more.
func (q *settleQueue) take() (list []*change, events int, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.grow(&change{}, time.Now())
	list, sum := takeHead(&q.list, maxSettled, func(c *change) int { return len(c.evs) + 1 })
	return list, sum - len(list), q.closed
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
