package esme

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/smpp"
)

// Server is the platform's SMPP server. Start it once, Stop it once.
type Server struct {
	opts Options
	log  *slog.Logger
	smpp *smpp.Server

	subs     sync.Pool // of *submission
	stats    counters
	courier  courier
	stopping chan struct{}
	stopOnce sync.Once
	swept    chan struct{} // capacity 1: a mailbox wants a sweep
	jobs     [managers]chan job
	binds    atomic.Uint32  // bound so far: the next session's manager
	joined   sync.WaitGroup // courier, sweeper, managers, accept loops
	cancel   context.CancelFunc

	mu    sync.Mutex // guards below
	boxes map[uint32]*mailbox
}

// counters are summed since New.
type counters struct {
	binds, refusedBinds, submits, refusedSubmits         atomic.Uint64
	overWindow                                           atomic.Uint64
	receipts, retries, refusedReceipts, givenUp, dropped atomic.Uint64
	intermediates, alerts, outbinds                      atomic.Uint64
}

// Stats are counters since New, and what there is now.
type Stats struct {
	Binds           int    // bound now
	BindsTotal      uint64 // accepted
	BindsRefused    uint64
	Submits         uint64 // submit_sm and data_sm that reached intake
	SubmitsRefused  uint64 // of them without a message id
	OverWindow      uint64 // refused: the account's window was full
	Receipts        uint64 // confirmed by the ESME
	ReceiptRetries  uint64 // temporary refusals and timeouts
	ReceiptsRefused uint64 // refused for good: RX_P_APPN, RX_R_APPN
	ReceiptsGivenUp uint64 // too old
	Pending         int    // receipts in memory
}

