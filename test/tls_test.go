package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// selfSigned writes a certificate for 127.0.0.1 and its key, and returns who trusts it.
func selfSigned(t *testing.T) (cert, key string, trust *x509.CertPool) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "protei-bulk test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trust = x509.NewCertPool()
	trust.AddCert(parsed)
	return cert, key, trust
}

// TestTLS: with a certificate both doors speak TLS only.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key, trust := selfSigned(t)
	file := filepath.Join(t.TempDir(), "bulk.yaml")
	if err := os.WriteFile(file, []byte("tls:\n  cert: "+cert+"\n  key: "+key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveDev(t, "--config", file)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	req, err := http.NewRequest("POST", "https://"+p.HTTP+"/api/v1/messages", strings.NewReader(`{"from":"Test","to":"+15550008001","text":"in secret"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", p.key)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("POST over TLS: %v\n%s", err, p.out)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated || resp.TLS == nil || resp.TLS.Version < tls.VersionTLS12 {
		t.Errorf("POST over TLS answered %d, %+v", resp.StatusCode, resp.TLS)
	}
	if resp, err := http.Get("http://" + p.HTTP + "/api/v1/health"); err == nil {
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("plain HTTP is answered on the TLS port")
		}
	}
	if resp, err := http.Get("https://" + p.HTTP + "/api/v1/health"); err == nil {
		resp.Body.Close()
		t.Error("a client that does not know the certificate trusts it")
	}

	led := newLedger()
	s, err := smpp.Dial(t.Context(), smpp.DialOptions{
		Addr: p.SMPP, TLS: &tls.Config{RootCAs: trust, ServerName: "127.0.0.1"}, BindType: smpp.Transceiver, SystemID: "dev", Password: "devpass1",
		Session: smpp.SessionOptions{Handler: takeReceipts{led}},
	})
	if err != nil {
		t.Fatalf("bind over TLS: %v\n%s", err, p.out)
	}
	led.promise(true, p.submit(s, "15550008002", "in secret"))
	waitUntil(t, 10*time.Second, func() bool { return len(led.open()) == 0 })
	if len(led.open()) != 0 {
		t.Error("no receipt over TLS")
	}
	unbind(t, s)
	if s, err := p.bind("dev", "devpass1", nil); err == nil {
		s.Close()
		t.Error("a plain bind is answered on the TLS port")
	}
}

// tlsServer is a server that speaks TLS up to a version and tells how each handshake ended.
func tlsServer(t *testing.T, most uint16) (address string, handshakes chan error) {
	t.Helper()
	cert, key, _ := selfSigned(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: most})
	if err != nil {
		t.Fatal(err)
	}
	handshakes = make(chan error, 1)
	ended := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			err = c.(*tls.Conn).HandshakeContext(t.Context())
			c.Close()
			select {
			case handshakes <- err:
			default: // the first is enough
			}
		}
	}()
	return ln.Addr().String(), handshakes
}

// TestClientsRefuseOldTLS: connectors to SMSCs and aggregators, webhooks and alert channels speak TLS 1.2 and
// later only, even those that take any certificate.
func TestClientsRefuseOldTLS(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "bulk.yaml")
	if err := os.WriteFile(config, []byte("webhooks: {allow: [127.0.0.0/8]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveDev(t, "--config", config)
	p.want(http.StatusCreated, "POST", "/api/v1/routes", `{"name":"others","match":{"prefixes":["1555"]},"targets":[{"connector":"default"}]}`, nil)
	calls := map[string]func(name, address string){
		"smpp": func(name, address string) {
			p.want(http.StatusCreated, "POST", "/api/v1/connectors", `{"name":"`+name+`","address":"`+address+`","system_id":"us","password":"pw","tls":true,"tls_insecure":true}`, nil)
		},
		"http": func(name, address string) {
			p.want(http.StatusCreated, "POST", "/api/v1/connectors", `{"name":"`+name+`","kind":"http","mode":"running","tls_insecure":true,
"http":{"url":"https://`+address+`/?to={{to}}&text={{text}}","method":"GET","id":"regexp:^OK (\\S+)"}}`, nil)
			p.want(http.StatusCreated, "POST", "/api/v1/routes", `{"name":"`+name+`","match":{"prefixes":["1556`+name[len(name)-1:]+`"]},"targets":[{"connector":"`+name+`"}]}`, nil)
			p.sendOne(`{"from":"Test","to":"+1556` + name[len(name)-1:] + `0002222","text":"hello"}`)
		},
		"webhook": func(_, address string) {
			p.sendOne(`{"from":"Test","to":"+15550008003","text":"hello","dlr_url":"https://` + address + `/"}`)
		},
		"alert": func(name, address string) {
			p.want(http.StatusCreated, "PUT", "/api/v1/alerts/channels/"+name, `{"kind":"webhook","url":"https://`+address+`/"}`, nil)
			p.post("/api/v1/alerts/channels/"+name+"/test", "")
		},
	}
	for kind, call := range calls {
		for version, most := range map[string]uint16{"1": tls.VersionTLS11, "2": tls.VersionTLS12} {
			address, handshakes := tlsServer(t, most)
			call(kind+version, address)
			select {
			case err := <-handshakes:
				// That a webhook does not know the certificate shows in the handshake, too: behind the versions.
				if old := err != nil && strings.Contains(err.Error(), "unsupported versions"); old != (most < tls.VersionTLS12) {
					t.Errorf("%s with a server of TLS 1.%s: %v", kind, version, err)
				}
			case <-time.After(20 * time.Second):
				t.Errorf("%s: nobody came to the server of TLS 1.%s\n%s", kind, version, p.out)
			}
		}
	}
}
