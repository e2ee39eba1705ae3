package bulk

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/cluster"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/store/postgres"
	"protei-bulk/internal/pause"
)

// node is this process among the others that share its store.
type node struct {
	p      *Platform
	store  *postgres.Store
	member *cluster.Member
	bus    *cluster.Bus
	binds  *binds
	count  *bindCount
	ready  func() // gives firstStartLock back

	campaigns sync.Map                // message.ID of those that this node runs
	figures   atomic.Pointer[figures] // as read last
}

// Names of leases begin with what they are of; a number or an id follows.
const (
	connectorLease = "connector/"
	campaignLease  = "campaign/"
)

// openRetry is the longest pause between attempts to reach the store at the start.
const openRetry = 5 * time.Second

// openShared opens the store of several nodes, however long it takes to reach it, and joins them.
func (p *Platform) openShared(ctx context.Context) error {
	s, err := p.reachPostgres(ctx)
	if err != nil {
		return err
	}
	p.store = s
	p.onStop("store", s.Stop)
	p.onStop("wiring", func(context.Context) error { p.goLiveOnce(); return nil })
	n := &node{p: p, store: s}
	n.binds = newBinds(n)
	session := newSession()
	if err := p.openHints(ctx, n, session); err != nil {
		return err
	}
	n.member, err = cluster.Join(ctx, cluster.Options{
		Store: s, Node: p.cfg.Node, Name: p.nodeName(), Session: session, TTL: time.Duration(p.cfg.Cluster.TTL),
		Takes: p.cfg.has(roleDispatch), Wanted: n.wanted, Gained: n.gained, Losing: n.losing, Lost: n.lost, Gone: n.gone,
		Health: n.health, Evicted: p.fail, Logger: p.log,
	})
	if err != nil {
		return err
	}
	p.onStop("node", n.member.Stop)
	if err := s.SetNode(ctx, n.member.Number()); err != nil {
		return err
	}
	if err := p.openSharedCDR(ctx, s); err != nil {
		return err
	}
	p.startCDR(s)
	n.count = newBindCount(n, p.hints, session, time.Duration(p.cfg.Cluster.TTL))
	n.bus = cluster.NewBus(s, n.member.Number(), p.log)
	p.node, p.store = n, announcing{s, n}
	p.log.Info("node of the store", "node", n.member.Number(), "name", p.nodeName())
	return nil
}

// Node returns this node's number, valid after Start.
func (p *Platform) Node() int {
	if p.node == nil {
		return max(p.cfg.Node, 0)
	}
	return int(p.node.member.Number())
}

// reachPostgres opens the store, and tries again while nobody answers there.
func (p *Platform) reachPostgres(ctx context.Context) (*postgres.Store, error) {
	c := p.cfg
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, openRetry) {
		s, err := postgres.Open(ctx, postgres.Options{
			URL: c.Store, MaxConns: c.Postgres.MaxConns, StatementTimeout: time.Duration(c.Postgres.StatementTimeout),
			Retention: time.Duration(c.Retention), AuditRetention: time.Duration(c.Audit.Keep),
			MaxBacklog: c.Limits.MaxBacklog, ReceiptCache: c.Limits.ReceiptCache,
			Applied: p.applied, Hint: p.hint, Room: p.room, Committed: p.synced, Records: p.cdrRecords,
			Quotas: p.quotas, Used: p.used, Failed: p.fail, Logger: p.log,
		})
		if err == nil {
			return s, nil
		}
		reason := fmt.Sprintf("store %s: %v", redactURL(c.Store), err)
		if !postgres.Unreachable(err) {
			return nil, errors.New(reason)
		}
		p.door.waits(reason)
		p.log.Warn("waiting for the store", "error", reason, "again_in", wait)
		if pause.For(ctx, wait) != nil {
			return nil, errors.New(reason)
		}
	}
}

func newSession() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return hex.EncodeToString(b[:])
}

