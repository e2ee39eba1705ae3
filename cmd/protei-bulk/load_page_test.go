package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"protei-bulk/load/scenario/scenariotest"
)

// pageProcess is a load command with its page, in-process.
type pageProcess struct {
	t    *testing.T
	url  string // ends with /
	out  *notifier
	stop context.CancelFunc
	code chan int
}

var pageLine = regexp.MustCompile(`Web page: (\S+)`)

// startPage runs `load` with a page on a free port.
func startPage(t *testing.T, args ...string) *pageProcess {
	t.Helper()
	out := &notifier{}
	ctx, cancel := context.WithCancel(context.Background())
	p := &pageProcess{t: t, out: out, stop: cancel, code: make(chan int, 1)}
	up := make(chan struct{})
	out.on("Web page: ", func() { close(up) })
	env := &environment{Stdin: strings.NewReader(""), Stdout: out, Stderr: out, Getenv: func(string) string { return "" }}
	go func() { p.code <- run(ctx, env, append([]string{"load", "--web-port", "0"}, args...)) }()
	select {
	case <-up:
	case code := <-p.code:
		t.Fatalf("exit code %d: %s", code, out.text())
	case <-time.After(30 * time.Second):
		t.Fatalf("no page: %s", out.text())
	}
	t.Cleanup(func() { cancel() })
	p.url = pageLine.FindStringSubmatch(out.text())[1]
	return p
}

// end stops the command and returns its exit code.
func (p *pageProcess) end() int {
	p.t.Helper()
	p.stop()
	return p.ended()
}

func (p *pageProcess) ended() int {
	p.t.Helper()
	select {
	case code := <-p.code:
		return code
	case <-time.After(60 * time.Second):
		p.t.Fatalf("it does not end: %s", p.out.text())
		return -1
	}
}

// post sends a form and returns the status and the JSON of the answer.
func (p *pageProcess) post(path string, form url.Values) (int, map[string]any) {
	p.t.Helper()
	resp, err := http.PostForm(p.url+path, form)
	if err != nil {
		p.t.Fatal(err)
	}
	return decode(p.t, resp)
}

func (p *pageProcess) get(path string) (int, map[string]any) {
	p.t.Helper()
	resp, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	return decode(p.t, resp)
}

func decode(t *testing.T, resp *http.Response) (int, map[string]any) {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if json.Unmarshal(b, &m) != nil {
		m = map[string]any{"text": string(b)}
	}
	return resp.StatusCode, m
}

// until asks /stats/requests until it is as wanted.
func (p *pageProcess) until(what string, ok func(map[string]any) bool) map[string]any {
	p.t.Helper()
	for end := time.Now().Add(60 * time.Second); ; {
		_, m := p.get("stats/requests")
		if ok(m) {
			return m
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s: not within a minute; %v\n%s", what, m, p.out.text())
		}
		time.Sleep(50 * time.Millisecond) // between two questions
	}
}

func inState(states ...string) func(map[string]any) bool {
	return func(m map[string]any) bool {
		for _, s := range states {
			if m["state"] == s {
				return true
			}
		}
		return false
	}
}

// pageFlagsFor are the flags of runs against p that last until they are stopped.
func pageFlagsFor(p *scenariotest.Platform, more ...string) []string {
	return append([]string{
		"-H", p.URL, "--smpp", "dev:devpass1@" + p.SMPPAddr, "-u", "6", "-r", "100", "--warmup", "0", "--drain-timeout", "2s",
		"--set", "wait=0.02-0.05", "--set", "smpp_users=1", "--set", "smpp_rate=20",
	}, more...)
}

// TestLoadPageRunsManyTests: one process, two runs with other forms, changed while they run.
func TestLoadPageRunsManyTests(t *testing.T) {
	target := scenariotest.Start(t, scenariotest.Faults{})
	p := startPage(t, pageFlagsFor(target)...)
	if _, m := p.get("stats/requests"); m["state"] != "ready" || m["user_count"] != 0.0 {
		t.Errorf("before the first test: %v", m)
	}
	if status, m := p.post("swarm", url.Values{"user_count": {"6"}, "spawn_rate": {"100"}, "host": {target.URL}}); status != 200 || m["success"] != true {
		t.Fatalf("start: %d %v", status, m)
	}
	p.until("six users", func(m map[string]any) bool { return m["user_count"] == 6.0 && m["state"] == "running" })
	if _, m := p.post("swarm", url.Values{"user_count": {"9"}, "spawn_rate": {"100"}}); m["success"] != true {
		t.Errorf("edit: %v", m)
	}
	m := p.until("nine users", func(m map[string]any) bool { return m["user_count"] == 9.0 })
	rows := m["stats"].([]any)
	if last := rows[len(rows)-1].(map[string]any); last["name"] != "Aggregated" || last["num_requests"].(float64) == 0 {
		t.Errorf("the last row is %v", last)
	}
	if _, m := p.post("stop", nil); m["success"] != true {
		t.Errorf("stop: %v", m)
	}
	p.until("the first end", inState("stopped"))
	if status, m := p.get("stats/report"); status != 200 || !strings.Contains(m["text"].(string), "submit_sm") {
		t.Errorf("report: %d %.200v", status, m)
	}
	if _, m := p.post("swarm", url.Values{"user_count": {"3"}, "spawn_rate": {"100"}, "run_time": {"4s"}, "user_classes": {"MessagingUser"}}); m["success"] != true {
		t.Fatalf("second start: %v", m)
	}
	m = p.until("three users", func(m map[string]any) bool { return m["user_count"] == 3.0 })
	for _, r := range m["stats"].([]any) {
		if r.(map[string]any)["name"] == "submit_sm" {
			t.Error("the second run has what the first one did")
		}
	}
	p.until("the second end", inState("stopped"))
	if status, m := p.get("api/history?runs=all"); status != 200 || len(m["runs"].([]any)) != 2 {
		t.Errorf("history of both: %d %v", status, m)
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.out.text())
	}
	if text := p.out.text(); strings.Count(text, "Protei_Bulk Load Test Complete") != 2 {
		t.Errorf("not two summaries:\n%s", text)
	}
}

