// Package cluster makes a process one node among others over a store that they share: it is
// registered, renews its leases, holds its share of them, and stops by itself what it may
// not be sure to hold any more. Announcements between nodes are in bus.go.
//
// A Member owns one goroutine from Start to Stop, and one for each lease whose work begins or
// ends at the moment.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"sync"
	"time"

	"protei-bulk/bulk/store"
)

// DefaultTTL is how long a node or a lease is good without being renewed.
const DefaultTTL = 10 * time.Second

// Options configure a Member. Store, Wanted, Gained, Losing and Lost are needed.
type Options struct {
	Store store.Nodes
	// Node is the number that the node wants; below 0: any.
	Node    int
	Name    string // for people, such as host and pid
	Session string // of this start of this process, unlike any other
	TTL     time.Duration

	// Takes says that this node takes leases; Wanted returns those that there are at the moment.
	Takes  bool
	Wanted func() []string
	// Gained begins the work of a lease and returns when it runs; after an error the lease is
	// given back. Losing ends it in order, and Lost at once: another node may begin it in a moment.
	Gained func(ctx context.Context, l store.Lease) error
	Losing func(ctx context.Context, l store.Lease)
	Lost   func(l store.Lease)
	// Gone is told of nodes that ended or are not seen any more, once each, on one of the others.
	Gone func(ctx context.Context, node uint16)
	// Health is what the other nodes are told of this one; nil: nothing.
	Health func() any
	// Evicted is told when another process has this one's number: it has to end.
	Evicted func(error)

	Logger *slog.Logger
}

// Info is what a node says of itself: NodeRow.Info as JSON.
type Info struct {
	Takes    bool            `json:"takes_leases"`
	Draining bool            `json:"draining,omitempty"`
	Health   json.RawMessage `json:"health,omitempty"`
}

// Node is a node as the others see it.
type Node struct {
	store.NodeRow
	Info
	Alive  bool
	Leases []string
}

// hold is a lease that this node has.
type hold struct {
	lease   store.Lease
	busy    bool // its work begins or ends
	running bool
}

// Member is this node. Start and Stop it once.
type Member struct {
	o   Options
	log *slog.Logger
	row store.NodeRow

	mu       sync.Mutex // guards what follows
	holds    map[string]*hold
	draining bool
	renewed  time.Time // when the last heartbeat that was answered was sent
	lost     bool      // the leases ran out
	nodes    []Node    // as last seen
	gone     map[string]bool

	poke   chan struct{} // 1: look again now
	locks  sync.Map      // of goroutines of this node, by name: chan struct{} of 1, full while one has it
	ctx    context.Context
	cancel context.CancelFunc
	loop   sync.WaitGroup
	work   sync.WaitGroup
}

// Join registers the node: from then on the others see it. store.ErrTaken: its number is in use.
func Join(ctx context.Context, opts Options) (*Member, error) {
	if opts.TTL == 0 {
		opts.TTL = DefaultTTL
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Member{o: opts, log: opts.Logger, holds: make(map[string]*hold), gone: make(map[string]bool), poke: make(chan struct{}, 1)}
	m.row = store.NodeRow{Name: opts.Name, Session: opts.Session, Info: m.info()}
	began := time.Now()
	row, err := opts.Store.Register(ctx, opts.Node, m.row, opts.TTL)
	if err != nil {
		return nil, err
	}
	m.row, m.renewed = row, began
	m.ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return m, nil
}

// Number returns the node's number.
func (m *Member) Number() uint16 { return m.row.Node }

// Start begins to take leases.
func (m *Member) Start() { m.loop.Go(m.run) }

// Look makes the member look at once at what there is to hold.
func (m *Member) Look() {
	select {
	case m.poke <- struct{}{}:
	default:
	}
}

// Nodes returns the nodes as last seen, this one included, by number.
func (m *Member) Nodes() []Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.nodes)
}

// Holder returns the node that has a lease, as last seen.
func (m *Member) Holder(lease string) (node uint16, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.nodes {
		if m.nodes[i].Alive && slices.Contains(m.nodes[i].Leases, lease) {
			return m.nodes[i].Node, true
		}
	}
	return 0, false
}

// Holds reports whether this node has a lease and works with it.
func (m *Member) Holds(lease string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.holds[lease]
	return h != nil && h.running
}

// Held returns the leases that this node works with.
func (m *Member) Held() (leases []store.Lease) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.holds {
		if h.running {
			leases = append(leases, h.lease)
		}
	}
	return leases
}

