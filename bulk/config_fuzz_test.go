package bulk

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzConfigFile: a file that cannot be read changes nothing, and the error has its name; one
// that can be read is the same when it is written and read again.
func FuzzConfigFile(f *testing.F) {
	c := DefaultConfig()
	c.Inbound.Routes = []string{"to=1000&keyword=JOIN&account=acme"}
	text, err := yaml.Marshal(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, seed := range []string{
		"retention: 36500d2562047h\nmin_free_disk: 1GiB\n", "money:\n  price: 0.045\ntracing: {sample: .5, headers: 'a=b'}\n", "webhooks:\nnode: -1 # free\n",
		"connectors: ['op1=smpp://u:p@h:2775?binds=2', {name: op2, url: 'smpp://u:p@h', charset: ucs2}]\n", "routes: [{name: all, targets: [{connector: op1, weight: 3}]}]\n",
		"a: &a [*a]\n", "retention: &r 3d\ncdr: {rotate_every: *r}\n", "--- {}\n--- {}\n", "? x\n", "\"", "http: !!binary aGk=\n",
	} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "bulk.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4000 {
			return
		}
		before, got := DefaultConfig(), DefaultConfig()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := got.LoadFile(path); err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Fatalf("%v does not name the file", err)
			}
			if diff := cmp.Diff(before, got); diff != "" {
				t.Fatalf("%v, but %s", err, diff)
			}
			return
		}
		_ = got.Settings()
		_ = got.Redacted()
		if got.Validate() != nil {
			return
		}
		out, err := yaml.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, out, 0o600); err != nil {
			t.Fatal(err)
		}
		again := Config{}
		if err := again.LoadFile(path); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(got, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s\n%s", diff, out)
		}
	})
}

// FuzzSettings: durations, sizes, shares and prices that can be read are not below zero, and
// the same when they are written and read again.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{"30d", "1d12h", "36500d2562047h", "36500d257h247h", "106751d", "106752d", "90s", "0", "1GiB", "500 MiB", "4611686018427387904", "0.5", "1e-9", "NaN", "-0", "12.5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d, d2 Duration
		if d.UnmarshalText([]byte(text)) == nil {
			if out, _ := d.MarshalText(); d < 0 || d2.UnmarshalText(out) != nil || d2 != d {
				t.Fatalf("%q is %s, read again %s", text, d, d2)
			}
		}
		var s, s2 Size
		if s.UnmarshalText([]byte(text)) == nil {
			if out, _ := s.MarshalText(); s < 0 || s2.UnmarshalText(out) != nil || s2 != s {
				t.Fatalf("%q is %s, read again %s", text, s, s2)
			}
		}
		var p, p2 Price
		if p.UnmarshalText([]byte(text)) == nil {
			if out, _ := p.MarshalText(); p2.UnmarshalText(out) != nil || p2 != p {
				t.Fatalf("%q is %s, read again %s", text, out, p2)
			}
		}
		var h, h2 Share
		if h.UnmarshalText([]byte(text)) == nil {
			if out, _ := h.MarshalText(); h2.UnmarshalText(out) != nil || h2 != h {
				t.Fatalf("%q is %s, read again %s", text, h, h2)
			}
		}
	})
}

// What stands before a password of an address.
var (
	passwordOfUser  = regexp.MustCompile(`^(smpp|rediss?|redis\+sentinel|postgres|https?)://[^/?#@:\s]*:$`)
	passwordOfQuery = regexp.MustCompile(`^(smpp|rediss?|redis\+sentinel|postgres|https?)://[^?#]*\?([^#]*&)?[a-z_]*password=$`)
)

// FuzzSecrets: what is shown of settings has no password, wherever in an address it stands.
func FuzzSecrets(f *testing.F) {
	for _, seed := range []string{
		"smpp://u:%s@h:2775?binds=2", "redis://:%s@h:6379/0", "postgres://u@h/db?password=%s&sslmode=disable", "postgres://h/db?sslpassword=%s",
		"redis+sentinel://h/0?master=m&sentinel_password=%s", "rediss://u:%s@[::1]:1,h:2/0?ca=x", "http://u:%s@h/%%zz",
	} {
		f.Add(seed)
	}
	const secret = "hunter2hunter2"
	f.Fuzz(func(t *testing.T, shape string) {
		before, after, ok := strings.Cut(shape, "%s")
		address := before + secret + after
		inUser := passwordOfUser.MatchString(before) && strings.HasPrefix(after, "@")
		inQuery := passwordOfQuery.MatchString(before)
		if !ok || !inUser && !inQuery {
			return
		}
		c := DefaultConfig()
		c.Store, c.Queue, c.Upstream, c.Tracing.Endpoint = address, address, address, address
		c.Connectors = Seeds{address, "op1=" + address}
		if section, err := json.Marshal(map[string]string{"name": "op1", "password": secret, "url": address}); err == nil && utf8.ValidString(address) {
			c.Connectors = append(c.Connectors, string(section))
		}
		c.Tracing.Headers = Headers("authorization=" + secret)
		for _, s := range c.Settings() {
			if strings.Contains(s.Value, secret) {
				t.Fatalf("%s shows its password: %s", s.Key, s.Value)
			}
		}
		if shown := fmt.Sprint(c.Redacted()); strings.Contains(shown, secret) {
			t.Fatalf("%q is not redacted: %s", address, shown)
		}
		if err := c.Validate(); err != nil && strings.Contains(err.Error(), secret) {
			t.Fatalf("%q: an error shows its password: %v", address, err)
		}
	})
}
