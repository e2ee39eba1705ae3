package route

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/gsm"
)

// Strategy says how a rule spreads messages over its targets.
type Strategy string

// The strategies. All of them pass over targets that are down while another one is up.
const (
	Failover   Strategy = "failover"    // the first target that is up
	Split      Strategy = "split"       // by weight
	RoundRobin Strategy = "round_robin" // one after the other
	LeastCost  Strategy = "least_cost"  // the cheapest that is up
)

// Rule is what an administrator decides about some messages. Its JSON names are those of
// the API.
type Rule struct {
	Name     string   `json:"name"`
	Priority int      `json:"priority"` // the highest goes first
	Disabled bool     `json:"disabled"`
	Match    Match    `json:"match"`
	Strategy Strategy `json:"strategy"`
	Targets  []Target `json:"targets"`
	// Price is what the customer pays for a part, whichever target carries it; nil: what the
	// account or the platform says. What we pay is a target's Cost.
	Price *money.Amount `json:"price,omitempty"`
}

// Match says which messages a rule takes: those that fit every field that is set, in one
// of its values. The zero Match takes everything.
type Match struct {
	Accounts   []uint32 `json:"accounts,omitempty"`
	Prefixes   []string `json:"prefixes,omitempty"`   // of the recipient's number, with or without +
	Senders    []string `json:"senders,omitempty"`    // a trailing * takes all that begin so
	Encodings  []string `json:"encodings,omitempty"`  // GSM7, LATIN1, UCS2, BINARY
	MinParts   int      `json:"min_parts,omitempty"`  // of a long message
	MaxParts   int      `json:"max_parts,omitempty"`  // 0: any
	Keywords   []string `json:"keywords,omitempty"`   // the text's first word, in any case
	Text       string   `json:"text,omitempty"`       // regular expression (RE2) somewhere in the text
	Tags       []string `json:"tags,omitempty"`       // the message's tag
	Priorities []string `json:"priorities,omitempty"` // LOW, NORMAL, HIGH, CRITICAL
	Windows    []Window `json:"windows,omitempty"`    // when it is accepted
}

// Target is one connector of a rule.
type Target struct {
	Connector string  `json:"connector"`        // its name
	Weight    int     `json:"weight,omitempty"` // split: its share of the sum of weights
	Cost      float64 `json:"cost,omitempty"`   // least_cost: of a part, in any unit
}

// Bounds of rules.
const (
	MaxRules    = 50_000
	MaxName     = 64
	MaxPriority = 1_000_000
	MaxTargets  = 16
	MaxWeight   = 100
	maxValues   = 1000 // in one field of a Match
	maxPrefix   = 15
	maxPattern  = 512
	maxWindows  = 16
)

// ErrInvalid is wrapped by every complaint about a Rule.
var ErrInvalid = errors.New("invalid route")

// FieldError names the field of a Rule that cannot be accepted.
type FieldError struct {
	Field  string // as in the API; parts of a path are parted by /
	Detail string
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Detail }

// Unwrap returns ErrInvalid.
func (e *FieldError) Unwrap() error { return ErrInvalid }

// Validate names every fault at once, joined; each one is a *FieldError.
func (r *Rule) Validate() error {
	v := checker{}
	if r.Name == "" || utf8.RuneCountInString(r.Name) > MaxName || strings.ContainsFunc(r.Name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		v.bad("name", "has 1 to %d printable characters", MaxName)
	}
	if _, err := strconv.ParseUint(r.Name, 10, 32); err == nil {
		v.bad("name", "is not a number: those are given by the platform")
	}
	if r.Priority < 0 || r.Priority > MaxPriority {
		v.bad("priority", "is between 0 and %d", MaxPriority)
	}
	switch r.Strategy {
	case Failover, Split, RoundRobin, LeastCost:
	default:
		v.bad("strategy", "is one of failover, split, round_robin, least_cost")
	}
	if r.Price != nil && (*r.Price < 0 || *r.Price > account.MaxPrice) {
		v.bad("price", "is between 0 and %s", account.MaxPrice)
	}
	v.targets(r)
	v.match(&r.Match)
	return errors.Join(v.faults...)
}

type checker struct{ faults []error }

func (v *checker) bad(field, format string, args ...any) {
	v.faults = append(v.faults, &FieldError{field, fmt.Sprintf(format, args...)})
}

