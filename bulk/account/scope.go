package account

import (
	"fmt"
	"strings"
)

// Scopes are what an API key may do, as bits. 0 stands for everything.
type Scopes uint32

// The scopes. The numbers are stored: never change them.
const (
	SendMessages   Scopes = 1 << iota // send, cancel and release messages
	ReadMessages                      // messages, messages from mobiles, statistics
	ManageCampaign                    // everything about campaigns
	ManageContacts                    // lists of numbers that are not written to
	ReadAccount                       // the account, its usage, balance and keys
	WriteAccount                      // the account's settings
	ManageKeys                        // API keys and the password
	ManageWebhooks                    // webhooks and their replay
	AdminScope                        // what only admin accounts may do, and all of the above

	allScopes = AdminScope<<1 - 1
)

// scopeNames has the names of the scopes in the order of their bits.
func scopeNames() [9]string {
	return [...]string{
		"messages:send", "messages:read", "campaigns", "contacts", "account:read", "account:write", "keys", "webhooks", "admin",
	}
}

// hold reports whether s permits all of want.
func (s Scopes) hold(want Scopes) bool {
	return s == 0 || s&AdminScope != 0 || s&want == want
}

// Hold reports whether s permits all of want; a want of 0 is everything.
func (s Scopes) Hold(want Scopes) bool {
	if want == 0 {
		want = allScopes
	}
	return s.hold(want)
}

// Names returns the scopes' names; none for a key that may do everything.
func (s Scopes) Names() []string {
	names := []string{}
	for i, name := range scopeNames() {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String returns the names with commas between them.
func (s Scopes) String() string {
	if s == 0 {
		return "all"
	}
	return strings.Join(s.Names(), ",")
}

// ParseScopes reads names in any case; "all", and no name, stand for everything.
func ParseScopes(names []string) (s Scopes, err error) {
	for _, name := range names {
		bit := Scopes(0)
		for i, known := range scopeNames() {
			if strings.EqualFold(name, known) {
				bit = 1 << i
			}
		}
		switch {
		case bit == 0 && strings.EqualFold(name, "all"):
			bit = allScopes
		case bit == 0:
			known := scopeNames()
			return 0, fmt.Errorf("%.40q is not a scope: they are %s", name, strings.Join(known[:], ", "))
		}
		s |= bit
	}
	if s == allScopes {
		s = 0
	}
	return s, nil
}
