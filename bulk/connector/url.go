package connector

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"time"

	"protei-bulk/bulk/upstream"
	"protei-bulk/smpp"
)

func isPEM(text string) bool { return x509.NewCertPool().AppendCertsFromPEM([]byte(text)) }

// FromURL reads a connector as upstream.ParseURL does. The errors never show the password.
func FromURL(name, text string) (Spec, error) {
	o, err := upstream.ParseURL(text)
	if err != nil {
		return Spec{}, err
	}
	s := Defaults()
	s.Name, s.Address, s.SystemID, s.Password, s.SystemType = name, o.Addr, o.SystemID, o.Password, o.SystemType
	s.Bind, s.TPS, s.TraceTLV = o.Mode.String(), o.TPS, o.TraceTLV
	if o.TLS != nil {
		s.TLS, s.TLSInsecure = true, o.TLS.InsecureSkipVerify
	}
	either(&s.Binds, o.Binds)
	either(&s.Window, o.Window)
	either(&s.MessageIDs, o.SMSCIDs)
	either(&s.Unknown, o.Unknown)
	either(&s.ThrottleScope, o.ThrottleScope)
	either(&s.ResponseTimeout, Duration(o.ResponseTimeout))
	either(&s.EnquireLink, Duration(o.EnquireLink))
	if err := s.Validate(); err != nil {
		return Spec{}, fmt.Errorf("connector %s: %w", name, err)
	}
	return s, nil
}

// either keeps the default where value is zero.
func either[T comparable](field *T, value T) {
	var zero T
	if value != zero {
		*field = value
	}
}

// Upstream returns the options of the links.
func (s *Spec) Upstream(log *slog.Logger) upstream.Options {
	o := upstream.Options{
		Name: s.Name, Addr: s.Address, SystemID: s.SystemID, Password: s.Password, SystemType: s.SystemType,
		Binds: s.Binds, Window: s.Window, TPS: s.TPS, TraceTLV: s.TraceTLV, SMSCIDs: s.MessageIDs, Unknown: s.Unknown,
		ThrottleScope: s.ThrottleScope, Throttled: s.throttled(),
		ResponseTimeout: time.Duration(s.ResponseTimeout), EnquireLink: time.Duration(s.EnquireLink),
		BackoffMin: time.Duration(s.ReconnectMin), BackoffMax: time.Duration(s.ReconnectMax), Logger: log,
	}
	switch s.Bind {
	case "txrx":
		o.Mode = upstream.TXRX
	case "outbind":
		o.Mode = upstream.Outbind
		o.Listen, o.OutbindID, o.OutbindPassword = s.OutbindListen, s.OutbindSystemID, s.OutbindPassword
	}
	if s.TLS {
		o.TLS = s.tlsConfig()
	}
	return o
}

// throttled returns which command_status values ask to slow down, with what Statuses says.
func (s *Spec) throttled() func(smpp.Status) bool {
	own, err := s.Classes()
	if err != nil || len(own) == 0 {
		return nil
	}
	return func(st smpp.Status) bool {
		if c, ok := own[st]; ok {
			return c == Throttled
		}
		return upstream.Throttled(st)
	}
}

func (s *Spec) tlsConfig() *tls.Config {
	c := &tls.Config{ServerName: s.TLSServerName, MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.TLSInsecure}
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(s.Address)
	}
	if s.TLSCA != "" {
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AppendCertsFromPEM([]byte(s.TLSCA))
	}
	return c
}
