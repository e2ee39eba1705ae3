package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	defaultSessionInit  = 30 * time.Second
	defaultRefusalDelay = 200 * time.Millisecond
	defaultMaxConns     = 10_000
)

// Server accepts SMPP connections. Each has a Session of its own, whose goroutines end
// with it; Shutdown waits for all of them.
type Server struct {
	opts ServerOptions
	log  *slog.Logger

	ctx    context.Context // ends when Shutdown gives up waiting
	cancel context.CancelFunc
	wg     sync.WaitGroup // one per connection

	mu        sync.Mutex // guards all below
	closing   bool
	listeners map[net.Listener]struct{}
	conns     map[net.Conn]*Session // nil until the session exists
}

// NewServer checks o and returns a server that has not begun to listen.
func NewServer(o ServerOptions) (*Server, error) {
	if len(o.SystemID) >= sizeSystemID {
		return nil, fmt.Errorf("smpp server: system_id %q is longer than 15 octets", o.SystemID)
	}
	if o.SessionInitTimeout <= 0 {
		o.SessionInitTimeout = defaultSessionInit
	}
	if o.RefusalDelay == 0 {
		o.RefusalDelay = defaultRefusalDelay
	}
	if o.MaxConns <= 0 {
		o.MaxConns = defaultMaxConns
	}
	if o.MaxInFlight > 0 {
		o.Session.MaxInFlight = o.MaxInFlight
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Session.Logger == nil {
		o.Session.Logger = o.Logger
	}
	o.Session.Handler = o.Handler
	if o.TLS != nil {
		o.TLS = secure(o.TLS)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{
		opts: o, log: o.Logger, ctx: ctx, cancel: cancel,
		listeners: make(map[net.Listener]struct{}), conns: make(map[net.Conn]*Session),
	}, nil
}

const acceptPause = 50 * time.Millisecond

// Serve accepts connections on ln until Shutdown, and then returns ErrServerClosed. An
// error of the listener that passes, such as too many open files, is waited out.
func (v *Server) Serve(ln net.Listener) error {
	if !v.listen(ln) {
		ln.Close()
		return ErrServerClosed
	}
	defer v.forget(ln)
	for {
		conn, err := ln.Accept()
		if err == nil {
			if !v.admit(conn) {
				conn.Close()
			}
			continue
		}
		if v.isClosing() {
			return ErrServerClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		}
		v.log.Warn("smpp server: accept", "listener", ln.Addr(), "error", err)
		select {
		case <-time.After(acceptPause):
		case <-v.ctx.Done():
		}
	}
}

func (v *Server) listen(ln net.Listener) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closing {
		return false
	}
	v.listeners[ln] = struct{}{}
	return true
}

func (v *Server) forget(ln net.Listener) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.listeners, ln)
	ln.Close()
}

func (v *Server) isClosing() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.closing
}

// admit starts a connection's goroutine, unless there are too many or the server closes.
func (v *Server) admit(conn net.Conn) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closing {
		return false
	}
	if len(v.conns) >= v.opts.MaxConns {
		v.log.Warn("smpp server: too many connections", "peer", conn.RemoteAddr(), "max", v.opts.MaxConns)
		return false
	}
	v.conns[conn] = nil
	v.wg.Add(1)
	go v.serve(conn)
	return true
}

// serve is the read goroutine of one connection.
func (v *Server) serve(conn net.Conn) {
	defer v.wg.Done()
	defer func() {
		v.mu.Lock()
		delete(v.conns, conn)
		v.mu.Unlock()
	}()
	initBy := time.Now().Add(v.opts.SessionInitTimeout)
	client, err := v.client(conn)
	if err != nil {
		conn.Close()
		return
	}
	wire, err := v.handshake(conn, initBy)
	if err != nil {
		v.log.Debug("smpp server: TLS", "peer", client, "error", err)
		conn.Close()
		return
	}
	s := newSession(wire, v.opts.Session, true, hooks{bind: v.authenticate, long: v.opts.LongPasswords})
	s.initBy, s.remote = initBy, client
	if !v.register(conn, s) {
		conn.Close()
		return
	}
	s.start()
	s.readLoop()
}

func (v *Server) client(conn net.Conn) (net.Addr, error) {
	if v.opts.Client == nil {
		return conn.RemoteAddr(), nil
	}
	addr, err := v.opts.Client(conn)
	if err != nil && !v.isClosing() && !errors.Is(err, io.EOF) {
		v.log.Warn("smpp server: whom a connection is from cannot be known", "peer", conn.RemoteAddr(), "error", err)
	}
	return addr, err
}

func (v *Server) handshake(conn net.Conn, by time.Time) (net.Conn, error) {
	if v.opts.TLS == nil {
		return conn, nil
	}
	ctx, cancel := context.WithDeadline(v.ctx, by)
	defer cancel()
	tc := tls.Server(conn, v.opts.TLS)
	return tc, tc.HandshakeContext(ctx)
}

