package callback

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// ErrBlocked is wrapped when a webhook would reach an address that it must not.
var ErrBlocked = errors.New("address is not allowed for webhooks")

// Guard decides which addresses webhooks may reach: public ones, and the networks that
// the operator allows. It looks at the address that is dialled, after the name has been
// resolved, so a name that changes its address between check and use gains nothing.
type Guard struct {
	// Allow lists private networks that may be reached nevertheless.
	Allow []netip.Prefix
}

// reserved returns the networks of RFC 6890 that are not public, beyond those that
// netip knows by name.
func reserved() [14]netip.Prefix {
	p := netip.MustParsePrefix
	return [...]netip.Prefix{
		p("0.0.0.0/8"), p("100.64.0.0/10"), p("192.0.0.0/24"), p("192.0.2.0/24"), p("198.18.0.0/15"),
		p("198.51.100.0/24"), p("203.0.113.0/24"), p("240.0.0.0/4"),
		p("64:ff9b::/96"), p("64:ff9b:1::/48"), p("100::/64"), p("2001:db8::/32"), p("2002::/16"), p("fec0::/10"),
	}
}

// Check returns an error that wraps ErrBlocked unless addr may be reached.
func (g *Guard) Check(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	for _, p := range g.Allow {
		if p.Contains(addr) {
			return nil
		}
	}
	blocked := !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.IsLoopback()
	for _, p := range reserved() {
		blocked = blocked || p.Contains(addr)
	}
	if blocked {
		return fmt.Errorf("%s: %w", addr, ErrBlocked)
	}
	return nil
}

// CheckURL refuses what can never work: no http or https, no host, credentials inside,
// or a literal address that is not allowed.
func (g *Guard) CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("webhook URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("webhook URL %q: http or https is needed", u.Redacted())
	case u.Hostname() == "":
		return fmt.Errorf("webhook URL %q has no host", u.Redacted())
	case u.User != nil:
		return fmt.Errorf("webhook URL %q: no user and password in it, webhooks are signed", u.Redacted())
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return g.Check(addr)
	}
	return nil
}

// Dialer returns a dialer that checks each address just before it connects.
func (g *Guard) Dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout: timeout,
		Control: func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("%s: %w", address, ErrBlocked)
			}
			return g.Check(at.Addr())
		},
	}
}