// Drain gives all leases up in order and takes no more. It returns when that is done.
func (m *Member) Drain(ctx context.Context) error {
	m.mu.Lock()
	m.draining = true
	m.mu.Unlock()
	m.Look()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			m.mu.Lock()
			for name, h := range m.holds {
				if !h.busy {
					m.end(name, h)
				}
			}
			left := len(m.holds)
			m.mu.Unlock()
			if left == 0 || sleep(ctx, 20*time.Millisecond) != nil {
				return
			}
		}
	}()
	<-done
	return ctx.Err()
}

// Stop ends the membership: what it still holds is free for the others at once.
func (m *Member) Stop(ctx context.Context) error {
	m.cancel()
	m.loop.Wait()
	m.work.Wait()
	return m.o.Store.Leave(ctx, m.row.Node, m.row.Session)
}

func (m *Member) info() []byte {
	i := Info{Takes: m.o.Takes}
	m.mu.Lock()
	i.Draining = m.draining
	m.mu.Unlock()
	if m.o.Health != nil {
		if text, err := json.Marshal(m.o.Health()); err == nil {
			i.Health = text
		}
	}
	text, err := json.Marshal(i)
	if err != nil {
		return nil
	}
	return text
}

// run renews the leases three times within their time, and watches the clock: what could not
// be renewed in time is lost before another node may take it.
func (m *Member) run() {
	beat := m.o.TTL / 3
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-m.poke:
		case <-m.ctx.Done():
			return
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(m.ctx, beat)
		leases, err := m.o.Store.Heartbeat(ctx, m.beatRow(), m.o.TTL)
		if err == nil {
			err = m.look(ctx, began, leases)
		}
		cancel()
		switch {
		case errors.Is(err, store.ErrFenced):
			err = m.again()
			fallthrough
		case err != nil && m.ctx.Err() == nil:
			if err != nil {
				m.log.Warn("cannot renew this node's leases", "node", m.row.Node, "error", err)
			}
			m.expire()
		}
		wait := beat
		if err != nil {
			wait = min(beat, 500*time.Millisecond)
		}
		timer.Reset(wait)
	}
}

func (m *Member) beatRow() store.NodeRow {
	row := m.row
	row.Info = m.info()
	return row
}

// again registers the node anew after others took it for gone, under the number that its ids
// have. When another process has that, this one has to end.
func (m *Member) again() error {
	m.loseAll()
	ctx, cancel := context.WithTimeout(m.ctx, m.o.TTL)
	defer cancel()
	_, err := m.o.Store.Register(ctx, int(m.row.Node), m.beatRow(), m.o.TTL)
	if errors.Is(err, store.ErrTaken) && m.o.Evicted != nil {
		m.o.Evicted(fmt.Errorf("this node was not seen for a while, and its number is in use: %w", err))
	}
	return err
}

// margin is the part of the time of a lease that is left when this node stops by itself.
const margin = 5

func (m *Member) expire() {
	m.mu.Lock()
	late := time.Since(m.renewed) > m.o.TTL-m.o.TTL/margin
	m.mu.Unlock()
	if late {
		m.loseAll()
	}
}

// loseAll ends all work of leases at once.
func (m *Member) loseAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, h := range m.holds {
		delete(m.holds, name)
		m.log.Warn("lease lost", "lease", name, "epoch", h.lease.Epoch)
		m.o.Lost(h.lease)
	}
}

// look compares what this node holds with what it should.
func (m *Member) look(ctx context.Context, renewed time.Time, leases []store.Lease) error {
	rows, err := m.o.Store.ListNodes(ctx)
	if err != nil {
		return err
	}
	all, err := m.o.Store.ListLeases(ctx)
	if err != nil {
		return err
	}
	m.see(rows, all)
	wanted := m.o.Wanted()
	m.mu.Lock()
	m.renewed = renewed
	for name, h := range m.holds {
		if !slices.ContainsFunc(leases, func(l store.Lease) bool { return l.Name == name && l.Epoch == h.lease.Epoch }) && !h.busy {
			delete(m.holds, name) // somebody took it
			m.o.Lost(h.lease)
		}
	}
	for name, h := range m.holds {
		if !h.busy && (m.draining || !slices.Contains(wanted, name) || m.preferred(name) != m.row.Node) {
			m.end(name, h)
		}
	}
	var take []string
	for _, name := range wanted {
		if m.holds[name] == nil && !m.draining && m.preferred(name) == m.row.Node {
			take = append(take, name)
		}
	}
	m.mu.Unlock()
	for _, name := range take {
		l, err := m.o.Store.Acquire(ctx, name, m.row.Node, m.row.Session, m.o.TTL)
		if errors.Is(err, store.ErrTaken) {
			continue
		}
		if err != nil {
			return err
		}
		m.begin(l)
	}
	m.bury(ctx)
	return nil
}

