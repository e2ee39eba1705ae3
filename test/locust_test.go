package test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// locustMessages is the line in which examples/locust/locustfile.py counts messages.
var locustMessages = regexp.MustCompile(`messages: (\d+) sent, (\d+) accepted, (\d+) refused, (\d+) without an answer`)

// locustRow is a row of Locust's table of requests, whose CSV files may lack the last second.
var locustRow = regexp.MustCompile(`(?m)^(GET|POST|SMPP) +(\S+) +(\d+) +(\d+)\(`)

// mix is the scenario messaging's: weights of 21 by the name of the request.
var mix = map[string]float64{
	"POST /api/v1/messages":      10,
	"POST /api/v1/messages/bulk": 5,
	"GET /api/v1/messages/[id]":  3,
	"GET /api/v1/messages":       2,
	"POST /api/v1/campaigns":     1,
}

// outcome is what a load tester says about its run.
type outcome struct {
	requests                   map[string]int // by method and name
	failures                   int
	sent, accepted, unanswered int // messages
}

// TestLocust asks two load testers the same question: Locust with examples/locust and ours, one
// after the other on one platform, with the same users for the same time.
func TestLocust(t *testing.T) {
	if _, err := exec.LookPath("locust"); err != nil {
		t.Skipf("Locust is not installed; on Debian and Ubuntu: apt-get install -y python3-locust (%v)", err)
	}
	t.Parallel()
	p := serveDev(t)
	const users = 100
	for _, tool := range []struct {
		name string
		run  func(*testing.T, *platform, int, string, string) outcome
	}{{"locust", runLocust}, {"protei-bulk", runLoad}} {
		before, _ := p.byStatus()
		got := tool.run(t, p, users, "6s", "MessagingUser")
		after, _ := p.byStatus()
		got.agree(t, tool.name, after-before)
		assertMix(t, tool.name, got.requests, users)
	}
	before, _ := p.byStatus()
	got := runLocust(t, p, 2, "3s", "SMPPUser")
	after, _ := p.byStatus()
	got.agree(t, "locust over SMPP", after-before)
	if n := got.requests["SMPP submit_sm"]; n != got.sent-got.unanswered {
		t.Errorf("locust counts %d submit_sm of %+v", n, got)
	}
	waitUntil(t, 20*time.Second, func() bool { n, by := p.byStatus(); return by["DELIVERED"] == n })
	if n, by := p.byStatus(); by["DELIVERED"] != n {
		t.Errorf("%d accepted, %v", n, by)
	}
}

// agree compares the tool's count of messages with the platform's. What was cut off at the
// end the platform may have or not.
func (o *outcome) agree(t *testing.T, tool string, platform int) {
	t.Helper()
	t.Logf("%s: %d sent, %d accepted, %d without an answer; the platform accepted %d", tool, o.sent, o.accepted, o.unanswered, platform)
	if o.failures != 0 || o.accepted == 0 || o.sent != o.accepted+o.unanswered {
		t.Errorf("%s: %+v", tool, *o)
	}
	if platform < o.accepted || platform > o.accepted+o.unanswered {
		t.Errorf("%s had %d messages accepted and %d without an answer, the platform accepted %d", tool, o.accepted, o.unanswered, platform)
	}
}

// assertMix holds requests to the scenario's weights, within five standard deviations of
// independent choices. A user that draws the status of a message before it has one, which is
// one in six (3 of 10+5+3), sends a single message instead.
func assertMix(t *testing.T, tool string, requests map[string]int, users int) {
	t.Helper()
	total := 0
	for name, n := range requests {
		total += n
		if _, ok := mix[name]; !ok {
			t.Errorf("%s: a request %q", tool, name)
		}
	}
	if total < 2*users {
		t.Fatalf("%s: %d requests of %d users are too few to compare: %v", tool, total, users, requests)
	}
	early := float64(users) / 6
	for name, weight := range mix {
		share := weight / 21
		want := share * float64(total)
		switch name {
		case "POST /api/v1/messages":
			want += early
		case "GET /api/v1/messages/[id]":
			want -= early
		}
		sigma := math.Sqrt(share * (1 - share) * float64(total))
		if got := float64(requests[name]); math.Abs(got-want) > 5*sigma {
			t.Errorf("%s: %.0f of %d requests are %s, want %.0f ± %.0f", tool, got, total, name, want, 5*sigma)
		}
	}
	t.Logf("%s: %v", tool, requests)
}

// runLocust runs examples/locust as the guide says.
func runLocust(t *testing.T, p *platform, users int, length, class string) outcome {
	t.Helper()
	file, err := filepath.Abs("../examples/locust/locustfile.py")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "locust", "-f", file, "--host=http://localhost:"+portOf(p.HTTP), "--smpp", "dev:devpass1@"+p.SMPP,
		"--users", strconv.Itoa(users), "--spawn-rate", strconv.Itoa(users), "--run-time", length, "--headless", "--stop-timeout", "20",
		"--only-summary", class)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("locust: %v\n%s", err, out)
	}
	m := locustMessages.FindSubmatch(out)
	if m == nil {
		t.Fatalf("locust does not count messages:\n%s", out)
	}
	number := func(b []byte) int { n, _ := strconv.Atoi(string(b)); return n }
	got := outcome{requests: map[string]int{}, sent: number(m[1]), accepted: number(m[2]), failures: number(m[3]), unanswered: number(m[4])}
	rows := locustRow.FindAllSubmatch(out, -1)
	if rows == nil {
		t.Fatalf("locust printed no table:\n%s", out)
	}
	for _, row := range rows {
		got.requests[string(row[1])+" "+string(row[2])] = number(row[3])
		got.failures += number(row[4])
	}
	return got
}

// runLoad runs our load tester with the same users; its canary's message is one more.
func runLoad(t *testing.T, p *platform, users int, length, class string) outcome {
	t.Helper()
	file := filepath.Join(t.TempDir(), "run.json")
	c := launch(t, "load", nil, "load", "--headless", "-H", p.url(), "--smpp", "dev:devpass1@"+p.SMPP, "-u", strconv.Itoa(users),
		"-r", strconv.Itoa(users), "-t", length, "--warmup", "0", "--stop-timeout", "20s", "--only-summary", "--json-file", file, class)
	select {
	case <-c.done:
	case <-time.After(time.Minute):
		t.Fatalf("load has not ended\n%s", c.out)
	}
	var doc struct {
		loadLedger
		Whole struct {
			Entries []struct {
				Method, Name                  string
				Requests, Failures, Throttled int
			}
		}
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil || c.err != nil {
		t.Fatalf("%v %v\n%s", err, c.err, c.out)
	}
	l := doc.Ledger
	if l.Delivered != l.Accepted {
		t.Errorf("of %d accepted messages %d were delivered", l.Accepted, l.Delivered)
	}
	const canary = 1
	got := outcome{
		requests: map[string]int{}, failures: int(l.Rejected),
		sent: int(l.Issued) + canary, accepted: int(l.Accepted) + canary, unanswered: int(l.Unanswered + l.Awaiting),
	}
	for _, r := range doc.Whole.Entries {
		got.requests[r.Method+" "+r.Name] = r.Requests
		got.failures += r.Failures + r.Throttled
	}
	return got
}
