package nearest_test

import (
	"slices"
	"strings"
	"testing"

	"protei-bulk/internal/nearest"
)

func TestName(t *testing.T) {
	known := []string{"users", "user", "spawn-rate", "receipt_loss", "receipt_delay", "http", "to", "html", "weight", "drain-timeout", "stop-timeout"}
	for name, want := range map[string]string{
		"usres":                    "users", // letters swapped
		"wieght":                   "weight",
		"htpp":                     "http",
		"htlm":                     "html",
		"ot":                       "to",
		"x":                        "", // one change makes nothing known of it
		"receipt_losses":           "receipt_loss",
		"spwanrat":                 "", // three changes are too many for eight letters
		"spwan-rat":                "spawn-rate",
		"delay":                    "receipt_delay", // held by it
		"timeout":                  "stop-timeout",  // the shortest that holds it
		"frobnicate":               "",
		"":                         "",
		strings.Repeat("user", 20): "",
	} {
		for range 2 {
			if got := nearest.Name(name, known); got != want {
				t.Errorf("%q: %q, want %q", name, got, want)
			}
			slices.Reverse(known)
		}
	}
	if got := nearest.Meant("usres", known) + nearest.Meant("frobnicate", known); got != ", did you mean users?" {
		t.Errorf("%q", got)
	}
}

func FuzzName(f *testing.F) {
	f.Add("usres", "users", "user")
	f.Add("", "", "a")
	f.Add("é", "e", "ß")
	f.Fuzz(func(t *testing.T, name, a, b string) {
		got := nearest.Name(name, []string{a, b})
		if got != "" && got != a && got != b {
			t.Fatalf("%q is not known", got)
		}
		if other := nearest.Name(name, []string{b, a}); other != got {
			t.Fatalf("%q or %q, by the order", got, other)
		}
		if len(name) <= 64 && a != "" && nearest.Name(a, []string{a}) != a && len(a) <= 64 {
			t.Fatalf("%q is not near itself", a)
		}
	})
}
