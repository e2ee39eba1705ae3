package bulk

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAccessLog: one line a request, with the account and without anything secret.
func TestAccessLog(t *testing.T) {
	dir := t.TempDir()
	s := openSite(t, dir, func(c *Config) { c.Log.Access = "logs/access.log" })
	type want struct {
		method, path, account string
		status                int
	}
	var wants []want
	var ids []string
	ask := func(key, method, target, body string, w want) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.HTTPAddr()+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			r.Header.Set("X-API-Key", key)
		}
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		if len(wants) == 0 {
			r.Header.Set("X-Request-Id", "mine-1")
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != w.status {
			t.Fatalf("%s %s: %d %s %v", method, target, resp.StatusCode, text, err)
		}
		w.method = method
		wants, ids = append(wants, w), append(ids, resp.Header.Get("X-Request-Id"))
	}
	ask("dev-api-key", "GET", "/api/v1/messages?limit=3&client_ref=hidden", "", want{path: "/api/v1/messages", account: "dev", status: 200})
	ask("hidden-key", "POST", "/api/v1/messages", `{}`, want{path: "/api/v1/messages", status: 401})
	ask("", "POST", "/api/v1/connectors/agg/dlr/hidden-secret", `{}`, want{path: "/api/v1/connectors/{name}/dlr/{secret}", status: 401})
	ask("", "GET", "/api/getBalance?user=dev&password=dev-api-key", "", want{path: "/api/getBalance", account: "dev", status: 200})
	ask("dev-api-key", "GET", "/api/v1/hidden/path", "", want{path: "/api/", status: 404})
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "logs", "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hidden", "dev-api-key", "password"} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%q is in the log:\n%s", secret, text)
		}
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != len(wants) {
		t.Fatalf("%d lines of %d requests:\n%s", len(lines), len(wants), text)
	}
	for i, line := range lines {
		var got struct {
			Time                          time.Time
			RequestID                     string `json:"request_id"`
			Remote, Method, Path, Account string
			Status                        int
			Bytes                         int64
			Duration                      int64 `json:"duration_us"`
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if (want{got.Method, got.Path, got.Account, got.Status}) != wants[i] {
			t.Errorf("%s\nwant %+v", line, wants[i])
		}
		if !strings.HasPrefix(got.Remote, "127.0.0.1:") || got.Bytes == 0 || got.Duration <= 0 || time.Since(got.Time) > time.Minute || got.RequestID == "" {
			t.Error(line)
		}
		if strings.HasPrefix(wants[i].path, "/api/v1/") && got.RequestID != ids[i] {
			t.Errorf("the answer has the request id %q, the line %q", ids[i], got.RequestID)
		}
	}
	if ids[0] != "mine-1" {
		t.Errorf("the caller's id came back as %q", ids[0])
	}
}
