package test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// loadLedger is what a run's --json-file says about its messages and workers.
type loadLedger struct {
	Ledger struct {
		Issued, Accepted, Rejected, Unanswered, Awaiting, Delivered, Failed, Open, Pending, Lost, Unverified, Receipts uint64
	}
	Verdict struct{ Degraded string }
	Notes   []string
}

// closes checks the two sums of the ledger.
func (l *loadLedger) closes(t *testing.T) {
	t.Helper()
	c := &l.Ledger
	if c.Issued != c.Accepted+c.Rejected+c.Unanswered+c.Awaiting || c.Accepted != c.Delivered+c.Failed+c.Open+c.Pending+c.Lost+c.Unverified {
		t.Errorf("the ledger does not close: %+v", *c)
	}
	if c.Delivered == 0 {
		t.Errorf("nothing was delivered: %+v", *c)
	}
}

// fleet is a platform, a master that tests it, and workers, each a process of its own.
type fleet struct {
	t        *testing.T
	at       serveAt
	master   *child
	port     string
	json     string
	platform *child
}

func newFleet(t *testing.T, args ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, json: filepath.Join(t.TempDir(), "run.json")}
	f.platform = launch(t, "serve", &f.at, "serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", t.TempDir())
	args = append([]string{
		"load", "--headless", "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", "0", "-H", "http://" + f.at.HTTP,
		"--smpp", "dev:devpass1@" + f.at.SMPP, "--warmup", "0", "--json-file", f.json, "--stop-timeout", "5s", "--drain-timeout", "20s",
	}, args...)
	f.master = launch(t, "master", nil, args...)
	f.port = f.says(f.master, regexp.MustCompile(`--master-port (\d+)`))[1]
	return f
}

func (f *fleet) worker(args ...string) *child {
	f.t.Helper()
	return launch(f.t, "worker", nil, append([]string{"load", "--worker", "--master-port", f.port}, args...)...)
}

// says waits until a process has said something.
func (f *fleet) says(c *child, what *regexp.Regexp) []string {
	f.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if m := what.FindStringSubmatch(c.out.String()); m != nil {
			return m
		}
		select {
		case <-c.done:
			if m := what.FindStringSubmatch(c.out.String()); m != nil {
				return m
			}
			f.t.Fatalf("%s ended without saying %v:\n%s", c.name, what, c.out)
		default:
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%s does not say %v:\n%s", c.name, what, c.out)
		}
	}
}

// ends waits for a process to end by itself.
func (f *fleet) ends(c *child, code int) {
	f.t.Helper()
	select {
	case <-c.done:
	case <-time.After(2 * time.Minute):
		f.t.Fatalf("%s does not end:\n%s", c.name, c.out)
	}
	if got := c.cmd.ProcessState.ExitCode(); got != code {
		f.t.Errorf("%s ends with %d, want %d:\n%s", c.name, got, code, c.out)
	}
}

func (f *fleet) result() *loadLedger {
	f.t.Helper()
	b, err := os.ReadFile(f.json)
	if err != nil {
		f.t.Fatalf("%v\n%s", err, f.master.out)
	}
	var l loadLedger
	if err := json.Unmarshal(b, &l); err != nil {
		f.t.Fatal(err)
	}
	l.closes(f.t)
	return &l
}

// freePort is an address of loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// users is the number of users in the master's last line of state.
func (f *fleet) users() int {
	all := regexp.MustCompile(`(?m)^ +\d+:\d\d +([\d,]+) `).FindAllStringSubmatch(f.master.out.String(), -1)
	if len(all) == 0 {
		return -1
	}
	n, _ := strconv.Atoi(strings.ReplaceAll(all[len(all)-1][1], ",", ""))
	return n
}

func (f *fleet) awaitUsers(n int) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); f.users() != n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("%d users instead of %d:\n%s", f.users(), n, f.master.out)
		}
	}
}

// TestFleetLosesAWorker kills one of two workers under load, pauses the one that comes in its place, and stops: the share
// comes back, the report says what happened, and the ledger closes.
func TestFleetLosesAWorker(t *testing.T) {
	f := newFleet(t, "-u", "20", "-r", "100", "--expect-workers", "2", "--target", "lost=0", "MessagingUser")
	first := f.worker()
	f.says(first, regexp.MustCompile(`as worker 1`))
	second := f.worker()
	f.awaitUsers(20)
	killed := time.Now()
	second.kill()
	f.says(f.master, regexp.MustCompile(`is lost: no sign of life for`))
	f.awaitUsers(20)
	if d := time.Since(killed); d > 20*time.Second { // 5 s on a machine that has nothing else to do
		t.Errorf("the share of the killed worker came back after %v", d)
	}
	late := f.worker()
	f.says(f.master, regexp.MustCompile(`worker 3 .*took its share`))
	// A pause: its share goes to the first; when it comes back it joins as another one.
	if err := late.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	f.says(f.master, regexp.MustCompile(`worker 3 .* is lost`))
	if err := late.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	f.says(late, regexp.MustCompile(`joining again as a new worker`))
	f.says(f.master, regexp.MustCompile(`worker 4 .*took its share`))
	f.awaitUsers(20)
	if code := f.master.stop(); code != 130 {
		t.Errorf("the master ends with %d after SIGTERM:\n%s", code, f.master.out)
	}
	f.ends(first, 0)
	f.ends(late, 0)
	l := f.result()
	if l.Verdict.Degraded != "2 workers were lost" || !strings.Contains(strings.Join(l.Notes, "\n"), "DEGRADED: worker 2") {
		t.Errorf("degraded %q, notes %q", l.Verdict.Degraded, l.Notes)
	}
	if l.Ledger.Lost > 0 {
		t.Errorf("%d messages lost; what was open at lost workers is unverified", l.Ledger.Lost)
	}
}

