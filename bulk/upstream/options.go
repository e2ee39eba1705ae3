package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"time"

	"protei-bulk/smpp"
)

// Mode says which binds a Group makes.
type Mode uint8

// The modes.
const (
	TRX     Mode = iota // transceivers
	TXRX                // as many transmitters as receivers
	Outbind             // transmitters, and as many receivers as the SMSC asks for by outbind, at most Binds
)

// String returns the name used in URLs.
func (m Mode) String() string {
	return [...]string{"trx", "txrx", "outbind"}[m]
}

// Options describe the links to one SMSC.
type Options struct {
	Name string // of the connector, for logs; the address by default

	Addr       string      // host:port
	TLS        *tls.Config // nil: plain TCP
	SystemID   string
	Password   string
	SystemType string
	Version    byte // interface_version, 3.4 by default

	Mode  Mode
	Binds int // 2 by default; with TXRX and Outbind so many of each
	// Listen is where the SMSC connects to with Outbind, host:port; OutbindID and OutbindPassword are
	// what it has to show there.
	Listen, OutbindID, OutbindPassword string

	Window int // submit_sm in flight per bind, 100 by default

	TPS      float64 // submit_sm a second over all binds, for the dispatcher; 0: unlimited
	TraceTLV bool    // send the message's id in TLV 0x1501
	// SMSCIDs is how receipts write message_ids: auto, raw, hex2dec or dec2hex (see package dispatch).
	SMSCIDs string
	// Unknown is what becomes of a message whose answer was lost: resend, hold or fail.
	Unknown string

	ResponseTimeout time.Duration // 10 s by default
	EnquireLink     time.Duration // 30 s by default
	BackoffMin      time.Duration // 1 s by default
	BackoffMax      time.Duration // 30 s by default
	PauseMin        time.Duration // first pause when the SMSC throttles, 50 ms by default
	PauseMax        time.Duration // longest, 1600 ms by default
	// ThrottleScope is what pauses when a bind is throttled: connector, all binds, since SMSCs
	// limit a system_id as a rule (the default), or bind, that one alone.
	ThrottleScope string
	// Throttled says which command_status values ask to slow down; nil: the function Throttled.
	Throttled func(smpp.Status) bool

	Handler smpp.Handler // deliver_sm and what else the SMSC asks; nil: answered RX_T_APPN
	Logger  *slog.Logger
}

// maxBinds, maxWindow and maxTPS bound what a connector may ask for.
const (
	maxBinds  = 64
	maxWindow = 10_000
	maxTPS    = 1e6
)

