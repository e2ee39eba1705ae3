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
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
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
	// Gone is told of each life of a node that ended or is not seen any more, on one of the others;
	// again at the next look after an error. At the start of a node it is told of all within a day.
	Gone func(ctx context.Context, node uint16) error
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

// Member is this node. Start and Stop it once.
type Member struct {
	o   Options
	log *slog.Logger
	row store.NodeRow

	mu       sync.Mutex // guards what follows
	holds    map[string]*hold
	draining bool
	nodes    []Node          // as last seen
	gone     map[string]bool // lives of nodes that Gone was told of, or is being told of

	// fence ends the work of all leases when they were not renewed in time. It does not wait for
	// the loop, which may hang in a heartbeat that nobody answers.
	fence *time.Timer

	alive  atomic.Int32  // of nodes
	poke   chan struct{} // 1: look again now
	ended  chan struct{} // 1: a lease is not held any more
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
	m := &Member{o: opts, log: opts.Logger, holds: make(map[string]*hold), gone: make(map[string]bool), poke: make(chan struct{}, 1), ended: make(chan struct{}, 1)}
	m.row = store.NodeRow{Name: opts.Name, Session: opts.Session, Info: m.info()}
	began := time.Now()
	row, err := opts.Store.Register(ctx, opts.Node, m.row, opts.TTL)
	if err != nil {
		return nil, err
	}
	m.row = row
	m.ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	m.fence = time.AfterFunc(m.surely(began), m.loseAll)
	return m, nil
}

// Number returns the node's number.
func (m *Member) Number() uint16 { return m.row.Node }

// Start begins to take leases.
func (m *Member) Start() { m.loop.Go(m.run) }

// Look makes the member look at once at what there is to hold.
func (m *Member) Look() {
	signal(m.poke)
}

// Nodes returns the nodes as last seen, this one included, by number.
func (m *Member) Nodes() []Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.nodes)
}

// Alive returns how many nodes there were when this one looked last, at least itself.
func (m *Member) Alive() int { return max(1, int(m.alive.Load())) }

// HolderNow returns the node that has a lease, as the store knows it.
func (m *Member) HolderNow(ctx context.Context, lease string) (node uint16, ok bool, err error) {
	leases, err := m.o.Store.ListLeases(ctx)
	for _, l := range leases {
		if l.Name == lease {
			return l.Node, true, nil
		}
	}
	return 0, false, err
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
	// The others must know before the first lease is free, or they leave it to this node.
	if _, err := m.o.Store.Heartbeat(ctx, m.beatRow(), m.o.TTL); err != nil {
		m.log.Warn("the other nodes do not know yet that this one ends", "error", err)
	}
	for {
		m.mu.Lock()
		for _, h := range m.holds {
			if !h.busy {
				m.end(h)
			}
		}
		left := len(m.holds)
		m.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-m.ended:
		case <-ctx.Done():
			return fmt.Errorf("%d leases were not given up in order: %w", left, ctx.Err())
		}
	}
}

// Stop ends the membership: what it still holds is free for the others at once, so that its work
// must have ended, by Drain or otherwise.
func (m *Member) Stop(ctx context.Context) error {
	m.cancel()
	m.loop.Wait()
	m.work.Wait()
	m.fence.Stop()
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

// retryBeat is the longest pause after a heartbeat that failed.
const retryBeat = 500 * time.Millisecond

// run renews the leases three times within their time.
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
		wait := beat
		if err := m.renew(beat); err != nil && m.ctx.Err() == nil {
			m.log.Warn("cannot renew this node's leases", "node", m.row.Node, "error", err)
			wait = min(beat, retryBeat)
		}
		timer.Reset(wait)
	}
}

func (m *Member) renew(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(m.ctx, patience)
	defer cancel()
	began := time.Now()
	leases, err := m.o.Store.Heartbeat(ctx, m.beatRow(), m.o.TTL)
	if errors.Is(err, store.ErrFenced) {
		return m.again(ctx)
	}
	if err != nil {
		return err
	}
	m.fence.Reset(m.surely(began))
	return m.look(ctx, leases)
}

// margin is the part of the time of a lease that is left when this node stops by itself: for
// clocks that run at different speeds, and for what is being sent at that moment.
const margin = 5

// surely is how long from now on leases that were renewed at a moment are surely held.
func (m *Member) surely(renewed time.Time) time.Duration {
	return m.o.TTL - m.o.TTL/margin - time.Since(renewed)
}

func (m *Member) beatRow() store.NodeRow {
	row := m.row
	row.Info = m.info()
	return row
}

// again registers the node anew after others took it for gone, under the number that its ids
// have. When another process has that, this one has to end.
func (m *Member) again(ctx context.Context) error {
	m.loseAll()
	_, err := m.o.Store.Register(ctx, int(m.row.Node), m.beatRow(), m.o.TTL)
	if errors.Is(err, store.ErrTaken) && m.o.Evicted != nil {
		m.o.Evicted(fmt.Errorf("this node was not seen for a while, and its number is in use: %w", err))
	}
	if err == nil {
		m.Look()
	}
	return err
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
	alive := int32(0)
	for i := range nodes {
		if nodes[i].Alive {
			alive++
		}
	}
	m.alive.Store(alive)
	m.mu.Lock()
	m.nodes = nodes
	m.mu.Unlock()
}

// bury tells of nodes that are no more, on the live node with the lowest number.
func (m *Member) bury() {
	if m.o.Gone == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.nodes {
		if n.Alive && n.Node < m.row.Node {
			return
		}
	}
	for _, n := range m.nodes {
		if n.Alive || m.gone[n.key()] {
			continue
		}
		m.gone[n.key()] = true
		m.work.Go(func() {
			if err := m.o.Gone(m.ctx, n.Node); err != nil && m.ctx.Err() == nil {
				m.log.Error("take over what a node that is gone has left", "node", n.Node, "error", err)
				m.mu.Lock()
				delete(m.gone, n.key())
				m.mu.Unlock()
			}
		})
	}
}

// key names one life of a node.
func (n *Node) key() string { return fmt.Sprintf("%d %d", n.Node, n.Started.UnixNano()) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
