package callback_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

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
		"::ffff:169.254.169.254": false, "::127.0.0.1": false, "::ffff:0:127.0.0.1": false, "64:ff9b:1::7f00:1": false,
		"2001:0:7f00:1::": false, "192.88.99.1": false, "3fff::1": false, "5f00::1": false, "fec0::1": false, "2001:4860:4860::8888": true,
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
		"http://2130706433/": false, "http://0x7f000001/": false, "http://0x7f.1/": false, "http://127.1/": false, "http://0177.0.0.1/": false,
		"http://127.0.0.1./": false, "http://[::ffff:127.0.0.1]/": false, "http://[::ffff:7f00:1]/": false, "http://0/": false, "http://0.0.0.0/": false,
		"http://[fe80::1%25eth0]/": false, "http://169.254.169.254/latest/meta-data/": false, "http://9f0e1d2c3b4a/": true, "http://sms1.example.com./": true,
	} {
		if err := g.CheckURL(url); ok != (err == nil) {
			t.Errorf("%q: %v, should pass %v", url, err, ok)
		}
	}
}

// TestCheckURLHidesPasswords: who reads the error, in an answer or a log, does not read them.
func TestCheckURLHidesPasswords(t *testing.T) {
	var g callback.Guard
	for _, url := range []string{"http://u:HookPw2Lp@exa mple/", "http://u:HookPw2Lp", "http://u:HookPw2Lp@host:port/", "ftp://u:HookPw2Lp@host/", "http://u:HookPw2Lp@host/", "http://u:HookPw2Lp@/", "http://u:HookPw2Lp%zz@h/"} {
		if err := g.CheckURL(url); err == nil || strings.Contains(err.Error(), "HookPw2Lp") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestNamesAreJudgedWhenDialled: a name passes CheckURL, whatever it leads to. What it leads to is
// judged at the moment of the connection, each address that DNS gives, as often as it is asked.
func TestNamesAreJudgedWhenDialled(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	dial := func(g *callback.Guard, host string) error {
		d := g.Dialer(5 * time.Second)
		d.Resolver = leadsTo(t, [4]byte{169, 254, 169, 254}, [4]byte{127, 0, 0, 1})
		conn, err := d.DialContext(t.Context(), "tcp4", net.JoinHostPort(host, port))
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := dial(new(callback.Guard), "rebinding.example.com"); !errors.Is(err, callback.ErrBlocked) {
		t.Errorf("a name that leads to private addresses is dialled: %v", err)
	}
	for _, host := range []string{"2130706433", "0x7f000001", "127.1", "0177.0.0.1"} { // some resolvers read them as addresses
		if err := dial(new(callback.Guard), host); err == nil {
			t.Errorf("%s is dialled", host)
		}
	}
	if err := dial(&callback.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, "rebinding.example.com"); err != nil {
		t.Errorf("the address that is allowed is not reached, so the test shows nothing: %v", err)
	}
}

// leadsTo is a resolver that knows every name at these addresses.
func leadsTo(t *testing.T, addresses ...[4]byte) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { server.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			end := 12 // of the question: header, labels, their end, type and class (RFC 1035 §4.1)
			for b[end] != 0 {
				end += int(b[end]) + 1
			}
			end += 5
			answer := slices.Clone(b[:min(end, n)])
			copy(answer[2:], []byte{0x81, 0x80, 0, 1, 0, byte(len(addresses)), 0, 0, 0, 0})
			for _, a := range addresses {
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, a[0], a[1], a[2], a[3])
			}
			_, _ = server.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}
