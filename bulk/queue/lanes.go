package queue

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/message"
)

// Store is what the lanes need of the store.
type Store interface {
	// LoadLane returns up to limit messages of the lane that are PENDING and have a
	// sequence above after, in the order of their sequences, and the sequence up to
	// which the answer is complete.
	LoadLane(ctx context.Context, lane message.Lane, after uint64, limit int) (msgs []*message.Message, complete uint64, err error)
	// View calls f while the state of m, which LoadLane returned, cannot change.
	View(m *message.Message, f func(*message.Message))
	// EachWaiting calls f with each message that waits in a lane (Message.Waits) and that want
	// selects by what is fixed at accept, while its state cannot change; f may see one twice.
	// Messages that begin to wait meanwhile need not be among them.
	EachWaiting(ctx context.Context, want func(*message.Message) bool, f func(*message.Message)) error
	// LoadDue returns up to limit SCHEDULED messages that are due before the moment
	// (Unix ms), earliest first.
	LoadDue(ctx context.Context, before int64, limit int) ([]*message.Message, error)
	// RecordMany commits events in this order; done runs when they are durable and applied.
	RecordMany(evs []message.Event, done func(error))
	// RecordHorizon makes seq the lane's send horizon; the last call counts, even if it
	// is lower. done runs when it is durable, maybe during the call, with the horizon that is:
	// a store may grant no more than the sequences that it has given.
	RecordHorizon(lane message.Lane, seq uint64, done func(granted uint64, err error))
}

// Options configure Lanes. Only Store is needed.
type Options struct {
	Store  Store
	Memory int // items in memory per connector; 0: 200,000
	// LoadBatch is how many messages one load asks for; 0: 10,000.
	LoadBatch int
	// DueEvery is how often, and how far ahead, the store is asked for messages whose
	// schedule comes; 0: 5 s. They are sent at their time all the same.
	DueEvery time.Duration
	// MaxOrdered is how many ordered messages may wait before OrderFull says so; 0: 200,000.
	MaxOrdered int
	Logger     *slog.Logger
	Now        func() time.Time // nil: time.Now
}

