package bulk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/aggregator"
	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
	"protei-bulk/bulk/upstream"
)

// lookEvery is how often the fleet looks whether connectors are up.
const lookEvery = 200 * time.Millisecond

// link is one connector with what serves it.
type link struct {
	c     *connector.Connector
	state *route.State
	// Both are nil while the connector is stopped.
	group      ways
	dispatcher *dispatch.Dispatcher

	trouble *trouble // shared by all links that a connector has had
}

// ways are the links of a connector: *upstream.Group or *aggregator.Links.
type ways interface {
	dispatch.Links
	Up() bool
	Pace() float64
	States() []upstream.BindState
}

// trouble is how long a connector has been down, and what was moved to others for it.
type trouble struct {
	since  time.Time // zero: it is up; of the watch goroutine, as looked is
	looked time.Time // when its messages were looked at last
	moved  atomic.Uint64
}

// fleet makes links follow the connectors, and tells routing how they are doing. It owns
// one goroutine from Start to Stop; those of the links are the links' own.
type fleet struct {
	p *Platform

	links atomic.Pointer[map[uint16]*link] // replaced as a whole

	tables sync.Mutex // one table at a time: the last one is of the last change

	mu     sync.Mutex // one change at a time
	owned  sync.Map   // connectors whose lanes are this node's, when there are others
	ended  bool       // guarded by mu
	cancel context.CancelFunc
	joined sync.WaitGroup
}

func newFleet(p *Platform) *fleet {
	f := &fleet{p: p}
	f.links.Store(&map[uint16]*link{})
	return f
}

// link returns what serves a connector, or nil.
func (f *fleet) link(id uint16) *link { return (*f.links.Load())[id] }

// running returns the links that are not stopped, by number.
func (f *fleet) running() []*link {
	var all []*link
	for _, l := range *f.links.Load() {
		if l.group != nil {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b *link) int { return int(a.c.ID) - int(b.c.ID) })
	return all
}

func (f *fleet) put(l *link) {
	next := maps.Clone(*f.links.Load())
	next[l.c.ID] = l
	f.links.Store(&next)
}

// Start begins to watch the links.
func (f *fleet) Start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cancel != nil || f.ended {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	f.joined.Go(func() { f.watch(ctx) })
}

// Stop ends all links: answers to what is in flight come in, what waits is in the store.
func (f *fleet) Stop(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	if f.cancel != nil {
		f.cancel()
	}
	f.joined.Wait()
	errs := make(chan error, len(*f.links.Load()))
	for id, l := range *f.links.Load() {
		go func() {
			if l.dispatcher != nil {
				errs <- l.dispatcher.Stop(ctx)
				return
			}
			errs <- f.p.lanes.Close(ctx, id)
		}()
	}
	var all []error
	for range cap(errs) {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

var errStopped = errors.New("the platform stops")

// Apply implements connector.Runner. What waits in the lanes is not touched: it goes out
// over the new links.
func (f *fleet) Apply(ctx context.Context, _, c *connector.Connector) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return errStopped
	}
	if f.mine(c.ID) {
		f.p.lanes.Connector(c.ID) // before routing sends anything its way
	}
	next := &link{c: c, state: new(route.State), trouble: new(trouble)}
	if old := f.link(c.ID); old != nil {
		next.state, next.trouble = old.state, old.trouble
		if old.group != nil && c.Mode != connector.Stopped && sameLinks(&old.c.Spec, &c.Spec) {
			next.group, next.dispatcher = old.group, old.dispatcher
		}
	}
	next.state.Set(f.condition(next))
	old := f.link(c.ID)
	f.put(next)
	if err := f.Reroute(); err != nil {
		return err
	}
	if old != nil && old.dispatcher != nil && old.dispatcher != next.dispatcher {
		bounded, cancel := context.WithTimeout(ctx, windowPatience)
		err := old.dispatcher.Detach(bounded)
		cancel()
		if err != nil {
			f.p.log.Warn("connector: cut what did not end by itself", "connector", c.Name, "error", err)
		}
	}
	return f.run(next)
}

