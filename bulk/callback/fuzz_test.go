package callback_test

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"protei-bulk/bulk/callback"
)

// FuzzCheckURL: an address that passes is http or https, has a host and no credentials, and no
// literal address of this machine or a private network, however it is written; an error shows no password.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/x?y=1", "http://127.0.0.1/", "http://[::ffff:10.0.0.1]:80/", "http://2130706433/", "http://0x7f.1/", "http://[fe80::1%25eth0]/", "http://10.1./",
		"http://u:hunter2hunter2@example.com/", "http://u:hunter2hunter2@h/%zz", "ftp://u:hunter2hunter2@h", "//h", "http://0177.0.0.1./", "http://[64:ff9b::7f00:1]/", "HTTP://h", "p://:hunter2hunter2@/hunter2hunter2",
	} {
		f.Add(seed)
	}
	secret := regexp.MustCompile(`^[a-zA-Z]+://[^/?#:@]*:hunter2hunter2@`)
	guard := new(callback.Guard)
	f.Fuzz(func(t *testing.T, text string) {
		if err := guard.CheckURL(text); err != nil {
			// Elsewhere it is no password.
			if secret.MatchString(text) && strings.Count(text, "hunter2hunter2") == 1 && strings.Contains(err.Error(), "hunter2hunter2") {
				t.Fatalf("%q: %v shows the password", text, err)
			}
			return
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
			t.Fatalf("%q passed: %v", text, err)
		}
		addr, err := netip.ParseAddr(strings.TrimSuffix(u.Hostname(), "."))
		if err != nil {
			return
		}
		if addr = addr.Unmap().WithZone(""); addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() || guard.Check(addr) != nil {
			t.Fatalf("%q passed with %v", text, addr)
		}
	})
}