func (v *Server) register(conn net.Conn, s *Session) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closing {
		return false
	}
	v.conns[conn] = s
	return true
}

// onBind answers a bind: on a server that is not bound yet by asking its hook, elsewhere
// by refusing it.
func (s *Session) onBind(h Header, body []byte) {
	s.mu.Lock()
	p := s.phase
	s.mu.Unlock()
	switch {
	case !s.server:
		s.answer(h, RINVBNDSTS)
	case p != phaseOpen:
		s.answer(h, RALYBND)
	default:
		req := &BindReq{ID: h.ID, longPassword: s.hooks.long}
		if err := req.DecodeBody(body); err != nil {
			s.counters.malformed.Add(1)
			s.refuseBind(h, StatusOf(err))
			return
		}
		s.hooks.bind(s, h, req)
	}
}

// authenticate decides about a bind on an open session and answers it.
func (v *Server) authenticate(s *Session, h Header, p *BindReq) {
	began := time.Now()
	s.uncork()
	info := BindInfo{
		SystemID: string(p.SystemID), Password: string(p.Password), SystemType: string(p.SystemType),
		BindType: bindTypeOf(h.ID), InterfaceVersion: p.InterfaceVersion, RemoteAddr: s.RemoteAddr(),
	}
	if v.opts.Authenticate != nil {
		data, st := v.ask(s, info)
		if st != ROK {
			v.log.Info("smpp server: bind refused", "peer", s.RemoteAddr(), "system_id", info.SystemID, "status", st)
			s.sleep(v.opts.RefusalDelay - time.Since(began))
			s.refuseBind(h, st)
			return
		}
		s.SetUserData(data)
	}
	if s.accept(h, &info, v.opts.SystemID) && v.opts.Bound != nil {
		v.opts.Bound(s)
	}
}

// ask calls the Authenticate hook with a context that ends with the session.
func (v *Server) ask(s *Session, info BindInfo) (any, Status) {
	ctx, cancel := context.WithDeadline(v.ctx, s.initBy)
	defer cancel()
	left := make(chan struct{})
	defer close(left)
	go func() {
		select {
		case <-s.dying:
			cancel()
		case <-left:
		}
	}()
	return v.opts.Authenticate(ctx, info)
}

// sleep waits for d or until the session dies.
func (s *Session) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.dying:
	}
}

// accept puts the session in service and answers the bind. sc_interface_version goes only to
// peers that know optional parameters (item 24 of SMPP.md).
func (s *Session) accept(h Header, info *BindInfo, systemID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseOpen {
		return false
	}
	s.phase = phaseBound
	s.bind = info.BindType
	s.systemID = info.SystemID
	s.version = info.InterfaceVersion
	resp := &BindResp{ID: h.ID.Response(), SystemID: []byte(systemID)}
	if info.InterfaceVersion >= Version34 {
		ours := Version34
		if info.InterfaceVersion >= Version50 {
			ours = Version50
		}
		resp.TLVs = resp.TLVs.AppendByte(TagSCInterfaceVersion, ours)
	}
	if err := s.respond(Header{ID: resp.ID, Seq: h.Seq}, resp); err != nil {
		return false
	}
	s.wakeWriter()
	return true
}

// refuseBind answers a bind with a header only and closes after the answer is out.
func (s *Session) refuseBind(h Header, st Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply(Header{ID: h.ID.Response(), Status: st, Seq: h.Seq})
	s.finishOutput(&StatusError{Status: st, Cmd: h.ID})
}

// Sessions returns the sessions that are connected now, bound or not.
func (v *Server) Sessions() []*Session {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := make([]*Session, 0, len(v.conns))
	for _, s := range v.conns {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}

// Shutdown stops accepting, unbinds every session (requests under way are answered
// first) and waits until all connections have ended. When ctx ends before that the rest is
// closed and ctx's error returned. The ESME of a session that does not answer unbind
// costs no more than ctx allows.
func (v *Server) Shutdown(ctx context.Context) error {
	for conn, s := range v.close() {
		if s == nil {
			conn.Close()
			continue
		}
		v.wg.Go(func() {
			if err := s.Unbind(ctx); err != nil {
				v.log.Debug("smpp server: unbind", "peer", s.RemoteAddr(), "error", err)
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		v.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		v.cancel()
		return nil
	case <-ctx.Done():
	}
	v.cancel()
	for _, s := range v.Sessions() {
		s.Close()
	}
	<-ended
	return fmt.Errorf("smpp server: shutdown: %w", ctx.Err())
}

// close closes the listeners and returns the connections that are left.
func (v *Server) close() map[net.Conn]*Session {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closing = true
	for ln := range v.listeners {
		ln.Close()
	}
	left := make(map[net.Conn]*Session, len(v.conns))
	for c, s := range v.conns {
		left[c] = s
	}
	return left
}
