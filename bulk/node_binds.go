package bulk

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/message"
)

// Final states and inbound messages are told by the node that stored them, unless the customer
// is bound to others only: then the entries of the outbox are handed to one of those. What
// nobody is bound for stays where it is until somebody is.

const (
	// topicBinds is announced with a bindNews, topicHanded with a handedNews.
	topicBinds  = "binds"
	topicHanded = "handed"

	// bindsEvery is how often a node says again who is bound to it; one that has not said so for
	// three times as long is not believed any more.
	bindsEvery = 10 * time.Second
	// bindsChunk is how many accounts fit in one announcement.
	bindsChunk = 500
	// handChunk is how many entries one transaction hands over.
	handChunk   = 2000
	handTimeout = 30 * time.Second
)

// bindNews says which accounts a node can tell something, and which not any more.
type bindNews struct {
	Node  uint16
	Bound []uint32 `json:",omitempty"`
	Left  []uint32 `json:",omitempty"`
}

// handedNews says that a node has entries of accounts in its outbox that another one stored.
type handedNews struct {
	To       uint16
	Accounts []uint32
}

// parcel is what one node is handed.
type parcel struct {
	states, inbound []message.ID
	accounts        map[uint32]bool
}

func (c *parcel) add(n *esme.Notice) {
	if n.Inbound != nil {
		c.inbound = append(c.inbound, n.MessageID)
	} else {
		c.states = append(c.states, n.MessageID)
	}
	c.accounts[n.Account] = true
}

// binds knows who is bound where, and hands over. It owns one goroutine from start to end.
type binds struct {
	n      *node
	wake   chan struct{} // capacity 1
	stop   context.CancelFunc
	joined sync.WaitGroup

	mu      sync.Mutex                      // guards below
	where   map[uint32]map[uint16]time.Time // account → other nodes that it is bound to, and until when we believe it
	changed map[uint32]bool                 // accounts that came or went here: the others do not know yet
	look    map[uint32]bool                 // accounts that the outbox may have older entries of for others
	parcels map[uint16]*parcel
}

func newBinds(n *node) *binds {
	return &binds{
		n: n, wake: make(chan struct{}, 1), where: make(map[uint32]map[uint16]time.Time),
		changed: make(map[uint32]bool), look: make(map[uint32]bool), parcels: make(map[uint16]*parcel),
	}
}

func (b *binds) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// receivers is told when an account's first receiver came to this node or its last one went.
func (p *Platform) receivers(account uint32) {
	if p.node == nil {
		return
	}
	b := p.node.binds
	b.mu.Lock()
	b.changed[account] = true
	b.look[account] = true
	b.mu.Unlock()
	b.signal()
}

func (b *binds) here(account uint32) bool {
	return b.n.p.esme != nil && b.n.p.esme.Receiving(account)
}

// elsewhere notes what this node could not tell. It may be called from the store's hook.
func (b *binds) elsewhere(n *esme.Notice) {
	if b.here(n.Account) { // it has no room at the moment, and reads the outbox when it has
		return
	}
	b.mu.Lock()
	to, ok := b.holder(n.Account)
	if ok {
		b.parcel(to).add(n)
	}
	b.mu.Unlock()
	if ok {
		b.signal()
	}
}

// holder returns the node with the lowest number of those that an account is bound to. It needs mu.
func (b *binds) holder(account uint32) (to uint16, ok bool) {
	now := time.Now()
	for node, until := range b.where[account] {
		if now.Before(until) && (!ok || node < to) {
			to, ok = node, true
		}
	}
	return to, ok
}

// parcel needs mu.
func (b *binds) parcel(to uint16) *parcel {
	c := b.parcels[to]
	if c == nil {
		c = &parcel{accounts: make(map[uint32]bool)}
		b.parcels[to] = c
	}
	return c
}

// hear learns who is bound to another node.
func (b *binds) hear(payload string) {
	var news bindNews
	if err := json.Unmarshal([]byte(payload), &news); err != nil || news.Node == b.n.member.Number() {
		return
	}
	until := time.Now().Add(3 * bindsEvery)
	b.mu.Lock()
	for _, account := range news.Bound {
		nodes := b.where[account]
		if nodes == nil {
			nodes = make(map[uint16]time.Time)
			b.where[account] = nodes
		}
		if time.Now().After(nodes[news.Node]) {
			b.look[account] = true
		}
		nodes[news.Node] = until
	}
	for _, account := range news.Left {
		delete(b.where[account], news.Node)
		if len(b.where[account]) == 0 {
			delete(b.where, account)
		}
	}
	b.mu.Unlock()
	b.signal()
}

