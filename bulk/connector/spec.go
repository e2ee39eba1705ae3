package connector

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"protei-bulk/bulk/aggregator"
)

// Mode is what an administrator wants of a connector.
type Mode string

// The modes.
const (
	Running Mode = "running" // bound, and sending
	Paused  Mode = "paused"  // bound, so that receipts come in; what is to be sent waits
	Stopped Mode = "stopped" // not bound; what is to be sent waits
)

// Kind is how a connector reaches its SMSC.
type Kind string

// The kinds.
const (
	SMPP Kind = "smpp"
	HTTP Kind = "http" // the API of an aggregator
)

// Duration is a time.Duration that JSON shows as text such as "30s".
type Duration time.Duration

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration with its unit.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%.40q is not a duration such as 500ms, 30s or 5m", b)
	}
	*d = Duration(v)
	return nil
}

// Spec is what an administrator decides about a connector. Its JSON names are those of the
// API. Zero fields stand for the defaults that Defaults shows.
type Spec struct {
	Name string `json:"name"`
	Mode Mode   `json:"mode"`
	Kind Kind   `json:"kind"`
	// HTTP describes the API of a connector of kind http, nil for others.
	HTTP *aggregator.Settings `json:"http,omitempty"`
	// CallbackSecret is what a receipt over HTTP has to show. A secret: see Secrets.
	CallbackSecret string `json:"-"`

	Address    string `json:"address"` // host:port
	SystemID   string `json:"system_id"`
	Password   string `json:"-"` // a secret: see Secrets
	SystemType string `json:"system_type,omitempty"`

	TLS           bool   `json:"tls"`
	TLSServerName string `json:"tls_server_name,omitempty"` // the host of Address by default
	TLSInsecure   bool   `json:"tls_insecure,omitempty"`    // takes any certificate
	TLSCA         string `json:"tls_ca,omitempty"`          // PEM of the authorities; the system's by default

	// Bind is trx, txrx (as many transmitters as receivers), or outbind (transmitters, and
	// receivers when the SMSC asks for them).
	Bind string `json:"bind"`
	// OutbindListen is where the SMSC connects to with bind outbind, host:port; what it has to show
	// there are OutbindSystemID and a secret.
	OutbindListen   string `json:"outbind_listen,omitempty"`
	OutbindSystemID string `json:"outbind_system_id,omitempty"`
	OutbindPassword string `json:"-"`

	Binds  int     `json:"binds"`  // 1 to 64; with txrx so many of each
	Window int     `json:"window"` // submit_sm in flight on each bind, 1 to 10,000
	TPS    float64 `json:"tps"`    // submit_sm a second over all binds, 0: no limit

	ResponseTimeout Duration `json:"response_timeout"` // for a submit_sm_resp
	EnquireLink     Duration `json:"enquire_link"`     // of an idle link
	ReconnectMin    Duration `json:"reconnect_min"`    // longest first pause before the next try to bind
	ReconnectMax    Duration `json:"reconnect_max"`    // longest

	MessageIDs string `json:"message_ids"` // auto, raw, hex2dec, dec2hex
	Unknown    string `json:"unknown"`     // when an answer is lost: resend, hold, fail
	TraceTLV   bool   `json:"trace_tlv"`   // the message's id in TLV 0x1501
	// ThrottleScope is what pauses when the SMSC throttles: connector (all binds), bind.
	ThrottleScope string `json:"throttle_scope"`

	// Charset is how the SMSC wants text of the GSM alphabet: gsm7 (a septet an octet),
	// gsm7_packed, latin1 (its default alphabet is Latin-1), ucs2 (every text in UCS-2).
	Charset string `json:"charset"`
	// SourceRules and DestRules say how it wants addresses; the first that fits counts.
	SourceRules []AddressRule `json:"source_rules,omitempty"`
	DestRules   []AddressRule `json:"dest_rules,omitempty"`

	// FailoverAfter is how long no bind is up before what waits moves to another connector of
	// its rule; 0: it waits.
	FailoverAfter Duration `json:"failover_after"`
	// Statuses says what becomes of a message for some command_status values, by name or number:
	// throttled, temporary, permanent, rejected, no_route.
	Statuses map[string]string `json:"statuses,omitempty"`
}

// Bounds of a Spec.
const (
	MaxName     = 32
	MaxBinds    = 64
	MaxWindow   = 10_000
	MaxTPS      = 1_000_000
	MaxDuration = Duration(24 * time.Hour)
	maxPEM      = 32 << 10
	maxStatuses = 100
)

// Defaults returns a Spec with every default.
func Defaults() Spec {
	return Spec{
		Mode: Running, Kind: SMPP, Bind: "trx", Binds: 2, Window: 100, MessageIDs: "auto", Unknown: "resend", ThrottleScope: "connector", Charset: "gsm7",
		ResponseTimeout: Duration(10 * time.Second), EnquireLink: Duration(30 * time.Second),
		FailoverAfter: Duration(30 * time.Second),
		ReconnectMin:  Duration(time.Second), ReconnectMax: Duration(30 * time.Second),
	}
}

// ErrInvalid is wrapped by every complaint about a Spec.
var ErrInvalid = errors.New("invalid connector")

// FieldError names the field of a Spec that cannot be accepted.
type FieldError struct {
	Field  string // as in the API
	Detail string
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Detail }

// Unwrap returns ErrInvalid.
func (e *FieldError) Unwrap() error { return ErrInvalid }

