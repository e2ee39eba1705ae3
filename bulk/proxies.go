package bulk

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/proxyproto"
	"protei-bulk/internal/web"
)

// The headers of proxies. No others are read.
const (
	// forwardedFor is the one in which each names who it got the request from, behind what it found there.
	forwardedFor = "X-Forwarded-For"
	// forwardedProto is https when the client has TLS.
	forwardedProto = "X-Forwarded-Proto"
)

// proxies are the networks whose word about a client is taken.
type proxies []netip.Prefix

// parseProxies reads addresses and networks.
func parseProxies(texts []string) (proxies, error) {
	var all proxies
	for _, text := range texts {
		network, err := parseProxy(text)
		if err != nil {
			return nil, err
		}
		all = append(all, network)
	}
	return all, nil
}

func parseProxy(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return network, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		network = netip.PrefixFrom(addr, addr.BitLen())
	}
	network = account.PlainNetwork(network)
	switch {
	case network.Masked() != network:
		return network, fmt.Errorf("%q has bits beside its network: write %s, or the address alone", text, network.Masked())
	case network.Bits() == 0:
		return network, errors.New(`"` + text + `" would take everybody's word: name the networks of the proxies`)
	}
	return network, nil
}

func (p proxies) trust(addr netip.Addr) bool {
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// client returns who a request is from: the last address of the header, read from its end, that
// is no trusted proxy. An address that cannot be read ends the search: what is before it was
// written by whoever wrote that.
func (p proxies) client(peer netip.AddrPort, header []string) netip.AddrPort {
	at := plainAddr(peer)
	for i := len(header) - 1; i >= 0; i-- {
		for rest, more := header[i], true; more; {
			var last string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, last = rest[:comma], rest[comma+1:]
			} else {
				last, more = rest, false
			}
			if !p.trust(at.Addr()) {
				return at
			}
			next, ok := parseHop(strings.TrimSpace(last))
			if !ok {
				return at
			}
			at = next
		}
	}
	return at
}

// parseHop reads an address, with or without a port.
func parseHop(text string) (netip.AddrPort, bool) {
	if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return plainAddr(netip.AddrPortFrom(addr, 0)), true
	}
	at, err := netip.ParseAddrPort(text)
	return plainAddr(at), err == nil
}

// plainAddr is an address without what makes two of one: a zone, IPv4 in IPv6.
func plainAddr(at netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}

// handler gives requests that come from a trusted proxy the address of their client: that is whom
// sign-ins are counted for, whom the networks of a key are compared with, and who stands in the logs.
// The port is 0 when the proxy does not say it. It also marks those whose client has TLS to the proxy.
// Of what anybody else says of himself nothing is read.
func (p proxies) handler(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, proto := r.Header[forwardedFor], r.Header[forwardedProto]
		if len(client) > 0 || len(proto) > 0 {
			if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && p.trust(plainAddr(peer).Addr()) {
				if saysTLS(proto) {
					r = web.ViaTLS(r)
				}
				r.RemoteAddr = p.client(peer, client).String()
			}
		}
		next.ServeHTTP(w, r)
	})
}

// headerPatience is how long a balancer may take for the PROXY header. The specification asks for
// 3 s at least: a retransmission.
const headerPatience = 5 * time.Second

// clientOf returns whom a connection is from: its other end, or whom a trusted proxy names in
// front of everything else. A trusted proxy has to send a header; of anybody else none is read.
func (p proxies) clientOf(conn net.Conn) (net.Addr, error) {
	peer, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return nil, err
	}
	if !p.trust(plainAddr(peer).Addr()) {
		return conn.RemoteAddr(), nil
	}
	if err := conn.SetReadDeadline(time.Now().Add(headerPatience)); err != nil {
		return nil, err
	}
	client, err := proxyproto.Read(conn)
	if err != nil {
		return nil, fmt.Errorf("a trusted proxy: %w", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	if !client.IsValid() {
		return conn.RemoteAddr(), nil
	}
	return net.TCPAddrFromAddrPort(client), nil
}

// saysTLS: a proxy that adds to what it found instead of replacing it says nothing of its own client.
func saysTLS(proto []string) bool {
	return len(proto) == 1 && strings.EqualFold(strings.TrimSpace(proto[0]), "https")
}
