package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/store"
	"protei-bulk/internal/pause"
)

const (
	// maxAccepted is how many messages one transaction takes at most, a single request aside.
	maxAccepted = 5000
	// acceptPatience is how long a request waits to learn whether a transaction without an answer
	// has happened.
	acceptPatience = 10 * time.Second
	// acceptTries is how often a transaction is tried again that the server could not do just then.
	acceptTries = 3
)

// request is one Accept.
type request struct {
	msgs  []*message.Message
	extra store.AcceptExtra
	done  func(error)
	err   error // set: it is refused, alone

	// Refused: those that it was refused beside, in a transaction that did not happen. They may be the reason.
	beside []*request
}

// refuse notes the first reason why the request is refused.
func (r *request) refuse(err error) {
	if r.err == nil {
		r.err = err
	}
}

// acceptQueue is what waits for the accept writer.
type acceptQueue struct {
	mu     sync.Mutex
	list   []*request // guarded by mu
	closed bool       // guarded by mu
	wake   chan struct{}
	size   atomic.Int64 // messages that wait or are being written
}

func (q *acceptQueue) init() { q.wake = make(chan struct{}, 1) }

func (q *acceptQueue) put(r *request) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return store.ErrStopped
	}
	q.list = append(q.list, r)
	q.size.Add(int64(len(r.msgs)))
	q.mu.Unlock()
	signal(q.wake)
	return nil
}

// take returns requests that fit in one transaction and how many messages they have, or whether
// there will be none any more.
func (q *acceptQueue) take() (list []*request, messages int, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list, messages = takeHead(&q.list, maxAccepted, func(r *request) int { return len(r.msgs) })
	return list, messages, q.closed
}

func (q *acceptQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	signal(q.wake)
}

func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// Accept implements store.Store: it returns when the messages are committed.
func (s *Store) Accept(ctx context.Context, msgs []*message.Message, extra store.AcceptExtra) error {
	return store.Wait(ctx, func(done func(error)) error { return s.AcceptAsync(msgs, extra, done) })
}

// AcceptAsync implements store.Store.
func (s *Store) AcceptAsync(msgs []*message.Message, extra store.AcceptExtra, done func(error)) error {
	if err := s.refusal(); err != nil {
		return err
	}
	if s.Backlog()+len(msgs) > s.opts.MaxBacklog {
		return store.ErrBusy
	}
	if len(msgs) == 0 {
		return errors.New("store: nothing to accept")
	}
	// The slice stays the caller's, who may go away before the commit.
	return s.accepts.put(&request{msgs: slices.Clone(msgs), extra: extra, done: done})
}

// acceptor is the accept writer: it commits what has come since its last transaction.
func (s *Store) acceptor() {
	w := &writer{s: s, number: acceptWriter}
	defer w.close()
	a := &accepting{s: s, w: w, quotas: quotaUses{checks: make(map[quotaKey]*quotaCheck)}}
	for {
		list, messages, closed := s.accepts.take()
		if len(list) == 0 {
			if closed {
				return
			}
			<-s.accepts.wake
			continue
		}
		a.commit(list)
		s.accepts.size.Add(-int64(messages))
	}
}

// accepting is one transaction of the accept writer, and what it uses again.
type accepting struct {
	s      *Store
	w      *writer
	list   []*request
	rows   columns
	comes  []*owner // by message: in whose lane it comes; nil: it waits in the database
	claims []*claim // by message
	in     []*list  // by message that comes and is not claimed
	fresh  map[*owner]*freshClaim
	lists  map[listKey]*freshList
	pages  pages                   // what is counted
	paid   map[uint32]money.Amount // by payer
	scarce map[uint32]bool         // payers whose requests are charged one by one
	quotas quotaUses
}

type freshClaim struct {
	claim *claim
	ids   []int64
}

