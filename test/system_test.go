package test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSystem: what is in force is shown without secrets, and the log level is changed while
// the platform runs.
func TestSystem(t *testing.T) {
	data := t.TempDir()
	p := serveDev(t, "--data", data, "--upstream", "smpp://user:hunter2secret@127.0.0.1:1?binds=1")
	var s struct {
		Version  string
		LogLevel string `json:"log_level"`
		Settings []struct{ Key, Value string }
		Disk     struct{ Folder string }
	}
	a := p.get("/api/v1/system")
	a.into(t, &s)
	if a.code != http.StatusOK || s.LogLevel != "info" || s.Disk.Folder != data || len(s.Settings) < 20 {
		t.Errorf("%d %s", a.code, a.body)
	}
	if strings.Contains(string(a.body), "hunter2secret") {
		t.Error("shows the connector's password")
	}
	logged := func() string {
		text, err := os.ReadFile(filepath.Join(data, "logs", "system.log"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if strings.Contains(logged(), "level=DEBUG") {
		t.Fatal("debug lines before debug was asked for")
	}
	p.want(http.StatusOK, "PUT", "/api/v1/system/log-level", `{"level":"error"}`, nil)
	quiet := len(logged())
	p.want(http.StatusOK, "PUT", "/api/v1/system/log-level", `{"level":"warn"}`, nil)
	if now := logged(); !strings.Contains(now[quiet:], "log level set") {
		t.Errorf("the change is not logged: %s", now)
	}
	var after struct {
		LogLevel string `json:"log_level"`
	}
	p.want(http.StatusOK, "GET", "/api/v1/system", "", &after)
	if after.LogLevel != "warn" {
		t.Errorf("the level is %s", after.LogLevel)
	}
	bad := p.do("PUT", "/api/v1/system/log-level", strings.NewReader(`{"level":"loud"}`))
	var problem struct{ Errors []struct{ Pointer string } }
	if err := json.Unmarshal(bad.body, &problem); err != nil || bad.code != 422 || len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/level" {
		t.Errorf("%d %s", bad.code, bad.body)
	}
}

func TestSystemIsForAdmins(t *testing.T) {
	p := serveDev(t)
	var key struct {
		Key string `json:"api_key"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"shop"}`, &key)
	for method, path := range map[string]string{"GET": "/api/v1/system", "PUT": "/api/v1/system/log-level"} {
		if a := p.do(method, path, strings.NewReader(`{"level":"debug"}`), "X-API-Key", key.Key); a.code != http.StatusForbidden {
			t.Errorf("%s %s: %d %s", method, path, a.code, a.body)
		}
	}
}

// TestHealthCommand: the exit code says whether a platform answers, and whether it is ready.
func TestHealthCommand(t *testing.T) {
	p := serveDev(t)
	health := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), binary, append([]string{"health", "--url", p.url()}, args...)...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for args, want := range map[string]string{"": "is healthy", "--ready": "is ready"} {
		if out, err := health(strings.Fields(args)...); err != nil || !strings.Contains(out, want) {
			t.Errorf("health %s: %v\n%s", args, err, out)
		}
	}
	free := freePort(t)
	if out, err := exec.CommandContext(t.Context(), binary, "health", "--url", "http://"+free).CombinedOutput(); err == nil {
		t.Errorf("nobody listens there, yet: %s", out)
	}
}
