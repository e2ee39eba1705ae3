package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"protei-bulk/bulk"
)

// TestManifests: the files for Kubernetes and Docker have only fields that exist, name what is
// there, and set settings that the platform has.
func TestManifests(t *testing.T) {
	kubernetes, compose := filepath.Join("..", "kubernetes"), filepath.Join("..", "docker", "compose.yaml")
	out, err := checkManifests(t, kubernetes, compose)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	known := settingNames()
	seen := make(map[string]int)
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		kind, what, _ := strings.Cut(line, " ")
		seen[kind]++
		switch kind {
		case "setting":
			if !slices.Contains(known, what) {
				t.Errorf("there is no setting %s", what)
			}
		case "command":
			if text, err := exec.CommandContext(t.Context(), binary, append(strings.Fields(what), "--help")...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", what, err, text)
			}
		}
	}
	if seen["setting"] < 10 || seen["command"] < 3 {
		t.Fatalf("too little was found:\n%s", out)
	}
}

// TestManifestCheckSees: the check would say so if they were wrong.
func TestManifestCheckSees(t *testing.T) {
	for _, c := range []struct{ file, old, wrong, says string }{
		{"deployment.yaml", "readinessProbe:", "readynessProbe:", "readynessProbe"},
		{"deployment.yaml", "claimName: protei-bulk-data", "claimName: data", "names no claim"},
		{"service.yaml", "targetPort: smpp", "targetPort: smmp", "no port named"},
		{"disruption.yaml", "app.kubernetes.io/name: protei-bulk}", "app: protei-bulk}", "disruption budget"},
		{"autoscaling.yaml", "maxReplicas: 6", "maxReplicas: six", "maxReplicas"},
		{"kustomization.yaml", "  - disruption.yaml\n", "", "not among the resources"},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(docsRoot, "deploy", "kubernetes"))); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, c.file)
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), c.old) {
			t.Fatalf("%s has no %q (%v)", c.file, c.old, err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), c.old, c.wrong, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := checkManifests(t, dir, filepath.Join("..", "docker", "compose.yaml")); err == nil || !strings.Contains(out, c.says) {
			t.Errorf("%s with %q passes, or says something else: %v\n%s", c.file, c.wrong, err, out)
		}
	}
}

// checkManifests runs deploy/check; the names are relative to it.
func checkManifests(t *testing.T, kubernetes, compose string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", ".", kubernetes, compose)
	cmd.Dir = filepath.Join(docsRoot, "deploy", "check")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func settingNames() (names []string) {
	cfg := bulk.DefaultConfig()
	for _, s := range cfg.Settings() {
		names = append(names, s.Env)
	}
	return names
}

// TestHAProxyExample: HAProxy takes the example as it stands.
func TestHAProxyExample(t *testing.T) {
	program, err := exec.LookPath("haproxy")
	if err != nil {
		t.Fatal("haproxy is not installed; Debian, Ubuntu: sudo apt-get install haproxy")
	}
	out, err := exec.CommandContext(t.Context(), program, "-c", "-f", filepath.Join(docsRoot, "deploy", "haproxy", "haproxy.cfg")).CombinedOutput()
	if err != nil || strings.Contains(string(out), "WARNING") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDockerfile: what it sets exists, its program is where it starts it, and it is not root.
func TestDockerfile(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(docsRoot, "deploy", "docker", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(raw), "\\\n", " ")
	stages := strings.Split(text, "\nFROM ")
	last := stages[len(stages)-1]
	if !strings.Contains(last, "\nUSER 65532:65532\n") {
		t.Error("the program runs as root")
	}
	known := settingNames()
	found := regexp.MustCompile(`PROTEI_BULK_[A-Z_]+`).FindAllString(last, -1)
	if len(found) == 0 {
		t.Fatal("no settings found")
	}
	for _, name := range found {
		if !slices.Contains(known, name) {
			t.Errorf("there is no setting %s", name)
		}
	}
	for _, port := range []string{"8080", "2775"} {
		if !regexp.MustCompile(`\nEXPOSE .*\b` + port + `\b`).MatchString(last) {
			t.Errorf("port %s is not exposed", port)
		}
	}
	for _, line := range regexp.MustCompile(`\["/usr/bin/protei-bulk"(?:, "([a-z]+)")?\]`).FindAllStringSubmatch(last, -1) {
		if line[1] == "" {
			continue
		}
		if out, err := exec.CommandContext(t.Context(), binary, line[1], "--help").CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line[0], err, out)
		}
	}
	for _, copied := range regexp.MustCompile(`(?m)^COPY ([a-z.]+ )+\./$`).FindAllString(text, -1) {
		for _, name := range strings.Fields(copied)[1:] {
			if _, err := os.Stat(filepath.Join(docsRoot, name)); err != nil {
				t.Error(err)
			}
		}
	}
}
