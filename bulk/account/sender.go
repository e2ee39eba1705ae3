package account

import (
	"fmt"
	"regexp"
	"strings"
)

// The values of Spec.SenderTypes.
const (
	AnySender          = "any" // so is ""
	NumericSender      = "numeric"
	AlphanumericSender = "alphanumeric"
)

// The values of Spec.SenderPolicy.
const (
	RefuseSender  = "refuse" // so does ""
	ReplaceSender = "replace"
)

// Bounds of Spec.Senders.
const (
	maxSenders       = 1000
	maxSenderPattern = 100 // octets of an entry
)

// SenderVerdict is what becomes of a message by its sender.
type SenderVerdict uint8

// The verdicts.
const (
	SenderAllowed SenderVerdict = iota
	SenderReplaced
	SenderRefused
)

// senderPolicy is the compiled form of a Spec's rules about senders.
type senderPolicy struct {
	types     string
	otherwise SenderVerdict
	any       bool // there is no list
	exact     map[string]bool
	prefixes  []string
	patterns  []*regexp.Regexp
}

// compileSenders returns nil when every sender is allowed. An entry is a sender, the begin of
// one and *, or a regular expression (RE2) between slashes that fits the whole of one. Numbers
// are compared without +, letters as they are.
func (s *Spec) compileSenders() (*senderPolicy, error) {
	if len(s.Senders) == 0 && (s.SenderTypes == "" || s.SenderTypes == AnySender) {
		return nil, nil
	}
	p := &senderPolicy{types: s.SenderTypes, otherwise: SenderRefused, any: len(s.Senders) == 0, exact: make(map[string]bool)}
	if s.SenderPolicy == ReplaceSender {
		p.otherwise = SenderReplaced
	}
	for _, entry := range s.Senders {
		prefix, isPrefix := strings.CutSuffix(entry, "*")
		switch {
		case entry == "" || len(entry) > maxSenderPattern || !printable(entry):
			return nil, fmt.Errorf("%.40q is not a sender: an entry has 1 to %d characters", entry, maxSenderPattern)
		case len(entry) > 2 && entry[0] == '/' && entry[len(entry)-1] == '/':
			text := entry[1 : len(entry)-1]
			re, err := regexp.Compile("^(?:" + text + ")$")
			if _, alone := regexp.Compile(text); err != nil || alone != nil { // a)|(?:b only stands as a part
				return nil, fmt.Errorf("%.60q is not a regular expression (RE2)", entry)
			}
			p.patterns = append(p.patterns, re)
		case isPrefix:
			p.prefixes = append(p.prefixes, plainSender(prefix))
		default:
			p.exact[plainSender(entry)] = true
		}
	}
	return p, nil
}

// plainSender is a sender as it is compared: a number without the sign of international ones.
func plainSender(s string) string { return strings.TrimPrefix(s, "+") }

func isNumeric(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func (p *senderPolicy) allows(sender string) bool {
	sender = plainSender(sender)
	switch numeric := isNumeric(sender); {
	case p.types == NumericSender && !numeric, p.types == AlphanumericSender && numeric:
		return false
	case p.any || p.exact[sender]:
		return true
	}
	for _, prefix := range p.prefixes {
		if strings.HasPrefix(sender, prefix) {
			return true
		}
	}
	for _, re := range p.patterns {
		if re.MatchString(sender) {
			return true
		}
	}
	return false
}

// Sender says what becomes of a message of this sender: SenderReplaced means by the
// account's default. An account without rules allows every sender.
func (a *Account) Sender(sender string) SenderVerdict {
	if a.senders == nil || a.senders.allows(sender) {
		return SenderAllowed
	}
	return a.senders.otherwise
}

func (s *Spec) validateSenders(bad func(field, format string, args ...any)) {
	switch s.SenderTypes {
	case "", AnySender, NumericSender, AlphanumericSender:
	default:
		bad("sender_types", "is one of %s, %s, %s", AnySender, NumericSender, AlphanumericSender)
		return
	}
	switch s.SenderPolicy {
	case "", RefuseSender, ReplaceSender:
	default:
		bad("sender_policy", "is one of %s, %s", RefuseSender, ReplaceSender)
	}
	if len(s.Senders) > maxSenders {
		bad("senders", "has %d entries, at most %d are allowed", len(s.Senders), maxSenders)
		return
	}
	p, err := s.compileSenders()
	switch {
	case err != nil:
		bad("senders", "%s", err)
	case s.SenderPolicy == ReplaceSender && s.DefaultSender == "":
		bad("default_sender", "is needed: sender_policy replaces by it")
	case p != nil && s.DefaultSender != "" && !p.allows(s.DefaultSender):
		bad("default_sender", "%q is none that the account's senders and sender_types allow", s.DefaultSender)
	}
}
