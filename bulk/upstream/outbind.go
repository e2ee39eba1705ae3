package upstream

import (
	"context"
	"errors"
	"net"
	"time"

	"protei-bulk/internal/pause"
	"protei-bulk/smpp"
)

// outbindPatience is how long a connection of the SMSC waits for a receiver that is not bound.
const outbindPatience = time.Second

// listen takes the connections that the SMSC opens to ask for a receiver (SMPP 3.4 §2.2.1). When
// the address cannot be used it tries again.
func (g *Group) listen(ctx context.Context) {
	for ctx.Err() == nil {
		ln, err := net.Listen("tcp", g.o.Listen)
		if err == nil {
			stop := context.AfterFunc(ctx, func() { ln.Close() })
			err = g.accept(ctx, ln)
			stop()
			ln.Close()
		}
		if ctx.Err() != nil {
			return
		}
		g.o.Logger.Error("listen for outbind", "connector", g.o.Name, "address", g.o.Listen, "err", err)
		for _, l := range g.links {
			if l.bind == smpp.Receiver && l.session.Load() == nil {
				l.set(Waiting, err)
			}
		}
		_ = pause.For(ctx, g.o.BackoffMax)
	}
}

func (g *Group) accept(ctx context.Context, ln net.Listener) error {
	g.addr.Store(ln.Addr().String())
	for {
		conn, err := ln.Accept()
		if err != nil {
			var temporary net.Error
			if errors.As(err, &temporary) && temporary.Timeout() {
				continue
			}
			return err
		}
		wait := time.NewTimer(outbindPatience)
		select {
		case g.asked <- conn:
		case <-wait.C: // as many receivers as there may be are bound
			conn.Close()
		case <-ctx.Done():
			conn.Close()
		}
		wait.Stop()
	}
}

// await binds over the next connection that the SMSC opens.
func (l *link) await(ctx context.Context) (*smpp.Session, error) {
	l.set(Waiting, nil)
	select {
	case conn := <-l.g.asked:
		o := &l.g.o
		return smpp.AcceptOutbind(ctx, conn, smpp.Outbind{SystemID: []byte(o.OutbindID), Password: []byte(o.OutbindPassword)}, l.options())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Listening returns where the SMSC may connect to for outbind, "" while nobody listens.
func (g *Group) Listening() string {
	addr, _ := g.addr.Load().(string)
	return addr
}
