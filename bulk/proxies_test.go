package bulk

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/user"
)

// TestClientBehindProxies: the rightmost address that is no trusted proxy.
func TestClientBehindProxies(t *testing.T) {
	p, err := parseProxies([]string{"10.0.0.0/8", "::ffff:192.0.2.1", "2001:db8:1::/48", "::ffff:172.16.0.0/108"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, peer string
		header     []string
		want       string
	}{
		{"without a header it is the peer", "10.0.0.1:5000", nil, "10.0.0.1:5000"},
		{"one proxy", "10.0.0.1:5000", []string{"203.0.113.9"}, "203.0.113.9:0"},
		{"one of a network that is written as IPv6", "172.17.0.1:5000", []string{"203.0.113.9"}, "203.0.113.9:0"},
		{"one beside it", "172.32.0.1:5000", []string{"203.0.113.9"}, "172.32.0.1:5000"},
		{"with its port", "10.0.0.1:5000", []string{"203.0.113.9:4711"}, "203.0.113.9:4711"},
		{"a chain of trusted ones", "192.0.2.1:5000", []string{"203.0.113.9, 10.1.1.1,10.2.2.2"}, "203.0.113.9:0"},
		{"what the client wrote itself is not read", "10.0.0.1:5000", []string{"198.51.100.66, 203.0.113.9"}, "203.0.113.9:0"},
		{"nor when it is a trusted address", "10.0.0.1:5000", []string{"10.9.9.9, 203.0.113.9"}, "203.0.113.9:0"},
		{"nor in a line of its own", "10.0.0.1:5000", []string{"198.51.100.66", "203.0.113.9"}, "203.0.113.9:0"},
		{"lines are one list", "10.0.0.1:5000", []string{"203.0.113.9", "10.1.1.1"}, "203.0.113.9:0"},
		{"from an untrusted peer nothing is read", "203.0.113.9:5000", []string{"198.51.100.66"}, "203.0.113.9:5000"},
		{"an address next to a trusted one is untrusted", "192.0.2.2:5000", []string{"198.51.100.66"}, "192.0.2.2:5000"},
		{"all are trusted: the first", "10.0.0.1:5000", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3:0"},
		{"what cannot be read ends it", "10.0.0.1:5000", []string{"203.0.113.9, unknown, 10.2.2.2"}, "10.2.2.2:0"},
		{"an empty header", "10.0.0.1:5000", []string{""}, "10.0.0.1:5000"},
		{"a comma too many", "10.0.0.1:5000", []string{"203.0.113.9,"}, "10.0.0.1:5000"},
		{"IPv6", "[2001:db8:1::1]:5000", []string{"2001:db8:2::7"}, "[2001:db8:2::7]:0"},
		{"IPv6 in brackets, with a port", "[2001:db8:1::1]:5000", []string{"[2001:db8:2::7]:80"}, "[2001:db8:2::7]:80"},
		{"IPv4 in IPv6 is IPv4", "[::ffff:10.0.0.1]:5000", []string{"::ffff:203.0.113.9"}, "203.0.113.9:0"},
		{"a zone says nothing elsewhere", "10.0.0.1:5000", []string{"fe80::1%eth0"}, "[fe80::1]:0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := p.client(netip.MustParseAddrPort(c.peer), c.header).String(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestProxiesThatAreNone(t *testing.T) {
	for bad, want := range map[string]string{
		"everybody":            "neither an address nor a network",
		"10.0.0.0/33":          "neither an address nor a network",
		"fe80::1%eth0":         "neither an address nor a network",
		"10.0.0.1/8":           "write 10.0.0.0/8",
		"0.0.0.0/0":            "everybody's word",
		"::/0":                 "everybody's word",
		"::ffff:10.0.0.1/104":  "write 10.0.0.0/8",
		"::ffff:0:0/96":        "everybody's word",
		"::ffff:10.0.0.0/90":   "write ::ffc0:0:0/90",
		"":                     "neither an address nor a network",
		"10.0.0.1, 10.0.0.2":   "neither an address nor a network",
		"proxy.example.com":    "neither an address nor a network",
		"2001:db8:1::/48/ x":   "neither an address nor a network",
		"203.0.113.9:8080":     "neither an address nor a network",
		"[2001:db8:1::1]:8080": "neither an address nor a network",
	} {
		c := DefaultConfig()
		c.TrustedProxies = []string{"192.0.2.1", bad}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "trusted_proxies: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", bad, err, want)
		}
	}
}

// FuzzForwardedFor: a header is anybody's, and what is made of it is an address and port.
func FuzzForwardedFor(f *testing.F) {
	for _, seed := range []string{"", "203.0.113.9", "198.51.100.66, 203.0.113.9", "[2001:db8::1]:80,10.0.0.1", "unknown", ",,,", "::ffff:10.0.0.1%x"} {
		f.Add(seed)
	}
	p, err := parseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got := p.client(netip.MustParseAddrPort("10.0.0.1:5000"), []string{header}).String()
		if _, err := netip.ParseAddrPort(got); err != nil {
			t.Errorf("%q became %q: %v", header, got, err)
		}
	})
}

