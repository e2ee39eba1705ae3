package bulk

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"protei-bulk/bulk/queue/redisq"
	"protei-bulk/bulk/store/postgres"
)

// An account's max_binds holds over all nodes: each node notes how many binds of an account it has,
// in Redis or, without it, in PostgreSQL, where one more is refused when all have the maximum. What
// a dead node has noted does not count any more after cluster.ttl.

const (
	// countTimeout bounds how long a bind waits for the count.
	countTimeout = time.Second
	// countRetry is when what could not be noted is tried again.
	countRetry = time.Second
)

// bindBook is where the nodes note their binds.
type bindBook interface {
	// Set notes the binds of this node, unless all nodes have more than most together then; most
	// below 0 is no bound.
	Set(ctx context.Context, account uint32, binds, most int) (ok bool, err error)
	// Renew says that this node is alive; forgotten: what it has noted is gone.
	Renew(ctx context.Context) (forgotten bool, err error)
	// Leave says that it is not any more.
	Leave(ctx context.Context) error
}

// bookedBinds are those in PostgreSQL. They count while the node's heartbeat does.
type bookedBinds struct {
	store   *postgres.Store
	session string
	ttl     time.Duration
}

func (b bookedBinds) Set(ctx context.Context, account uint32, binds, most int) (bool, error) {
	if err := b.store.Err(); err != nil {
		return false, err
	}
	return b.store.SetBinds(ctx, account, b.session, b.ttl, binds, most)
}

func (b bookedBinds) Renew(context.Context) (bool, error) { return false, nil }
func (b bookedBinds) Leave(context.Context) error         { return nil }

// bindCount counts the binds of accounts here, as esme.Binds. It owns one goroutine from start to
// end, which notes what was not noted at once.
type bindCount struct {
	n     *node
	book  bindBook
	every time.Duration // Renew
	wake  chan struct{} // capacity 1
	stop  context.CancelFunc
	done  sync.WaitGroup

	turns [64]sync.Mutex // by account: notes of one account are made in order

	mu    sync.Mutex
	own   map[uint32]int  // binds here: guarded by mu
	owed  map[uint32]bool // accounts whose note is not what own says: guarded by mu
	apart bool            // the book could not be asked: guarded by mu
}

func newBindCount(n *node, hints *redisq.Queue, session string, ttl time.Duration) *bindCount {
	c := &bindCount{
		n: n, book: bookedBinds{n.store, session, ttl}, every: ttl / 3, wake: make(chan struct{}, 1),
		own: make(map[uint32]int), owed: make(map[uint32]bool),
	}
	if hints != nil {
		c.book = hints.Binds(ttl)
	}
	return c
}

// Take implements esme.Binds. While the count cannot be asked, a node lets in its part, and one
// bind at least.
func (c *bindCount) Take(ctx context.Context, account uint32, most int) bool {
	turn := &c.turns[account%uint32(len(c.turns))]
	turn.Lock()
	defer turn.Unlock()
	c.mu.Lock()
	binds := c.own[account] + 1
	c.mu.Unlock()
	// A customer who goes away must not make the book look as if it did not answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTimeout)
	defer cancel()
	ok, err := c.book.Set(ctx, account, binds, most)
	if err != nil {
		ok = binds <= max(1, most/c.n.member.Alive())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reached(err)
	if ok {
		c.own[account]++
	}
	if err != nil { // it may have been noted all the same
		c.owe(account)
	}
	return ok
}

// Give implements esme.Binds.
func (c *bindCount) Give(account uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own[account]--; c.own[account] <= 0 {
		delete(c.own, account)
	}
	c.owe(account)
}

// owe needs mu.
func (c *bindCount) owe(account uint32) {
	c.owed[account] = true
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// reached notes whether the book answers, and logs when that changes. It needs mu.
func (c *bindCount) reached(err error) {
	if errors.Is(err, context.Canceled) || c.apart == (err != nil) {
		return
	}
	if c.apart = err != nil; c.apart {
		c.n.p.log.Warn("binds of other nodes are not known: each node lets in its part of an account's max_binds", "error", err)
	} else {
		c.n.p.log.Info("binds of all nodes are counted together again")
	}
}

// start comes before the first bind.
func (c *bindCount) start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	c.renew(ctx)
	c.done.Go(func() { c.run(ctx) })
}

// end comes after the last bind. What the book cannot be told, it forgets by itself.
func (c *bindCount) end(ctx context.Context) error {
	c.stop()
	c.done.Wait()
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	c.settle(ctx)
	if err := c.book.Leave(ctx); err != nil {
		c.n.p.log.Warn("this node's binds count a little longer", "error", err)
	}
	return nil
}

func (c *bindCount) run(ctx context.Context) {
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	retry := time.NewTimer(countRetry)
	defer retry.Stop()
	for {
		select {
		case <-tick.C:
			c.renew(ctx)
		case <-retry.C:
			c.renew(ctx)
		case <-c.wake:
		case <-ctx.Done():
			return
		}
		if !c.settle(ctx) {
			retry.Reset(countRetry)
		}
	}
}

func (c *bindCount) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	forgotten, err := c.book.Renew(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.reached(err)
	}
	if forgotten {
		for account := range c.own {
			c.owed[account] = true
		}
	}
}

// settle notes what is owed; it reports whether that is all.
func (c *bindCount) settle(ctx context.Context) bool {
	c.mu.Lock()
	accounts := slices.Collect(maps.Keys(c.owed))
	c.mu.Unlock()
	for _, account := range accounts {
		if !c.note(ctx, account) {
			return false
		}
	}
	return true
}

func (c *bindCount) note(ctx context.Context, account uint32) bool {
	turn := &c.turns[account%uint32(len(c.turns))]
	turn.Lock()
	defer turn.Unlock()
	c.mu.Lock()
	binds := c.own[account]
	delete(c.owed, account)
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	_, err := c.book.Set(ctx, account, binds, -1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reached(err)
	if err != nil {
		c.owed[account] = true
	}
	return err == nil
}