func (v *checker) targets(r *Rule) {
	if len(r.Targets) == 0 || len(r.Targets) > MaxTargets {
		v.bad("targets", "names 1 to %d connectors", MaxTargets)
	}
	seen := make(map[string]bool)
	for i, t := range r.Targets {
		at := fmt.Sprintf("targets/%d", i)
		switch {
		case t.Connector == "":
			v.bad(at+"/connector", "is needed")
		case seen[t.Connector]:
			v.bad(at+"/connector", "names %.40q a second time", t.Connector)
		}
		seen[t.Connector] = true
		if r.Strategy == Split && (t.Weight < 1 || t.Weight > MaxWeight) {
			v.bad(at+"/weight", "is between 1 and %d with strategy split", MaxWeight)
		} else if t.Weight < 0 || t.Weight > MaxWeight {
			v.bad(at+"/weight", "is between 0 and %d", MaxWeight)
		}
		if !(t.Cost >= 0) || math.IsInf(t.Cost, 1) {
			v.bad(at+"/cost", "is not negative")
		}
	}
}

func (v *checker) match(m *Match) {
	v.many("accounts", len(m.Accounts))
	v.each("prefixes", m.Prefixes, func(p string) string {
		digits := strings.TrimPrefix(p, "+")
		if digits == "" || len(digits) > maxPrefix || strings.Trim(digits, "0123456789") != "" {
			return fmt.Sprintf("%.40q is not 1 to %d digits", p, maxPrefix)
		}
		return ""
	})
	v.each("senders", m.Senders, func(s string) string {
		if s == "" || len(s) > 21 || strings.Contains(strings.TrimSuffix(s, "*"), "*") {
			return fmt.Sprintf("%.40q is not a sender of at most 20 characters, with a * at the end or none", s)
		}
		return ""
	})
	v.each("encodings", m.Encodings, func(s string) string {
		if e, err := gsm.ParseEncoding(s); err != nil || e == gsm.Auto {
			return fmt.Sprintf("%.40q is none of GSM7, LATIN1, UCS2, BINARY", s)
		}
		return ""
	})
	v.each("priorities", m.Priorities, func(s string) string {
		if _, err := message.ParsePriority(s); err != nil {
			return fmt.Sprintf("%.40q is none of LOW, NORMAL, HIGH, CRITICAL", s)
		}
		return ""
	})
	v.each("keywords", m.Keywords, func(s string) string {
		if s == "" || len(s) > 64 || strings.ContainsAny(s, " \t\r\n") {
			return fmt.Sprintf("%.40q is not one word of at most 64 octets", s)
		}
		return ""
	})
	v.each("tags", m.Tags, func(s string) string {
		if s == "" || len(s) > MaxTag {
			return fmt.Sprintf("%.40q is not 1 to %d octets", s, MaxTag)
		}
		return ""
	})
	if m.MinParts < 0 || m.MinParts > gsm.MaxParts {
		v.bad("match/min_parts", "is between 0 and %d", gsm.MaxParts)
	}
	if m.MaxParts < 0 || m.MaxParts > gsm.MaxParts || m.MaxParts != 0 && m.MaxParts < m.MinParts {
		v.bad("match/max_parts", "is between min_parts and %d, or 0", gsm.MaxParts)
	}
	if len(m.Text) > maxPattern {
		v.bad("match/text", "has at most %d octets", maxPattern)
	} else if _, err := regexp.Compile(m.Text); err != nil {
		v.bad("match/text", "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if len(m.Windows) > maxWindows {
		v.bad("match/windows", "has at most %d entries", maxWindows)
	}
	for i := range m.Windows {
		if _, err := m.Windows[i].compile(); err != nil {
			v.bad(fmt.Sprintf("match/windows/%d", i), "%s", err)
		}
	}
}

// MaxTag is the longest tag of a message, in octets.
const MaxTag = 32

func (v *checker) many(field string, n int) {
	if n > maxValues {
		v.bad("match/"+field, "has %d entries, at most %d are allowed", n, maxValues)
	}
}

func (v *checker) each(field string, values []string, check func(string) string) {
	v.many(field, len(values))
	for i, s := range values {
		if detail := check(s); detail != "" {
			v.bad(fmt.Sprintf("match/%s/%d", field, i), "%s", detail)
			return // one is enough of a list
		}
	}
}
