package callback_test

import (
	"errors"
	"net/netip"
	"testing"

	"protei-bulk/bulk/callback"
)

func TestGuardBlocksWhatIsNotPublic(t *testing.T) {
	g := callback.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	for addr, ok := range map[string]bool{
		"8.8.8.8": true, "2a00:1450:4001::1": true, "10.1.2.3": true, "::ffff:10.1.2.3": true,
		"10.2.0.1": false, "127.0.0.1": false, "::1": false, "::": false, "0.0.0.0": false, "0.1.2.3": false,
		"169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false, "192.168.0.1": false, "172.16.9.9": false,
		"100.64.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "fd00::1": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "64:ff9b::a00:1": false, "2002:7f00:1::": false, "198.18.0.1": false,
	} {
		err := g.Check(netip.MustParseAddr(addr))
		if ok != (err == nil) || err != nil && !errors.Is(err, callback.ErrBlocked) {
			t.Errorf("%s: %v, allowed should be %v", addr, err, ok)
		}
	}
}

func TestCheckURL(t *testing.T) {
	var g callback.Guard
	for url, ok := range map[string]bool{
		"https://example.com/dlr": true, "http://example.com:8080/?a=b": true, "https://8.8.8.8/": true,
		"ftp://example.com/": false, "/dlr": false, "": false, "https://": false, "http://u:p@example.com/": false,
		"http://127.0.0.1/": false, "http://[::1]:80/": false, "http://exa mple/": false,
	} {
		if err := g.CheckURL(url); ok != (err == nil) {
			t.Errorf("%q: %v, should pass %v", url, err, ok)
		}
	}
}
