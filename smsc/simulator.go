package smsc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/smpp"
)

// Simulator is an SMSC. Its methods are safe for concurrent use.
type Simulator struct {
	opts   Options
	log    *slog.Logger
	began  time.Time // zero of the clock
	server *smpp.Server

	behaviour atomic.Pointer[Behaviour]
	changing  sync.Mutex // held while the behaviour is replaced

	nextID  atomic.Uint64
	nextNo  atomic.Uint32
	pace    pace
	seen    *seenSet
	spool   *spool
	tallies [tallyShards]tally
	since   atomic.Int64 // elapsed ns at the last reset
	rates   rates

	binds struct {
		total, refused atomic.Uint64
	}

	mu       sync.Mutex // guards all below
	started  bool
	stopped  bool
	listener net.Listener
	control  *controlServer

	quit chan struct{}
	wg   sync.WaitGroup // serve, wheel, sampler
}

// New checks opts and returns a simulator that has not begun to listen.
func New(opts Options) (*Simulator, error) {
	opts = opts.withDefaults()
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("smsc options:\n%w", err)
	}
	s := &Simulator{
		opts: opts, log: opts.Logger, began: time.Now(),
		seen: newSeenSet(opts.MaxTracked), spool: newSpool(&opts), quit: make(chan struct{}),
	}
	b := opts.Behaviour
	s.behaviour.Store(&b)
	// Ids rise from the time of start, so that a restarted simulator does not repeat them.
	s.nextID.Store(uint64(s.began.UnixMilli()) << 16)
	var err error
	s.server, err = smpp.NewServer(smpp.ServerOptions{
		SystemID:      "protei-smsc",
		Authenticate:  s.authenticate,
		Bound:         s.bound,
		Handler:       s,
		RefusalDelay:  -1,
		LongPasswords: true,
		MaxInFlight:   opts.Window,
		MaxConns:      opts.MaxBinds,
		Logger:        opts.Logger,
		Session: smpp.SessionOptions{
			Window:          opts.ReceiptWindow,
			ResponseTimeout: opts.ReceiptTimeout,
			OnClose:         s.closed,
			ReadBuffer:      64 << 10,
			WriteBuffer:     256 << 10,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("smsc: %w", err)
	}
	return s, nil
}

// Start listens and returns. A simulator starts once.
func (s *Simulator) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return errors.New("smsc: started before")
	}
	ln, err := net.Listen("tcp", s.opts.Addr)
	if err != nil {
		return fmt.Errorf("smsc: %w", err)
	}
	if s.opts.ControlAddr != "" {
		if s.control, err = startControl(s, s.opts.ControlAddr); err != nil {
			ln.Close()
			return fmt.Errorf("smsc control: %w", err)
		}
	}
	s.started, s.listener = true, ln
	s.wg.Go(func() {
		if err := s.server.Serve(ln); !errors.Is(err, smpp.ErrServerClosed) {
			s.log.Error("smsc: listener ended", "error", err)
		}
	})
	s.wg.Go(s.turnWheel)
	s.wg.Go(s.sampleRates)
	s.log.Info("SMSC simulator listens", "smpp", ln.Addr(), "control", s.controlAddr())
	return nil
}

// drainTime is how long Stop lets answers and receipts in flight come to an end.
const drainTime = 3 * time.Second

// Stop unbinds everybody, closes the ports and waits for every goroutine, no longer than
// ctx allows. Receipts that are still pending are dropped. It is idempotent.
func (s *Simulator) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started || s.stopped {
		return nil
	}
	s.stopped = true
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	if s.control != nil {
		s.control.stop(ctx)
	}
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // peers that do not answer unbind were cut, which is all that is wanted
	}
	close(s.quit)
	s.wg.Wait()
	return err
}

// Addr returns the SMPP listen address, empty before Start.
func (s *Simulator) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// ControlAddr returns the HTTP listen address, empty without one.
func (s *Simulator) ControlAddr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.controlAddr()
}

// controlAddr needs mu.
func (s *Simulator) controlAddr() string {
	if s.control == nil {
		return ""
	}
	return s.control.listener.Addr().String()
}

