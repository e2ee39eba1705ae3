package upstream

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/smpp"
)

// ErrBusy is returned by Submit when no bind has room: all windows are full, or the
// binds are down or paused.
var ErrBusy = errors.New("upstream: no bind has room")

// Group is the binds to one SMSC. Its methods are safe for concurrent use.
type Group struct {
	o       Options
	links   []*link
	senders []*link // those that may submit
	ready   chan struct{}
	addr    atomic.Value  // string: where it listens for outbind
	asked   chan net.Conn // connections that the SMSC opened for outbind
	// throttles has one for all senders, or one for each.
	throttles []*Throttle

	mu     sync.Mutex // guards cancel and drain
	cancel context.CancelFunc
	drain  context.Context // bounds the unbinds, set before cancel is called
	joined sync.WaitGroup
}

// New returns a group that is not started.
func New(opts Options) (*Group, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	g := &Group{o: opts.withDefaults(), ready: make(chan struct{}, 1), asked: make(chan net.Conn)}
	for i := range g.o.Binds {
		if g.o.Mode != TRX {
			g.add(i, smpp.Transmitter)
			g.add(i, smpp.Receiver)
			continue
		}
		g.add(i, smpp.Transceiver)
	}
	return g, nil
}

func (g *Group) add(i int, bind smpp.BindType) {
	if len(g.throttles) == 0 || g.o.ThrottleScope == "bind" && bind != smpp.Receiver {
		g.throttles = append(g.throttles, NewThrottle(g.o.PauseMin, g.o.PauseMax, g.signal))
	}
	l := &link{
		g: g, index: i, bind: bind, window: int32(g.o.Window), state: Stopped, since: time.Now(),
		throttle: g.throttles[len(g.throttles)-1],
	}
	g.links = append(g.links, l)
	if bind != smpp.Receiver {
		g.senders = append(g.senders, l)
	}
}

// Options returns the group's settings with their defaults.
func (g *Group) Options() Options { return g.o }

// Start begins to connect and returns at once. handler takes what the SMSC sends; nil
// means Options.Handler.
func (g *Group) Start(handler smpp.Handler) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cancel != nil {
		return
	}
	if handler != nil {
		g.o.Handler = handler
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	for _, l := range g.links {
		g.joined.Go(func() { l.run(ctx) })
	}
	if g.o.Mode == Outbind {
		g.joined.Go(func() { g.listen(ctx) })
	}
}

// Stop unbinds every link: submit_sm in flight get their answers, deliver_sm that have
// come are answered. When ctx ends first the links are closed and what was in flight
// completes with an error; the error then is ctx's. All goroutines have ended at return.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	cancel := g.cancel
	if g.drain == nil {
		g.drain = ctx
	}
	g.mu.Unlock()
	if cancel == nil {
		return nil
	}
	cancel()
	g.joined.Wait()
	for _, t := range g.throttles {
		t.Stop()
	}
	return ctx.Err()
}

// unbind ends a session in order, within the time that Stop has.
func (g *Group) unbind(s *smpp.Session) {
	g.mu.Lock()
	ctx := g.drain
	g.mu.Unlock()
	if err := s.Unbind(ctx); err != nil {
		g.o.Logger.Warn("unbind", "connector", g.o.Name, "err", err)
	}
}

// Ready gets a value when there may be more room, or a bind went up or down. One
// goroutine may wait on it.
func (g *Group) Ready() <-chan struct{} { return g.ready }

func (g *Group) signal() {
	select {
	case g.ready <- struct{}{}:
	default:
	}
}

// Free returns how many submit_sm the binds take now.
func (g *Group) Free() int {
	n := int32(0)
	if g.o.ThrottleScope != "bind" {
		for _, l := range g.senders {
			n += l.room()
		}
		return int(g.throttles[0].Free(n))
	}
	for _, l := range g.senders {
		n += l.free()
	}
	return int(n)
}

// Pace returns the submit_sm a second that an SMSC which throttles is sent, 0: no limit of
// that kind.
func (g *Group) Pace() float64 {
	sum := 0.0
	for _, t := range g.throttles {
		r := t.Rate()
		if r == 0 {
			return 0
		}
		sum += r
	}
	return sum
}

// Up reports whether any bind can submit, paused or not.
func (g *Group) Up() bool {
	for _, l := range g.senders {
		if l.session.Load() != nil {
			return true
		}
	}
	return false
}