// commit takes the requests in, refuses those that must be, and tells all of them. Who is refused
// learns it when the others are in: they may be the reason, and it would not hold without them.
func (a *accepting) commit(list []*request) {
	var refused []*request
	defer func() {
		for _, r := range refused {
			r.done(r.err)
		}
	}()
	a.list, a.scarce, a.quotas.full = list, make(map[uint32]bool), make(map[quotaKey]bool)
	for tries := 0; len(a.list) > 0; {
		err := a.attempt()
		if err == nil {
			for _, r := range refused {
				a.quotas.lessen(r)
			}
			a.publish()
			return
		}
		a.undo()
		switch {
		case errors.Is(err, errRefused):
			a.s.limited(&a.quotas, false)
			refused = a.sift(refused)
		case transient(err) && !diskFull(err) && tries < acceptTries:
			tries++
			_ = pause.For(a.s.stop, retryAfter)
		case errors.Is(err, store.ErrFenced), errors.Is(err, errScarce): // again, as things are now
		default:
			refusal := store.ErrBusy
			if diskFull(err) {
				refusal = store.ErrDiskFull
			}
			err = fmt.Errorf("%w: %w", refusal, err)
			for _, r := range a.list {
				r.done(err)
			}
			for _, r := range refused {
				if len(r.beside) > 0 { // they are not in
					r.err = err
				}
			}
			return
		}
	}
}

// sift takes those that the last attempt refused out of the list, and returns them with those before.
// Whoever was refused beside one of them gets another try: what that one took is there for him.
func (a *accepting) sift(before []*request) (refused []*request) {
	var fit []*request
	for _, r := range a.list {
		if r.err == nil {
			fit = append(fit, r)
		} else {
			refused = append(refused, r)
		}
	}
	for _, r := range refused {
		r.beside = fit
	}
	a.list = slices.Clone(fit)
	for _, r := range before {
		if slices.ContainsFunc(r.beside, func(other *request) bool { return other.err != nil }) {
			r.err, r.beside = nil, nil
			a.list = append(a.list, r)
		} else {
			refused = append(refused, r)
		}
	}
	return refused
}

// errRefused: some requests of the transaction have an err, the others may go on.
var errRefused = errors.New("requests refused")

// errScarce: a purse or a quota has too little for all requests together.
var errScarce = errors.New("a balance or a quota does not suffice for all")

// attempt runs the transaction.
func (a *accepting) attempt() error {
	a.place()
	scarce := len(a.scarce) + len(a.quotas.full)
	b := a.w.begin()
	a.fence(b)
	a.w.rows = a.rows.insert(b, a.w.rows[:0])
	for o, f := range a.fresh {
		b.Queue("INSERT INTO claims (connector, epoch, number, ids) VALUES ($1,$2,$3,$4)", int16(o.connector), o.epoch, f.claim.number, f.ids)
	}
	a.queueLists(b)
	a.s.bookAccepts(b, a)
	began := time.Now()
	err := a.w.commit(b, func() error {
		for _, r := range a.list {
			if r.err != nil {
				return errRefused
			}
		}
		if len(a.scarce)+len(a.quotas.full) > scarce {
			return errScarce
		}
		return nil
	})
	if errors.Is(err, errUnanswered) {
		err = a.learn(err, acceptPatience)
	}
	if err == nil {
		a.s.opts.Committed(time.Since(began))
	}
	return err
}

// place decides which messages come into a lane of this node at once.
func (a *accepting) place() {
	a.rows.reset()
	a.comes, a.claims, a.in = a.comes[:0], a.claims[:0], a.in[:0]
	a.fresh, a.lists = make(map[*owner]*freshClaim), make(map[listKey]*freshList)
	for _, r := range a.list {
		for _, m := range r.msgs {
			o := a.s.owners.of(m.Connector)
			comes, claimed := false, false
			if o != nil && m.Waits() {
				comes, claimed = a.s.reserve(o, m.Priority)
			}
			if !comes {
				o = nil
			}
			a.comes = append(a.comes, o)
			var c *claim
			if claimed {
				f := a.fresh[o]
				if f == nil {
					o.mu.Lock()
					f = &freshClaim{claim: o.newClaim(0)}
					o.mu.Unlock()
					a.fresh[o] = f
				}
				f.claim.open.Add(1)
				f.ids = append(f.ids, int64(m.ID))
				c = f.claim
			}
			var in *list
			if c == nil && standsOrShould(m) {
				in = a.waits(m, o)
			}
			a.claims = append(a.claims, c)
			a.in = append(a.in, in)
			a.rows.add(m)
		}
	}
	a.nameLists()
}