// signsIn tries to sign in with a wrong password and returns the status.
func (s *site) signsIn(name, forwarded string) int {
	s.t.Helper()
	body := `{"user":"` + name + `","password":"wrong password"}`
	r, err := http.NewRequestWithContext(s.t.Context(), "POST", "http://"+s.HTTPAddr()+"/api/v1/session", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if forwarded != "" {
		r.Header.Set("X-Forwarded-For", forwarded)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestSignInsBehindAProxy: wrong passwords count for the client that the proxy names, and a
// client that is no proxy cannot make itself another.
func TestSignInsBehindAProxy(t *testing.T) {
	exhaust := func(s *site, forwarded func(i int) string) (refused int) {
		for i := range 15 { // each with another name: only the address is the same
			if code := s.signsIn("nobody-"+strconv.Itoa(i), forwarded(i)); code == http.StatusTooManyRequests {
				refused++
			} else if code != http.StatusUnauthorized {
				t.Fatalf("sign-in %d: %d", i, code)
			}
		}
		return refused
	}
	t.Run("trusted", func(t *testing.T) {
		s := openSite(t, t.TempDir(), func(c *Config) { c.TrustedProxies = []string{"127.0.0.1"} })
		if n := exhaust(s, func(int) string { return "203.0.113.9" }); n == 0 {
			t.Error("15 wrong passwords of one client were answered")
		}
		if code := s.signsIn("somebody", "203.0.113.10"); code != http.StatusUnauthorized {
			t.Errorf("another client behind the same proxy gets %d", code)
		}
		if n := exhaust(s, func(i int) string { return "198.51.100." + strconv.Itoa(i) + ", 203.0.113.20" }); n == 0 {
			t.Error("a client that writes the header itself is another each time")
		}
	})
	for name, networks := range map[string][]string{"off": nil, "another network is trusted": {"192.0.2.0/24"}} {
		t.Run(name, func(t *testing.T) {
			s := openSite(t, t.TempDir(), func(c *Config) { c.TrustedProxies = networks })
			if n := exhaust(s, func(i int) string { return "203.0.113." + strconv.Itoa(i) }); n == 0 {
				t.Error("a header of an untrusted peer makes 15 clients of one")
			}
		})
	}
}

// TestTLSBehindAProxy: only a trusted proxy's word makes the cookie Secure and keeps browsers with TLS.
func TestTLSBehindAProxy(t *testing.T) {
	for _, c := range []struct {
		name    string
		trusted []string
		headers http.Header
		want    bool
	}{
		{"a trusted proxy", []string{"127.0.0.1"}, http.Header{"X-Forwarded-Proto": {"https"}}, true},
		{"one that writes it large", []string{"127.0.0.0/8"}, http.Header{"X-Forwarded-Proto": {"HTTPS"}, "X-Forwarded-For": {"203.0.113.9"}}, true},
		{"a trusted proxy without TLS", []string{"127.0.0.1"}, http.Header{"X-Forwarded-Proto": {"http"}}, false},
		{"a trusted proxy that says nothing", []string{"127.0.0.1"}, nil, false},
		{"one that adds to what it found", []string{"127.0.0.1"}, http.Header{"X-Forwarded-Proto": {"https", "http"}}, false},
		{"so in one line", []string{"127.0.0.1"}, http.Header{"X-Forwarded-Proto": {"https,http"}}, false},
		{"another header", []string{"127.0.0.1"}, http.Header{"Forwarded": {"proto=https"}, "X-Forwarded-Scheme": {"https"}, "X-Forwarded-Ssl": {"on"}}, false},
		{"anybody", []string{"192.0.2.0/24"}, http.Header{"X-Forwarded-Proto": {"https"}}, false},
		{"anybody, without proxies", nil, http.Header{"X-Forwarded-Proto": {"https"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openSite(t, t.TempDir(), func(cfg *Config) { cfg.TrustedProxies = c.trusted })
			body := `{"user":"` + user.DevName + `","password":"` + user.DevPassword + `"}`
			r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.HTTPAddr()+"/api/v1/session", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = c.headers.Clone()
			if r.Header == nil {
				r.Header = http.Header{}
			}
			r.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			cookie, hsts := resp.Header.Get("Set-Cookie"), resp.Header.Get("Strict-Transport-Security")
			if resp.StatusCode != http.StatusOK || cookie == "" {
				t.Fatalf("%s, cookie %q", resp.Status, cookie)
			}
			if strings.Contains(cookie, "Secure") != c.want || (hsts != "") != c.want {
				t.Errorf("cookie %q, Strict-Transport-Security %q, over TLS: %t", cookie, hsts, c.want)
			}
		})
	}
}

// TestAddressesBehindAProxy: the access log, the log of changes and a key's networks see the client.
func TestAddressesBehindAProxy(t *testing.T) {
	dir := t.TempDir()
	s := openSite(t, dir, func(c *Config) { c.TrustedProxies, c.Log.Access = []string{"127.0.0.1"}, "logs/access.log" })
	var key struct {
		APIKey string `json:"api_key"`
	}
	if err := json.Unmarshal([]byte(s.must(201, "POST", "/accounts/me/keys", `{"name":"till","allow":["203.0.113.0/24"]}`)), &key); err != nil {
		t.Fatal(err)
	}
	ask := func(forwarded string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "PATCH", "http://"+s.HTTPAddr()+"/api/v1/accounts/me", strings.NewReader(`{"burst":7}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-API-Key", key.APIKey)
		r.Header.Set("Content-Type", "application/json")
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for forwarded, want := range map[string]int{"203.0.113.9": 200, "": 403, "198.51.100.7": 403, "203.0.113.9, 198.51.100.7": 403} {
		if got := ask(forwarded); got != want {
			t.Errorf("forwarded for %q: %d, want %d", forwarded, got, want)
		}
	}
	if list := s.must(200, "GET", "/audit?method=PATCH", ""); !strings.Contains(list, `"address":"203.0.113.9"`) {
		t.Errorf("log of changes: %s", list)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "logs", "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, remote := range []string{"203.0.113.9:0", "198.51.100.7:0"} {
		if !strings.Contains(string(log), `"remote":"`+remote+`"`) {
			t.Errorf("no line of %s in\n%s", remote, log)
		}
	}
}

// TestNetworksOfWebhooks may be written as IPv6, too.
func TestNetworksOfWebhooks(t *testing.T) {
	s := openSite(t, t.TempDir(), func(c *Config) { c.Webhooks.Allow = []string{"::ffff:10.1.0.0/112"} })
	g := callback.Guard{Allow: s.allowed()}
	if err := g.Check(netip.MustParseAddr("10.1.2.3")); err != nil {
		t.Error(err)
	}
	if err := g.Check(netip.MustParseAddr("10.2.0.0")); err == nil {
		t.Error("an address beside the network is allowed")
	}
}
