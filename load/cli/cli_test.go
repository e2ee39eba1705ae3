package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"protei-bulk/load"
	"protei-bulk/load/cli"
	"protei-bulk/load/httpload"
	"protei-bulk/load/stats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type visitor struct {
	client *httpload.Client
	head   *httpload.Head
	entry  stats.Entry
}

func (v *visitor) Close() { v.client.Close() }
func (v *visitor) Abort() { v.client.Abort() }

func (v *visitor) visit(u *load.User) {
	res, err := v.client.Do(v.head, v.client.Request())
	defer res.Release()
	smp := stats.Sample{}
	if err != nil || res.Status != http.StatusOK {
		smp.Outcome = stats.Failed
		u.Fail(v.entry, fmt.Sprint(res.Status, " ", err))
	}
	u.Record(v.entry, res.Sent, res.Done, smp)
}

// shop is a scenario with two classes against url.
func shop(url string) cli.Scenario {
	return cli.Scenario{Name: "shop", Host: url, Setup: func(ctx context.Context, kit *cli.Kit) ([]load.UserClass, error) {
		target, err := httpload.NewTarget(ctx, kit.Host, httpload.Options{Clock: kit.Clock.Now, Timeout: kit.Timeout})
		if err != nil {
			return nil, err
		}
		head, entry := target.Head("GET", "/"), kit.Recorder.Entry("GET", "/")
		visits := kit.Metrics.Counter("visits", "pages")
		class := func(name, tag string) load.UserClass {
			return load.NewClass(name, load.Constant(20*time.Millisecond), func(u *load.User) (*visitor, error) {
				return &visitor{target.NewClient(u.Context()), head, entry}, nil
			}, load.Task[*visitor]{Name: "visit", Tags: []string{tag}, Run: func(v *visitor, u *load.User) {
				visits.Add(1)
				v.visit(u)
			}})
		}
		return []load.UserClass{class("Guest", "read"), class("Member", "write")}, nil
	}}
}

func run(t *testing.T, s cli.Scenario, env map[string]string, args ...string) (code int, out string) {
	t.Helper()
	var b bytes.Buffer
	code = cli.Run(t.Context(), s, cli.Streams{Args: args, Out: &b, Err: &b, Getenv: func(k string) string { return env[k] }})
	return code, b.String()
}

func server(t *testing.T, status *atomic.Int64) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if status != nil && status.Load() != 0 {
			w.WriteHeader(int(status.Load()))
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestRunReportsAndJudges(t *testing.T) {
	srv := server(t, nil)
	dir := t.TempDir()
	quits := 0
	s := shop(srv.URL)
	s.Listeners = []load.Listener{{Quitting: func(code int) int { quits++; return code }}}
	code, out := run(t, s, map[string]string{"LOCUST_USERS": "3"}, "-r", "100", "-t", "2500ms", "--warmup", "0",
		"--target", "errors=0", "--html", filepath.Join(dir, "a", "r.html"), "--json-file", filepath.Join(dir, "r.json"), "Guest")
	if code != 0 || quits != 1 {
		t.Fatalf("exit code %d, %d quits\n%s", code, quits, out)
	}
	for _, want := range []string{"3 users", "Verdict: PASS", "visits: "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	var sum map[string]any
	text, err := os.ReadFile(filepath.Join(dir, "r.json"))
	if err != nil || json.Unmarshal(text, &sum) != nil {
		t.Errorf("JSON: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "a", "r.html")); err != nil || info.Size() < 10_000 {
		t.Errorf("HTML: %v", err)
	}
}

func TestFailuresDecideTheExitCode(t *testing.T) {
	var status atomic.Int64
	status.Store(http.StatusInternalServerError)
	srv := server(t, &status)
	if code, out := run(t, shop(srv.URL), nil, "-i", "5", "--only-summary"); code != 1 {
		t.Errorf("exit code %d, want 1: requests failed and no target was named\n%s", code, out)
	}
	if code, _ := run(t, shop(srv.URL), nil, "--rate", "40/s", "-t", "2500ms", "--warmup", "0", "--only-summary", "--target", "errors=1%"); code != 3 {
		t.Errorf("exit code %d, want 3: a target was missed", code)
	}
}

func TestFindMaxTellsItsSteps(t *testing.T) {
	var status atomic.Int64
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if status.Add(1) > 300 { // breaks down in the second step
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer slow.Close()
	code, out := run(t, shop(slow.URL), nil, "--find-max", "--find-max-settle", "500ms", "--find-max-measure", "2s",
		"-t", "9s", "--target", "errors=1%", "--only-summary")
	if code != 0 && code != 130 || !strings.Contains(out, "Highest rate that keeps the targets: 100/s") ||
		!strings.Contains(out, "200/s, try 1: missed, Error rate") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

func TestUsage(t *testing.T) {
	srv := server(t, nil)
	for _, args := range [][]string{
		{"--rate", "fast"},
		{"--shape", "Hexagon"},
		{"--target", "p95"},
		{"--no-such-flag"},
		{"-u", "x"},
		{"NoUser"},
		{"--find-max"},
		{"--tags", "unknown"},
		{"-r", "0"},
	} {
		if code, out := run(t, shop(srv.URL), nil, args...); code != 2 {
			t.Errorf("%q: exit code %d\n%s", args, code, out)
		}
	}
	if code, out := run(t, shop(srv.URL), nil, "--list", "--tags", "write"); code != 0 || strings.Contains(out, "Guest") || !strings.Contains(out, "Member") {
		t.Errorf("list: exit code %d\n%s", code, out)
	}
	if code, out := run(t, shop(srv.URL), nil, "--help"); code != 0 || !strings.Contains(out, "find-max") {
		t.Errorf("help: exit code %d\n%s", code, out)
	}
}

func TestInterruptedRunReports(t *testing.T) {
	srv := server(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	s := shop(srv.URL)
	s.Listeners = []load.Listener{{SpawningComplete: func(int) { cancel() }}}
	var b bytes.Buffer
	code := cli.Run(ctx, s, cli.Streams{Args: []string{"--only-summary"}, Out: &b, Err: &b})
	if code != 130 || !strings.Contains(b.String(), "Load Test Complete") {
		t.Errorf("exit code %d\n%s", code, b.String())
	}
}
