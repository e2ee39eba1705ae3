package test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// secrets are what must not be found anywhere, by what they are.
type secrets map[string]string

// assertAbsent looks for each secret, as it is and as base64, in text.
func (s secrets) assertAbsent(t *testing.T, where string, text []byte) {
	t.Helper()
	for what, secret := range s {
		for form, as := range map[string]string{"": secret, " in base64": base64.StdEncoding.EncodeToString([]byte(secret)), " in URL form": strings.ReplaceAll(secret, "+", "%2B")} {
			if at := bytes.Index(text, []byte(as)); at >= 0 {
				t.Errorf("%s holds the %s%s: …%q…", where, what, form, text[max(0, at-60):min(len(text), at+len(as)+20)])
			}
		}
	}
}

// TestSecretsStaySecret gives the platform every kind of secret, provokes errors with them and
// looks for them in what it prints, logs, answers and stores.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	config := filepath.Join(t.TempDir(), "bulk.yaml")
	if err := os.WriteFile(config, []byte(`webhooks: {allow: [127.0.0.0/8]}
tracing: {endpoint: "http://127.0.0.1:1", sample: 1, headers: "authorization=Bearer%20TracePw1Zz"}
log: {access: logs/access.log}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveProduction(t, "", data, "--config", config, "--log-level", "debug",
		"--upstream", "smpp://seeded:SeedPw7Q@127.0.0.1:1?binds=1")
	first, firstPassword := p.firstSecrets()
	p.key = first
	all := secrets{
		"password of a seeded connector": "SeedPw7Q", "password of an account": "AccPw8Zx", "mistyped password": "AccPw8Zy",
		"password of a connector": "ConPw6Kj", "outbind password": "OutPw5Hg", "callback secret": "c4llb4cks3cretKQ",
		"password of an aggregator": "AggPw4Fd+x", "mistyped API key": "pb_mistypedmistypedmistyped7",
		"secret of an alert channel": "AlertPw3Sa", "webhook secret": "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdefghijklmnop")),
		"password in a webhook's URL": "HookPw2Lp", "password at the mail server": "MailPw0Nm",
		"header for the collector": "TracePw1Zz",
	}
	var acme struct {
		ID     int    `json:"account_id"`
		Key    string `json:"api_key"`
		Secret string `json:"webhook_secret"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"acme","system_id":"acme","password":"AccPw8Zx","default_sender":"Acme"}`, &acme)
	p.want(http.StatusCreated, "POST", "/api/v1/connectors", `{"name":"own","address":"127.0.0.1:1","system_id":"us","password":"ConPw6Kj","outbind_password":"OutPw5Hg"}`, nil)
	p.want(http.StatusCreated, "POST", "/api/v1/connectors", `{"name":"agg","kind":"http","system_id":"us","password":"AggPw4Fd+x","callback_secret":"c4llb4cks3cretKQ","mode":"running",
"http":{"url":"http://127.0.0.1:1/sms?user={{username}}&key={{password}}&to={{to}}&msg={{text}}","method":"GET","id":"regexp:^OK (\\S+)"}}`, nil)
	p.want(http.StatusCreated, "POST", "/api/v1/routes", `{"name":"agg","match":{"prefixes":["1555"]},"targets":[{"connector":"agg"}]}`, nil)
	p.want(http.StatusCreated, "PUT", "/api/v1/alerts/channels/tele", `{"kind":"http","url":"http://127.0.0.1:1/bot{{.Secret}}/send","body":"{}","secret":"AlertPw3Sa"}`, nil)
	if a := p.post("/api/v1/alerts/channels/tele/test", ""); !strings.Contains(string(a.body), "refused") {
		t.Errorf("the test of a channel that nobody answers says %s", a.body)
	}
	p.want(http.StatusCreated, "PUT", "/api/v1/alerts/channels/mail", `{"kind":"email","server":"127.0.0.1:1","user":"us","secret":"MailPw0Nm","from":"a@example.com","to":["b@example.com"]}`, nil)
	if a := p.post("/api/v1/alerts/channels/mail/test", ""); !strings.Contains(string(a.body), "refused") {
		t.Errorf("the test of a mail server that is not there says %s", a.body)
	}
	hook := func(url string) answer {
		return p.do("PUT", "/api/v1/webhooks", strings.NewReader(`{"dlr_url":"`+url+`","webhook_secret":"`+all["webhook secret"]+`"}`), "X-API-Key", acme.Key)
	}
	if a := hook("http://127.0.0.1:1/dlr"); a.code != http.StatusOK {
		t.Errorf("webhook: %d %s", a.code, a.body)
	}

	// Wrong input that has them, or almost.
	for _, a := range []answer{
		p.post("/api/v1/connectors", `{"name":"own","address":"127.0.0.1:1","system_id":"us","password":"ConPw6Kj","binds":-1}`),
		p.post("/api/v1/accounts", `{"name":"acme","system_id":"acme","password":"AccPw8Zx","tps":-1}`),
		p.post("/api/v1/accounts", `{"name":"acme","password":"AccPw8Zx"`),
		hook("http://user:HookPw2Lp@127.0.0.1:1/dlr"),
		p.do("GET", "/api/v1/messages", nil, "X-API-Key", all["mistyped API key"]),
		p.do("GET", "/api/v1/messages", nil, "X-API-Key", "", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("acme:AccPw8Zy"))),
		p.do("PUT", "/api/v1/alerts/channels/tele", strings.NewReader(`{"kind":"http","url":":bad","secret":"AlertPw3Sa"}`)),
	} {
		if a.code < 400 {
			t.Errorf("wrong input is answered %d %s", a.code, a.body)
		}
		all.assertAbsent(t, "a problem document", a.body)
	}
	if _, err := p.bind("acme", "AccPw8Zy", nil); err == nil {
		t.Error("a wrong password binds")
	}
	for _, key := range []string{acme.Key, first} { // a send that fails at the aggregator
		p.do("POST", "/api/v1/messages", strings.NewReader(`{"from":"Acme","to":"+15550002222","text":"hello"}`), "X-API-Key", key)
	}
	waitUntil(t, 20*time.Second, func() bool {
		out := p.out.String()
		return strings.Contains(out, "connector=agg") && strings.Contains(out, "traces")
	})

	all["API key of an account"], all["webhook secret of the start"] = acme.Key, acme.Secret
	for _, path := range []string{
		"/metrics", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/api/v1/system", "/api/v1/connectors", "/api/v1/connectors/own", "/api/v1/connectors/agg", fmt.Sprintf("/api/v1/accounts/%d", acme.ID), "/api/v1/accounts",
		"/api/v1/audit", "/api/v1/alerts/channels", "/api/v1/alerts", "/api/v1/routes", "/api/v1/messages", fmt.Sprintf("/api/v1/accounts/%d/keys", acme.ID),
	} {
		a := p.get(path)
		if a.code != http.StatusOK && path != "/metrics" {
			t.Errorf("GET %s: %d %s", path, a.code, a.body)
		}
		all.assertAbsent(t, "GET "+path, a.body)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	all.assertAbsent(t, "what it printed", []byte(p.out.String())) // the first start's own are there on purpose
	all["API key of the first start"], all["password of the first start"] = first, firstPassword
	files := 0
	err := filepath.WalkDir(data, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			files++
			all.assertAbsent(t, strings.TrimPrefix(path, data), text)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	log, err := os.ReadFile(filepath.Join(data, "logs/system.log"))
	if files < 4 || err != nil || !bytes.Contains(log, []byte("connector=agg")) {
		t.Errorf("%d files, a log of %d bytes: too little to show anything (%v)", files, len(log), err)
	}
}

// TestSecretOfAnUnreachableStore: what a node logs of a PostgreSQL that does not answer names it,
// without its password.
func TestSecretOfAnUnreachableStore(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	c := launch(t, "serve", nil, "serve", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", data, "--log-level", "debug",
		"--store", "postgres://bulk:PgPw9Ty@127.0.0.1:1/bulk?connect_timeout=1")
	waitUntil(t, 20*time.Second, func() bool { return strings.Count(c.out.String(), "waiting for the store") > 1 })
	if text := c.out.String(); !strings.Contains(text, "127.0.0.1:1") {
		t.Errorf("which server is away is not said:\n%s", text)
	}
	secrets{"password of PostgreSQL": "PgPw9Ty"}.assertAbsent(t, "the log", []byte(c.out.String()))
}

// TestSecretsOfSettings: a secret in a setting that is wrong, or beside one that is, or whose server does not
// answer, is neither in an error at the start nor in what `config` says; whether it comes from the file or the environment.
func TestSecretsOfSettings(t *testing.T) {
	t.Parallel()
	const secret = "S3cretOfASetting"
	pem := "-----BEGIN PRIVATE KEY-----\n" + secret + "\n-----END PRIVATE KEY-----\n"
	wrong := map[string][]string{
		"store": {
			"postgres://bulk:SECRET@127.0.0.1:port/bulk", "postgres://bulk:SECRET%zz@127.0.0.1/bulk", "postgre://bulk:SECRET@127.0.0.1/bulk", "postgres://bulk:SECRET@127.0.0.1:1/bulk?sslmode=nonsense",
			"postgres://127.0.0.1:port/bulk?password=SECRET", "postgres://127.0.0.1:1/bulk?sslpassword=SECRET&sslmode=no", "host=127.0.0.1 password=SECRET", "bulk:SECRET@127.0.0.1/bulk", "postgres://bulk:SECRET",
		},
		"queue": {
			"redis://:SECRET@127.0.0.1:port/0", "redis://:SECRET@127.0.0.1:1/none", "redis://:SECRET%zz@127.0.0.1:1", "redis+sentinel://:SECRET@127.0.0.1:1?sentinel_password=SECRET",
			"redi://:SECRET@127.0.0.1", ":SECRET@127.0.0.1:6379", "redis://:SECRET@127.0.0.1:1/0", "redis://user:SECRET", "rediss://:SECRET@127.0.0.1:1/0?ca=/none",
		},
		"upstream": {
			"smpp://us:SECRET@127.0.0.1:port", "smpp://us:SECRET@127.0.0.1:1?binds=many", "smp://us:SECRET@127.0.0.1:1", "smpp://us:SECRET%zz@127.0.0.1:1", "us:SECRET@127.0.0.1:1", "smpp://us:SECRET@127.0.0.1:1?unknown=1",
			"smpp://us:SECRET",
		},
		"connectors": {
			"own=smpp://us:SECRET@127.0.0.1:port", "own=smpp://us:SECRET@127.0.0.1:1?binds=many", "own=us:SECRET@127.0.0.1", "smpp://us:SECRET@127.0.0.1:1", `{"name":"own","address":"127.0.0.1:1","system_id":"us","password":"SECRET","binds":"many"}`,
			`{"name":"own","address":"127.0.0.1:1","system_id":"us","passwort":"SECRET"}`, `{"name":"own","address":"127.0.0.1:1","system_id":"us","password":"SECRET","outbind_password":"SECRETSECRET","binds":-1}`,
			`{"name":"own","kind":"http","password":"SECRET","callback_secret":"/SECRET/","http":{"url":":","method":"GET"}}`, `{"name":"own","password":["SECRET"]}`, `[{"name":"own","password":"SECRET"`,
		},
		"tracing.headers":  {"SECRET", "authorization=Bearer%zzSECRET", "authorization=ok,SECRET"},
		"tracing.endpoint": {"http://us:SECRET@127.0.0.1:4318", "http://us:SECRET%zz@127.0.0.1", "us:SECRET@127.0.0.1", "http://127.0.0.1:4318?token=SECRET"},
		"tls.key":          {pem},
		"tls.cert":         {pem},
	}
	runs := make(chan func(), 64)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for run := range runs {
				run()
			}
		})
	}
	for key, values := range wrong {
		for _, value := range values {
			value = strings.ReplaceAll(value, "SECRET", secret)
			section, name, nested := strings.Cut(key, ".")
			text, _ := json.Marshal(value) // a JSON text is one of YAML
			line := fmt.Sprintf("%s: %s\n", key, text)
			if nested {
				line = fmt.Sprintf("%s:\n  %s: %s\n", section, name, text)
			}
			if key == "connectors" {
				line = fmt.Sprintf("connectors:\n  - %s\n", text)
				if strings.HasPrefix(value, "{") {
					line = fmt.Sprintf("connectors:\n  - %s\n", value)
				}
			}
			dir := t.TempDir()
			for file, content := range map[string]string{"a.yaml": line, "b.yaml": "retention: forever\n" + line, "c.yaml": line + "http: [\n"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				for _, args := range [][]string{{"config", "check"}, {"config", "print"}} {
					runs <- func() {
						out := says(t, nil, append(args, "--config", filepath.Join(dir, file))...)
						secrets{"secret of " + key + " " + value + " in " + file: secret}.assertAbsent(t, strings.Join(args, " "), out)
					}
				}
			}
			env := "PROTEI_BULK_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")) + "=" + value
			for _, args := range [][]string{{"config", "check"}, {"config", "print"}, {"serve", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", filepath.Join(dir, "data")}} {
				runs <- func() {
					out := says(t, []string{env}, args...)
					secrets{"secret of " + key + " " + value + " in the environment": secret}.assertAbsent(t, strings.Join(args, " "), out)
				}
			}
		}
	}
	close(runs)
	workers.Wait()
}

// says runs the binary for 3 s at most and returns all that it prints.
func says(t *testing.T, env []string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if len(out) == 0 && ctx.Err() == nil {
		t.Errorf("%v %v says nothing: %v", env, args, err)
	}
	// The first password and key of a platform that does start are there on purpose, and none of these.
	return out
}