func (o Options) withDefaults() Options {
	setDefault(&o.Name, o.Addr)
	setDefault(&o.Version, smpp.Version34)
	setDefault(&o.Binds, 2)
	setDefault(&o.Window, 100)
	setDefault(&o.SMSCIDs, "auto")
	setDefault(&o.Unknown, "resend")
	setDefault(&o.ResponseTimeout, 10*time.Second)
	setDefault(&o.EnquireLink, 30*time.Second)
	setDefault(&o.BackoffMin, time.Second)
	setDefault(&o.BackoffMax, 30*time.Second)
	setDefault(&o.PauseMin, 50*time.Millisecond)
	setDefault(&o.PauseMax, 1600*time.Millisecond)
	setDefault(&o.ThrottleScope, "connector")
	if o.Throttled == nil {
		o.Throttled = Throttled
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate names every fault at once.
func (o Options) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, _, err := net.SplitHostPort(o.Addr); err != nil {
		bad("address %q: host:port is needed", o.Addr)
	}
	if o.SystemID == "" || len(o.SystemID) > 15 {
		bad("system_id has %d octets, 1 to 15 are allowed", len(o.SystemID))
	}
	if len(o.Password) > 64 {
		bad("password has %d octets, at most 64 are sent", len(o.Password))
	}
	if len(o.SystemType) > 12 {
		bad("system_type has %d octets, at most 12 are allowed", len(o.SystemType))
	}
	if o.Binds < 0 || o.Binds > maxBinds {
		bad("binds %d: 1 to %d", o.Binds, maxBinds)
	}
	if o.Window < 0 || o.Window > maxWindow {
		bad("window %d: 1 to %d", o.Window, maxWindow)
	}
	if !(o.TPS >= 0 && o.TPS <= maxTPS) {
		bad("tps %g: 0 to %g", o.TPS, float64(maxTPS))
	}
	if o.ResponseTimeout < 0 || o.BackoffMin < 0 || o.BackoffMax < 0 || o.PauseMin < 0 || o.PauseMax < 0 {
		bad("a time is negative")
	}
	if o.Mode == Outbind {
		if _, _, err := net.SplitHostPort(o.Listen); err != nil {
			bad("listen %q: host:port is needed with bind=outbind", o.Listen)
		}
		if len(o.OutbindID) > 15 || len(o.OutbindPassword) > 8 {
			bad("outbind: system_id has at most 15 octets, password at most 8")
		}
	}
	if !oneOf(o.SMSCIDs, "", "auto", "raw", "hex2dec", "dec2hex") {
		bad("ids %q: one of auto, raw, hex2dec, dec2hex", o.SMSCIDs)
	}
	if !oneOf(o.Unknown, "", "resend", "hold", "fail") {
		bad("unknown %q: one of resend, hold, fail", o.Unknown)
	}
	if !oneOf(o.ThrottleScope, "", "connector", "bind") {
		bad("throttle_scope %q: connector or bind", o.ThrottleScope)
	}
	return errors.Join(errs...)
}

func oneOf(s string, all ...string) bool {
	for _, a := range all {
		if s == a {
			return true
		}
	}
	return false
}

// ParseURL reads a connector as a URL:
//
//	smpp[s]://system_id:password@host[:port]?binds=2&window=100&tps=500&bind=trx|txrx
//	  &trace_tlv=1&ids=auto|raw|hex2dec|dec2hex&unknown=resend|hold|fail&throttle_scope=connector|bind
//	  &system_type=T&timeout=10s&enquire_link=30s&insecure=1
//
// The port is 2775, for smpps 3550. insecure=1 takes any certificate. The errors never
// show the password.
func ParseURL(text string) (Options, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Options{}, errors.New("upstream: not a URL; smpp://system_id:password@host:port is needed")
	}
	o := Options{SystemID: u.User.Username(), Addr: u.Host}
	o.Password, _ = u.User.Password()
	port := "2775"
	switch u.Scheme {
	case "smpp":
	case "smpps":
		port = "3550"
		o.TLS = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	default:
		return Options{}, fmt.Errorf("upstream: scheme %q: smpp or smpps", u.Scheme)
	}
	if u.Port() == "" && u.Hostname() != "" {
		o.Addr = net.JoinHostPort(u.Hostname(), port)
	}
	errs := []error{o.parseQuery(u)}
	errs = append(errs, o.Validate())
	if err := errors.Join(errs...); err != nil {
		return Options{}, fmt.Errorf("upstream %s: %w", u.Redacted(), err)
	}
	return o, nil
}

func (o *Options) parseQuery(u *url.URL) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("the part behind ? cannot be read")
	}
	var errs []error
	for key, values := range query {
		if err := o.set(key, values[len(values)-1]); err != nil {
			errs = append(errs, fmt.Errorf("%s=%s: %w", key, values[len(values)-1], err))
		}
	}
	return errors.Join(errs...)
}

func (o *Options) set(key, value string) (err error) {
	switch key {
	case "binds":
		o.Binds, err = positive(value)
	case "window":
		o.Window, err = positive(value)
	case "tps":
		o.TPS, err = strconv.ParseFloat(value, 64)
	case "bind":
		o.Mode, err = parseMode(value)
	case "trace_tlv":
		o.TraceTLV, err = strconv.ParseBool(value)
	case "ids":
		o.SMSCIDs = value
	case "unknown":
		o.Unknown = value
	case "throttle_scope":
		o.ThrottleScope = value
	case "system_type":
		o.SystemType = value
	case "timeout":
		o.ResponseTimeout, err = time.ParseDuration(value)
	case "enquire_link":
		o.EnquireLink, err = time.ParseDuration(value)
	case "insecure":
		err = o.setInsecure(value)
	default:
		err = errors.New("no such setting: binds, window, tps, bind, trace_tlv, ids, unknown, throttle_scope, system_type, timeout, enquire_link, insecure")
	}
	return err
}

func positive(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return 0, errors.New("a number from 1 is needed")
	}
	return n, nil
}

func parseMode(value string) (Mode, error) {
	switch value {
	case "trx":
		return TRX, nil
	case "txrx":
		return TXRX, nil
	}
	return 0, errors.New("trx or txrx")
}

func (o *Options) setInsecure(value string) error {
	on, err := strconv.ParseBool(value)
	if err != nil {
		return err
	}
	if o.TLS == nil {
		return errors.New("is for smpps:// only")
	}
	o.TLS.InsecureSkipVerify = on
	return nil
}
