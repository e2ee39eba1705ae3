package account

import (
	"fmt"
	"net/netip"
)

// PlainNetwork is an IPv4 network that is written as IPv6 (::ffff:10.0.0.0/104) as IPv4 (10.0.0.0/8), as which addresses are
// compared; others stay as they are.
func PlainNetwork(network netip.Prefix) netip.Prefix {
	if addr := network.Addr(); addr.Is4In6() && network.Bits() >= mappedBits {
		return netip.PrefixFrom(addr.Unmap(), network.Bits()-mappedBits)
	}
	return network
}

// mappedBits is the length of ::ffff:0:0/96, in which IPv6 writes IPv4.
const mappedBits = 96

// parseNetwork reads a network, or an address as a network of its own.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return addr.Prefix(addr.BitLen())
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return network, err
	}
	if network = PlainNetwork(network); network.Addr().Is4In6() {
		return network, fmt.Errorf("%s holds more than IPv4 and begins within it", network)
	}
	return network, nil
}

// contains reports whether an address with its port is in one of the networks.
func contains(networks []netip.Prefix, remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, network := range networks {
		if network.Contains(at.Addr().Unmap().WithZone("")) {
			return true
		}
	}
	return false
}