func (p *Platform) nodeName() string {
	if p.cfg.Cluster.Name != "" {
		return p.cfg.Cluster.Name
	}
	host, err := os.Hostname()
	return cmp.Or(host, "unknown") + "/" + strconv.Itoa(os.Getpid()) + map[bool]string{true: "?"}[err != nil]
}

// room is how many messages a lane takes; 0 until the platform is wired.
func (p *Platform) room(lane message.Lane) int {
	select {
	case <-p.wired:
		return p.lanes.Room(lane)
	default:
		return 0
	}
}

// startNode begins to take leases and to hear the others.
func (p *Platform) startNode(context.Context) error {
	n := p.node
	if n == nil {
		return nil
	}
	n.bus.On(cluster.TopicNodes, func(string) { n.member.Look() })
	n.bus.OnAsk(askWithdraw, n.answerWithdraw)
	n.bus.OnAsk(askCampaign, n.answerCampaign)
	n.bus.OnAsk(askHalt, n.answerHalt)
	news := newChanges(p)
	n.bus.On(topicChanged, news.hear)
	n.bus.On(topicListed, news.learn)
	n.bus.On(topicBinds, n.binds.hear)
	n.bus.On(topicHanded, n.binds.handed)
	n.bus.OnGap(news.all)
	news.start()
	p.onStop("changes", func(context.Context) error { news.end(); return nil })
	n.bus.Start()
	p.onStop("bus", func(context.Context) error { n.bus.Stop(); return nil })
	n.count.start()
	p.onStop("count of binds", n.count.end)
	n.binds.start()
	p.onStop("binds", func(context.Context) error { n.binds.end(); return nil })
	n.member.Start()
	p.onStopWithin(windowPatience, "leases", n.member.Drain)
	n.announce(cluster.TopicNodes, "") // the others see this one at once
	return nil
}

// wanted are the leases of everything that one node does at a time.
func (n *node) wanted() (names []string) {
	if !n.p.cfg.has(roleDispatch) {
		return nil
	}
	for _, c := range n.p.connector.All() {
		names = append(names, postgres.LeaseOfConnector(c.ID))
	}
	return append(append(names, alertLease), n.wantedCampaigns()...)
}

func (n *node) gained(ctx context.Context, l store.Lease) error {
	if l.Name == alertLease {
		n.p.watcher.Start()
		return nil
	}
	if id, ok := campaignOf(l.Name); ok {
		n.campaigns.Store(id, true)
		if err := n.store.RefreshBooks(ctx); err != nil { // what the node before had done of it
			return err
		}
		return n.p.campaigns.Run(ctx, id)
	}
	id, ok := connectorOf(l.Name)
	if !ok {
		return fmt.Errorf("nobody knows what the lease %s is for", l.Name)
	}
	parts, err := n.store.AdoptParts(ctx, id)
	if err == nil {
		err = n.p.inbound.Adopt(ctx, parts)
	}
	if err != nil {
		return err
	}
	return n.p.fleet.own(ctx, n.store, id, l.Epoch)
}

func (n *node) losing(ctx context.Context, l store.Lease) {
	if l.Name == alertLease {
		n.p.watcher.Stop()
		return
	}
	if id, ok := campaignOf(l.Name); ok {
		n.p.campaigns.Halt(id)
		n.campaigns.Delete(id)
	}
	if id, ok := connectorOf(l.Name); ok {
		ctx, cancel := context.WithTimeout(ctx, windowPatience)
		defer cancel()
		n.p.fleet.disown(ctx, n.store, id)
	}
}

// lostPatience bounds the end of links that are another node's already.
const lostPatience = 500 * time.Millisecond

// lost ends the work of a lease that may be another node's already. It must not wait.
func (n *node) lost(l store.Lease) {
	if l.Name == alertLease {
		n.p.joined.Go(n.p.watcher.Stop)
		return
	}
	if id, ok := campaignOf(l.Name); ok {
		n.campaigns.Delete(id)
		n.p.joined.Go(func() { n.p.campaigns.Halt(id) })
	}
	id, ok := connectorOf(l.Name)
	if !ok {
		return
	}
	if link := n.p.fleet.link(id); link != nil && link.dispatcher != nil {
		link.dispatcher.Pause(true)
	}
	n.p.joined.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), lostPatience)
		defer cancel()
		n.p.fleet.disown(ctx, n.store, id)
	})
}

