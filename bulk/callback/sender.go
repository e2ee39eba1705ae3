package callback

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"protei-bulk/bulk/message"
)

// Outbox is the store's view of final states that customers do not have yet.
type Outbox interface {
	// Open returns up to limit open notices of messages above after, in ascending order
	// of their ids; none ends the reading. It must not return one whose Notified was done before the call.
	Open(ctx context.Context, after message.ID, limit int) ([]Notice, error)
	// Notified ends the outbox entries of notices; done is called when that is durable,
	// or failed. The slice stays valid until then. It must not block for long.
	Notified(notices []Notice, done func(error))
	// GaveUp is Notified for notices that are too old; reason is the endpoint's last fault.
	GaveUp(notices []Notice, reason string, done func(error))
}

// Options sets the bounds. Zero values mean the defaults.
type Options struct {
	Outbox Outbox
	// Secret returns the signing secret of an account (whsec_…), "" for none.
	Secret func(account uint32) string
	// Allow lists private networks that webhooks may reach.
	Allow []netip.Prefix

	Concurrency    int           // requests at once per endpoint: 4
	MaxRequests    int           // requests at once over all: 256; an account gets a quarter
	MaxBatch       int           // events per request: 500
	Linger         time.Duration // wait for company of the first event of a batch: 20 ms
	MaxPending     int           // notices in memory: 200,000; an account gets half
	MaxPerEndpoint int           // notices in memory per endpoint: 50,000
	Timeout        time.Duration // of one request: 10 s
	RetryMin       time.Duration // first backoff: 1 s
	RetryMax       time.Duration // longest backoff: 10 min
	GiveUp         time.Duration // age of a final state at which it is given up: 72 h
	Sweep          time.Duration // reads the outbox again at least so often: 30 s
	UserAgent      string

	Logger *slog.Logger
	now    func() time.Time
}

func (o *Options) complete() error {
	if o.Outbox == nil {
		return errors.New("callback: no outbox")
	}
	setDefault(&o.Concurrency, 4)
	setDefault(&o.MaxRequests, 256)
	setDefault(&o.MaxBatch, 500)
	setDefault(&o.Linger, 20*time.Millisecond)
	setDefault(&o.MaxPending, 200_000)
	setDefault(&o.MaxPerEndpoint, 50_000)
	setDefault(&o.Timeout, 10*time.Second)
	setDefault(&o.RetryMin, time.Second)
	setDefault(&o.RetryMax, 10*time.Minute)
	setDefault(&o.GiveUp, 72*time.Hour)
	setDefault(&o.Sweep, 30*time.Second)
	if o.UserAgent == "" {
		o.UserAgent = "protei-bulk"
	}
	if o.Secret == nil {
		o.Secret = func(uint32) string { return "" }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.now == nil {
		o.now = time.Now
	}
	return nil
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Sender delivers notices. Its methods are safe for concurrent use.
type Sender struct {
	opts   Options
	client *http.Client
	ctx    context.Context // ends when Stop's patience does
	cancel context.CancelFunc
	wg     sync.WaitGroup // workers and the sweeper
	quit   chan struct{}  // closed by Stop
	roomy  chan struct{}  // capacity 1: a queue has room again, or Look was called
	stats  counters

	mu        sync.Mutex // guards everything below, endpoints and tenants included
	started   bool
	stopping  bool
	held      map[message.ID]message.Status // notices in memory, until Notified is done
	told      map[message.ID]message.Status // left the outbox since the sweep began its page; nil: no sweep
	endpoints map[endpointKey]*endpoint
	last      *endpoint // of the last Push: saves the look-up in a row of equal ones
	tenants   map[uint32]*tenant
	turn      []*tenant // tenants with work and a free slot, in order
	workers   int
	missed    bool // the outbox holds something that was refused
}

// New returns a Sender that takes notices; Start makes it send.
func New(opts Options) (*Sender, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Sender{
		opts: opts, client: newClient(&opts), ctx: ctx, cancel: cancel,
		quit: make(chan struct{}), roomy: make(chan struct{}, 1),
		held: map[message.ID]message.Status{}, endpoints: map[endpointKey]*endpoint{}, tenants: map[uint32]*tenant{},
	}, nil
}

// Start begins to send, and to read what a former run left in the outbox.
func (s *Sender) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.stopping {
		return
	}
	s.started = true
	for _, e := range s.endpoints {
		s.schedule(e)
	}
	s.wg.Go(s.sweep)
}

// Push takes a notice for sending and never blocks. False means that there is no room:
// the notice stays in the outbox and is read from there later.
func (s *Sender) Push(n Notice) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.push(n) == taken
}

// verdict is what push did with a notice.
type verdict uint8

const (
	taken   verdict = iota // it is in memory now, or was
	full                   // its endpoint has no room, but works
	refused                // no room, and none to be expected soon
)

// push needs mu.
func (s *Sender) push(n Notice) verdict {
	if s.stopping {
		return refused
	}
	if status, ok := s.held[n.MessageID]; ok && status == n.Status {
		return taken
	}
	e := s.endpoint(keyOf(&n))
	if e.size() >= s.opts.MaxPerEndpoint || len(s.held) >= s.opts.MaxPending || e.tenant.pending >= s.opts.MaxPending/2 {
		s.missed = true
		s.stats.refused.Add(1)
		working := e.failures == 0 && e.proven
		s.forgetIdle(e)
		if working {
			return full
		}
		return refused
	}
	s.held[n.MessageID] = n.Status
	e.tenant.pending++
	if e.size() == 0 {
		e.since = s.opts.now()
	}
	e.queue = append(e.queue, n)
	s.stats.pushed.Add(1)
	if size := e.size(); size == 1 || size%s.batchSize(e) == 0 {
		s.schedule(e)
	}
	return taken
}

// Stop takes no more notices, waits for the requests under way until ctx ends, and
// joins everything. What was not confirmed stays in the outbox.
func (s *Sender) Stop(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.quit)
		for _, e := range s.endpoints {
			e.timer.Stop()
		}
	}
	s.mu.Unlock()
	joined := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(joined)
	}()
	var err error
	select {
	case <-joined:
	case <-ctx.Done():
		err = ctx.Err()
		s.cancel()
		<-joined
	}
	s.cancel()
	s.client.CloseIdleConnections()
	return err
}
