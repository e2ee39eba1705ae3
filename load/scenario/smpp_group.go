package scenario

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/load/stats"
	"protei-bulk/smpp"
)

// smppGroup is what the SMPP users of a class share: address, settings and entries of the
// recorder. It holds their binds, which outlive them.
type smppGroup struct {
	opts     Options
	settings Settings
	addrs    []string // resolved once
	tls      *tls.Config
	submit   stats.Entry
	binds    map[smpp.BindType]stats.Entry
	canary   atomic.Pointer[canary]

	mu     sync.Mutex
	users  []*smppUser // guarded by mu: every one made, to close at the end
	parked []*smppUser // guarded by mu: those that ended, whose binds the next one takes over
}

// newSMPPGroup resolves the address.
func newSMPPGroup(ctx context.Context, opts Options, s Settings) (*smppGroup, error) {
	g := &smppGroup{opts: opts, settings: s, tls: opts.TLS, binds: map[smpp.BindType]stats.Entry{}}
	if err := g.resolve(ctx); err != nil {
		return nil, err
	}
	for _, t := range s.SMPPBind.types() {
		g.binds[t] = opts.Recorder.Entry("SMPP", t.Command().String())
	}
	g.submit = opts.Recorder.Entry("SMPP", "submit_sm")
	return g, nil
}

// resolve looks the host up once, so that a bind does not measure the resolver.
func (g *smppGroup) resolve(ctx context.Context) error {
	host, port, err := net.SplitHostPort(g.opts.SMPP.Addr)
	if err != nil {
		return fmt.Errorf("SMPP address %s: %w", g.opts.SMPP.Addr, err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", host, err)
	}
	for _, ip := range ips {
		g.addrs = append(g.addrs, net.JoinHostPort(ip.Unmap().String(), port))
	}
	if g.opts.SMPP.TLS {
		cfg := &tls.Config{MinVersion: tls.VersionTLS12}
		if g.opts.TLS != nil {
			cfg = g.opts.TLS.Clone()
		}
		if cfg.ServerName == "" {
			cfg.ServerName = host
		}
		g.tls = cfg
	} else {
		g.tls = nil
	}
	return nil
}

// dialSMPP tries the addresses, IPv4 and IPv6, in turn.
func (g *smppGroup) dialSMPP(ctx context.Context, network, _ string) (conn net.Conn, err error) {
	var d net.Dialer
	for _, addr := range g.addrs {
		if conn, err = d.DialContext(ctx, network, addr); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// closeTimeout bounds the orderly end of the binds.
const closeTimeout = 5 * time.Second
