package bulk

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"protei-bulk/bulk/contact/suppression"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/store/postgres"
	"protei-bulk/internal/pause"
)

// What is set by administrators is in memory on every node. Who changes it in the store tells
// the others what kind of thing it was, and they read that anew.

// topicChanged is announced with the number of the node and what has changed, topicListed with
// entries of blacklists.
const (
	topicChanged = "changed"
	topicListed  = "listed"
)

// accountChanges is the kind of accounts and keys; other kinds are those of objects.
const accountChanges = "accounts"

const (
	announceTimeout = 2 * time.Second
	reloadTimeout   = 30 * time.Second
	// reloadLinger gathers changes that come together.
	reloadLinger = 20 * time.Millisecond
	// listedChunk is how many entries of blacklists fit in one announcement.
	listedChunk = 40
)

// announcing is the store of a node that tells the others what it changes.
type announcing struct {
	*postgres.Store
	n *node
}

func (a announcing) told(err error, kind string) error {
	if err == nil {
		a.n.announce(topicChanged, strconv.Itoa(int(a.n.member.Number()))+" "+kind)
	}
	return err
}

func (n *node) announce(topic, payload string) {
	ctx, cancel := context.WithTimeout(context.Background(), announceTimeout)
	defer cancel()
	if err := n.bus.Announce(ctx, topic, payload); err != nil {
		n.p.log.Warn("other nodes learn of a change when they look, not at once", "topic", topic, "error", err)
	}
}

// announceJSON announces something whose type can be written as JSON.
func (n *node) announceJSON(topic string, payload any) {
	text, err := json.Marshal(payload)
	if err != nil {
		n.p.log.Error("announce to other nodes", "topic", topic, "error", err)
		return
	}
	n.announce(topic, string(text))
}

func (a announcing) PutAccount(ctx context.Context, row *store.AccountRow) error {
	return a.told(a.Store.PutAccount(ctx, row), accountChanges)
}

func (a announcing) DeleteAccount(ctx context.Context, id uint32) error {
	return a.told(a.Store.DeleteAccount(ctx, id), accountChanges)
}

func (a announcing) PutAPIKey(ctx context.Context, row store.APIKeyRow) error {
	return a.told(a.Store.PutAPIKey(ctx, row), accountChanges)
}

func (a announcing) DeleteAPIKey(ctx context.Context, hash [32]byte) error {
	return a.told(a.Store.DeleteAPIKey(ctx, hash), accountChanges)
}

func (a announcing) PutObject(ctx context.Context, kind, key string, value []byte) error {
	return a.told(a.Store.PutObject(ctx, kind, key, value), kind)
}

func (a announcing) CreateObject(ctx context.Context, kind, key string, value []byte) error {
	return a.told(a.Store.CreateObject(ctx, kind, key, value), kind)
}

func (a announcing) SwapObject(ctx context.Context, kind, key string, old, value []byte) error {
	return a.told(a.Store.SwapObject(ctx, kind, key, old, value), kind)
}

func (a announcing) ReplaceObjects(ctx context.Context, kind string, values map[string][]byte) error {
	return a.told(a.Store.ReplaceObjects(ctx, kind, values), kind)
}

func (a announcing) DeleteObject(ctx context.Context, kind, key string) error {
	return a.told(a.Store.DeleteObject(ctx, kind, key), kind)
}

func (a announcing) DeleteBlocks(ctx context.Context, owner message.ID, kind, key string) error {
	return a.told(a.Store.DeleteBlocks(ctx, owner, kind, key), kind)
}

func (a announcing) Write(ctx context.Context, c *store.Change) error {
	err := a.Store.Write(ctx, c)
	if c.Kind == "" {
		return err
	}
	return a.told(err, c.Kind)
}

// SaveListed tells the entries themselves: there may be millions of others.
func (a announcing) SaveListed(ctx context.Context, rows []store.ListedRow) error {
	if err := a.Store.SaveListed(ctx, rows); err != nil {
		return err
	}
	for len(rows) > 0 {
		n := min(len(rows), listedChunk)
		a.n.announceJSON(topicListed, listedNews{Node: a.n.member.Number(), Rows: rows[:n]})
		rows = rows[n:]
	}
	return nil
}

// listedNews is the payload of topicListed.
type listedNews struct {
	Node uint16
	Rows []store.ListedRow
}

// changes reads anew what other nodes have changed. It owns one goroutine.
type changes struct {
	p       *Platform
	mu      sync.Mutex
	pending map[string]bool // kinds; guarded by mu
	wake    chan struct{}
	stop    context.CancelFunc
	joined  sync.WaitGroup
}

func newChanges(p *Platform) *changes {
	return &changes{p: p, pending: make(map[string]bool), wake: make(chan struct{}, 1)}
}

// hear notes what another node says it has changed.
func (c *changes) hear(payload string) {
	from, kind, _ := strings.Cut(payload, " ")
	if from == strconv.Itoa(int(c.p.node.member.Number())) {
		return
	}
	c.note(kind)
}

func (c *changes) note(kinds ...string) {
	c.mu.Lock()
	for _, k := range kinds {
		c.pending[k] = true
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// all notes that announcements may have been missed.
func (c *changes) all() {
	c.note(accountChanges, connectorObjects, routeObjects, inboundRouteKind, listObjects, topicListed, alertRuleKind, alertChannelKind, userKind)
	c.p.node.member.Look()
}

// learn takes in entries of blacklists from another node.
func (c *changes) learn(payload string) {
	var news listedNews
	if err := json.Unmarshal([]byte(payload), &news); err != nil || news.Node == c.p.node.member.Number() {
		return
	}
	entries := make([]suppression.Entry, len(news.Rows))
	for i, r := range news.Rows {
		entries[i] = suppressionEntry(r)
	}
	c.p.suppressed.Learn(entries)
}

func (c *changes) start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	c.joined.Go(func() {
		for {
			select {
			case <-c.wake:
			case <-ctx.Done():
				return
			}
			if pause.For(ctx, reloadLinger) != nil {
				return
			}
			c.reload(ctx)
		}
	})
}

func (c *changes) end() {
	c.stop()
	c.joined.Wait()
}

func (c *changes) reload(ctx context.Context) {
	c.mu.Lock()
	kinds := c.pending
	c.pending = make(map[string]bool)
	c.mu.Unlock()
	p := c.p
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	// Accounts first: routes may name them.
	for _, k := range []struct {
		kind string
		read func(context.Context) error
	}{
		{accountChanges, p.accounts.Reload},
		{connectorObjects, p.connector.Reload},
		{modeObjects, p.connector.Reload},
		{routeObjects, p.routes.Reload},
		{inboundRouteKind, p.mo.Reload},
		{listObjects, p.lists.Reload},
		{topicListed, p.suppressed.Reload},
		{alertRuleKind, p.alerts.Reload},
		{alertChannelKind, p.alerts.Reload},
		{userKind, p.users.Reload},
		{sessionKind, p.users.Reload},
	} {
		if !kinds[k.kind] {
			continue
		}
		if err := k.read(ctx); err != nil {
			p.log.Error("read anew what another node has changed", "what", k.kind, "error", err)
			if ctx.Err() == nil {
				c.note(k.kind)
			}
		}
	}
}