func (o Options) withDefaults() Options {
	if o.Memory == 0 {
		o.Memory = 200_000
	}
	if o.LoadBatch == 0 {
		o.LoadBatch = 10_000
	}
	if o.DueEvery == 0 {
		o.DueEvery = 5 * time.Second
	}
	if o.MaxOrdered == 0 {
		o.MaxOrdered = 200_000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Lanes holds the queues of all connectors.
type Lanes struct {
	o      Options
	queues atomic.Pointer[map[uint16]*Queue] // replaced as a whole
	homed  atomic.Int64                      // messages applied for a connector that has no queue
	order  *order
	seen   []seen // Applied's, which one goroutine runs

	poked   chan struct{} // 1: wakes the loader
	due     chan struct{} // 1: wakes the promoter
	nextDue atomic.Int64  // Unix ms of the earliest schedule seen, 0: none

	mu     sync.Mutex // guards adding queues, and stop
	stop   context.CancelFunc
	joined sync.WaitGroup
}

// LaneState is what the store knows about a lane at start.
type LaneState struct {
	Lane    message.Lane
	Horizon uint64 // lane sequence up to which sending was permitted before the stop
	Next    uint64 // lane sequence that the next message gets
}

// New returns lanes without connectors.
func New(opts Options) (*Lanes, error) {
	if opts.Store == nil {
		return nil, errors.New("queue: no store")
	}
	if opts.Memory < 0 || opts.LoadBatch < 0 || opts.DueEvery < 0 {
		return nil, errors.New("queue: Memory, LoadBatch and DueEvery cannot be negative")
	}
	l := &Lanes{o: opts.withDefaults(), poked: make(chan struct{}, 1), due: make(chan struct{}, 1)}
	l.order = newOrder(&l.o)
	l.queues.Store(&map[uint16]*Queue{})
	return l, nil
}

// Connector returns the queue of a connector and makes it when it is new.
func (l *Lanes) Connector(id uint16) *Queue {
	if q := (*l.queues.Load())[id]; q != nil {
		return q
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := *l.queues.Load()
	if q := old[id]; q != nil {
		return q
	}
	next := maps.Clone(old)
	next[id] = newQueue(id, &l.o, l.order, l.pokeLoader)
	l.queues.Store(&next)
	return next[id]
}

// Close closes the queue of a connector, if there is one: see Queue.Close.
func (l *Lanes) Close(ctx context.Context, id uint16) error {
	if q := (*l.queues.Load())[id]; q != nil {
		return q.Close(ctx)
	}
	return nil
}

// Drop forgets the queue of a connector, which another process takes over. It must have been
// closed. What waits in it is in the store.
func (l *Lanes) Drop(id uint16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := maps.Clone(*l.queues.Load())
	delete(next, id)
	l.queues.Store(&next)
}

// Room is how many more items a lane holds in memory at this moment; 0 for a connector without
// a queue.
func (l *Lanes) Room(lane message.Lane) int {
	q := (*l.queues.Load())[lane.Connector]
	if q == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	ln := &q.lanes[lane.Priority]
	if q.closed || ln.disk {
		return 0
	}
	return max(0, q.capacity(ln)-ln.memory())
}

// Restore puts lanes where the store left them. Call it before Start and before the
// first Applied: their messages are then loaded from the store as room permits, and
// those up to the horizon come out of Take marked Suspect.
func (l *Lanes) Restore(states []LaneState) {
	for _, s := range states {
		l.Connector(s.Lane.Connector).restore(s)
	}
	l.pokeLoader()
}

func (q *Queue) restore(s LaneState) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := &q.lanes[s.Lane.Priority]
	l.horizon, l.asked = s.Horizon, s.Horizon
	if s.Next <= 1 {
		return
	}
	l.appended, l.recoverNext = s.Next-1, s.Next
	l.suspectTo = min(s.Horizon, s.Next-1)
	l.disk, l.loaded = true, 0
	q.now = max(q.now, q.o.Now().UnixMilli())
}

// Applied takes what a committed group means for the lanes: new messages, retries and
// cancels. It belongs into the store's Applied hook and runs on its applier goroutine.
func (l *Lanes) Applied(evs []message.Event) {
	var q *Queue
	var turn []freed
	l.look(evs)
	defer clear(l.seen)
	for i := range evs {
		ev, now := &evs[i], &l.seen[i]
		if ev.Msg.Flags&message.Ordered != 0 {
			turn = l.order.applied(ev, now.waits, turn)
		}
		if !now.ours {
			continue
		}
		if q == nil || q.connector != now.connector {
			q.release()
			if q = (*l.queues.Load())[now.connector]; q == nil {
				l.homed.Add(1)
				continue
			}
			q.mu.Lock()
		}
		if due := q.applied(ev, now); due != 0 {
			l.noteDue(due)
		}
	}
	q.release()
	deliver(turn)
}

// seen is what Applied has to know of the state of an event's message.
type seen struct {
	item      Item // of Accept and Requeue
	connector uint16
	scheduled bool
	waits     bool
	ours      bool // the event may concern a lane
}

// look reads into l.seen what the events' messages are now, before a queue is locked: a Store lets those into Cancel
// that hold the lock of View.
func (l *Lanes) look(evs []message.Event) {
	l.seen = slices.Grow(l.seen[:0], len(evs))[:len(evs)]
	var ev *message.Event
	var now *seen
	read := func(m *message.Message) { now.read(ev, m) }
	for i := range evs {
		ev, now = &evs[i], &l.seen[i]
		if ev.Msg.Flags&message.Ordered != 0 || concerns(ev) {
			l.o.Store.View(ev.Msg, read)
		}
	}
}

// concerns reports whether ev may concern a lane, as far as can be told without the state of its message. CANCELLED and
// EXPIRED end what Cancel took out.
func concerns(ev *message.Event) bool {
	switch ev.Kind {
	case message.Accept, message.Requeue:
		return true
	case message.Settle:
		return ev.Status == message.Cancelled || ev.Status == message.Expired
	}
	return false
}

// read runs in Store.View.
func (now *seen) read(ev *message.Event, m *message.Message) {
	now.connector, now.scheduled, now.waits = m.Connector, m.Status == message.Scheduled, m.Waits()
	now.ours = concerns(ev)
	if ev.Kind == message.Accept || ev.Kind == message.Requeue {
		now.ours = ev.Seq != 0 || now.scheduled // without a place it waits elsewhere
		now.item = ItemOf(m)
	}
}

// release unlocks q after Applied used it, and wakes its taker.
func (q *Queue) release() {
	if q == nil {
		return
	}
	wake := q.waiting
	q.mu.Unlock()
	if wake {
		q.signal()
	}
}

// applied needs mu. It returns the due time of a message that the store keeps until then.
func (q *Queue) applied(ev *message.Event, now *seen) (scheduled int64) {
	if q.closed {
		return 0 // nothing is handed out any more, and a store that gives the connector up changes its messages
	}
	m := ev.Msg
	if ev.Kind == message.Settle {
		q.unbury(m.Priority, m.ID)
		return 0
	}
	if !ev.Changed {
		return 0
	}
	if now.item.Seq == ev.Seq && !now.scheduled {
		q.push(now.item)
		return 0
	}
	// It stays in the store, or another event in the same group came after this one.
	lane := &q.lanes[m.Priority]
	if lane.appended < ev.Seq {
		lane.appended = ev.Seq
	}
	if now.scheduled {
		return now.item.Due
	}
	return 0
}

// Cancel takes a message out of its lane and reports whether it did; false means that
// it has been taken for sending, or that the state passed is not the present one. On true
// the caller records Settle with Cancelled or Expired. For a SCHEDULED message, which is in no lane, it
// must hold the lock that keeps the state from changing.
func (l *Lanes) Cancel(lane message.Lane, id message.ID, seq uint64, status message.Status) bool {
	q := (*l.queues.Load())[lane.Connector]
	return q != nil && q.cancel(lane.Priority, id, seq, status)
}

// Depths appends the depth of every lane to dst.
func (l *Lanes) Depths(dst []Depth) []Depth {
	for _, q := range *l.queues.Load() {
		dst = q.Depths(dst)
	}
	return dst
}

// Homeless is the number of messages that were applied for connectors without a queue.
// They stay in the store.
func (l *Lanes) Homeless() int64 { return l.homed.Load() }
