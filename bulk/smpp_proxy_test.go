package bulk

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/smpp"
)

// The headers that a balancer sends for a client: HAProxy's send-proxy and send-proxy-v2.
var proxyVersions = map[string]func(client string) string{
	"version 1": func(client string) string {
		family, own := "TCP4", "192.0.2.1"
		if netip.MustParseAddr(client).Is6() {
			family, own = "TCP6", "2001:db8::1"
		}
		return "PROXY " + family + " " + client + " " + own + " 50000 2775\r\n"
	},
	"version 2": func(client string) string {
		addr := netip.MustParseAddr(client)
		head := append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21"), 0x11, 0, 12+5)
		if addr.Is6() {
			head[13], head[15] = 0x21, 36+5
		}
		head = append(append(head, addr.AsSlice()...), addr.AsSlice()...) // the second is ours, and not read
		head = binary.BigEndian.AppendUint16(head, 50000)
		return string(binary.BigEndian.AppendUint16(head, 2775)) + "\x04\x00\x02\x00\x00" // a NOOP of two octets
	},
}

const proxyLocal = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"

// balanced is a platform whose SMPP server stands behind balancers at 127.0.0.1.
type balanced struct {
	*site
	trust *x509.CertPool // nil: without TLS
}

func openBalanced(t *testing.T, overTLS bool, change func(*Config)) *balanced {
	t.Helper()
	b := new(balanced)
	b.site = openSite(t, t.TempDir(), func(c *Config) {
		c.SMPP, c.TrustedProxies, c.SMPPProxyProtocol = "127.0.0.1:0", []string{"127.0.0.1"}, true
		if overTLS {
			b.trust = testCertificate(t, c)
		}
		if change != nil {
			change(c)
		}
	})
	return b
}

// testCertificate writes the certificate of httptest and its key, and sets them.
func testCertificate(t *testing.T, c *Config) *x509.CertPool {
	t.Helper()
	web := httptest.NewTLSServer(nil)
	web.Close()
	pair := web.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c.TLS.Cert, c.TLS.Key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		c.TLS.Cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, c.TLS.Key: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AddCert(web.Certificate())
	return pool
}

// allow sets the networks that the account dev may bind from.
func (b *balanced) allow(networks ...string) {
	b.t.Helper()
	dev := b.accounts.ByName(account.DevName)
	if _, err := b.accounts.Update(b.t.Context(), dev.ID, func(s *account.Spec) { s.SMPPAllow = networks }); err != nil {
		b.t.Fatal(err)
	}
}

// bindFrom binds from a local address, with a header in front, and returns how that ended.
func (b *balanced) bindFrom(local, header, systemID, password string) error {
	o := smpp.DialOptions{
		Addr: b.SMPPAddr(), BindType: smpp.Transceiver, SystemID: systemID, Password: password, Timeout: 20 * time.Second,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			_, err = io.WriteString(conn, header)
			return conn, err
		},
	}
	if b.trust != nil {
		o.TLS = &tls.Config{RootCAs: b.trust, ServerName: "127.0.0.1"}
	}
	s, err := smpp.Dial(b.t.Context(), o)
	if err == nil {
		s.Close()
		<-s.Done()
	}
	return err
}

// refused reports whether a bind was answered, and refused.
func refused(err error) bool {
	var status *smpp.StatusError
	return errors.As(err, &status) && status.Status == smpp.RBINDFAIL
}

// TestSMPPBehindABalancer: an account's networks are compared with the client that the balancer
// names, in both versions, with TLS and without.
func TestSMPPBehindABalancer(t *testing.T) {
	for version, header := range proxyVersions {
		for _, overTLS := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %t", version, overTLS), func(t *testing.T) {
				b := openBalanced(t, overTLS, nil)
				b.allow("203.0.113.0/24", "2001:db8:2::/48")
				for client, want := range map[string]bool{
					"203.0.113.9": true, "198.51.100.7": false, "127.0.0.1": false, "2001:db8:2::7": true, "2001:db8:3::7": false,
				} {
					err := b.bindFrom("127.0.0.1", header(client), "dev", "devpass1")
					if want && err != nil || !want && !refused(err) {
						t.Errorf("client %s: %v, may bind: %t", client, err, want)
					}
				}
			})
		}
	}
}