// TestFleetScenario starts workers before their master, sends a scenario with a data file and a fixed URL for receipts, and
// refuses workers that do not fit.
func TestFleetScenario(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("numbers.csv", "msisdn\n966511111111\n966522222222\n966533333333\n")
	file := write("own.yaml", `feeds:
  numbers: {file: numbers.csv}
users:
  Sender:
    wait: 0.05
    tasks:
      - post: /api/v1/messages
        json: {from: Fleet, to: "${numbers.msisdn}", text: "to ${numbers.msisdn}", client_ref: "${client_ref}", dlr_url: "${dlr_url}"}
        messages: 1
`)
	other := write("other.yaml", "users: {U: {tasks: [{get: /}]}}\n")
	addr := freePort(t)
	early := launch(t, "worker", nil, "load", "--worker", "--master-port", portOf(addr), "--master-token", "a-long-secret")
	f := &fleet{t: t}
	f.says(early, regexp.MustCompile(`no master at .* yet`))
	receipts := freePort(t)
	f = newFleet(t, "--master-bind-port", portOf(addr), "--master-token", "a-long-secret", "--expect-workers", "2", "-f", file,
		"-u", "6", "-r", "50", "-i", "600", "--dlr-listen", receipts, "--dlr-url", "http://"+receipts+"/dlr", "--target", "lost=0", "--target", "errors=0")
	wrong := f.worker("--master-token", "a-wrong-secret")
	f.ends(wrong, 2)
	f.says(wrong, regexp.MustCompile(`does not accept the token`))
	f.says(f.master, regexp.MustCompile(`refused a worker at .*--master-token`))
	unfit := f.worker("--master-token", "a-long-secret", "-f", other)
	f.ends(unfit, 2)
	f.says(unfit, regexp.MustCompile(`its scenario file is another one`))
	f.says(f.master, regexp.MustCompile(`its scenario file is another one`))
	second := f.worker("--master-token", "a-long-secret", "-f", file)
	f.ends(f.master, 0)
	f.ends(early, 0)
	f.ends(second, 0)
	l := f.result()
	if c := l.Ledger; c.Issued != 600 || c.Delivered != 600 || c.Receipts != 600 {
		t.Errorf("600 iterations, each with a receipt that the master forwards: %+v", c)
	}
}

// TestFleetOfProcesses forks its workers. The platform spreads the deliver_sm of an account over all its binds, so over both
// workers: each receipt finds its message.
func TestFleetOfProcesses(t *testing.T) {
	f := &fleet{t: t, json: filepath.Join(t.TempDir(), "run.json")}
	launch(t, "serve", &f.at, "serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", t.TempDir())
	f.master = launch(t, "master", nil, "load", "--headless", "--processes", "2", "-H", "http://"+f.at.HTTP, "-u", "10", "-r", "50", "-t", "4s",
		"--smpp", "dev:devpass1@"+f.at.SMPP, "--set", "smpp_users=4", "--set", "smpp_rate=50",
		"--warmup", "0", "--json-file", f.json, "--target", "lost=0", "--target", "pending=0")
	f.ends(f.master, 0)
	f.result()
	if said := f.master.out.String(); !strings.Contains(said, "worker 2 joined") {
		t.Errorf("two workers did not join:\n%s", said)
	}
}

// TestFleetMasterDies: workers stop within seconds and say why.
func TestFleetMasterDies(t *testing.T) {
	f := newFleet(t, "-u", "4", "-r", "10", "MessagingUser")
	w := f.worker()
	f.awaitUsers(4)
	f.master.kill()
	f.ends(w, 1)
	f.says(w, regexp.MustCompile(`the master has gone`))
}

// TestFleetHostOfItsOwn: a worker with --host sends nowhere else.
func TestFleetHostOfItsOwn(t *testing.T) {
	f := newFleet(t, "-u", "4", "-r", "10", "-t", "3s", "MessagingUser")
	var own serveAt
	launch(t, "own", &own, "serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", t.TempDir())
	w := f.worker("--host", "http://"+own.HTTP)
	f.ends(f.master, 0)
	f.ends(w, 0)
	var there, here struct{ Messages []any }
	if _, err := call(t.Context(), "GET", "http://"+own.HTTP+"/api/v1/messages", "", &there); err != nil {
		t.Fatal(err)
	}
	if _, err := call(t.Context(), "GET", "http://"+f.at.HTTP+"/api/v1/messages", "", &here); err != nil {
		t.Fatal(err)
	}
	if len(there.Messages) == 0 || len(here.Messages) != 0 {
		t.Errorf("%d messages at the worker's own host, %d at the master's", len(there.Messages), len(here.Messages))
	}
}
