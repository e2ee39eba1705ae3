package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// failingShop answers 500 to /bad once the run has gone on for badAfter, and well to
// anything else.
func failingShop(t *testing.T, badAfter time.Duration) (url string, since func() time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var first time.Time
	since = func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		if first.IsZero() {
			first = time.Now()
		}
		return time.Since(first)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" && since() >= badAfter {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, "ok")
	}))
	t.Cleanup(srv.Close)
	return srv.URL, since
}

// TestTargetsThatAbort: the run ends early, says why on the terminal and in every report,
// and exits with 3; a target of one request looks at that request alone, and after: is
// waited for.
func TestTargetsThatAbort(t *testing.T) {
	const users = "users:\n  U:\n    wait: 0.02\n    tasks:\n      - {get: /good, weight: 9}\n      - get: /bad\n"
	for name, tc := range map[string]struct {
		target   string
		badAfter time.Duration
		abort    string // "" = the run goes on to its end
		least    time.Duration
		code     int
	}{
		"all requests":             {"{target: errors=2%, abort: true}", 0, "errors=2%: Error rate ", 0, 3},
		"one request":              {"{target: errors=60%, request: GET /bad, abort: true}", 0, "errors=60% of GET /bad: Error rate 100", 0, 3},
		"another request is well":  {"{target: errors=2%, request: GET /good, abort: true}", 0, "", 0, 0},
		"acceptable does not":      {"{target: errors=2%:50%, abort: true}", 0, "", 0, 0},
		"not before after":         {"{target: errors=2%, abort: true, after: 3s}", 0, "errors=2%: Error rate ", 3 * time.Second, 3},
		"after a while":            {"{target: errors=2%, request: /bad, abort: true, after: 1s}", 2 * time.Second, "errors=2% of /bad: Error rate ", 2 * time.Second, 3},
		"too slow for one request": {"{target: p95=0.001ms, request: GET /good, abort: true, after: 1s}", 0, "p95=0.001ms of GET /good: P95 ", time.Second, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			url, since := failingShop(t, tc.badAfter)
			length := "1h"
			if tc.abort == "" {
				length = "5s"
			}
			text := "host: " + url + "\nload: {users: 5, spawn_rate: 100, run_time: " + length + "}\ntargets:\n  - " + tc.target + "\n" + users
			if err := os.WriteFile("scenario.yaml", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			since()
			code, out, errs := scenarioCommand(t, "load", "--headless", "--warmup", "0",
				"--html", "r.html", "--json-file", "r.json", "--junit", "r.xml", "--markdown", "r.md")
			took := since()
			if code != tc.code || took < tc.least {
				t.Errorf("exit code %d, want %d, after %v\n%s%s", code, tc.code, took, out, errs)
			}
			if tc.abort == "" {
				if strings.Contains(out, "Stopped early") || took < 5*time.Second {
					t.Errorf("it ended after %v:\n%s", took, out)
				}
				return
			}
			flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
			for _, want := range []string{"aborted: " + tc.abort, "Stopped early: " + tc.abort, "Verdict: FAIL"} {
				if !strings.Contains(flat(out), want) {
					t.Errorf("%q is missing in:\n%s", want, out)
				}
			}
			for file, want := range map[string]string{
				"r.html": "Stopped early: " + tc.abort, "r.json": `"stopped_early": "` + tc.abort,
				"r.xml": `<failure message="aborted: ` + tc.abort, "r.md": "Stopped early: " + tc.abort,
			} {
				data, err := os.ReadFile(file)
				if err != nil || !strings.Contains(strings.ReplaceAll(string(data), "\\", ""), want) {
					t.Errorf("%s does not say %q: %v", file, want, err)
				}
			}
		})
	}
}