// gone takes over what a node that is no more had to tell customers, and its CDR records.
func (n *node) gone(ctx context.Context, number uint16) error {
	count, err := n.store.AdoptOutbox(ctx, number)
	if err != nil {
		return err
	}
	n.p.log.Info("node is gone", "node", number, "its_outbox", count)
	if count > 0 {
		n.p.webhooks.Look()
	}
	n.binds.adopted()
	adopted := make(chan error, 1)
	n.store.AdoptRecords(number, func(err error) { adopted <- err })
	select {
	case err := <-adopted:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func connectorOf(lease string) (id uint16, ok bool) {
	text, ok := strings.CutPrefix(lease, connectorLease)
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), ok && err == nil
}

// nodeHealth is what a node tells the others of itself.
type nodeHealth struct {
	HTTP       string          `json:"http"`
	SMPP       string          `json:"smpp,omitempty"`
	Version    string          `json:"version"`
	Roles      []string        `json:"roles"`
	Ready      bool            `json:"ready"`
	Reason     string          `json:"reason,omitempty"`
	Connectors []api.Connector `json:"connectors,omitempty"` // those that it owns
	nodeCondition
}

func (n *node) health() any {
	p := n.p
	h := nodeHealth{HTTP: p.HTTPAddr(), SMPP: p.SMPPAddr(), Version: p.opts.Version, Roles: p.cfg.Roles, Ready: true}
	if p.fleet == nil || p.lanes == nil {
		h.Ready, h.Reason = false, "it starts"
		return h
	}
	if err := (insight{p}).Ready(); err != nil {
		h.Ready, h.Reason = false, err.Error()
	}
	h.nodeCondition = p.condition(toldEndpoints)
	for _, c := range (insight{p}).Connectors() {
		if p.fleet.mine(c.ID) {
			c.Links = nil // an announcement is short
			h.Connectors = append(h.Connectors, c)
		}
	}
	return h
}

// The states of a node.
const (
	nodeUp       = "up"
	nodeDraining = "draining"
	nodeLost     = "lost" // not seen any more
	nodeLeft     = "left" // it said so
)

func nodeState(n *cluster.Node) string {
	switch {
	case n.Session == "":
		return nodeLeft
	case !n.Alive:
		return nodeLost
	case n.Draining:
		return nodeDraining
	}
	return nodeUp
}

// nodeList is the nodes as package api wants them.
type nodeList struct{ p *Platform }

// Nodes implements api.Nodes.
func (l nodeList) Nodes(ctx context.Context) ([]api.Node, error) {
	p := l.p
	if p.node == nil {
		ready := (insight{p}).Ready()
		n := api.Node{Node: p.Node(), Name: p.nodeName(), State: nodeUp, Version: p.opts.Version, Roles: roles(), HTTP: p.HTTPAddr(), SMPP: p.SMPPAddr(), Ready: ready == nil, This: true}
		if ready != nil {
			n.Reason = ready.Error()
		}
		return []api.Node{n}, nil
	}
	all := []api.Node{}
	for _, m := range p.node.member.Nodes() {
		var h nodeHealth
		_ = json.Unmarshal(m.Health, &h) // a node of another version may say less
		n := api.Node{
			Node: int(m.Node), Name: m.Name, State: nodeState(&m), Version: h.Version, Roles: h.Roles, HTTP: h.HTTP, SMPP: h.SMPP,
			Ready: h.Ready && m.Alive, Reason: h.Reason, Started: m.Started.UTC(), Seen: m.Seen.UTC(), Leases: m.Leases, This: m.Node == p.node.member.Number(),
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b api.Node) int { return a.Node - b.Node })
	return all, nil
}
