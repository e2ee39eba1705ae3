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