// run gives a link what it lacks.
func (f *fleet) run(l *link) error {
	if l.c.Mode == connector.Stopped || !f.mine(l.c.ID) {
		return nil
	}
	if l.dispatcher != nil {
		l.dispatcher.SetTPS(l.c.TPS)
		l.dispatcher.Pause(l.c.Mode == connector.Paused)
		return nil
	}
	charset, err := dispatch.ParseCharset(l.c.Charset)
	if err != nil {
		return err
	}
	o := dispatch.Options{
		Connector: l.c.ID, Queue: f.p.lanes.Connector(l.c.ID), Store: f.p.store, Inbound: f.p.inbound,
		Intermediate: f.p.intermediate, Alert: f.p.alert,
		Validity: time.Duration(f.p.cfg.Validity.Default), MaxUnsynced: f.p.cfg.Limits.MaxUnsyncedSettles, Logger: f.p.log,
		Charset: charset, SourceRules: addressRules(l.c.SourceRules), DestRules: addressRules(l.c.DestRules),
		Classes: classes(&l.c.Spec), Next: func(m *message.Message) (uint16, bool) { return f.next(l.c.ID, m) },
	}
	group, err := l.open(f.p.log, &o)
	if err != nil {
		return err
	}
	d, err := dispatch.New(o)
	if err != nil {
		return err
	}
	d.Pause(l.c.Mode == connector.Paused)
	d.Start()
	f.put(&link{c: l.c, state: l.state, trouble: l.trouble, group: group, dispatcher: d})
	return nil
}

// open makes the links of a connector and gives them to its dispatcher.
func (l *link) open(log *slog.Logger, o *dispatch.Options) (ways, error) {
	if l.c.Kind == connector.HTTP {
		set, err := l.c.Aggregator(log)
		if err != nil {
			return nil, err
		}
		links, err := aggregator.NewLinks(set)
		o.Gateway = links
		return links, err
	}
	group, err := upstream.New(l.c.Upstream(log))
	o.Group = group
	return group, err
}

// sameLinks reports whether the links of a can serve b: what differs is of no concern to them.
func sameLinks(a, b *connector.Spec) bool {
	x, y := *a, *b
	x.Mode, x.TPS, x.FailoverAfter = "", 0, 0
	y.Mode, y.TPS, y.FailoverAfter = "", 0, 0
	return reflect.DeepEqual(x, y)
}

func (f *fleet) condition(l *link) route.Condition {
	switch {
	case l.c.Mode == connector.Stopped:
		return route.Stopped
	case l.c.Mode == connector.Running && !f.mine(l.c.ID):
		return f.elsewhere(l.c.ID)
	case l.c.Mode == connector.Paused || l.group == nil || !l.group.Up():
		return route.Down
	}
	return route.Up
}

// watch keeps the conditions that routing looks at.
func (f *fleet) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		for _, l := range *f.links.Load() {
			l.state.Set(f.condition(l))
		}
		for _, l := range *f.links.Load() {
			f.failover(ctx, l)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Idle implements connector.Runner.
func (f *fleet) Idle(ctx context.Context, c *connector.Connector) error {
	waiting := f.waiting(c.ID)
	if waiting == 0 {
		if err := f.caughtUp(ctx); err != nil {
			return err
		}
	}
	for _, status := range []message.Status{message.Pending, message.Scheduled, message.Held} {
		if waiting > 0 {
			break
		}
		n, err := f.count(ctx, c.ID, status)
		if err != nil {
			return err
		}
		waiting += n
	}
	if waiting > 0 {
		return fmt.Errorf("%d messages or more wait for connector %s: move them to another one, or let them go out", waiting, c.Name)
	}
	return nil
}

// countPage is how many open messages are looked at at once.
const countPage = 5000

// count returns how many messages of a connector are in a status, of the first page that has any.
func (f *fleet) count(ctx context.Context, id uint16, status message.Status) (int64, error) {
	var from message.Place
	for {
		msgs, next, err := f.p.store.LoadOpen(ctx, status, from, countPage, func(*message.Message) bool { return true })
		if err != nil {
			return 0, err
		}
		n := int64(0)
		for _, m := range msgs {
			f.p.store.View(m, func(m *message.Message) {
				if m.Connector == id && m.Status == status {
					n++
				}
			})
		}
		if n > 0 || next == (message.Place{}) {
			return n, nil
		}
		from = next
	}
}

// Reroute puts a table of the present rules and connectors in force.
func (f *fleet) Reroute() error {
	f.tables.Lock()
	defer f.tables.Unlock()
	var connectors []route.Connector
	for _, l := range *f.links.Load() {
		if !l.c.Deleted {
			connectors = append(connectors, route.Connector{ID: l.c.ID, Name: l.c.Name, State: l.state})
		}
	}
	slices.SortFunc(connectors, func(a, b route.Connector) int { return int(a.ID) - int(b.ID) })
	table, err := route.Compile(connectors, f.p.routes.Rows())
	if err != nil {
		return err
	}
	return f.p.router.Swap(table)
}