// see notes how the nodes are.
func (m *Member) see(rows []store.NodeRow, leases []store.Lease) {
	newest := time.Time{}
	for i := range rows {
		if rows[i].Seen.After(newest) {
			newest = rows[i].Seen
		}
	}
	nodes := make([]Node, len(rows))
	for i, r := range rows {
		nodes[i] = Node{NodeRow: r, Alive: r.Session != "" && newest.Sub(r.Seen) < m.o.TTL}
		_ = json.Unmarshal(r.Info, &nodes[i].Info) // of a node of another version it may say less
		for _, l := range leases {
			if l.Node == r.Node {
				nodes[i].Leases = append(nodes[i].Leases, l.Name)
			}
		}
	}
	m.mu.Lock()
	m.nodes = nodes
	m.mu.Unlock()
}

// preferred is the node that a lease belongs to: all nodes come to the same answer, and one that
// joins or leaves moves no more than its share. It needs mu.
func (m *Member) preferred(lease string) uint16 {
	best, most := m.row.Node, uint64(0)
	for i := range m.nodes {
		n := &m.nodes[i]
		if !n.Alive || !n.Takes || n.Draining {
			continue
		}
		h := fnv.New64a()
		fmt.Fprintf(h, "%s %s", lease, n.Session)
		if score := h.Sum64() * 0x9E3779B97F4A7C15; score >= most {
			best, most = n.Node, score
		}
	}
	return best
}

// begin starts the work of a lease.
func (m *Member) begin(l store.Lease) {
	h := &hold{lease: l, busy: true}
	m.mu.Lock()
	m.holds[l.Name] = h
	m.mu.Unlock()
	m.work.Go(func() {
		m.log.Info("lease taken", "lease", l.Name, "epoch", l.Epoch)
		err := m.o.Gained(m.ctx, l)
		m.mu.Lock()
		defer m.mu.Unlock()
		h.busy, h.running = false, err == nil
		if err == nil && m.holds[l.Name] != h { // lost meanwhile
			m.o.Lost(l)
			return
		}
		if err != nil && m.ctx.Err() == nil {
			m.log.Error("cannot begin what a lease is for", "lease", l.Name, "error", err)
			delete(m.holds, l.Name)
			m.release(l)
		}
	})
}

// end ends the work of a lease in order and gives it back. It needs mu.
func (m *Member) end(name string, h *hold) {
	h.busy = true
	m.work.Go(func() {
		m.o.Losing(context.WithoutCancel(m.ctx), h.lease)
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.holds[name] == h {
			delete(m.holds, name)
		}
		m.release(h.lease)
		m.log.Info("lease given back", "lease", name, "epoch", h.lease.Epoch)
	})
}

func (m *Member) release(l store.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), m.o.TTL)
	defer cancel()
	if err := m.o.Store.Release(ctx, l.Name, m.row.Node, l.Epoch); err != nil {
		m.log.Warn("cannot give back a lease; it runs out", "lease", l.Name, "error", err)
		return
	}
	_ = m.o.Store.Announce(ctx, TopicNodes, l.Name) // the others look at once; without it, soon
}

// bury tells of nodes that are no more, on the live node with the lowest number.
func (m *Member) bury(ctx context.Context) {
	if m.o.Gone == nil {
		return
	}
	m.mu.Lock()
	var dead []Node
	lowest := m.row.Node
	for _, n := range m.nodes {
		switch {
		case n.Alive:
			lowest = min(lowest, n.Node)
		case !m.gone[n.key()]:
			dead = append(dead, n)
		}
	}
	m.mu.Unlock()
	if lowest != m.row.Node {
		return
	}
	for _, n := range dead {
		m.o.Gone(ctx, n.Node)
		m.mu.Lock()
		m.gone[n.key()] = true
		m.mu.Unlock()
	}
}

// key names one life of a node.
func (n *Node) key() string { return fmt.Sprintf("%d %d", n.Node, n.Started.UnixNano()) }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
