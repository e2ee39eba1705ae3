package account_test

import (
	"strings"
	"testing"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
)

func TestSenders(t *testing.T) {
	for name, c := range map[string]struct {
		spec   account.Spec
		passes string
		fails  string
	}{
		"no rules":     {account.Spec{}, "ACME +491711 123", ""},
		"a list":       {account.Spec{Senders: []string{"ACME", "+491711", "Shop-*", "/49[0-9]{4}/", "4*"}}, "ACME 491711 +491711 Shop- Shop-Berlin 491234 4 45x", "acme ACMEX Shop 591234 x491234 1"},
		"whole":        {account.Spec{Senders: []string{"/a|b/"}}, "a b", "ab xa"},
		"numbers":      {account.Spec{SenderTypes: account.NumericSender}, "123 +123", "A1 1A"},
		"letters":      {account.Spec{SenderTypes: account.AlphanumericSender}, "A1 1A A", "123 +123"},
		"both at once": {account.Spec{SenderTypes: account.AlphanumericSender, Senders: []string{"12*", "A"}}, "12A A", "123 B"},
	} {
		c.spec.Name = "x"
		a, _ := create(t, open(t, new(accounttest.Store)), c.spec, "")
		for _, s := range strings.Fields(c.passes) {
			if a.Sender(s) != account.SenderAllowed {
				t.Errorf("%s: %s is refused", name, s)
			}
		}
		for _, s := range strings.Fields(c.fails) {
			if a.Sender(s) != account.SenderRefused {
				t.Errorf("%s: %s is allowed", name, s)
			}
		}
	}
}

func TestSenderRulesAreChecked(t *testing.T) {
	for want, s := range map[string]account.Spec{
		"senders: ":                      {Senders: []string{"/(/"}},
		"senders: \"\"":                  {Senders: []string{""}},
		"senders: has 1001":              {Senders: make([]string, 1001)},
		"sender_types":                   {SenderTypes: "odd"},
		"sender_policy":                  {SenderPolicy: "drop"},
		"default_sender: is needed":      {SenderPolicy: account.ReplaceSender, Senders: []string{"A"}},
		"default_sender: \"B\" is none":  {DefaultSender: "B", Senders: []string{"A"}},
		"default_sender: \"12\" is none": {DefaultSender: "12", SenderTypes: account.AlphanumericSender},
	} {
		s.Name = "x"
		if err := s.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s…", err, want)
		}
	}
}
