package smpp

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"time"
)

// ErrOutbindRefused: the credentials in an outbind were not the expected ones.
var ErrOutbindRefused = errors.New("smpp: outbind with wrong credentials")

// AcceptOutbind serves a connection that an SMSC opened to us (SMPP 3.4 §2.2.1): it waits
// for outbind, checks its system_id and password against want, and binds as a receiver
// with o on the same connection. On error the connection is closed.
func AcceptOutbind(ctx context.Context, conn net.Conn, want Outbind, o DialOptions) (*Session, error) {
	o = o.withDefaults()
	o.BindType = Receiver
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	verdict := make(chan bool, 1)
	s := newSession(conn, o.Session, false, hooks{outbind: func(p *Outbind) {
		ok := subtle.ConstantTimeCompare(p.SystemID, want.SystemID)&subtle.ConstantTimeCompare(p.Password, want.Password) == 1
		select {
		case verdict <- ok:
		default: // a second outbind changes nothing
		}
	}})
	s.start()
	go s.readLoop()
	err := s.afterOutbind(ctx, verdict, &o)
	if err != nil {
		s.Close()
		<-s.done
		return nil, fmt.Errorf("outbind from %s: %w", conn.RemoteAddr(), err)
	}
	return s, nil
}

func (s *Session) afterOutbind(ctx context.Context, verdict <-chan bool, o *DialOptions) error {
	select {
	case ok := <-verdict:
		if !ok {
			return ErrOutbindRefused
		}
		return s.sendBind(ctx, o)
	case <-s.dying:
		return s.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Outbind connects to a listening ESME and asks it to bind as a receiver. The bind that
// comes back is served like any other; it is not waited for.
func (v *Server) Outbind(ctx context.Context, addr string, p Outbind) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("outbind to %s: %w", addr, err)
	}
	pdu, err := Append(nil, Header{Seq: 1}, &p)
	if err == nil {
		err = writeWithin(conn, pdu, defaultWriteTimeout)
	}
	if err == nil && !v.admit(conn) {
		err = ErrServerClosed
	}
	if err != nil {
		conn.Close()
		return fmt.Errorf("outbind to %s: %w", addr, err)
	}
	return nil
}

// writeWithin writes b in one go, within d.
func writeWithin(conn net.Conn, b []byte, d time.Duration) error {
	if err := conn.SetWriteDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	if _, err := conn.Write(b); err != nil {
		return err
	}
	return conn.SetWriteDeadline(time.Time{})
}