// Behaviour returns a copy of the behaviour in force.
func (s *Simulator) Behaviour() Behaviour { return *s.behaviour.Load() }

// SetBehaviour replaces the behaviour for the messages that come from now on.
func (s *Simulator) SetBehaviour(b Behaviour) error {
	if err := b.Validate(); err != nil {
		return fmt.Errorf("smsc behaviour:\n%w", err)
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	s.behaviour.Store(&b)
	return nil
}

// PatchBehaviour changes the settings that a JSON object names; see Behaviour.Patch.
func (s *Simulator) PatchBehaviour(object []byte) (Behaviour, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	b := *s.behaviour.Load()
	if err := b.Patch(object); err != nil {
		return b, err
	}
	s.behaviour.Store(&b)
	return b, nil
}

// Seen returns how often the message with this trace id was accepted, up to 15. The id
// of a whole message also finds its first part.
func (s *Simulator) Seen(id string) int {
	if n := s.seen.times(hashOf([]byte(id))); n > 0 {
		return n
	}
	var room [64]byte
	for _, part := range [...]string{"/1", "/0"} {
		if n := s.seen.times(hashOf(append(append(room[:0], id...), part...))); n > 0 {
			return n
		}
	}
	return 0
}

// Disconnect cuts every bind of the system_id, or all for an empty one, without unbind,
// and returns how many.
func (s *Simulator) Disconnect(systemID string) int {
	binds := s.spool.cut(systemID)
	for _, p := range binds {
		p.session.Close()
	}
	return len(binds)
}

// Reset forgets the messages seen, zeroes the counters and drops the receipts that are
// not under way. Behaviour and binds stay.
func (s *Simulator) Reset() {
	s.seen.reset()
	s.spool.drop()
	for i := range s.tallies {
		s.tallies[i].reset()
	}
	s.binds.total.Store(0)
	s.binds.refused.Store(0)
	s.since.Store(int64(s.elapsed()))
	s.rates.reset()
}

// elapsed is the simulator's monotonic clock.
func (s *Simulator) elapsed() time.Duration { return time.Since(s.began) }

func (s *Simulator) authenticate(_ context.Context, b smpp.BindInfo) (any, smpp.Status) {
	st := s.admit(b)
	if st != smpp.ROK {
		s.binds.refused.Add(1)
		return nil, st
	}
	s.binds.total.Add(1) // before the answer: who has it finds itself counted
	no := s.nextNo.Add(1)
	p := &peer{
		sim: s, no: no, tally: &s.tallies[no%tallyShards],
		systemID: b.SystemID, receives: b.BindType != smpp.Transmitter,
	}
	return p, smpp.ROK
}

func (s *Simulator) admit(b smpp.BindInfo) smpp.Status {
	switch {
	case s.behaviour.Load().RefuseBinds:
		return smpp.RBINDFAIL
	case s.opts.SystemID != "" && b.SystemID != s.opts.SystemID:
		return smpp.RINVSYSID
	case s.opts.Password != "" && subtle.ConstantTimeCompare([]byte(b.Password), []byte(s.opts.Password)) != 1:
		return smpp.RINVPASWD
	case !s.spool.knows(b.SystemID):
		return smpp.RBINDFAIL
	default:
		return smpp.ROK
	}
}

// bound runs on the read goroutine of a new bind: what waited for one goes out.
func (s *Simulator) bound(sess *smpp.Session) {
	p := sess.UserData().(*peer)
	p.session = sess
	s.spool.join(p)
	s.log.Debug("smsc: bound", "system_id", p.systemID, "type", sess.BindType(), "peer", sess.RemoteAddr())
	s.flush(p)
}

// closed runs when a session has ended, after all its receipts have been completed.
func (s *Simulator) closed(sess *smpp.Session, err error) {
	p, ok := sess.UserData().(*peer)
	if !ok || p.session == nil {
		return
	}
	s.spool.leave(p)
	s.log.Debug("smsc: bind ended", "system_id", p.systemID, "peer", sess.RemoteAddr(), "error", err)
}
