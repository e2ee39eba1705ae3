package test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var webPage = regexp.MustCompile(`Web page: (\S+)`)

// usePage does what a reader does on the load tester's page: it starts a test, sees requests, and stops it.
func usePage(ctx context.Context, t *testing.T, out *lockedBuffer) {
	t.Helper()
	base := ""
	await(ctx, t, "the page's address", func() bool {
		m := webPage.FindStringSubmatch(out.String())
		if m != nil {
			base = m[1]
		}
		return m != nil
	})
	form := url.Values{"user_count": {"5"}, "spawn_rate": {"5"}}
	if text := postPage(t, base+"swarm", form); !strings.Contains(text, `"success":true`) {
		t.Fatalf("start: %s", text)
	}
	await(ctx, t, "requests in the statistics", func() bool {
		var doc struct {
			Stats []struct {
				Name     string `json:"name"`
				Requests int    `json:"num_requests"`
			} `json:"stats"`
			Users int `json:"user_count"`
		}
		if err := json.Unmarshal([]byte(getPage(t, base+"stats/requests")), &doc); err != nil {
			t.Fatal(err)
		}
		n := len(doc.Stats)
		return n > 0 && doc.Stats[n-1].Requests > 10 && doc.Users == 5
	})
	if text := postPage(t, base+"stop", nil); !strings.Contains(text, `"success":true`) {
		t.Fatalf("stop: %s", text)
	}
	await(ctx, t, "the end of the test", func() bool {
		return strings.Contains(getPage(t, base+"stats/requests"), `"state":"stopped"`)
	})
}

// await looks again until ok, or the end of ctx.
func await(ctx context.Context, t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

func postPage(t *testing.T, to string, form url.Values) string {
	t.Helper()
	resp, err := http.PostForm(to, form)
	return bodyOf(t, resp, err)
}

func getPage(t *testing.T, from string) string {
	t.Helper()
	resp, err := http.Get(from)
	return bodyOf(t, resp, err)
}

func bodyOf(t *testing.T, resp *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	expected   = regexp.MustCompile(`--expect-workers[ =](\d+)`)
	masterPort = regexp.MustCompile(`--master-port (\d+)`)
)

// startWorkers runs the page's worker command as often as the master expects, and returns what waits for their end: the
// master tells them goodbye.
func (r *docsRig) startWorkers(ctx context.Context, t *testing.T, master *block, out *lockedBuffer) (wait func()) {
	t.Helper()
	port := ""
	await(ctx, t, "the master's port", func() bool {
		m := masterPort.FindStringSubmatch(out.String())
		if m != nil {
			port = m[1]
		}
		return m != nil
	})
	m := expected.FindStringSubmatch(master.text)
	if m == nil {
		t.Fatalf("%s says of no number of workers that it expects them", master.name())
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	command := strings.ReplaceAll(master.workers.command(t, r), "MASTER_IP", "127.0.0.1") + " --master-port " + port
	var all []*exec.Cmd
	for range n {
		cmd := exec.CommandContext(ctx, "bash", "-c", "exec "+command)
		cmd.Dir, cmd.Env = r.folder, append(os.Environ(), "PATH="+filepath.Join(r.folder, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
		said := &lockedBuffer{}
		cmd.Stdout, cmd.Stderr = said, said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	return func() {
		for _, cmd := range all {
			if err := cmd.Wait(); err != nil {
				t.Errorf("a worker ended with %v\n%s", err, cmd.Stdout)
			}
		}
	}
}

// guideSections are what users of the guide were promised, in its order.
var guideSections = []string{
	"Prerequisites", "Running load tests", "Basic load test", "Headless mode", "Gradual ramp-up test", "Load test scenarios",
	"1. Message sending test (10K TPS target)", "2. Sustained load test", "3. Spike test", "Test configuration", "User classes",
	"Custom metrics", "Performance targets", "Distributed load testing", "Master node", "Worker nodes", "Monitoring during tests",
	"System metrics", "Application metrics", "Results analysis", "Key metrics to check", "Sample report", "Optimisation tips",
	"Troubleshooting", "High error rate", "High response time", "Memory issues", "References",
}

// TestGuideIsWhole holds the guide to its sections, and every load test in it to being run.
func TestGuideIsWhole(t *testing.T) {
	file := filepath.Join(docsRoot, "docs", "load-testing.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, section := range guideSections {
		i := regexp.MustCompile(`(?m)^#{2,3} ` + regexp.QuoteMeta(section)).FindStringIndex(string(text)[at:])
		if i == nil {
			t.Errorf("no section %q after the one before", section)
			continue
		}
		at += i[1]
	}
	run := 0
	for _, b := range blocks(t, file) {
		if b.lang != "bash" || !strings.Contains("\n"+b.text, "\nprotei-bulk load") {
			continue
		}
		if run++; b.mark != "run" {
			t.Errorf("%s: the command is not run", b.name())
		}
	}
	if run < 15 {
		t.Errorf("%d load tests in the guide", run)
	}
}
