package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"protei-bulk/load/scenario/scenariotest"
)

// command runs a command line in-process.
func scenarioCommand(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := &environment{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" }}
	code = run(t.Context(), env, args)
	return code, stdout.String(), stderr.String()
}

func TestScenarioCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.yaml")
	for _, name := range []string{"starter", "messaging"} {
		code, text, _ := scenarioCommand(t, "load", "example", name)
		if code != 0 {
			t.Fatal(name)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out, errs := scenarioCommand(t, "load", "check", file); code != 0 || !strings.Contains(out, "is valid") {
			t.Errorf("%s: %d %s %s", name, code, out, errs)
		}
	}
	p := scenariotest.Start(t, scenariotest.Faults{APIKey: "dev-api-key"})
	code, out, errs := scenarioCommand(t, "load", "debug", file, "-H", p.URL, "MessagingUser")
	if code != 0 || !strings.Contains(out, "< HTTP/1.1 201") || strings.Contains(out, "dev-api-key") {
		t.Errorf("debug: %d %s\n%s", code, errs, out)
	}
	if code, _, errs := scenarioCommand(t, "load", "example", "none"); code != 2 || !strings.Contains(errs, "messaging, starter") {
		t.Errorf("example: %d %s", code, errs)
	}
	if err := os.WriteFile(file, []byte("usrs: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := scenarioCommand(t, "load", "check", file); code != 2 || !strings.Contains(errs, `s.yaml:1:1: scenario: unknown key "usrs", did you mean users?`) {
		t.Errorf("check: %d %s", code, errs)
	}
	if code, _, errs := scenarioCommand(t, "load", "check", file+"x"); code != 2 || !strings.Contains(errs, "load example") {
		t.Errorf("missing file: %d %s", code, errs)
	}
}

// TestRunOfAFile: -f FILE, and ./scenario.yaml without it; the file's load and targets
// count, a target of one request decides.
func TestRunOfAFile(t *testing.T) {
	p := scenariotest.Start(t, scenariotest.Faults{APIKey: "dev-api-key"})
	t.Chdir(t.TempDir())
	text := "name: mine\nhost: " + p.URL + "\nload: {users: 2, spawn_rate: 100, run_time: 3s}\ntargets:\n  - {target: p95=10s, request: GET /api/v1/messages}\n  - {target: p95=0.001ms, request: POST /api/v1/messages}\n" +
		"users:\n  U:\n    wait: 0.01\n    tasks:\n      - get: /api/v1/messages\n      - {post: /api/v1/messages, messages: 1, json: {to: '9665', text: hi, client_ref: \"${client_ref}\", dlr_url: \"${dlr_url}\"}}\n"
	if err := os.WriteFile("scenario.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-f", "scenario.yaml"}, {}} {
		code, out, errs := scenarioCommand(t, append([]string{"load", "--headless", "--only-summary", "--warmup", "0"}, args...)...)
		if code != 3 || !strings.Contains(out, "mine (scenario.yaml)") || !strings.Contains(out, "Verdict: FAIL") {
			t.Errorf("%d %s\n%s", code, errs, out)
		}
	}
	if code, out, _ := scenarioCommand(t, "load", "--list"); code != 0 || !strings.Contains(out, "    U\n") {
		t.Errorf("--list: %s", out)
	}
}
