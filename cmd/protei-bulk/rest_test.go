package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk"
	"protei-bulk/client"
)

// terminal runs commands against a platform, as a person would.
type terminal struct {
	t   *testing.T
	url string
	key string
}

func (c *terminal) run(args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	var out, errs bytes.Buffer
	env := &environment{Stdin: strings.NewReader("1512345671\n# a comment\n1512345672\n"), Stdout: &out, Stderr: &errs, Getenv: func(name string) string {
		return map[string]string{"PROTEI_BULK_URL": c.url, "PROTEI_BULK_API_KEY": c.key}[name]
	}}
	code = run(context.Background(), env, args)
	return code, out.String(), errs.String()
}

// ok runs a command that has to work and returns what it printed.
func (c *terminal) ok(args ...string) string {
	c.t.Helper()
	code, stdout, stderr := c.run(args...)
	if code != 0 {
		c.t.Fatalf("protei-bulk %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// fails runs a command that has to fail and checks what it says.
func (c *terminal) fails(wantCode int, want string, args ...string) {
	c.t.Helper()
	code, stdout, stderr := c.run(args...)
	if code != wantCode || !strings.Contains(stderr, want) {
		c.t.Errorf("protei-bulk %s: exit code %d, want %d and %q\n%s%s", strings.Join(args, " "), code, wantCode, want, stdout, stderr)
	}
}

// platformForCommands starts a platform that accepts messages for an SMSC that is away,
// so that they stay where they are.
func platformForCommands(t *testing.T, data string, dev bool) (*bulk.Platform, *terminal) {
	t.Helper()
	cfg := bulk.DefaultConfig()
	cfg.Data, cfg.HTTP, cfg.SMPP, cfg.MinFreeDisk = data, "127.0.0.1:0", "off", 1<<20
	cfg.Upstream = "smpp://a:b@127.0.0.1:1"
	p, err := bulk.New(bulk.Options{Config: cfg, Dev: dev, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return p, &terminal{t: t, url: "http://" + p.HTTPAddr()}
}

func TestMessageAndCampaignCommands(t *testing.T) {
	p, c := platformForCommands(t, t.TempDir(), true)
	defer p.Stop(context.Background())
	out := c.ok("message", "send", "--from", "ACME", "--to", "+4915112345678", "--text", "hello", "--client-ref", "r-1")
	id := regexp.MustCompile(`[0-9a-f]{16}`).FindString(out)
	if id == "" || !strings.Contains(out, "PENDING") || !strings.Contains(out, "r-1") {
		t.Fatalf("send printed\n%s", out)
	}
	if out := c.ok("message", "status", id); !strings.Contains(out, "hello") || !regexp.MustCompile(`account +1\n`).MatchString(out) || !strings.Contains(out, "+4915112345678") {
		t.Errorf("status printed\n%s", out)
	}
	var m client.Message
	if err := json.Unmarshal([]byte(c.ok("message", "status", id, "--output", "json")), &m); err != nil || m.ID != id {
		t.Errorf("status as JSON: %+v, %v", m, err)
	}
	c.fails(1, "has the character U+001B, which cannot be shown", "contacts", "create", "a\x1b[2J")
	evil := regexp.MustCompile(`[0-9a-f]{16}`).FindString(c.ok("message", "send", "--from", "ACME", "--to", "+4915112345678", "--text", "\x1b[2Ja\tb\nc\u202ed\u009bm سلام\u200f 👩‍👧"))
	if out := c.ok("message", "status", evil); !strings.Contains(out, `\x1b[2Ja\tb\nc\u202ed\u009bm سلام`+"\u200f 👩‍👧\n") {
		t.Errorf("a text that a terminal obeys:\n%q", out)
	}
	if out := c.ok("message", "cancel", id); !strings.Contains(out, "CANCELLED") {
		t.Errorf("cancel printed\n%s", out)
	}
	c.fails(1, "not a phone number", "message", "send", "--from", "ACME", "--to", "nobody", "--text", "x")
	c.fails(1, "text: is needed", "message", "send", "--from", "ACME")
	c.fails(1, "unknown status", "message", "list", "--status", "GONE")
	c.fails(1, "no such message", "message", "status", "0000000000000001")
	c.fails(2, "unknown flag", "message", "send", "--recipient", "1")
	c.fails(2, "table or json", "message", "list", "--output", "xml")
	c.fails(1, "API key is not known", "message", "list", "--api-key", "nope")

	out = c.ok("campaign", "create", "spring", "--from", "ACME", "--text", "Sale", "--recipients", "-")
	if !strings.Contains(out, "DRAFT") || !regexp.MustCompile(`recipients +2\n`).MatchString(out) {
		t.Errorf("create printed\n%s", out)
	}
	id = regexp.MustCompile(`[0-9a-f]{16}`).FindString(out)
	c.fails(1, "cannot pause a campaign that is DRAFT", "campaign", "pause", id)
	if out := c.ok("campaign", "create", "at once", "--text", "Hi", "--from", "ACME", "--recipients", "-", "--start", "-o", "json"); !strings.Contains(out, `"status":"RUNNING"`) || strings.Count(out, "campaign_id") != 1 {
		t.Errorf("create --start -o json printed\n%s", out)
	}
	c.fails(2, "ID is missing", "campaign", "start")
	if out := c.ok("campaign", "start", id); !strings.Contains(out, "RUNNING") {
		t.Errorf("start printed\n%s", out)
	}
	if out := c.ok("campaign", "list"); !strings.Contains(out, "spring") {
		t.Errorf("list printed\n%s", out)
	}
	c.fails(2, "no such file", "campaign", "create", "x", "--text", "y", "--recipients", filepath.Join(t.TempDir(), "none"))
	c.fails(2, "exclude each other", "campaign", "create", "x", "--text", "y", "--recipients", "-", "--list", "vip")
	c.fails(2, "days=from-to", "campaign", "create", "x", "--text", "y", "--window", "someday=9-10")
}

func TestErrorsOfTheSMSCHaveNames(t *testing.T) {
	for want, m := range map[string]client.Message{
		"":                   {},
		"11 ESME_RINVDSTADR": {ErrorCode: 11},
		"11":                 {ErrorCode: 11, SentAt: time.Now()}, // of a receipt
		"404":                {ErrorCode: 404},                    // of an aggregator
	} {
		if got := errorText(&m); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestCampaignFileCommands(t *testing.T) {
	p, c := platformForCommands(t, t.TempDir(), true)
	defer p.Stop(context.Background())
	file := filepath.Join(t.TempDir(), "customers.csv")
	rows := "Handy;Vorname\n+4915112345671;Ann\nx;Bob\n+4915112345671;Ann\n+4915112345672;\n"
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, told := c.run("campaign", "create", "spring", "--from", "ACME", "--text", "Hi {{name}}", "--file", file,
		"--map", "name:Vorname", "--duplicates", "skip", "--schedule", "2030-03-29T09:00", "--timezone", "Europe/Berlin", "--window", "sat-mon=09:00-20:00")
	if code == 0 || !strings.Contains(told, "more than a year ahead") {
		t.Errorf("a schedule in some years: %d %s%s", code, out, told)
	}
	code, out, told = c.run("campaign", "create", "spring", "--from", "ACME", "--text", "Hi {{name}}", "--file", file,
		"--map", "name:Vorname", "--duplicates", "skip", "--timezone", "Europe/Berlin", "--window", "sat-mon=09:00-20:00")
	if code != 0 || !strings.Contains(told, "4 rows: 2 added, 2 refused, 1 duplicates") || !regexp.MustCompile(`recipients +2\n`).MatchString(out) {
		t.Fatalf("create printed %d\n%s%s", code, out, told)
	}
	id := regexp.MustCompile(`[0-9a-f]{16}`).FindString(out)
	if out := c.ok("campaign", "show", id, "-o", "json"); !strings.Contains(out, `"windows":[{"days":["SAT","SUN","MON"],"from":"09:00","to":"20:00"}]`) {
		t.Errorf("show printed\n%s", out)
	}
	if out := c.ok("campaign", "errors", id); !strings.Contains(out, "3,Handy,invalid_recipient,") || !strings.Contains(out, "4,Handy,duplicate,") {
		t.Errorf("errors printed\n%s", out)
	}
	if out := c.ok("campaign", "preview", id); !strings.Contains(out, `"Hi Ann"`) || !strings.Contains(out, "there is no value for {{name}}") {
		t.Errorf("preview printed\n%s", out)
	}
	if out := c.ok("campaign", "test", id, "--to", "+4915112345699"); !strings.Contains(out, "PENDING") {
		t.Errorf("test printed\n%s", out)
	}
	if out := c.ok("campaign", "upload", id, "--file", "-", "--header", "no", "--to-column", "1"); !regexp.MustCompile(`recipients +4\n`).MatchString(out) {
		t.Errorf("upload printed\n%s", out)
	}
	c.ok("campaign", "cancel", id)
	if out := c.ok("campaign", "list", "--status", "CANCELLED", "--name", "SPRI"); !strings.Contains(out, id) {
		t.Errorf("list printed\n%s", out)
	}
	if out := c.ok("campaign", "list", "--status", "RUNNING"); strings.Contains(out, id) {
		t.Errorf("list of others printed\n%s", out)
	}

	if out := c.ok("contacts", "create", "vip", "--file", file); !regexp.MustCompile(`members +2\n`).MatchString(out) {
		t.Errorf("contacts create printed\n%s", out)
	}
	c.fails(1, "exists", "contacts", "create", "VIP")
	if out := c.ok("campaign", "create", "to them", "--text", "Dear {{vorname | default:you}}", "--from", "ACME", "--list", "vip"); !regexp.MustCompile(`recipients +2\n`).MatchString(out) {
		t.Errorf("create from a list printed\n%s", out)
	}
	if out := c.ok("contacts", "errors", "vip"); !strings.Contains(out, "duplicate") {
		t.Errorf("errors of a list printed\n%s", out)
	}
	c.ok("contacts", "delete", "vip")
	if out := c.ok("contacts", "list"); strings.Contains(out, "vip") {
		t.Errorf("contacts list printed\n%s", out)
	}
	c.fails(1, "no such list", "campaign", "create", "x", "--text", "y", "--list", "vip")
}

func TestAccountCommands(t *testing.T) {
	data := t.TempDir()
	p, c := platformForCommands(t, data, false)
	first := p.FirstSecrets()
	if first == nil {
		t.Fatal("the first start made no account")
	}
	c.fails(1, "name a key with --api-key", "account", "list")
	c.key = first.APIKey
	out := c.ok("account", "create", "acme", "--system-id", "box", "--tps", "500")
	key := regexp.MustCompile(`pb_[a-z2-7]{32}`).FindString(out)
	if key == "" || !strings.Contains(out, "box") || !strings.Contains(out, "500") {
		t.Fatalf("create printed\n%s", out)
	}
	if out := c.ok("account", "list"); !strings.Contains(out, "acme") || strings.Contains(out, key) {
		t.Errorf("list printed\n%s", out)
	}
	c.fails(1, "exists", "account", "create", "acme")
	if out := c.ok("account", "key", "create", "2", "--name", "laptop", "--scope", "messages:send,messages:read", "--allow", "127.0.0.0/8", "--expires", "720h"); !strings.Contains(out, "pb_") {
		t.Errorf("key create printed\n%s", out)
	}
	for _, id := range []string{"2", "acme"} {
		if out := c.ok("account", "set", id, "--tps", "20", "--max-binds", "3", "--price", "0.045", "--daily-quota", "1000", "--smpp-allow", "192.0.2.0/24"); !regexp.MustCompile(`(?s)tps +20\n.*daily quota +1000\n.*max binds +3\n.*smpp allow +192.0.2.0/24\n.*price +0.045\n`).MatchString(out) {
			t.Errorf("set %s printed\n%s", id, out)
		}
		c.ok("account", "set", id, "--smpp-allow", "")
		if out := c.ok("account", "show", id); !strings.Contains(out, "0.045") || strings.Contains(out, "192.0.2.0") {
			t.Errorf("show %s printed\n%s", id, out)
		}
		if out := c.ok("account", "key", "list", id); !strings.Contains(out, key[:9]) {
			t.Errorf("key list %s printed\n%s", id, out)
		}
	}
	c.fails(2, `no account of the name "nobody"`, "account", "show", "nobody")
	c.fails(2, "what shall change", "account", "set", "acme")

	c.ok("route", "add", "cheap", "--strategy", "least_cost", "--to", "default:0.004", "--price", "0.07")
	if out := c.ok("route", "edit", "cheap", "--to", "default:0.005"); !strings.Contains(out, "default:0.005") || !strings.Contains(out, "0.07") {
		t.Errorf("a cost that was changed:\n%s", out)
	}
	if out := c.ok("route", "list"); !strings.Contains(out, "default:0.005") || !strings.Contains(out, "0.07") {
		t.Errorf("route list printed\n%s", out)
	}
	c.fails(1, "weight is 1.5 where a whole number is needed", "route", "edit", "cheap", "--strategy", "split", "--to", "default:1.5")
	c.fails(1, "no such route", "route", "edit", "dear", "--to", "default:1")
	c.ok("route", "delete", "cheap")

	if out := c.ok("account", "usage", "2"); !strings.Contains(out, "1000") {
		t.Errorf("usage printed\n%s", out)
	}
	numbers := filepath.Join(t.TempDir(), "numbers.csv")
	if err := os.WriteFile(numbers, []byte("number,name\n+4915111111,Ann\nnobody,Bob\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := c.ok("optout", "import", numbers, "--account", "2"); !strings.Contains(out, "added") || !strings.Contains(out, "refused") {
		t.Errorf("import printed\n%s", out)
	}
	if out := c.ok("optout", "list", "--account", "2"); !strings.Contains(out, "4915111111") {
		t.Errorf("list printed\n%s", out)
	}
	if out := c.ok("optout", "remove", "4915111111", "--account", "2"); !strings.Contains(out, "removed") {
		t.Errorf("remove printed\n%s", out)
	}
	c.fails(2, "no such file", "blacklist", "import", filepath.Join(t.TempDir(), "none"))
	if out := c.ok("audit", "list", "--limit", "1"); !regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z `).MatchString(out) {
		t.Errorf("times to the millisecond:\n%s", out)
	}
	if code, _, hint := c.run("contacts", "create", "friends", "--file", numbers); code != 0 || !regexp.MustCompile("`contacts errors [0-9a-f]{16}` has the refused rows").MatchString(hint) {
		t.Errorf("exit code %d, and of the refused row: %q", code, hint)
	}
	if out := c.ok("audit", "list", "--what", "account 2"); !strings.Contains(out, "new ") || !strings.Contains(out, "127.0.0.1") || strings.Contains(out, key) {
		t.Errorf("audit printed\n%s", out)
	}
	if out := c.ok("account", "disable", "2"); !strings.Contains(out, "disabled") {
		t.Errorf("disable printed\n%s", out)
	}
	c.fails(1, "disabled", "account", "show", "me", "--api-key", key)

	c.fails(1, "", "account", "reset-admin", "--data", data) // the platform runs
	if err := p.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.fails(1, "nothing listens", "account", "list")
	c.fails(2, "--data", "account", "reset-admin")
	c.fails(1, "not the data folder", "account", "reset-admin", "--data", t.TempDir())
	out = c.ok("account", "reset-admin", "--data", data)
	newKey := regexp.MustCompile(`pb_[a-z2-7]{32}`).FindString(out)
	if newKey == "" || newKey == first.APIKey {
		t.Fatalf("reset-admin printed\n%s", out)
	}
	p, c = platformForCommands(t, data, false)
	defer p.Stop(context.Background())
	c.fails(1, "not known", "account", "list", "--api-key", first.APIKey)
	c.key = newKey
	c.ok("account", "list")
	if text, err := os.ReadFile(filepath.Join(data, "messages.db")); err == nil && (bytes.Contains(text, []byte(newKey)) || bytes.Contains(text, []byte(key))) {
		t.Error("a key is in the database in the clear")
	}
}