// TestLoadPageRefusesForms: each mistake is told at its field, and nothing starts.
func TestLoadPageRefusesForms(t *testing.T) {
	target := scenariotest.Start(t, scenariotest.Faults{})
	p := startPage(t, pageFlagsFor(target)...)
	for name, tc := range map[string]struct {
		form        url.Values
		field, want string
	}{
		"host without scheme": {url.Values{"host": {"localhost:8080"}}, "host", "http://HOST"},
		"host elsewhere":      {url.Values{"host": {"http://192.0.2.1"}}, "host", "--api-key"},
		"no number":           {url.Values{"user_count": {"many"}}, "user_count", "number"},
		"too many":            {url.Values{"user_count": {"5000000"}}, "user_count", "1000000"},
		"negative":            {url.Values{"user_count": {"-1"}}, "user_count", "0 to"},
		"no users":            {url.Values{"user_count": {""}}, "user_count", "how many users"},
		"no ramp up":          {url.Values{"spawn_rate": {"0"}}, "spawn_rate", "above 0"},
		"no time":             {url.Values{"run_time": {"soon"}}, "run_time", "1h30m"},
		"no shape":            {url.Values{"shape_class": {"Wave"}}, "shape_class", "GradualRampUp"},
		"no rate":             {url.Values{"rate": {"fast"}}, "rate", "500/s"},
		"no such class":       {url.Values{"user_classes": {"WebUser"}}, "user_classes", "WebUser"},
		"no such setting":     {url.Values{"set": {"speed=9"}}, "set", "smpp_users"},
		"no such target":      {url.Values{"target": {"p95"}}, "target", "p95"},
	} {
		form := url.Values{"user_count": {"6"}, "spawn_rate": {"10"}, "host": {target.URL}}
		for k, v := range tc.form {
			form[k] = v
		}
		status, m := p.post("swarm", form)
		fields, _ := m["errors"].(map[string]any)
		if text, _ := fields[tc.field].(string); status != 200 || m["success"] != false || !strings.Contains(text, tc.want) || len(fields) != 1 {
			t.Errorf("%s: %d %v", name, status, m)
		}
	}
	if _, m := p.get("stats/requests"); m["state"] != "ready" {
		t.Errorf("something has started: %v", m["state"])
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestLoadPageTellsWhyItCouldNotStart: the canary fails, the page stays.
func TestLoadPageTellsWhyItCouldNotStart(t *testing.T) {
	target := scenariotest.Start(t, scenariotest.Faults{RefuseDLRURL: true})
	p := startPage(t, pageFlagsFor(target, "--autostart")...)
	p.until("the canary's end", inState("stopped"))
	if code := p.end(); code != 2 || !strings.Contains(p.out.text(), "--no-receipts") {
		t.Errorf("exit code %d\n%s", code, p.out.text())
	}
}

// TestLoadPageAutostart starts, ends and goes, with the exit code of the run.
func TestLoadPageAutostart(t *testing.T) {
	target := scenariotest.Start(t, scenariotest.Faults{})
	p := startPage(t, pageFlagsFor(target, "--autostart", "--autoquit", "0", "-t", "3s", "--target", "tps=1000000", "--target", "errors=10%")...)
	if code := p.ended(); code != 3 && code != 4 || !strings.Contains(p.out.text(), "Verdict: ") {
		t.Errorf("exit code %d\n%s", code, p.out.text())
	}
}

// TestLoadPageInterrupted: Ctrl-C while a test runs stops it, drains, reports.
func TestLoadPageInterrupted(t *testing.T) {
	target := scenariotest.Start(t, scenariotest.Faults{})
	p := startPage(t, pageFlagsFor(target, "--autostart")...)
	p.until("users", func(m map[string]any) bool { return m["user_count"] == 6.0 })
	if code := p.end(); code != 130 || !strings.Contains(p.out.text(), "Protei_Bulk Load Test Complete") {
		t.Errorf("exit code %d\n%s", code, p.out.text())
	}
}