// Call is one submit_sm under way. Embed it, so that a submit allocates nothing; it must
// not be used again before its Completion has run, nor at all after that ran with
// smpp.ErrTimeout.
type Call struct {
	link *link
	done smpp.Completion
}

// Complete passes the result on. It is for the session.
func (c *Call) Complete(r smpp.Result) {
	c.link.finished(&r)
	c.done.Complete(r)
}

// CompleteLate passes on an answer that came after the timeout. It is for the session.
func (c *Call) CompleteLate(r smpp.Result) {
	c.link.late.Add(1)
	if d, ok := c.done.(smpp.LateCompletion); ok {
		d.CompleteLate(r)
	}
}

// Bind names one bind of a group, to keep parts of a message together. Zero means any.
type Bind int

// Submit sends p on the bind with the most room, or on the given one while that lives,
// and returns which it was. done is called exactly once when the error is nil, and not
// at all otherwise. ErrBusy means that there is no room; any other error is p's own
// fault and will not go away.
func (g *Group) Submit(p *smpp.SubmitSM, on Bind, c *Call, done smpp.Completion) (Bind, error) {
	c.done = done
	if on > 0 && int(on) <= len(g.senders) {
		l := g.senders[on-1]
		if l.session.Load() != nil {
			return on, l.submit(p, c)
		}
	}
	for range len(g.senders) {
		i, l := g.emptiest()
		if l == nil {
			break
		}
		if err := l.submit(p, c); !errors.Is(err, ErrBusy) {
			return Bind(i + 1), err
		}
	}
	return 0, ErrBusy
}

// emptiest returns the bind with the most room in its window of those that are not
// throttled.
func (g *Group) emptiest() (at int, best *link) {
	most := int32(0)
	for i, l := range g.senders {
		if n := l.room(); n > most && l.throttle.Free(n) > 0 {
			at, best, most = i, l, n
		}
	}
	return at, best
}

func (l *link) submit(p *smpp.SubmitSM, c *Call) error {
	s := l.session.Load()
	if s == nil || l.free() == 0 {
		return ErrBusy
	}
	c.link = l
	l.inFlight.Add(1)
	err := s.TrySend(p, c)
	if err == nil {
		l.throttle.Spend()
		return nil
	}
	l.inFlight.Add(-1)
	var field *smpp.FieldError
	switch {
	case errors.As(err, &field), errors.Is(err, smpp.ErrPeerVersion):
		return err
	case !errors.Is(err, smpp.ErrWindowFull):
		l.session.CompareAndSwap(s, nil) // it is ending, and takes nothing more
	}
	return ErrBusy
}

// BindState is a bind as the API shows it.
type BindState struct {
	Index    int
	Type     string // transceiver, transmitter, receiver, http
	State    State
	Since    time.Time
	Err      string // why it is not bound
	Paused   bool   // the SMSC throttles it
	Window   int
	InFlight int
	Binds    uint64 // times it was bound
	Pauses   uint64 // that the SMSC asked for, of this bind or of all
	Lost     uint64 // submit_sm without an answer
	Late     uint64 // answers after the timeout

	awaits bool
}

// Awaits reports whether it is a receiver that the SMSC has not asked for (Outbind): that is
// no fault.
func (b *BindState) Awaits() bool { return b.awaits && b.Err == "" }

// States returns the state of every bind.
func (g *Group) States() []BindState {
	out := make([]BindState, len(g.links))
	for i, l := range g.links {
		l.mu.Lock()
		out[i] = BindState{
			Index: l.index, Type: l.bind.String(), State: l.state, Since: l.since, Err: l.err, Binds: l.binds,
			Paused: l.throttle.Paused(), Window: int(l.window), InFlight: int(l.inFlight.Load()),
			awaits: g.o.Mode == Outbind && l.bind == smpp.Receiver && l.state == Waiting,
			Pauses: l.throttle.Pauses(), Lost: l.lost.Load(), Late: l.late.Load(),
		}
		l.mu.Unlock()
	}
	return out
}

// EachStatus calls fn with every command_status that came back for submit_sm and how
// often. Those without a counter of their own are counted together as RUNKNOWNERR.
func (g *Group) EachStatus(fn func(st smpp.Status, n uint64)) {
	var total [numCounted]uint64
	for _, l := range g.senders {
		for st := range l.status {
			total[st] += l.status[st].Load()
		}
		total[smpp.RUNKNOWNERR] += l.other.Load()
	}
	for st, n := range total {
		if n != 0 {
			fn(smpp.Status(st), n)
		}
	}
}
