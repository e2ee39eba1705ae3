package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/load/scenario/scenariotest"
)

// loadCLI runs a load command in-process.
func loadCLI(ctx context.Context, vars map[string]string, args ...string) (code int, stdout, stderr string) {
	var out, errs outputBuffer
	env := &environment{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		Getenv: func(name string) string { return vars[name] },
	}
	code = run(ctx, env, append([]string{"load"}, args...))
	return code, out.String(), errs.String()
}

// outputBuffer is written to by a command and by the workers that it forked.
type outputBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (o *outputBuffer) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *outputBuffer) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// short are the flags of a run of a second against p.
func short(p *scenariotest.Platform, more ...string) []string {
	return append([]string{
		"--headless", "-H", p.URL, "--smpp", "dev:devpass1@" + p.SMPPAddr, "-u", "8", "-r", "100", "-t", "2s",
		"--warmup", "0", "--drain-timeout", "2s", "--set", "wait=0.05-0.1", "--set", "smpp_users=1", "--set", "smpp_rate=20", "--only-summary",
	}, more...)
}

func TestLoadUsageErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"unknown flag":         {[]string{"--user", "5"}, []string{"--user", "did you mean --users?"}},
		"unknown flag, far":    {[]string{"--frobnicate"}, []string{"unknown flag: --frobnicate"}},
		"Locust file":          {[]string{"-f", "locustfile.py", "-H", "http://localhost:8080", "-u", "5000", "--headless", "--api-key", "s3cret"}, []string{"protei-bulk load --host http://localhost:8080 --users 5000 --headless"}},
		"no such scenario":     {[]string{"-f", "mine.yaml"}, []string{`"messaging"`}},
		"no such class":        {[]string{"WebUser"}, []string{"WebUser", "MessagingUser and SMPPUser"}},
		"no host":              {[]string{"-H", "localhost:8080"}, []string{"want http://HOST"}},
		"no shape":             {[]string{"--shape", "Wave"}, []string{"GradualRampUp"}},
		"no rate":              {[]string{"-r", "0"}, []string{"--spawn-rate"}},
		"no time":              {[]string{"-t", "soon"}, []string{"20s, 3m"}},
		"history without csv":  {[]string{"--csv-full-history"}, []string{"needs --csv"}},
		"no such setting":      {[]string{"--set", "speed=9"}, []string{"smpp_users"}},
		"no such target":       {[]string{"--target", "p95"}, []string{"p95"}},
		"key off loopback":     {[]string{"-H", "http://192.0.2.1"}, []string{"--api-key is needed"}},
		"SMPP off loopback":    {[]string{"--headless", "-H", "http://192.0.2.1", "--api-key", "k", "SMPPUser"}, []string{"--smpp"}},
		"several faults":       {[]string{"-r", "-1", "-u", "-5", "WebUser"}, []string{"--spawn-rate", "--users", "WebUser"}},
		"password in an error": {[]string{"--smpp", "me:s3cret@host"}, []string{"host:port"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := loadCLI(t.Context(), nil, tc.args...)
			if code != 2 {
				t.Errorf("exit code %d", code)
			}
			for _, w := range tc.want {
				if !strings.Contains(stderr, w) {
					t.Errorf("%q is missing in: %s", w, stderr)
				}
			}
			if strings.Contains(stderr, "s3cret") {
				t.Errorf("a secret is shown: %s", stderr)
			}
		})
	}
}

