package fleet

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// gate decides who may connect: whoever has the token; without a token whoever comes from
// loopback or a private network.
type gate struct {
	token   [sha256.Size]byte
	open    bool   // there is no token
	secret  string // of the master's own connection
	refused func(addr, why string)
}

const masterName = "master"

func (g *gate) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	if o.Username == masterName && same(sha256.Sum256([]byte(g.secret)), o.Password) {
		c.RegisterUser(&server.User{Username: masterName})
		return true
	}
	addr := ""
	if a := c.RemoteAddress(); a != nil {
		addr = a.String()
	}
	switch {
	case g.open && !private(addr):
		g.refused(addr, "the master has no --master-token: it takes workers from loopback and private addresses only")
		return false
	case !g.open && !same(g.token, o.Token):
		g.refused(addr, "--master-token is missing or wrong")
		return false
	}
	inbox := nats.InboxPrefix + ">"
	c.RegisterUser(&server.User{Username: "worker", Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"fleet.up.>", subjectStrays + ">", subjectTaken + ">", inbox}},
		Subscribe: &server.SubjectPermission{Allow: []string{"fleet.down.>", subjectStrays + ">", subjectTaken + ">", inbox}},
	}})
	return true
}

// same compares in constant time, whatever the lengths.
func same(want [sha256.Size]byte, got string) bool {
	sum := sha256.Sum256([]byte(got))
	return subtle.ConstantTimeCompare(want[:], sum[:]) == 1
}

// private says whether an address is of loopback or of a private network.
func private(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return false
	}
	ip := ap.Addr().Unmap()
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
}

// listen starts the NATS server.
func listen(addr string, cfg *tls.Config, g *gate) (*server.Server, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen for workers on %s: %w", addr, err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("listen for workers on %s: %w", addr, err)
	}
	ln, err := net.Listen("tcp", addr) // the server's own error is only in its log
	if err != nil {
		return nil, fmt.Errorf("listen for workers: %w", err)
	}
	_ = ln.Close()
	if host == "" {
		host = "0.0.0.0"
		if a, ok := ln.Addr().(*net.TCPAddr); ok && a.IP.To4() == nil {
			host = "::"
		}
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{
		Host: host, Port: port, NoLog: true, NoSigs: true, NoSystemAccount: true,
		MaxPayload: maxPayload, MaxConn: maxWorkers + 10, WriteDeadline: 5 * time.Second, PingInterval: 10 * time.Second,
		AuthTimeout: 5, TLSTimeout: 5, TLSConfig: cfg, CustomClientAuthentication: g,
	})
	if err != nil {
		return nil, fmt.Errorf("listen for workers on %s: %w", addr, err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, errors.New("listen for workers: the server does not start")
	}
	return s, nil
}

func newSecret() string { return rand.Text() }

// connectLocal is the master's own connection, inside the process.
func connectLocal(s *server.Server, secret string) (*nats.Conn, error) {
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo(masterName, secret), nats.Name(masterName))
	if err != nil {
		return nil, fmt.Errorf("connect to our own server: %w", err)
	}
	return nc, nil
}
