package connector

import (
	"fmt"
	"strings"
)

// AddressRule says how an SMSC wants some addresses.
type AddressRule struct {
	Kind    string `json:"kind,omitempty"`   // any (default), alphanumeric, international, national, short
	Prefix  string `json:"prefix,omitempty"` // the address begins so
	TON     *int   `json:"ton,omitempty"`    // none: as it is
	NPI     *int   `json:"npi,omitempty"`    // none: as it is
	Strip   int    `json:"strip,omitempty"`  // characters taken off the front
	Prepend string `json:"prepend,omitempty"`
	Replace string `json:"replace,omitempty"` // of a sender: what stands in its place
}

// Bounds of address rules.
const (
	maxAddressRules = 32
	maxAddress      = 20
)

func (v *checker) addresses(field string, rules []AddressRule) {
	if len(rules) > maxAddressRules {
		v.bad(field, "has at most %d rules", maxAddressRules)
	}
	for i := range rules {
		if member, detail := rules[i].fault(field == "dest_rules"); detail != "" {
			v.bad(fmt.Sprintf("%s/%d/%s", field, i, member), "%s", detail)
		}
	}
}

// fault returns the member that cannot be accepted and what is wrong with it, or "".
func (r *AddressRule) fault(dest bool) (member, detail string) {
	switch r.Kind {
	case "", "any", "alphanumeric", "international", "national", "short":
	default:
		return "kind", fmt.Sprintf("%.40q is none of any, alphanumeric, international, national, short", r.Kind)
	}
	outside := func(n *int) bool { return n != nil && (*n < 0 || *n > 255) }
	switch {
	case outside(r.TON):
		return "ton", "is between 0 and 255"
	case outside(r.NPI):
		return "npi", "is between 0 and 255"
	case len(r.Prefix) > maxAddress || !printableASCII(r.Prefix):
		return "prefix", fmt.Sprintf("has at most %d ASCII characters", maxAddress)
	case r.Strip < 0 || r.Strip >= maxAddress:
		return "strip", fmt.Sprintf("is between 0 and %d", maxAddress-1)
	case len(r.Prepend) > 5 || !printableASCII(r.Prepend):
		return "prepend", "has at most 5 ASCII characters"
	case len(r.Replace) > maxAddress || !printableASCII(r.Replace):
		return "replace", fmt.Sprintf("has at most %d ASCII characters", maxAddress)
	case r.Replace != "" && (dest || r.Strip > 0 || r.Prepend != ""):
		return "replace", "is for senders, and without strip and prepend"
	case dest && r.Strip > 0 && strings.Trim(r.Prepend, "+0") != "":
		// Receipts are matched by the end of the number that two spellings have in common.
		return "prepend", "with strip, only + and 0 can be prepended to a recipient: its receipts would not be recognised"
	}
	return "", ""
}