// handed hears that a node was handed entries.
func (b *binds) handed(payload string) {
	var news handedNews
	if err := json.Unmarshal([]byte(payload), &news); err != nil || news.To != b.n.member.Number() {
		return
	}
	if b.n.p.esme != nil {
		b.n.p.esme.Reread(news.Accounts)
	}
	b.again(news.Accounts) // they may have left in the meantime
}

// again has the outbox looked at for accounts that are bound to others only.
func (b *binds) again(accounts []uint32) {
	b.mu.Lock()
	for _, account := range accounts {
		b.look[account] = true
	}
	b.mu.Unlock()
	b.signal()
}

// adopted tells that this node's outbox has entries of any account that it has not seen.
func (b *binds) adopted() {
	if e := b.n.p.esme; e != nil {
		e.Reread(e.Received())
	}
	b.mu.Lock()
	accounts := slices.Collect(maps.Keys(b.where))
	b.mu.Unlock()
	b.again(accounts)
}

func (b *binds) start() {
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	b.joined.Go(func() {
		tick := time.NewTicker(bindsEvery)
		defer tick.Stop()
		b.tellAll()
		for {
			select {
			case <-b.wake:
			case <-tick.C:
				b.tellAll()
			case <-ctx.Done():
				return
			}
			b.tellChanged()
			b.search(ctx)
			b.hand(ctx)
		}
	})
}

func (b *binds) end() {
	b.stop()
	b.joined.Wait()
}

// tellAll says who is bound here.
func (b *binds) tellAll() {
	if e := b.n.p.esme; e != nil {
		for accounts := range slices.Chunk(e.Received(), bindsChunk) {
			b.n.announceJSON(topicBinds, bindNews{Node: b.n.member.Number(), Bound: accounts})
		}
	}
}

func (b *binds) tellChanged() {
	b.mu.Lock()
	accounts := slices.Collect(maps.Keys(b.changed))
	clear(b.changed)
	b.mu.Unlock()
	for some := range slices.Chunk(accounts, bindsChunk) {
		news := bindNews{Node: b.n.member.Number()}
		for _, account := range some {
			if b.here(account) {
				news.Bound = append(news.Bound, account)
			} else {
				news.Left = append(news.Left, account)
			}
		}
		b.n.announceJSON(topicBinds, news)
	}
}

// search puts into parcels what the outbox has for accounts that are bound to others only.
func (b *binds) search(ctx context.Context) {
	b.mu.Lock()
	wanted := make(map[uint32]uint16)
	for account := range b.look {
		if to, ok := b.holder(account); ok && !b.here(account) {
			wanted[account] = to
		}
	}
	clear(b.look)
	b.mu.Unlock()
	if len(wanted) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handTimeout)
	defer cancel()
	for after := message.ID(0); ; {
		page, err := (smppOutbox{b.n.p}).OpenReceipts(ctx, 0, after, handChunk)
		if err != nil && ctx.Err() == nil {
			b.n.p.log.Warn("look for what another node is to tell", "error", err)
		}
		if err != nil || len(page) == 0 {
			return
		}
		b.mu.Lock()
		for i := range page {
			after = page[i].MessageID
			if to, ok := wanted[page[i].Account]; ok {
				b.parcel(to).add(&page[i])
			}
		}
		b.mu.Unlock()
		b.hand(ctx)
	}
}

// hand gives the parcels to their nodes. What cannot be given stays in the outbox, and is found
// again when its account is looked for.
func (b *binds) hand(ctx context.Context) {
	b.mu.Lock()
	parcels := b.parcels
	b.parcels = make(map[uint16]*parcel)
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, handTimeout)
	defer cancel()
	for to, c := range parcels {
		if err := b.n.store.HandOutbox(ctx, to, c.states, c.inbound); err != nil {
			b.n.p.log.Warn("customers are told later", "node", to, "states", len(c.states), "inbound", len(c.inbound), "error", err)
			b.mu.Lock()
			for account := range c.accounts { // at the next tick
				b.look[account] = true
			}
			b.mu.Unlock()
			continue
		}
		for accounts := range slices.Chunk(slices.Collect(maps.Keys(c.accounts)), bindsChunk) {
			b.n.announceJSON(topicHanded, handedNews{To: to, Accounts: accounts})
		}
	}
}
