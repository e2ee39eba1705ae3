package bulk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

func TestDefaultConfigIsValid(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestConfigFileRoundTrip(t *testing.T) {
	c := DefaultConfig()
	c.Webhooks.Allow = []string{"10.0.0.0/8"}
	c.Inbound.Routes = []string{"to=1000&keyword=JOIN&account=acme"}
	c.Retention = Duration(36 * time.Hour)
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	got := Config{}
	if err := got.LoadFile(write(t, string(text))); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(c, got); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
}

func TestConfigFileMistakes(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"misspelt key":        {"data: x\nretentoin: 3d\n", `did you mean "retention"?`},
		"misspelt nested key": {"webhooks:\n  alow: [10.0.0.0/8]\n", `did you mean "allow"?`},
		"names the line":      {"data: x\nretentoin: 3d\n", "[2:1]"},
		"far from any key":    {"zzzzzzzzzzzz: 1\n", `unknown key "zzzzzzzzzzzz"`},
		"wrong type":          {"node: many\n", "node"},
		"bad duration":        {"retention: 3 weeks\n", `"3 weeks" is not a duration`},
		"bad size":            {"min_free_disk: much\n", `"much" is not a size`},
		"not yaml":            {"data: [unclosed\n", "configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			got := DefaultConfig()
			err := got.LoadFile(write(t, c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant it to say %s", err, c.want)
			}
		})
	}
}

func TestEmptyConfigFileChangesNothing(t *testing.T) {
	c := DefaultConfig()
	if err := c.LoadFile(write(t, "# only a comment\n")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(DefaultConfig(), c); diff != "" {
		t.Error(diff)
	}
}

func TestConfigFileSetsOnlyWhatItNames(t *testing.T) {
	c := DefaultConfig()
	if err := c.LoadFile(write(t, "limits:\n  max_parts: 20\ncdr:\nwebhooks:\n  allow: [127.0.0.0/8]\n")); err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Limits.MaxParts, want.Webhooks.Allow = 20, []string{"127.0.0.0/8"}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

func TestConfigEnvironment(t *testing.T) {
	env := map[string]string{
		"PROTEI_BULK_HTTP": "127.0.0.1:1", "PROTEI_BULK_LIMITS_MAX_PARTS": "20", "PROTEI_BULK_RETENTION": "7d",
		"PROTEI_BULK_WEBHOOKS_ALLOW": "10.0.0.0/8, 127.0.0.0/8", "PROTEI_BULK_MIN_FREE_DISK": "5GiB",
	}
	c := DefaultConfig()
	if err := c.LoadEnv(func(k string) string { return env[k] }); err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.HTTP, want.Limits.MaxParts, want.Retention = "127.0.0.1:1", 20, Duration(7*24*time.Hour)
	want.Webhooks.Allow, want.MinFreeDisk = []string{"10.0.0.0/8", "127.0.0.0/8"}, 5<<30
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	env = map[string]string{"PROTEI_BULK_NODE": "first", "PROTEI_BULK_RETENTION": "soon"}
	err := c.LoadEnv(func(k string) string { return env[k] })
	for _, want := range []string{`PROTEI_BULK_NODE="first"`, `PROTEI_BULK_RETENTION="soon"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	c := DefaultConfig()
	c.HTTP, c.SMPP, c.Durability, c.Node = "nowhere", "off", "maybe", 512
	c.Store = "mysql://bulk:secret@db/bulk"
	c.Limits.MaxParts, c.Webhooks.Allow, c.TLS.Cert = 256, []string{"everything"}, "cert.pem"
	err := c.Validate()
	if err == nil {
		t.Fatal("valid")
	}
	for _, want := range []string{"http:", "durability:", "node:", "limits.max_parts:", "webhooks.allow:", "tls:", "store:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "smpp:") || strings.Contains(err.Error(), "secret") {
		t.Errorf("complains about smpp: off, or shows a password:\n%v", err)
	}
}

func TestSettingsHaveDocsAndHideSecrets(t *testing.T) {
	c := DefaultConfig()
	c.Upstream = "smpp://id:hidden@127.0.0.1:2776"
	for _, s := range c.Settings() {
		if s.Doc == "" {
			t.Errorf("%s has no doc", s.Key)
		}
		if strings.Contains(s.Value, "hidden") {
			t.Errorf("%s shows a password: %s", s.Key, s.Value)
		}
	}
}

func TestRedactedHidesPasswordsAndChangesNothingElse(t *testing.T) {
	c := DefaultConfig()
	c.Upstream = "smpp://id:hidden@127.0.0.1:2776?binds=2"
	r := c.Redacted()
	if strings.Contains(r.Upstream, "hidden") || !strings.Contains(r.Upstream, "id:xxxxx@127.0.0.1:2776?binds=2") {
		t.Errorf("upstream shown as %s", r.Upstream)
	}
	if !strings.Contains(c.Upstream, "hidden") {
		t.Error("the settings themselves were changed")
	}
	r.Upstream = c.Upstream
	if diff := cmp.Diff(c, r); diff != "" {
		t.Error(diff)
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAPasswordWithAnAt: PostgreSQL's driver reads such an address in another way than net/url, and its errors would
// show half of the password.
func TestAPasswordWithAnAt(t *testing.T) {
	c := DefaultConfig()
	c.Store = "postgres://user:half@hunter%002@127.0.0.1:1/db"
	err := c.Validate()
	if err == nil || !strings.Contains(err.Error(), "in a password it is written %40") || strings.Contains(err.Error(), "hunter") {
		t.Errorf("%v: want that @ is written %%40, and no password", err)
	}
	if c.Store = "postgres://user:half%40hunter@127.0.0.1:1/db?application_name=a@b"; c.Validate() != nil {
		t.Errorf("a password as it should be: %v", c.Validate())
	}
}