// fence makes the transaction fail when another node has the lease of a lane that it claims for.
func (a *accepting) fence(b *pgx.Batch) {
	all := make([]*owner, 0, len(a.fresh))
	for o := range a.fresh {
		all = append(all, o)
	}
	a.s.fence(b, all)
}

// undo takes back what place did.
func (a *accepting) undo() {
	i := 0
	for _, r := range a.list {
		for _, m := range r.msgs {
			if o := a.comes[i]; o != nil {
				o.cancelComing(m.Priority)
			}
			i++
		}
	}
	a.forgetLists()
}

// learn finds out whether a transaction whose commit was not answered has happened. Its
// messages are there or they are not. When that takes longer than the requests may wait they are
// refused, and their messages are counted later, if they are there.
func (a *accepting) learn(cause error, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(a.s.stop, patience)
	defer cancel()
	id, pid := a.list[0].msgs[0].ID, a.w.pid
	there, err := a.s.happened(ctx, id, pid)
	switch {
	case err != nil:
		counts := a.pages
		a.s.writers.Go(func() {
			if there, err := a.s.happened(a.s.working, id, pid); err == nil && there {
				a.s.count(counts)
			}
		})
		return cause
	case !there:
		return cause
	}
	return nil
}

// happened waits until the database says whether the transaction of a server process brought a message.
func (s *Store) happened(ctx context.Context, id message.ID, pid uint32) (there bool, err error) {
	for {
		err := s.gone(ctx, pid)
		if err == nil {
			err = s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM messages WHERE id = $1)", int64(id)).Scan(&there)
		}
		if err == nil {
			return there, nil
		}
		s.attempt(err)
		if err := pause.For(ctx, retryAfter); err != nil {
			return false, err
		}
	}
}

// publish hands the committed messages to the applier.
func (a *accepting) publish() {
	a.s.count(a.pages)
	a.s.paidFor(a.paid)
	a.s.limited(&a.quotas, true)
	c := committed{}
	hints := make(map[message.Lane][]message.ID)
	i := 0
	for _, r := range a.list {
		for _, m := range r.msgs {
			o := a.comes[i]
			switch {
			case o != nil:
				e := a.s.live.adopt(&found{m: m, list: a.in[i]})
				e.claim = a.claims[i]
				c.comes = append(c.comes, arrival{o: o, e: e, event: len(c.evs), coming: true})
				c.evs = append(c.evs, message.Event{Kind: message.Accept, Msg: m, At: m.SubmittedAt, Changed: true, Now: m.Status})
			case m.Waits():
				hints[m.Lane()] = append(hints[m.Lane()], m.ID)
			case a.s.owners.of(m.Connector) != nil: // it has a schedule that the lanes want to know
				c.evs = append(c.evs, message.Event{Kind: message.Accept, Msg: m, At: m.SubmittedAt, Changed: true, Now: m.Status})
			}
			i++
		}
		c.dones = append(c.dones, settled{r.done, nil})
	}
	a.s.commits <- c
	for lane, ids := range hints {
		if a.s.owners.of(lane.Connector) == nil {
			a.s.opts.Hint(lane, ids)
			continue
		}
		a.s.Hinted(lane, ids, func(error) {}) // the walk that made them wait may be over
	}
}

// token is a number that no other transaction has.
func token() int64 { return rand.Int64() }
