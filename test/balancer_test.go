package test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// TestHAProxyNamesTheClient: behind the HAProxy of the example, a customer's address over SMPP is its own.
func TestHAProxyNamesTheClient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		send string // in place of send-proxy-v2
		tls  bool
	}{
		"version 1":           {"send-proxy", false},
		"version 2":           {"send-proxy-v2", false},
		"version 2 with more": {"send-proxy-v2 proxy-v2-options crc32c,unique-id,authority", false},
		"version 1 with TLS":  {"send-proxy", true},
		"version 2 with TLS":  {"send-proxy-v2", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := "trusted_proxies: [127.0.0.1]\nsmpp_proxy_protocol: true\n"
			var trust *x509.CertPool
			if c.tls {
				cert, key, pool := selfSigned(t)
				settings += "tls: {cert: " + cert + ", key: " + key + "}\n"
				trust = pool
			}
			file := filepath.Join(t.TempDir(), "bulk.yaml")
			if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
				t.Fatal(err)
			}
			p := serveDev(t, "--config", file)
			if !c.tls {
				p.want(200, "PATCH", "/api/v1/accounts/1", `{"smpp_allow":["127.0.0.9"]}`, nil)
			}
			at := haproxy(t, p, c.send, c.tls)
			bind := func(local string) error {
				o := smpp.DialOptions{
					Addr: at, BindType: smpp.Transceiver, SystemID: "dev", Password: "devpass1", Timeout: 10 * time.Second,
					DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}).DialContext,
				}
				if trust != nil {
					o.TLS = &tls.Config{RootCAs: trust, ServerName: "127.0.0.1"}
				}
				s, err := smpp.Dial(context.WithoutCancel(t.Context()), o)
				if err == nil {
					unbind(t, s)
				}
				return err
			}
			waitUntil(t, 20*time.Second, func() bool { return bind("127.0.0.9") == nil }) // HAProxy has to see that the node is well
			if err := bind("127.0.0.9"); err != nil {
				t.Errorf("from 127.0.0.9: %v\n%s", err, p.out)
			}
			var status *smpp.StatusError
			if err := bind("127.0.0.1"); !c.tls && (!errors.As(err, &status) || status.Status != smpp.RBINDFAIL) {
				t.Errorf("from HAProxy's own address: %v", err)
			}
			if !regexp.MustCompile(`(?m)esme: bound.*peer="?127\.0\.0\.9:`).MatchString(p.out.String()) {
				t.Errorf("the log does not name the client:\n%s", p.out)
			}
		})
	}
}

// haproxy runs the example in front of a platform, and returns where it takes SMPP.
func haproxy(t *testing.T, p *platform, send string, overTLS bool) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docsRoot, "deploy", "haproxy", "haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, at := string(text), freeAddress(t)
	for _, r := range []struct{ old, now string }{
		{`maxconn 50000`, `maxconn 100`},
		{`bind :8080`, `bind ` + freeAddress(t)},
		{`bind :2775`, `bind ` + at},
		{`bind :8404`, `bind ` + freeAddress(t)},
		{`server-template bulk- 8 bulk:8080 (.*) resolvers dns init-addr none`, `server bulk ` + p.HTTP + ` $1`},
		{`server-template bulk- 8 bulk:2775 send-proxy-v2 check port 8080 (.*) resolvers dns init-addr none`, `server bulk ` + p.SMPP + ` ` + send + ` check port ` + portOf(p.HTTP) + ` $1`},
	} {
		expr := regexp.MustCompile(r.old)
		if !expr.MatchString(cfg) {
			t.Fatalf("the example has no %s", r.old)
		}
		cfg = expr.ReplaceAllString(cfg, r.now)
	}
	if overTLS { // the health check is HTTP
		cfg = strings.ReplaceAll(cfg, " check port", " check-ssl verify none check port")
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("haproxy")
	if err != nil {
		t.Fatal("haproxy is not installed; Debian, Ubuntu: sudo apt-get install haproxy")
	}
	cmd := exec.Command(program, "-db", "-f", file)
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &out, &out, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		if t.Failed() {
			t.Logf("HAProxy:\n%s", out.String())
		}
	})
	return at
}