// New checks the options and returns a Server that does not listen yet.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	s := &Server{
		opts: o, log: o.Logger, boxes: make(map[uint32]*mailbox),
		stopping: make(chan struct{}), swept: make(chan struct{}, 1),
	}
	s.courier.wake = make(chan struct{}, 1)
	for i := range s.jobs {
		s.jobs[i] = make(chan job, managerQueue)
	}
	s.subs.New = func() any { return newSubmission(s) }
	var err error
	s.smpp, err = smpp.NewServer(smpp.ServerOptions{
		SystemID: o.SystemID, Authenticate: s.authenticate, Bound: s.bound, Handler: s,
		Session: smpp.SessionOptions{
			Window: o.Window, ResponseTimeout: o.Response, EnquireLink: o.EnquireLink, OnClose: s.unbound,
		},
		SessionInitTimeout: o.SessionInit, RefusalDelay: o.RefusalDelay, LongPasswords: true,
		MaxInFlight: o.MaxInFlight, MaxConns: o.MaxConns, TLS: o.TLS, Client: o.Client, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Start begins to accept on the listeners, to deliver, and to read what a former run left
// in the outbox. Stop closes the listeners.
func (s *Server) Start(listeners ...net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, ln := range listeners {
		s.joined.Go(func() {
			if err := s.smpp.Serve(ln); !errors.Is(err, smpp.ErrServerClosed) {
				s.log.Error("esme: listener", "address", ln.Addr(), "error", err)
			}
		})
	}
	for _, jobs := range s.jobs {
		s.joined.Go(func() { s.manage(ctx, jobs) })
	}
	s.joined.Go(func() { s.deliver(ctx) })
	s.joined.Go(func() { s.sweep(ctx) })
	s.joined.Go(func() { s.outbind(ctx) })
}

// Stop stops accepting, unbinds every session after its requests are answered, and joins
// everything. Receipts without a confirmation stay in the outbox. The error says that ctx
// ended before the sessions did. It is idempotent, and does nothing without Start.
func (s *Server) Stop(ctx context.Context) (err error) {
	s.stopOnce.Do(func() {
		close(s.stopping)
		err = s.smpp.Shutdown(ctx)
		if s.cancel != nil {
			s.cancel()
		}
		s.joined.Wait()
	})
	return err
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	c := &s.stats
	st := Stats{
		BindsTotal: c.binds.Load(), BindsRefused: c.refusedBinds.Load(), Submits: c.submits.Load(), SubmitsRefused: c.refusedSubmits.Load(),
		OverWindow: c.overWindow.Load(),
		Receipts:   c.receipts.Load(), ReceiptRetries: c.retries.Load(), ReceiptsRefused: c.refusedReceipts.Load(), ReceiptsGivenUp: c.givenUp.Load(),
	}
	for _, b := range s.allBoxes() {
		b.mu.Lock()
		st.Binds += b.bound
		st.Pending += len(b.entries)
		b.mu.Unlock()
	}
	return st
}

// bind is the user data of a session.
type bind struct {
	box     *mailbox
	account uint32
	counted bool // guarded by box.mu: takes part in box.bound
	manager int  // index in Server.jobs

	congestion bool         // its answers carry congestion_state
	open       atomic.Int32 // messages at intake: what the account's window bounds
	sub        submitter
}

// authenticate is the hook of the SMPP server; it runs on the connection's own goroutine.
func (s *Server) authenticate(ctx context.Context, info smpp.BindInfo) (any, smpp.Status) {
	b, err := s.admit(ctx, &info)
	if err != nil {
		s.stats.refusedBinds.Add(1)
		s.log.Info("esme: bind refused", "system_id", info.SystemID, "peer", info.RemoteAddr, "error", err)
		return nil, bindStatus(err)
	}
	s.stats.binds.Add(1)
	return b, smpp.ROK
}

var (
	errStopping     = errors.New("the platform is stopping")
	errTooManyBinds = errors.New("too many binds of the account")
	errAddress      = errors.New("the address is not one of the account's smpp_allow")
)

// bindStatus is item 30 of SMPP.md.
func bindStatus(err error) smpp.Status {
	switch {
	case errors.Is(err, account.ErrUnknown):
		return smpp.RINVSYSID
	case errors.Is(err, account.ErrBadPassword):
		return smpp.RINVPASWD
	default:
		return smpp.RBINDFAIL
	}
}

func (s *Server) admit(ctx context.Context, info *smpp.BindInfo) (*bind, error) {
	select {
	case <-s.stopping:
		return nil, errStopping
	default:
	}
	a, err := s.verify(ctx, info)
	if err != nil {
		return nil, err
	}
	if !a.MayBindFrom(info.RemoteAddr) {
		return nil, errAddress
	}
	most := a.MaxBinds
	if most <= 0 {
		most = s.opts.MaxBinds
	}
	box := s.mailbox(a.ID)
	if !box.count(most) {
		return nil, fmt.Errorf("%w: %d", errTooManyBinds, most)
	}
	if s.opts.Binds != nil && !s.opts.Binds.Take(ctx, a.ID, most) {
		box.uncount()
		return nil, fmt.Errorf("%w: %d on all nodes", errTooManyBinds, most)
	}
	return &bind{
		box: box, account: a.ID, counted: true, manager: int(s.binds.Add(1) % managers),
		congestion: s.opts.Congestion != nil && info.InterfaceVersion >= smpp.Version50,
	}, nil
}

const verifyPause = 100 * time.Millisecond

// verify waits its turn when many bind at once: argon2id takes a core for a while.
func (s *Server) verify(ctx context.Context, info *smpp.BindInfo) (*account.Account, error) {
	for {
		a, err := s.opts.Accounts.Verify(info.SystemID, info.Password, info.RemoteAddr.String())
		if !errors.Is(err, account.ErrBusyVerifying) {
			return a, err
		}
		t := time.NewTimer(verifyPause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, err
		}
	}
}

// bound runs when the session is in service.
func (s *Server) bound(sess *smpp.Session) {
	b := sess.UserData().(*bind)
	s.log.Info("esme: bound", "system_id", sess.SystemID(), "type", sess.BindType().String(), "peer", sess.RemoteAddr())
	if !sess.BindType().CanReceive() {
		return
	}
	b.box.mu.Lock()
	b.box.receivers = append(b.box.receivers, &receiver{sess: sess})
	b.box.wantSweep = true
	first := len(b.box.receivers) == 1
	b.box.mu.Unlock()
	s.requestSweep()
	if first && s.opts.Receivers != nil {
		s.opts.Receivers(b.account)
	}
}

// unbound runs when a session has ended, bound or not, after its requests are completed.
func (s *Server) unbound(sess *smpp.Session, err error) {
	b, ok := sess.UserData().(*bind)
	if !ok {
		return
	}
	s.log.Info("esme: session ended", "system_id", sess.SystemID(), "peer", sess.RemoteAddr(), "reason", err)
	counted, last := b.box.leave(b, sess)
	if counted && s.opts.Binds != nil {
		s.opts.Binds.Give(b.account)
	}
	s.courier.kick(b.box)
	if last && s.opts.Receivers != nil {
		s.opts.Receivers(b.account)
	}
}

// mailbox returns the account's mailbox, made at its first bind.
func (s *Server) mailbox(id uint32) *mailbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[id]
	if b == nil {
		b = newMailbox(s, id)
		s.boxes[id] = b
	}
	return b
}

func (s *Server) allBoxes() []*mailbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*mailbox, 0, len(s.boxes))
	for _, b := range s.boxes {
		all = append(all, b)
	}
	return all
}
