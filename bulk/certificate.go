package bulk

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateAge is how old the last look at the files may be.
const certificateAge = 2 * time.Second

// certificate is the pair of files that HTTP and SMPP present. A handshake after they changed
// gets the new pair; one that cannot be read leaves the old one in force.
type certificate struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex // guards below
	pair   *tls.Certificate
	stamp  [2]fileStamp
	looked time.Time
}

type fileStamp struct {
	modified time.Time
	size     int64
}

func openCertificate(cert, key string, log *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, log: log, looked: time.Now()}
	c.stamp = c.stamps()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	c.pair = &pair
	return c, nil
}

// config returns what a listener needs: TLS 1.3, or 1.2 with forward secrecy and authenticated encryption (RFC 9325
// §4.2); the suites of 1.3 are all of that kind.
func (c *certificate) config() *tls.Config {
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12, CipherSuites: []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}}
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= certificateAge {
		c.looked = now
		c.reload()
	}
	return c.pair, nil
}

// reload needs mu.
func (c *certificate) reload() {
	now := c.stamps()
	if now == c.stamp {
		return
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		// Between the writes of two files they do not fit each other: look again.
		c.log.Error("tls: the certificate changed and cannot be read; the old one stays in force", "error", err)
		return
	}
	c.pair, c.stamp = &pair, now
	c.log.Info("tls: the certificate was read again", "file", c.cert)
}

func (c *certificate) stamps() (s [2]fileStamp) {
	for i, name := range []string{c.cert, c.key} {
		if st, err := os.Stat(name); err == nil {
			s[i] = fileStamp{st.ModTime(), st.Size()}
		}
	}
	return s
}