func TestLoadRunsAndReports(t *testing.T) {
	p := scenariotest.Start(t, scenariotest.Faults{APIKey: "the-key"})
	dir := t.TempDir()
	code, stdout, stderr := loadCLI(t.Context(),
		map[string]string{"LOCUST_API_KEY": "the-key", "LOCUST_USERS": "999"},
		short(p, "--html", filepath.Join(dir, "new", "report-{u}.html"), "--csv", filepath.Join(dir, "run"), "--json-file", filepath.Join(dir, "run.json"))...)
	if code != 0 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	for _, w := range []string{"Protei_Bulk Load Test", "submit_sm", "/api/v1/messages/bulk", "Verdict"} {
		if !strings.Contains(stdout, w) {
			t.Errorf("%q is missing in:\n%s", w, stdout)
		}
	}
	html, err := os.ReadFile(filepath.Join(dir, "new", "report-8.html"))
	if err != nil || !bytes.Contains(html, []byte("submit_sm")) {
		t.Errorf("report: %d bytes, %v", len(html), err)
	}
	if bytes.Contains(html, []byte("devpass1")) || bytes.Contains(html, []byte("the-key")) {
		t.Error("the report has secrets")
	}
	f, err := os.Open(filepath.Join(dir, "run_stats.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if rows, err := csv.NewReader(f).ReadAll(); err != nil || len(rows) < 8 || rows[len(rows)-1][1] != "Aggregated" {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestLoadExitCodes(t *testing.T) {
	for name, tc := range map[string]struct {
		faults scenariotest.Faults
		args   []string
		code   int
		want   string
	}{
		"requests fail, no target":   {scenariotest.Faults{RejectEvery: 5}, nil, 1, ""},
		"target missed":              {scenariotest.Faults{}, []string{"--target", "tps=1000000"}, 3, "FAIL"},
		"target met":                 {scenariotest.Faults{}, []string{"--target", "p99=10s", "--target", "lost=0"}, 0, "PASS"},
		"loss":                       {scenariotest.Faults{LoseEvery: 7}, []string{"--target", "lost=0"}, 3, "FAIL"},
		"acceptable":                 {scenariotest.Faults{}, []string{"--target", "tps=1000000:1"}, 0, "ACCEPTABLE"},
		"acceptable is not enough":   {scenariotest.Faults{}, []string{"--target", "tps=1000000:1", "--strict"}, 3, ""},
		"canary":                     {scenariotest.Faults{RefuseDLRURL: true}, nil, 2, ""},
		"without receipts it may go": {scenariotest.Faults{RefuseDLRURL: true}, []string{"--no-receipts", "--target", "errors=1%"}, 0, "not measured"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := measured(t, tc.faults, tc.args...)
			if code != tc.code || !strings.Contains(stdout, tc.want) {
				t.Errorf("exit code %d, want %d and %q\n%s%s", code, tc.code, tc.want, stdout, stderr)
			}
		})
	}
}

func TestLoadInterrupted(t *testing.T) {
	p := scenariotest.Start(t, scenariotest.Faults{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(1500*time.Millisecond, cancel) // as the first Ctrl-C does
	start := time.Now()
	code, stdout, stderr := loadCLI(ctx, nil, short(p, "-t", "10m")...)
	if code != 130 || !strings.Contains(stdout, "Protei_Bulk Load Test Complete") || stderr != "" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

// TestLoadKilled: the first signal stops the users, the second one the wait for receipts.
func TestLoadKilled(t *testing.T) {
	p := scenariotest.Start(t, scenariotest.Faults{LoseEvery: 2}) // the canary is the first
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan time.Time, 1)
	args := short(p, "-t", "10m", "--drain-timeout", "10m", "--set", "smpp_users=0", "--only-summary=false")
	var out notifier
	out.on("draining receipts", func() {
		_ = self.Signal(os.Interrupt)
		second <- time.Now()
	})
	env := &environment{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }}
	out.on("Protei_Bulk Load Test", func() { time.AfterFunc(time.Second, func() { _ = self.Signal(os.Interrupt) }) })
	code := run(t.Context(), env, append([]string{"load"}, args...))
	if code != 130 {
		t.Errorf("exit code %d\n%s", code, out.buf.String())
	}
	select {
	case at := <-second:
		if took := time.Since(at); took > 5*time.Second {
			t.Errorf("it took %v to end after the second signal", took)
		}
	default:
		t.Errorf("the first signal did not stop the users\n%s", out.buf.String())
	}
}

// notifier is a writer that calls back once when a text is written.
type notifier struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	when map[string]func()
}

// text is what was written so far.
func (n *notifier) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.String()
}

func (n *notifier) on(text string, fn func()) {
	if n.when == nil {
		n.when = map[string]func(){}
	}
	n.when[text] = fn
}

func (n *notifier) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.buf.Write(b)
	for text, fn := range n.when {
		if strings.Contains(n.buf.String(), text) {
			delete(n.when, text)
			fn()
		}
	}
	return len(b), nil
}

// measured runs a short load test against a platform with faults, and again when this machine was
// too busy to measure (exit code 4). Each run has a platform of its own: what fails every so often
// is then not the message that a run tries first.
func measured(t *testing.T, faults scenariotest.Faults, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	for range 6 {
		if code, stdout, stderr = loadCLI(t.Context(), nil, short(scenariotest.Start(t, faults), args...)...); code != 4 {
			break
		}
	}
	return code, stdout, stderr
}