// TestWhoseHeaderIsRead: the balancer's, and it has to have one; nobody else's.
func TestWhoseHeaderIsRead(t *testing.T) {
	const balancer, other = "127.0.0.1", "127.0.0.2"
	header := proxyVersions["version 2"]("203.0.113.9")
	for _, overTLS := range []bool{false, true} {
		on := openBalanced(t, overTLS, nil)
		off := openBalanced(t, overTLS, func(cfg *Config) { cfg.SMPPProxyProtocol = false })
		for _, c := range []struct {
			name, from, header, allow string
			off, binds, answered      bool
		}{
			{"the balancer with a header", balancer, header, "203.0.113.9", false, true, true},
			{"the balancer for itself", balancer, proxyLocal, balancer, false, true, true},
			{"the balancer for itself, at a client's account", balancer, proxyLocal, "203.0.113.9", false, false, true},
			{"the balancer that does not know", balancer, "PROXY UNKNOWN\r\n", balancer, false, true, true},
			{"the balancer without a header", balancer, "", balancer, false, false, false},
			{"two headers", balancer, header + header, "203.0.113.9", false, false, false},
			{"another without a header", other, "", other, false, true, true},
			{"another without a header, at a client's account", other, "", "203.0.113.9", false, false, true},
			{"another with a header", other, header, "203.0.113.9", false, false, false},
			{"another with a header, at its own account", other, header, other, false, false, false},
			{"the setting is off", balancer, "", balancer, true, true, true},
			{"the setting is off, with a header", balancer, header, balancer, true, false, false},
		} {
			t.Run(fmt.Sprintf("%s, TLS %t", c.name, overTLS), func(t *testing.T) {
				b := on
				if c.off {
					b = off
				}
				b.allow(c.allow)
				err := b.bindFrom(c.from, c.header, "dev", "devpass1")
				if c.binds != (err == nil) || !c.binds && c.answered != refused(err) {
					t.Errorf("%v, want a bind: %t, an answer: %t", err, c.binds, c.answered)
				}
			})
		}
	}
}

// TestWrongBindsBehindABalancer: they count for their client alone.
func TestWrongBindsBehindABalancer(t *testing.T) {
	b := openBalanced(t, false, nil)
	header := proxyVersions["version 1"]
	var mu sync.Mutex
	limited := 0
	var all sync.WaitGroup
	for range 15 {
		all.Go(func() {
			if err := b.bindFrom("127.0.0.1", header("203.0.113.9"), "dev", "wrong"); refused(err) {
				mu.Lock()
				limited++
				mu.Unlock()
			} else if err == nil {
				t.Error("bound with a wrong password")
			}
		})
	}
	all.Wait()
	if limited == 0 {
		t.Error("15 wrong passwords of one client were answered")
	}
	if err := b.bindFrom("127.0.0.1", header("203.0.113.9"), "dev", "devpass1"); !refused(err) {
		t.Errorf("the client with the right password: %v", err)
	}
	if err := b.bindFrom("127.0.0.1", header("203.0.113.10"), "dev", "devpass1"); err != nil {
		t.Errorf("another client behind the same balancer: %v", err)
	}
}

// far is a connection from an address.
type far struct {
	net.Conn
	from net.Addr
}

func (f far) RemoteAddr() net.Addr { return f.from }

// TestSlowHeader: a balancer that sends a part of a header costs a connection for five seconds.
func TestSlowHeader(t *testing.T) {
	p, err := parseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	header := proxyVersions["version 2"]("203.0.113.9")
	for name, sent := range map[string]string{"nothing": "", "an octet": header[:1], "all but an octet": header[:len(header)-1], "half a line": "PROXY TCP4 203."} {
		synctest.Test(t, func(t *testing.T) {
			near, other := net.Pipe()
			defer near.Close()
			defer other.Close()
			go io.WriteString(other, sent)
			began := time.Now()
			addr, err := p.clientOf(far{near, net.TCPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.1:5000"))})
			if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took != headerPatience {
				t.Errorf("%s: %v, %v after %s", name, addr, err, took)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // and one that is in time leaves no deadline behind
		near, other := net.Pipe()
		defer near.Close()
		defer other.Close()
		go func() {
			for _, octet := range []byte(header) {
				time.Sleep(50 * time.Millisecond)
				_, _ = other.Write([]byte{octet})
			}
			time.Sleep(time.Minute)
			_, _ = io.WriteString(other, "bind")
		}()
		addr, err := p.clientOf(far{near, net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[::ffff:10.0.0.1]:5000"))})
		if err != nil || addr.String() != "203.0.113.9:50000" {
			t.Errorf("octet by octet: %v, %v", addr, err)
		}
		next := make([]byte, 4)
		if _, err := io.ReadFull(near, next); err != nil || !bytes.Equal(next, []byte("bind")) {
			t.Errorf("a minute later: %q, %v", next, err)
		}
	})
}

func TestProxyProtocolNeedsProxies(t *testing.T) {
	c := DefaultConfig()
	c.SMPPProxyProtocol = true
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "smpp_proxy_protocol: ") {
		t.Errorf("without balancers: %v", err)
	}
	c.TrustedProxies = []string{"10.0.0.7"}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}
