package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"protei-bulk/load/scenario/scenariotest"
	"protei-bulk/load/target/targettest"
)

// watchedDoc is what tests read of what was watched.
type watchedDoc struct {
	Command string `json:"command"`
	Verdict struct {
		Rows []struct {
			Metric    string   `json:"metric"`
			Measured  *float64 `json:"measured"`
			Grade     string   `json:"grade"`
			Why       string   `json:"why"`
			Statistic string   `json:"statistic"`
		} `json:"rows"`
	} `json:"verdict"`
	Series []struct {
		Name   string     `json:"name"`
		Mean   *float64   `json:"whole_run_mean"`
		Off    string     `json:"not_measured"`
		Values []*float64 `json:"values"`
	} `json:"target_series"`
}

func TestLoadWatchesTheTargetSystem(t *testing.T) {
	p := scenariotest.Start(t, scenariotest.Faults{})
	pg, redis := targettest.StartPostgres(t), targettest.StartRedis(t)
	redis.Do(t, "RPUSH lane a b c")
	hanging, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	dir := t.TempDir()
	name := func(s string) string { return filepath.Join(dir, s) }
	code, stdout, stderr := loadCLI(t.Context(), nil, short(p, "-t", "4s",
		"--watch", pg.URL, "--watch", "queue=redis://:"+targettest.Password+"@"+redis.Addr+"#depth=list:lane",
		"--watch", fmt.Sprintf("me=pid:%d", os.Getpid()), "--watch", "gone=redis://:"+targettest.Password+"@"+hanging.Addr().String(),
		"--target", "postgres.connections<50", "--target", "queue.depth=1:5", "--target", "gone.memory=1GB", "--target", "postgres.size>=1MB", "--target", "errors=50%",
		"--html", name("r.html"), "--json-file", name("r.json"), "--csv", name("run"), "--markdown", name("r.md"), "--junit", name("r.xml"),
		"--logfile", name("log"), "-L", "DEBUG")...)
	if code != 0 {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	for _, want := range []string{"watching: postgres://tester:HIDDEN@", "gone", "no answer in time", "postgres.cache_hits", "me.cpu"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in\n%s", want, stdout)
		}
	}
	var doc watchedDoc
	data, err := os.ReadFile(name("r.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	grades := map[string]string{}
	for _, r := range doc.Verdict.Rows {
		grades[r.Metric] = strings.TrimSpace(r.Grade + " " + r.Statistic)
	}
	for metric, want := range map[string]string{
		"postgres.connections": "PASS peak", "queue.depth": "ACCEPTABLE peak", "gone.memory": "not measured peak", "postgres.size": "PASS mean",
	} {
		if grades[metric] != want {
			t.Errorf("%s: %q, want %q", metric, grades[metric], want)
		}
	}
	means := map[string]float64{}
	for _, s := range doc.Series {
		if s.Mean != nil {
			means[s.Name] = *s.Mean
		}
	}
	if means["queue.depth"] != 3 || means["postgres.size"] < 1e6 || means["me.memory"] < 1e6 || means["postgres.transactions"] <= 0 {
		t.Errorf("means %v", means)
	}
	file, err := os.Open(name("run_target.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if rows, err := csv.NewReader(file).ReadAll(); err != nil || len(rows) < 4 || rows[0][1] != "postgres.connections" || rows[2][1] != "0" {
		t.Errorf("%v, %q", err, rows)
	}
	noSecrets(t, dir, stdout+stderr, targettest.Password)
}

// noSecrets looks for a password in everything that a run leaves.
func noSecrets(t *testing.T, dir, printed, secret string) {
	t.Helper()
	if strings.Contains(printed, secret) {
		t.Error("the password is printed")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 9 {
		t.Fatalf("%v, files %v", err, files)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), secret) {
			t.Errorf("the password is in %s", f)
		}
	}
}

func TestLoadWatchUsage(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no source":          {[]string{"--watch", "mysql://u:s3cret@h"}, "postgres://"},
		"twice":              {[]string{"--watch", "redis://:s3cret@a", "--watch", "redis://:s3cret@b"}, "redis2=redis://:HIDDEN@b"},
		"a raw password":     {[]string{"--watch", "redis://:s3cret#x@a"}, "%23"},
		"nothing is watched": {[]string{"--target", "postgres.size=1GB"}, "--watch"},
		"no such series":     {[]string{"--watch", "pid:1", "--target", "process.ram=1GB"}, "process.memory"},
		"no process":         {[]string{"--watch", "a=pid:one"}, "no process id"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := loadCLI(t.Context(), nil, append([]string{"-H", "http://127.0.0.1:1", "--headless", "-t", "1s"}, tc.args...)...)
			if code != 2 || !strings.Contains(stderr, tc.want) || strings.Contains(stderr, "s3cret") {
				t.Errorf("exit code %d: %s", code, stderr)
			}
		})
	}
}

func TestScenarioFileWatches(t *testing.T) {
	p := scenariotest.Start(t, scenariotest.Faults{})
	redis := targettest.StartRedis(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "watch.yaml")
	text := fmt.Sprintf(`users:
  Reader:
    wait: 0.05
    tasks: [{get: "/api/v1/messages"}]
watch:
  - {name: queue, source: "redis://:${env(QUEUE_PASSWORD)}@%s", select: ["depth=list:lane"]}
  - pid:%d
targets:
  - queue.depth<10
  - {target: "process.memory=1TB", abort: true}
  - errors=50%%
`, redis.Addr, os.Getpid())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"QUEUE_PASSWORD": targettest.Password}
	code, stdout, stderr := loadCLI(t.Context(), vars, "-f", file, "-H", p.URL, "-u", "2", "-r", "10", "-t", "3s", "--warmup", "0", "--headless", "--only-summary")
	if code != 0 || !strings.Contains(stdout, "✓ queue.depth") || !strings.Contains(stdout, "✓ process.memory") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if strings.Contains(stdout+stderr, targettest.Password) {
		t.Error("the password is printed")
	}
}

// TestWorkersGetNoSecretsOfWatch: what the file reads of the environment travels to workers, but for the master's own.
func TestWorkersGetNoSecretsOfWatch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "watch.yaml")
	text := "users: {U: {tasks: [get: \"/${env(SHARED)}\"]}}\nwatch: [\"redis://:${env(QUEUE)}@q\"]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"QUEUE": "pass-word", "SHARED": "shared-word"}
	env := &environment{Getenv: func(name string) string { return vars[name] }}
	f, err := readScenario(env, file, nil)
	if err != nil || len(f.Watch) != 1 {
		t.Fatalf("%v, watches %v", err, f)
	}
	job, err := (&loadTest{opts: &loadOptions{file: file, scenario: f}, env: env}).job()
	if err != nil {
		t.Fatal(err)
	}
	if spec := string(job.Spec); strings.Contains(spec, "pass-word") || !strings.Contains(spec, "shared-word") {
		t.Errorf("workers get %s", spec)
	}
}
