package main

import (
	"bytes"
	"encoding/json"
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
	t.Chdir(t.TempDir())
	text := "name: mine\nhost: %s\nload: {users: 2, spawn_rate: 100, run_time: 3s}\ntargets:\n  - {target: errors=1%, request: GET /api/v1/messages}\n  - {target: errors=1%, request: POST /api/v1/messages}\n" +
		"users:\n  U:\n    wait: 0.01\n    tasks:\n      - get: /api/v1/messages\n      - {post: /api/v1/messages, messages: 1, json: {to: '9665', text: hi, client_ref: \"${client_ref}\", dlr_url: \"${dlr_url}\"}}\n"
	for _, args := range [][]string{{"-f", "scenario.yaml"}, {}} {
		// One for each run: every third message is refused, and the canary must not be one.
		p := scenariotest.Start(t, scenariotest.Faults{APIKey: "dev-api-key", RejectEvery: 3})
		if err := os.WriteFile("scenario.yaml", []byte(strings.Replace(text, "%s", p.URL, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := scenarioCommand(t, append([]string{"load", "--headless", "--only-summary", "--warmup", "0"}, args...)...)
		if code != 3 || !strings.Contains(out, "mine (scenario.yaml)") || !strings.Contains(out, "Missed: Error rate of POST /api/v1/messages.") || !strings.Contains(out, "Verdict: FAIL") {
			t.Errorf("%d %s\n%s", code, errs, out)
		}
	}
	if code, out, _ := scenarioCommand(t, "load", "--list"); code != 0 || !strings.Contains(out, "    U\n") {
		t.Errorf("--list: %s", out)
	}
}

// TestRatesOfAFile: load: rate: and a class's own run without any flag, a flag goes before.
func TestRatesOfAFile(t *testing.T) {
	p := scenariotest.Start(t, scenariotest.Faults{})
	t.Chdir(t.TempDir())
	class := "    tasks: [{get: /api/v1/messages}]\n"
	for name, tc := range map[string]struct {
		load, users string
		args        []string
		plan        string
		starts      int
	}{
		"shared":        {"{rate: 50/s, max_users: 9, run_time: 2s}", "  U:\n" + class, nil, "iterations at 50/s, for 2 s", 100},
		"of a class":    {"{run_time: 2s}", "  U:\n    rate: 30/s\n    max_users: 2\n" + class, nil, "iterations at 30/s of U, for 2 s", 60},
		"both at once":  {"{rate: 20/s, run_time: 2s}", "  U:\n    rate: 30/s\n" + class + "  V:\n" + class, nil, "iterations at 20/s, 30/s of U, for 2 s", 100},
		"flag before":   {"{rate: 5000/s, run_time: 1h}", "  U:\n" + class, []string{"--rate", "10/s", "-t", "2s"}, "iterations at 10/s, for 2 s", 20},
		"ends by ramp":  {"{rate: '0s:0,2s:40/s'}", "  U:\n" + class, nil, "iterations at 0s:0,2s:40/s", 40},
		"class ends it": {"{users: 5}", "  U:\n    rate: 0s:20,2s:20/s\n" + class, nil, "iterations at 0s:20,2s:20/s of U", 40},
	} {
		file := strings.ReplaceAll(name, " ", "-") + ".yaml"
		if err := os.WriteFile(file, []byte("host: "+p.URL+"\nload: "+tc.load+"\nusers:\n"+tc.users), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := scenarioCommand(t, append([]string{"load", "-f", file, "--headless", "--only-summary", "--warmup", "0", "--json-file", "run.json"}, tc.args...)...)
		text, _ := os.ReadFile("run.json")
		var run struct {
			Rate  string
			Whole struct {
				Aggregate struct{ Requests int }
				Dropped   int `json:"dropped_iterations"`
			}
		}
		if err := json.Unmarshal(text, &run); err != nil {
			t.Fatalf("%s: %v: %d %s\n%s", name, err, code, errs, out)
		}
		n := run.Whole.Aggregate.Requests + run.Whole.Dropped
		if code != 0 || !strings.Contains(out, tc.plan) || n < tc.starts*3/4 || n > tc.starts+1 { // a busy machine may miss the last ones
			t.Errorf("%s: %d %s: %d started, want %d\n%s", name, code, errs, n, tc.starts, out)
		}
	}
}
