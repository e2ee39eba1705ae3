// Package account knows who may use the platform: accounts with their limits and
// defaults, API keys for REST and passwords for SMPP and Basic.
//
// Directory is the main type. It holds everything in memory as an immutable Snapshot
// that is swapped as a whole, so that lookups take no lock, and writes each change
// through to a Store before it shows. Secrets are kept as hashes only: SHA-256 for API
// keys, which are random and long, and argon2id for passwords. The package starts no
// goroutine.
package account

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"protei-bulk/gsm"
)

// Role says what an account may see and change. The numbers are stored.
type Role uint8

// The roles.
const (
	Customer Role = iota // its own messages and campaigns
	Admin                // everything
	Reseller             // its own and its child accounts'
)

// String returns the name used in the API.
func (r Role) String() string {
	switch r {
	case Admin:
		return "admin"
	case Reseller:
		return "reseller"
	}
	return "customer"
}

// ParseRole reads a name in any case.
func ParseRole(name string) (Role, error) {
	switch strings.ToLower(name) {
	case "admin":
		return Admin, nil
	case "customer":
		return Customer, nil
	case "reseller":
		return Reseller, nil
	}
	return 0, fmt.Errorf("unknown role %q: one of admin, customer, reseller", name)
}

// Limits of an account's fields.
const (
	MaxName     = 64
	MaxSystemID = 15 // SMPP 3.4 §5.2.1: 16 octets with the NULL
	MaxPassword = 64
	// MaxSMPPPassword is the longest password that fits in a bind (SMPP 3.4 §5.2.2).
	MaxSMPPPassword = 8
	MaxTPS          = 1_000_000
	MaxMaxBinds     = 1000
	MaxWindow       = 2000
	MaxReply        = 1000
	MaxQuota        = 1_000_000_000_000
)

// Spec is what an administrator decides about an account.
type Spec struct {
	Name            string
	Role            Role
	SystemID        string       // SMPP system_id and Basic user; empty: no SMPP
	TPS             float64      // messages (or parts, see RateBy) a second over all doors, 0: no limit
	MaxBinds        int          // SMPP binds at once, 0: the server's default
	DefaultSender   string       // used when a message names no sender
	DefaultEncoding gsm.Encoding // used when a message names no encoding
	DLRURL          string       // webhook for final states when a message names none
	WebhookSecret   string       // signs the webhooks (Standard Webhooks, whsec_…)
	Disabled        bool
	Billing

	OptOut     string // what STOP from a mobile does: OptOutOn, OptOutOff; empty: on
	StopReply  string // confirms an opt-out to the mobile; empty: the platform's text
	StartReply string // confirms the opposite

	Senders      []string // that messages may have, see compileSenders; none: any
	SenderTypes  string   // AnySender, NumericSender, AlphanumericSender; empty: any
	SenderPolicy string   // what becomes of others: RefuseSender, ReplaceSender; empty: refuse

	Burst        int    // what TPS lets through at once; 0: one second's
	RateBy       string // what TPS counts: RateMessages or RateParts; empty: messages
	DailyQuota   int64  // parts a day of TimeZone; 0: no limit
	MonthlyQuota int64  // parts a month of TimeZone; 0: no limit
	TimeZone     string // IANA name; empty: UTC
	Window       int    // submit_sm of a bind without our answer; 0: the server's default

	MessageIDs      string   // form of message_id over SMPP: HexIDs or DecimalIDs; empty: hex
	SMPPAllow       []string // addresses and networks that SMPP binds may come from; none: any
	Outbind         string   // host:port that is asked to bind while something waits for it; empty: none
	OutbindPassword string   // of the outbind

	CampaignApproval bool // a campaign that is started waits for a second person
	Ordered          bool // all its messages to one destination leave in the order of their acceptance
}

// The values of Spec.OptOut.
const (
	OptOutOn  = "on"  // STOP is carried out; so does ""
	OptOutOff = "off" // the customer looks after it
)

// Row is an account as the store keeps it.
type Row struct {
	ID uint32
	Spec
	PasswordHash string // argon2id in PHC form; empty: no password works
	CreatedAt    int64  // Unix ms
	UpdatedAt    int64  // Unix ms
}

// Account is one account in a Snapshot: read-only, except for its rate limiter and
// its quotas' use, which all snapshots share.
type Account struct {
	Row
	zone  *time.Location // TimeZone
	limit *limiter
	quota *quota

	senders *senderPolicy // nil: any sender
}

// ErrInvalid is wrapped by every complaint about a Spec.
var ErrInvalid = errors.New("invalid account")

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
	var faults []error
	bad := func(field, format string, args ...any) {
		faults = append(faults, &FieldError{field, fmt.Sprintf(format, args...)})
	}
	switch {
	case s.Name == "":
		bad("name", "is needed")
	case len(s.Name) > MaxName:
		bad("name", "has %d octets, at most %d are allowed", len(s.Name), MaxName)
	case !printable(s.Name):
		bad("name", "has control characters")
	}
	if s.Role > Reseller {
		bad("role", "is one of admin, customer, reseller")
	}
	if len(s.SystemID) > MaxSystemID || !graphicASCII(s.SystemID) {
		bad("system_id", "has 1 to %d ASCII characters without spaces", MaxSystemID)
	}
	s.validateLimits(bad)
	s.validateBilling(bad)
	s.validateSenders(bad)
	if s.OptOut != "" && s.OptOut != OptOutOn && s.OptOut != OptOutOff {
		bad("opt_out", "is one of %s, %s", OptOutOn, OptOutOff)
	}
	for field, text := range map[string]string{"stop_reply": s.StopReply, "start_reply": s.StartReply} {
		if len(text) > MaxReply {
			bad(field, "has %d octets, at most %d are allowed", len(text), MaxReply)
		}
	}
	if s.MaxBinds < 0 || s.MaxBinds > MaxMaxBinds {
		bad("max_binds", "is between 0 (the default) and %d", MaxMaxBinds)
	}
	if len(s.DefaultSender) > 21 || !printable(s.DefaultSender) {
		bad("default_sender", "has at most 11 letters and digits or 20 digits")
	}
	if s.DLRURL != "" {
		if u, err := url.Parse(s.DLRURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || len(s.DLRURL) > 2048 {
			bad("dlr_url", "is an http or https URL of at most 2048 octets, without user name and password")
		}
	}
	if len(s.WebhookSecret) > 128 || !printable(s.WebhookSecret) {
		bad("webhook_secret", "has at most 128 characters")
	}
	s.validateSMPP(bad)
	return errors.Join(faults...)
}

func printable(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}

func graphicASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