// Validate names every fault at once, joined; each one is a *FieldError.
func (s *Spec) Validate() error {
	v := checker{}
	v.name(s.Name)
	v.oneOf("mode", string(s.Mode), string(Running), string(Paused), string(Stopped))
	switch s.Kind {
	case SMPP:
		v.smpp(s)
	case HTTP:
		v.http(s)
	default:
		v.bad("kind", "is one of smpp, http")
	}
	v.between("binds", s.Binds, 1, MaxBinds)
	v.between("window", s.Window, 1, MaxWindow)
	if !(s.TPS >= 0 && s.TPS <= MaxTPS) { // also refuses NaN
		v.bad("tps", "is between 0 (no limit) and %d", MaxTPS)
	}
	v.times(s)
	v.oneOf("message_ids", s.MessageIDs, "auto", "raw", "hex2dec", "dec2hex")
	if s.FailoverAfter < 0 || s.FailoverAfter > MaxDuration {
		v.bad("failover_after", "is between 0 (never) and 24h")
	}
	if len(s.Statuses) > maxStatuses {
		v.bad("statuses", "has at most %d entries", maxStatuses)
	} else if _, err := s.Classes(); err != nil {
		v.faults = append(v.faults, err)
	}
	v.oneOf("charset", s.Charset, "gsm7", "gsm7_packed", "latin1", "ucs2")
	v.addresses("source_rules", s.SourceRules)
	v.addresses("dest_rules", s.DestRules)
	v.oneOf("unknown", s.Unknown, "resend", "hold", "fail")
	v.oneOf("throttle_scope", s.ThrottleScope, "connector", "bind")
	return errors.Join(v.faults...)
}

// checker gathers faults.
type checker struct{ faults []error }

func (v *checker) bad(field, format string, args ...any) {
	v.faults = append(v.faults, &FieldError{field, fmt.Sprintf(format, args...)})
}

func (v *checker) name(name string) {
	if name == "" {
		v.bad("name", "is needed")
		return
	}
	ok := len(name) <= MaxName && (name[0] < '0' || name[0] > '9')
	for i := 0; i < len(name); i++ {
		c := name[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
	}
	if !ok {
		v.bad("name", "begins with a letter and has at most %d letters, digits, dots, hyphens and underscores", MaxName)
	}
}

func (v *checker) smpp(s *Spec) {
	if host, port, err := net.SplitHostPort(s.Address); err != nil || host == "" || port == "" {
		v.bad("address", "%.80q is not host:port", s.Address)
	}
	if s.SystemID == "" || len(s.SystemID) > 15 || !graphicASCII(s.SystemID) {
		v.bad("system_id", "has 1 to 15 ASCII characters without spaces")
	}
	if len(s.Password) > 64 || !printableASCII(s.Password) {
		v.bad("password", "has at most 64 ASCII characters")
	}
	if len(s.SystemType) > 12 || !printableASCII(s.SystemType) {
		v.bad("system_type", "has at most 12 ASCII characters")
	}
	v.oneOf("bind", s.Bind, "trx", "txrx", "outbind")
	v.outbind(s)
	if s.HTTP != nil {
		v.bad("http", "belongs to kind http")
	}
	v.tls(s, s.TLS)
}

func (v *checker) outbind(s *Spec) {
	if s.Bind != "outbind" {
		if s.OutbindListen != "" {
			v.bad("outbind_listen", "belongs to bind outbind")
		}
		return
	}
	if _, port, err := net.SplitHostPort(s.OutbindListen); err != nil || port == "" {
		v.bad("outbind_listen", "%.80q is not host:port, such as 0.0.0.0:2780", s.OutbindListen)
	}
	if len(s.OutbindSystemID) > 15 || !printableASCII(s.OutbindSystemID) {
		v.bad("outbind_system_id", "has at most 15 ASCII characters")
	}
	if len(s.OutbindPassword) > 8 || !printableASCII(s.OutbindPassword) {
		v.bad("outbind_password", "has at most 8 ASCII characters")
	}
}

func (v *checker) tls(s *Spec, on bool) {
	for field, set := range map[string]bool{
		"tls_server_name": s.TLSServerName != "", "tls_insecure": s.TLSInsecure, "tls_ca": s.TLSCA != "",
	} {
		if set && !on {
			v.bad(field, "belongs to tls")
		}
	}
	if len(s.TLSCA) > maxPEM {
		v.bad("tls_ca", "has at most %d octets", maxPEM)
	} else if s.TLSCA != "" && !isPEM(s.TLSCA) {
		v.bad("tls_ca", "has no certificate in PEM form")
	}
}

func (v *checker) times(s *Spec) {
	for field, d := range map[string]Duration{
		"response_timeout": s.ResponseTimeout, "enquire_link": s.EnquireLink,
		"reconnect_min": s.ReconnectMin, "reconnect_max": s.ReconnectMax,
	} {
		if d < Duration(time.Millisecond) || d > MaxDuration {
			v.bad(field, "is between 1ms and 24h")
		}
	}
	if s.ReconnectMin > s.ReconnectMax {
		v.bad("reconnect_min", "is above reconnect_max")
	}
}

func (v *checker) between(field string, n, low, high int) {
	if n < low || n > high {
		v.bad(field, "is between %d and %d", low, high)
	}
}

func (v *checker) oneOf(field, s string, all ...string) {
	for _, a := range all {
		if s == a {
			return
		}
	}
	v.bad(field, "is one of %s", strings.Join(all, ", "))
}

func printableASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func graphicASCII(s string) bool { return printableASCII(s) && !strings.Contains(s, " ") }
