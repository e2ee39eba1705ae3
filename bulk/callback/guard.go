package callback

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
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

// reserved returns the networks of RFC 6890 and its followers that are not public, beyond those
// that netip knows by name.
func reserved() [13]netip.Prefix {
	p := netip.MustParsePrefix
	return [...]netip.Prefix{
		p("0.0.0.0/8"), p("100.64.0.0/10"), p("192.0.0.0/24"), p("192.0.2.0/24"), p("192.88.99.0/24"), p("198.18.0.0/15"),
		p("198.51.100.0/24"), p("203.0.113.0/24"), p("240.0.0.0/4"),
		p("2001::/23"), p("2001:db8::/32"), p("2002::/16"), p("3fff::/20"),
	}
}

// public6 is all that is given out of IPv6. Beyond it are the forms in which gateways take
// addresses of IPv4: NAT64 (64:ff9b::/96), translated (::ffff:0:0:0/96), compatible (::/96).
func public6() netip.Prefix { return netip.MustParsePrefix("2000::/3") }

// Check returns an error that wraps ErrBlocked unless addr may be reached.
func (g *Guard) Check(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	for _, p := range g.Allow {
		if p.Contains(addr) {
			return nil
		}
	}
	blocked := !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.IsLoopback() || addr.Is6() && !public6().Contains(addr)
	for _, p := range reserved() {
		blocked = blocked || p.Contains(addr)
	}
	if blocked {
		return fmt.Errorf("%s: %w", addr, ErrBlocked)
	}
	return nil
}

// CheckURL refuses what can never work: no http or https, no host, credentials inside,
// or a literal address that is not allowed. Its errors hold no password.
func (g *Guard) CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil { // the error has the text
		return errors.New("webhook URL cannot be read: write it as https://host/path, with what is not ASCII in the form %41")
	}
	host := strings.TrimSuffix(u.Hostname(), ".")
	addr, noAddr := netip.ParseAddr(host)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("webhook URL %q: http or https is needed", u.Redacted())
	case host == "":
		return fmt.Errorf("webhook URL %q has no host", u.Redacted())
	case u.User != nil:
		return fmt.Errorf("webhook URL %q: no user and password in it, webhooks are signed", u.Redacted())
	case noAddr == nil:
		return g.Check(addr)
	case oddIPv4(host):
		return fmt.Errorf("webhook URL %q: an IPv4 address is written as four decimal numbers", u.Redacted())
	}
	return nil
}

// oddIPv4 reports whether a resolver may read a name as an IPv4 address, such as 2130706433,
// 0x7f.1 or 0177.0.0.1: its last label is a number, which that of no domain is.
func oddIPv4(host string) bool {
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	digits, set := last, "0123456789"
	if rest, hex := strings.CutPrefix(last, "0x"); hex {
		digits, set = rest, "0123456789abcdef"
	}
	return last != "" && strings.Trim(digits, set) == ""
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
