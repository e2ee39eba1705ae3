package test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// serveTLS starts the platform with a certificate of its own, and every API that it can speak.
func serveTLS(t *testing.T) (*platform, *x509.CertPool) {
	t.Helper()
	cert, key, trust := selfSigned(t)
	file := filepath.Join(t.TempDir(), "bulk.yaml")
	if err := os.WriteFile(file, []byte("tls: {cert: "+cert+", key: "+key+"}\ncompat: {apis: [legacy, jasmin, kannel]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return serveDev(t, "--config", file), trust
}

// TestSecurityHeaders: whatever the HTTP port answers, a browser may run, frame and guess nothing of it, and stays with TLS.
func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	p, trust := serveTLS(t)
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}}, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	for _, tc := range []struct {
		call string
		code int
		page bool
	}{
		{"GET /", 200, true},
		{"GET /app.js", 200, true},
		{"GET /nothing.js", 404, true},
		{"POST /", 405, true},
		{"GET /api/v1/reference/", 200, true},
		{"GET /api/v1/openapi.json", 200, false},
		{"GET /api/v1/health", 200, false},
		{"GET /api/v1/messages", 200, false},
		{"GET /api/v1/messages/0", 404, false},
		{"PUT /api/v1/messages", 405, false},
		{"POST /api/v1/messages", 400, false},
		{"GET /api/v1/nothing", 404, false},
		{"GET /api/v1/session", 401, false},
		{"GET /api//v1/messages", 307, false},
		{"GET /metrics", 200, false},
		{"GET /cgi-bin/sendsms", 403, false},
		{"GET /api/getBalance", 401, false},
		{"GET /ping", 200, false},
		{"GET /debug/pprof/", 200, false},
	} {
		method, path, _ := strings.Cut(tc.call, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, "https://"+p.HTTP+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s: %v\n%s", tc.call, err, p.out)
		}
		resp.Body.Close()
		if resp.StatusCode != tc.code {
			t.Errorf("%s answers %d, want %d", tc.call, resp.StatusCode, tc.code)
		}
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q", tc.call, policy)
		}
		want := map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Strict-Transport-Security": "max-age=31536000"}
		if tc.page {
			want["X-Frame-Options"], want["Cross-Origin-Opener-Policy"] = "DENY", "same-origin"
		}
		for name, value := range want {
			if got := resp.Header.Get(name); got != value {
				t.Errorf("%s: %s %q, want %q", tc.call, name, got, value)
			}
		}
		if kind := resp.Header.Get("Content-Type"); !tc.page && strings.Contains(kind, "text/html") && resp.StatusCode == 200 && path != "/debug/pprof/" {
			t.Errorf("%s is %s", tc.call, kind)
		}
	}
}

// TestTLSRefusesOldPeers offers both doors what is out of date, as a peer that knows nothing else does.
func TestTLSRefusesOldPeers(t *testing.T) {
	t.Parallel()
	p, trust := serveTLS(t)
	var weak []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		aead := strings.Contains(s.Name, "_GCM_") || strings.Contains(s.Name, "POLY1305")
		if slices.Contains(s.SupportedVersions, tls.VersionTLS12) && (!aead || !strings.Contains(s.Name, "ECDHE")) {
			weak = append(weak, s.ID)
		}
	}
	if len(weak) < 8 {
		t.Fatalf("only %d weak suites are known: nothing is shown", len(weak))
	}
	for name, tc := range map[string]struct {
		conf *tls.Config
		ok   bool
	}{
		"TLS 1.3":                   {&tls.Config{MinVersion: tls.VersionTLS13}, true},
		"TLS 1.2":                   {&tls.Config{MaxVersion: tls.VersionTLS12}, true},
		"TLS 1.1":                   {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false},
		"TLS 1.0":                   {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, false},
		"TLS 1.2, weak suites only": {&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: weak}, false},
	} {
		conf := tc.conf.Clone()
		conf.RootCAs, conf.ServerName = trust, "127.0.0.1"
		for door, address := range map[string]string{"HTTP": p.HTTP, "SMPP": p.SMPP} {
			c, err := tls.Dial("tcp", address, conf)
			if err == nil {
				c.Close()
			}
			if tc.ok != (err == nil) {
				t.Errorf("%s at the %s door: %v", name, door, err)
			}
		}
	}
	s, err := smpp.Dial(t.Context(), smpp.DialOptions{
		Addr: p.SMPP, TLS: &tls.Config{RootCAs: trust, ServerName: "127.0.0.1", MaxVersion: tls.VersionTLS12}, BindType: smpp.Transceiver,
		SystemID: "dev", Password: "devpass1",
	})
	if err != nil {
		t.Fatalf("bind over TLS 1.2: %v\n%s", err, p.out)
	}
	unbind(t, s)
}
