// Package httpload is the measured HTTP/1.1 client of the load tester: one Client is
// one virtual user's connection. It is written for thousands of users that mostly
// wait: while a user waits for its answer it holds no buffer, and one exchange costs
// one write, one wake-up and one read.
//
// A Target is the server under test, resolved once and shared by all Clients. Head is
// a rendered request line with its headers, Request the part that varies, Response the
// answer with its times. Failures are *Error values with a Kind of their own.
//
// The package starts no goroutine; a Client belongs to one goroutine, except for Abort.
package httpload

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options says how a Target is reached. The zero value has the defaults.
type Options struct {
	// Timeout bounds one exchange from the start of its connection or write to the
	// last byte of its answer: 30 s by default.
	Timeout time.Duration
	// MaxBodyBytes bounds the body of an answer, 16 MiB by default; beyond it the
	// exchange fails with KindTooLarge.
	MaxBodyBytes int
	// TLS is used for https targets; nil means the system's roots.
	TLS *tls.Config
	// Header lines are added to every request, as "Name: value".
	Header []string
	// Clock gives the time of a Response's Sent and Done; nil means the time since
	// the Target was made. It must be monotonic.
	Clock func() time.Duration
	// Resolve replaces the system's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Target is the server under test: its address is resolved once, so that a run
// measures the server and not the resolver. It is safe for concurrent use.
type Target struct {
	opts  Options
	host  string // for the Host header
	base  string // path prefix, without a slash at its end
	addrs []string
	good  atomic.Uint32 // index in addrs of the one that answered last
	tls   *tls.Config
	heads string // header lines that every request carries, each with CRLF

	buffers  sync.Pool // *buffer
	requests sync.Pool // *Request
}

// NewTarget resolves the base URL, which may have a path prefix: http://host:8080/sms.
func NewTarget(ctx context.Context, base string, opts Options) (*Target, error) {
	u, err := parseBase(base)
	if err != nil {
		return nil, err
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 30 * time.Second
	}
	if opts.MaxBodyBytes <= 0 {
		opts.MaxBodyBytes = 16 << 20
	}
	if opts.Resolve == nil {
		opts.Resolve = resolve
	}
	if opts.Clock == nil {
		start := time.Now()
		opts.Clock = func() time.Duration { return time.Since(start) }
	}
	t := &Target{opts: opts, host: u.Host, base: strings.TrimRight(u.EscapedPath(), "/")}
	t.buffers.New = func() any { return &buffer{b: make([]byte, 0, readBytes)} }
	t.requests.New = func() any { return &Request{out: make([]byte, 0, 1024)} }
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	ips, err := opts.Resolve(ctx, u.Hostname())
	if err != nil {
		return nil, &Error{Kind: KindDNS, Err: fmt.Errorf("resolve %s: %w", u.Hostname(), err)}
	}
	for _, ip := range ips {
		t.addrs = append(t.addrs, net.JoinHostPort(ip.Unmap().String(), port))
	}
	if len(t.addrs) == 0 {
		return nil, &Error{Kind: KindDNS, Err: fmt.Errorf("resolve %s: no address", u.Hostname())}
	}
	if u.Scheme == "https" {
		t.tls = tlsFor(opts.TLS, u.Hostname())
	}
	for _, line := range opts.Header {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsAny(line, "\r\n") || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("header %q: want \"Name: value\"", line)
		}
		t.heads += strings.TrimSpace(name) + ": " + strings.TrimSpace(value) + "\r\n"
	}
	return t, nil
}

// CheckBase reports what is wrong with a base URL, without resolving it.
func CheckBase(base string) error {
	_, err := parseBase(base)
	return err
}

func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, fmt.Errorf("host %q: %w", base, err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Hostname() == "":
		return nil, fmt.Errorf("host %q: want http://HOST[:PORT] or https://HOST[:PORT]", base)
	}
	return u, nil
}

func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func tlsFor(c *tls.Config, host string) *tls.Config {
	if c == nil {
		c = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c = c.Clone()
	if c.ServerName == "" {
		c.ServerName = host
	}
	c.NextProtos = []string{"http/1.1"}
	if c.ClientSessionCache == nil {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(16)
	}
	return c
}

// Addr is the address that connections go to: the one that answered last.
func (t *Target) Addr() string { return t.addrs[int(t.good.Load())%len(t.addrs)] }

// Timeout is the bound of one exchange.
func (t *Target) Timeout() time.Duration { return t.opts.Timeout }

// dial tries the addresses, IPv4 and IPv6, beginning with the one that answered last.
func (t *Target) dial(ctx context.Context, timeout time.Duration) (net.Conn, *Error) {
	d := net.Dialer{Timeout: timeout, KeepAlive: -1}
	first := int(t.good.Load())
	var firstErr error
	for i := range t.addrs {
		n := (first + i) % len(t.addrs)
		conn, err := d.DialContext(ctx, "tcp", t.addrs[n])
		if err == nil {
			if n != first {
				t.good.Store(uint32(n))
			}
			return t.secure(ctx, conn, timeout)
		}
		if firstErr == nil || !errors.Is(err, context.DeadlineExceeded) {
			firstErr = err
		}
	}
	return nil, connectError(firstErr)
}

func (t *Target) secure(ctx context.Context, conn net.Conn, timeout time.Duration) (net.Conn, *Error) {
	if t.tls == nil {
		return conn, nil
	}
	sec := tls.Client(conn, t.tls)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := sec.HandshakeContext(ctx); err != nil {
		conn.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, &Error{Kind: KindConnectTimeout, Err: err}
		}
		return nil, &Error{Kind: KindTLS, Err: err}
	}
	return sec, nil
}
