package account

import (
	"fmt"
	"net"
	"net/netip"
)

// The forms of Spec.MessageIDs.
const (
	HexIDs     = "hex" // 16 hex digits, as in REST; so is ""
	DecimalIDs = "dec" // decimal
)

const maxSMPPAllow = 100

// validateSMPP names the faults of what concerns SMPP alone.
func (s *Spec) validateSMPP(bad func(field, format string, args ...any)) {
	switch s.MessageIDs {
	case "", HexIDs, DecimalIDs:
	default:
		bad("message_ids", "is one of %s, %s", HexIDs, DecimalIDs)
	}
	if len(s.SMPPAllow) > maxSMPPAllow {
		bad("smpp_allow", "has %d entries, at most %d are allowed", len(s.SMPPAllow), maxSMPPAllow)
	}
	for _, text := range s.SMPPAllow {
		if _, err := parseNetwork(text); err != nil {
			bad("smpp_allow", "%.60q is neither an address nor a network such as 192.0.2.0/24", text)
			break
		}
	}
	if s.Outbind != "" {
		if host, port, err := net.SplitHostPort(s.Outbind); err != nil || host == "" || port == "" || len(s.Outbind) > 255 {
			bad("outbind", "is host:port")
		}
	}
	if len(s.OutbindPassword) > MaxSMPPPassword || !graphicASCII(s.OutbindPassword) {
		bad("outbind_password", "has at most %d ASCII characters without spaces", MaxSMPPPassword)
	}
}

// MayBindFrom reports whether SMPP binds may come from the address: one of SMPPAllow, or any
// when that is empty.
func (a *Account) MayBindFrom(addr net.Addr) bool {
	if len(a.SMPPAllow) == 0 {
		return true
	}
	networks := make([]netip.Prefix, 0, len(a.SMPPAllow))
	for _, text := range a.SMPPAllow {
		if network, err := parseNetwork(text); err == nil { // checked when it was set
			networks = append(networks, network)
		}
	}
	return contains(networks, fmt.Sprint(addr))
}

// Outbinds returns the accounts that want an outbind.
func (d *Directory) Outbinds() []*Account {
	var all []*Account
	for _, a := range d.Snapshot().All() {
		if a.Outbind != "" && !a.Disabled {
			all = append(all, a)
		}
	}
	return all
}
