package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// pageFlags are the flags of the load tester's web page.
type pageFlags struct {
	host, basePath, token string
	port                  int
	login, picker, print  bool
	certFile, keyFile     string
}

// shortestToken is the least length of --web-token: what is shorter can be tried out.
const shortestToken = 8

func (p *pageFlags) register(f *pflag.FlagSet) {
	f.StringVar(&p.host, "web-host", "127.0.0.1", "`address` of the web page; * is every one of this machine, and asks for a token")
	f.IntVarP(&p.port, "web-port", "P", 8089, "`port` of the web page; 0 takes a free one")
	f.StringVar(&p.basePath, "web-base-path", "", "`path` in front of the page's, as /load")
	f.BoolVar(&p.login, "web-login", false, "ask for a token on loopback, too")
	f.StringVar(&p.token, "web-token", "", "`token` that the page asks for (default: drawn and printed when one is needed)")
	f.StringVar(&p.certFile, "tls-cert", "", "certificate `file` (PEM) to serve the page over HTTPS")
	f.StringVar(&p.keyFile, "tls-key", "", "`file` of its key")
	f.BoolVar(&p.picker, "class-picker", false, "choose the user classes on the page")
	f.BoolVar(&p.print, "print-stats", false, "print the tables while a run of the page goes on")
}

// pageFlagNames are those that a run without the page does not need.
func pageFlagNames() []string {
	return []string{
		"web-host", "web-port", "web-base-path", "web-login", "web-token", "tls-cert", "tls-key", "class-picker", "print-stats",
		"autostart", "autoquit", "headful",
	}
}

func (p *pageFlags) check() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(p.port < 0 || p.port > 65535, "--web-port %d: want 0 to 65535", p.port)
	fault(p.basePath != "" && !strings.HasPrefix(p.basePath, "/"), "--web-base-path %q: it must begin with /", p.basePath)
	fault(strings.ContainsAny(p.basePath, "{}?# "), "--web-base-path %q: want plain letters, as /load", p.basePath)
	fault((p.certFile == "") != (p.keyFile == ""), "--tls-cert and --tls-key belong together")
	fault(p.token != "" && len(p.token) < shortestToken, "--web-token: want %d characters at least", shortestToken)
	return errors.Join(errs...)
}

// loopback says that only this machine reaches the page.
func (p *pageFlags) loopback() bool {
	if p.host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(p.host)
	return err == nil && a.IsLoopback()
}

// listen opens the page's port.
func (p *pageFlags) listen() (net.Listener, error) {
	host := p.host
	if host == "*" {
		host = ""
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p.port)))
	if err != nil {
		return nil, fmt.Errorf("the web page: %w (--web-port names another port, 0 a free one; --headless runs without the page)", err)
	}
	if p.certFile == "" {
		return ln, nil
	}
	cert, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--tls-cert, --tls-key: %w", err), ln.Close())
	}
	return tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}), nil
}

// url is what people type to see the page.
func (p *pageFlags) url(addr net.Addr) string {
	scheme := "http"
	if p.certFile != "" {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(addr.String())
	switch {
	case p.host == "localhost":
		host = p.host
	case host == "::" || host == "0.0.0.0" || host == "":
		host = outsideAddress()
	}
	return scheme + "://" + net.JoinHostPort(host, port) + strings.TrimRight(p.basePath, "/") + "/"
}

// outsideAddress is the address of this machine that others see; the loopback one when it
// has no other.
func outsideAddress() string {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}
