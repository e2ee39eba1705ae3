package inbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/message"
)

// Store keeps inbound messages. RecordInbound and ChangeInbound do not block; done runs
// when the change is durable, and must not block either.
type Store interface {
	RecordInbound(m *message.Inbound, done func(error))
	ChangeInbound(changes []message.InboundChange, done func(error))
	Inbound(ctx context.Context, id message.ID) (*message.Inbound, error)
	Inbounds(ctx context.Context, q message.InboundQuery) ([]*message.Inbound, error)
	InboundWaiting(ctx context.Context, status message.InboundStatus, account uint32, after message.ID, limit int) ([]*message.Inbound, error)
}

// IDs issues message ids (message.IDSource).
type IDs interface{ Next() message.ID }

// Options of a Receiver. Store, IDs and Routes are needed.
type Options struct {
	Store  Store
	IDs    IDs
	Routes *Routes
	// Deliver is told of each durable message that its customer does not have. It must not block.
	Deliver func(m *message.Inbound)

	// Hook, when set, sees each whole message before it is stored. When it returns true it calls
	// next once, from any goroutine: with nil when what it did is durable, and the message is
	// stored then; with an error when the message is not to be kept, and the SMSC brings it
	// again. It must not block.
	Hook func(m *message.Inbound, next func(error)) (taken bool)

	PartAge time.Duration // how long parts wait for the others: 24 h
	MaxOpen int           // incomplete messages; above it the oldest is given up: 100,000

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: silent
}

