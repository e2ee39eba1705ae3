package account

import (
	"regexp"
	"strings"
	"testing"
)

// FuzzSenders: a list of senders allows what one of its entries says, and nothing else: a
// sender, the begin of one, or an expression that fits the whole of it.
func FuzzSenders(f *testing.F) {
	f.Add("ACME", "ACME")
	f.Add("AC*", "ACME")
	f.Add("+4915*", "4915112345678")
	f.Add("/A[0-9]+/", "A17")
	f.Add("/a)|(?:b/", "axx")
	f.Add("/(?m)a$/", "a\nb")
	f.Add("/a|ab/", "ab")
	f.Add("*", "")
	f.Fuzz(func(t *testing.T, entry, sender string) {
		s := Spec{Senders: []string{entry}}
		p, err := s.compileSenders()
		if err != nil {
			if p != nil || err.Error() == "" {
				t.Fatalf("%q: %v, %v", entry, p, err)
			}
			return
		}
		plain := strings.TrimPrefix(sender, "+")
		want := strings.TrimPrefix(entry, "+") == plain
		switch prefix, isPrefix := strings.CutSuffix(entry, "*"); {
		case len(entry) > 2 && entry[0] == '/' && entry[len(entry)-1] == '/':
			re, err := regexp.Compile(entry[1 : len(entry)-1])
			if err != nil {
				t.Fatalf("%q is taken, but %v", entry, err)
			}
			re.Longest()
			at := re.FindStringIndex(plain)
			want = at != nil && at[0] == 0 && at[1] == len(plain)
		case isPrefix:
			want = strings.HasPrefix(plain, strings.TrimPrefix(prefix, "+"))
		}
		if got := p.allows(sender); got != want {
			t.Fatalf("entry %q, sender %q: %v, want %v", entry, sender, got, want)
		}
	})
}

// FuzzNetwork: a network that can be read is the same when it is written and read again.
func FuzzNetwork(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8", "::1", "10.1.2.3", "::ffff:1.2.3.4/96", "fe80::1%eth0", "1.2.3.4/33"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseNetwork(text)
		if err != nil {
			return
		}
		if again, err := parseNetwork(n.String()); err != nil || again != n || !n.IsValid() {
			t.Fatalf("%q is %v, read again %v, %v", text, n, again, err)
		}
	})
}
