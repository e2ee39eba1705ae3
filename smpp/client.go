package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

const defaultDialTimeout = 10 * time.Second

func (o DialOptions) withDefaults() DialOptions {
	if o.BindType == Unbound {
		o.BindType = Transceiver
	}
	if o.InterfaceVersion == 0 {
		o.InterfaceVersion = Version34
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultDialTimeout
	}
	if o.DialContext == nil {
		o.DialContext = new(net.Dialer).DialContext
	}
	return o
}

func (o *DialOptions) request() *BindReq {
	return &BindReq{
		ID: o.BindType.Command(), SystemID: []byte(o.SystemID), Password: []byte(o.Password), SystemType: []byte(o.SystemType),
		InterfaceVersion: o.InterfaceVersion, AddrTON: o.AddrTON, AddrNPI: o.AddrNPI, AddressRange: []byte(o.AddressRange),
	}
}

// Dial connects and binds. When the SMSC refuses the bind the error is a *StatusError.
// The handler may be called before Dial returns, because the SMSC may deliver at once.
func Dial(ctx context.Context, o DialOptions) (*Session, error) {
	o = o.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	conn, err := o.DialContext(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", o.Addr, err)
	}
	if o.TLS != nil {
		if conn, err = clientTLS(ctx, conn, &o); err != nil {
			return nil, err
		}
	}
	s := newSession(conn, o.Session, false, hooks{})
	s.start()
	go s.readLoop()
	if err := s.sendBind(ctx, &o); err != nil {
		s.Close()
		<-s.done
		return nil, fmt.Errorf("bind to %s as %s: %w", o.Addr, o.SystemID, err)
	}
	return s, nil
}

func clientTLS(ctx context.Context, conn net.Conn, o *DialOptions) (net.Conn, error) {
	cfg := secure(o.TLS)
	if cfg.ServerName == "" {
		if host, _, err := net.SplitHostPort(o.Addr); err == nil {
			cfg.ServerName = host
		}
	}
	tc := tls.Client(conn, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", o.Addr, err)
	}
	return tc, nil
}

// secure returns a copy of cfg that admits TLS 1.2 and later only.
func secure(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	return cfg
}

// sendBind binds an open client session.
func (s *Session) sendBind(ctx context.Context, o *DialOptions) error {
	b := &binding{s: s, o: o, ch: make(chan error, 1)}
	s.mu.Lock()
	err := ErrClosed
	if s.phase == phaseOpen {
		err = s.request(o.BindType.Command(), o.request(), b, false)
		s.wakeWriter()
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case err = <-b.ch:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// binding is the Completion of a bind request.
type binding struct {
	s  *Session
	o  *DialOptions
	ch chan error
}

// Complete puts the session in service, before the reader sees the next PDU.
func (b *binding) Complete(r Result) {
	err := r.Failed(b.o.BindType.Command())
	if err == nil {
		resp, _ := r.PDU.(*BindResp)
		b.s.bound(b.o, resp)
	} else if errors.Is(r.Err, ErrClosed) {
		if cause := b.s.Err(); cause != nil {
			err = cause
		}
	}
	b.ch <- err
}

// bound notes what bind_resp said. An SMSC that does not name its version is taken to
// know optional parameters, as nearly all do.
func (s *Session) bound(o *DialOptions, resp *BindResp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseOpen {
		return
	}
	s.phase = phaseBound
	s.bind = o.BindType
	s.version = min(o.InterfaceVersion, Version34)
	if resp == nil {
		return
	}
	s.systemID = string(resp.SystemID)
	if v, ok := resp.TLVs.FindByte(TagSCInterfaceVersion); ok {
		s.version = v
	}
}

// onOutbind gives an outbind to a client that waits for one (SMPP 3.4 §2.2.1); anywhere
// else it is out of place.
func (s *Session) onOutbind(h Header, body []byte) {
	var p Outbind
	if err := p.DecodeBody(body); err != nil {
		s.counters.malformed.Add(1)
		s.answer(h, StatusOf(err))
		return
	}
	s.mu.Lock()
	expected := s.hooks.outbind != nil && s.phase == phaseOpen
	s.mu.Unlock()
	if !expected {
		s.answer(h, RINVBNDSTS)
		return
	}
	s.hooks.outbind(&p)
}