func (o *Options) complete() error {
	if o.Store == nil || o.IDs == nil || o.Routes == nil {
		return errors.New("inbound: Store, IDs and Routes are needed")
	}
	if o.Deliver == nil {
		o.Deliver = func(*message.Inbound) {}
	}
	if o.PartAge <= 0 {
		o.PartAge = 24 * time.Hour
	}
	if o.MaxOpen <= 0 {
		o.MaxOpen = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Receiver takes inbound messages. Its methods are safe for concurrent use.
type Receiver struct {
	opts   Options
	stats  counters
	quit   chan struct{}
	once   sync.Once
	joined sync.WaitGroup

	mu    sync.Mutex // guards parts
	parts *assembler
}

type counters struct {
	received, parts, joined, unrouted, expired, refused atomic.Uint64
}

// Stats are counters since New.
type Stats struct {
	Received uint64 // messages and parts that SMSCs brought
	Parts    uint64 // of them parts
	Joined   uint64 // long messages that became complete
	Unrouted uint64 // messages that no route wants
	Expired  uint64 // parts given up
	Refused  uint64 // not stored: the SMSC brings them again
	Open     int    // incomplete messages now
}

// New returns a Receiver; Start makes it read what a former run left.
func New(opts Options) (*Receiver, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	return &Receiver{opts: opts, quit: make(chan struct{}), parts: newAssembler(opts.MaxOpen, opts.PartAge)}, nil
}

const (
	startPage   = 1000
	expireEvery = time.Minute
)

// Start reads the parts that a former run left, joins those that are complete, and begins to
// give up old ones.
func (r *Receiver) Start(ctx context.Context) error {
	if err := r.recall(ctx); err != nil {
		return err
	}
	for after := message.ID(0); ; {
		page, err := r.opts.Store.InboundWaiting(ctx, message.InboundPart, 0, after, startPage)
		if err != nil {
			return fmt.Errorf("read parts of inbound messages: %w", err)
		}
		for _, m := range page {
			after = m.ID
			r.assemble(m)
		}
		if len(page) == 0 {
			break
		}
	}
	r.joined.Go(r.expire)
	return nil
}

// Adopt takes durable parts that other nodes received, of a connector that is this node's from now
// on. Those that it has already, or that came again after their message was joined, change nothing.
func (r *Receiver) Adopt(ctx context.Context, parts []*message.Inbound) error {
	if len(parts) == 0 {
		return nil
	}
	if err := r.recall(ctx); err != nil {
		return err
	}
	for _, m := range parts {
		r.mu.Lock()
		known := r.parts.known(m)
		r.mu.Unlock()
		if !known {
			r.assemble(m)
		}
	}
	return nil
}

// LetGo forgets the parts of a connector that another node has now: they wait in the store.
func (r *Receiver) LetGo(connector uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts.letGo(connector)
}

// recall remembers the last joined messages: their parts may come again, as the SMSC may not
// have got our answer before a crash.
func (r *Receiver) recall(ctx context.Context) error {
	last, err := r.opts.Store.Inbounds(ctx, message.InboundQuery{Limit: startPage})
	if err != nil {
		return fmt.Errorf("read the last inbound messages: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range last {
		if m.Total > 0 && m.Seq == 0 {
			r.parts.remember(keyOf(m), m)
		}
	}
	return nil
}

// Stop ends the goroutine. Receive keeps working: the store refuses what comes too late.
func (r *Receiver) Stop(context.Context) error {
	r.once.Do(func() { close(r.quit) })
	r.joined.Wait()
	return nil
}

func (r *Receiver) expire() {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.ExpireNow()
		case <-r.quit:
			return
		}
	}
}

// ExpireNow gives up the parts whose message did not become complete in time.
func (r *Receiver) ExpireNow() {
	r.mu.Lock()
	gone := r.parts.expire(r.opts.Now())
	r.mu.Unlock()
	r.giveUp(gone)
}

// Stats returns the counters.
func (r *Receiver) Stats() Stats {
	s := &r.stats
	st := Stats{
		Received: s.received.Load(), Parts: s.parts.Load(), Joined: s.joined.Load(),
		Unrouted: s.unrouted.Load(), Expired: s.expired.Load(), Refused: s.refused.Load(),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	st.Open = r.parts.oldest.Len()
	return st
}

// Receive takes a message, or a part of one, as the connector read it: it sets ID, status and
// customer. done is called once, when m is durable or is not kept; m belongs to the
// Receiver from then on. Neither blocks.
func (r *Receiver) Receive(m *message.Inbound, done func(error)) {
	r.stats.received.Add(1)
	m.ID = r.opts.IDs.Next()
	if m.Seq != 0 {
		r.receivePart(m, done)
		return
	}
	m.Parts = 1
	r.route(m)
	r.record(m, done)
}

func (r *Receiver) receivePart(m *message.Inbound, done func(error)) {
	r.stats.parts.Add(1)
	r.mu.Lock()
	known := r.parts.known(m)
	r.mu.Unlock()
	if known {
		done(nil)
		return
	}
	m.Status = message.InboundPart
	r.opts.Store.RecordInbound(m, func(err error) {
		if err != nil {
			r.stats.refused.Add(1)
		}
		done(err)
		if err == nil {
			r.assemble(m)
		}
	})
}

// assemble takes a durable part.
func (r *Receiver) assemble(m *message.Inbound) {
	r.mu.Lock()
	whole, gone := r.parts.add(m)
	r.mu.Unlock()
	r.giveUp(gone)
	if whole == nil {
		return
	}
	r.stats.joined.Add(1)
	whole.ID = r.opts.IDs.Next()
	r.route(whole)
	r.record(whole, func(err error) {
		if err != nil { // the parts are in the store: the next start joins them
			r.opts.Logger.Error("inbound: join a long message", "from", whole.Source.Addr, "to", whole.Dest.Addr, "error", err)
		}
	})
}

// record stores a whole message and has it delivered.
func (r *Receiver) record(m *message.Inbound, done func(error)) {
	next := func(err error) {
		if err != nil {
			r.stats.refused.Add(1)
			done(err)
			return
		}
		r.store(m, done)
	}
	if r.opts.Hook == nil || !r.opts.Hook(m, next) {
		r.store(m, done)
	}
}

func (r *Receiver) store(m *message.Inbound, done func(error)) {
	r.opts.Store.RecordInbound(m, func(err error) {
		if err != nil {
			r.stats.refused.Add(1)
		}
		done(err)
		if err == nil && m.Status == message.InboundOpen {
			r.opts.Deliver(m)
		}
	})
}

// route finds the customer of m.
func (r *Receiver) route(m *message.Inbound) {
	to, ok := r.opts.Routes.Table().Match(m.Source.Addr, m.Dest.Addr, Text(m))
	if !ok {
		r.stats.unrouted.Add(1)
		m.InboundState = message.InboundState{Status: message.InboundUnrouted, DoneAt: m.ReceivedAt}
		return
	}
	m.InboundState = message.InboundState{Status: message.InboundOpen, Account: to.Account, Route: to.ID, URL: to.URL}
}

func (r *Receiver) giveUp(parts []*message.Inbound) {
	if len(parts) == 0 {
		return
	}
	r.stats.expired.Add(uint64(len(parts)))
	changes := make([]message.InboundChange, len(parts))
	for i, m := range parts {
		changes[i] = message.InboundChange{ID: m.ID, InboundState: message.InboundState{
			Status: message.InboundExpired, DoneAt: r.opts.Now().UnixMilli(),
		}}
	}
	r.opts.Store.ChangeInbound(changes, nil)
	r.opts.Logger.Warn("inbound: parts given up, their messages did not become complete", "parts", len(parts),
		"from", parts[0].Source.Addr, "to", parts[0].Dest.Addr)
}

// Errors of Replay.
var (
	ErrIncomplete = errors.New("it is one part of a message that is not complete")
	ErrNoRoute    = errors.New("no route wants it")
)

// Replay has a message delivered again, to the customer that the routes name now: one that no
// route wanted, that was given up, or that the customer lost. The error wraps
// ErrIncomplete, ErrNoRoute, or the store's.
func (r *Receiver) Replay(ctx context.Context, id message.ID) (*message.Inbound, error) {
	m, err := r.opts.Store.Inbound(ctx, id)
	if err != nil {
		return nil, err
	}
	if m.Seq != 0 {
		return nil, ErrIncomplete
	}
	next := *m
	if r.route(&next); next.Status != message.InboundOpen {
		return nil, ErrNoRoute
	}
	done := make(chan error, 1)
	r.opts.Store.ChangeInbound([]message.InboundChange{{ID: id, InboundState: next.InboundState}}, func(err error) { done <- err })
	if err := <-done; err != nil {
		return nil, fmt.Errorf("replay inbound message %s: %w", id, err)
	}
	r.opts.Deliver(&next)
	return &next, nil
}
