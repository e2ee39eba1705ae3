package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// demoRun is a demo that has started: its process, its children and its folder.
type demoRun struct {
	*child
	folder   string
	children []int
	report   string
}

// startDemo runs `demo --quick` and waits until the load is under way.
func startDemo(t *testing.T) *demoRun {
	t.Helper()
	dir := t.TempDir()
	d := &demoRun{report: filepath.Join(dir, "report.html")}
	d.child = &child{t: t, name: "demo", out: &lockedBuffer{}, done: make(chan struct{})}
	d.cmd = exec.Command(binary, "demo", "--quick", "--html", d.report)
	d.cmd.Dir = dir
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	t.Cleanup(d.kill)
	waitUntil(t, 30*time.Second, func() bool { return strings.Contains(d.out.String(), "ends about") || d.ended() })
	d.children = childrenOf(t, d.cmd.Process.Pid)
	if m := regexp.MustCompile(`folder +(\S+)`).FindStringSubmatch(d.out.String()); m != nil {
		d.folder = m[1]
	}
	if len(d.children) != 3 || d.folder == "" {
		t.Fatalf("the demo has the children %v and the folder %q\n%s", d.children, d.folder, d.out)
	}
	return d
}

func (d *demoRun) ended() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// childrenOf lists the processes whose parent is pid.
func childrenOf(t *testing.T, pid int) (children []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (name) state ppid …
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, child)
		}
	}
	return children
}

// running reports whether a process exists and is no zombie.
func running(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	return !strings.HasPrefix(strings.TrimSpace(string(text[strings.LastIndexByte(string(text), ')')+1:])), "Z")
}

// assertGone waits until nothing of the demo is left.
func (d *demoRun) assertGone(within time.Duration) {
	d.t.Helper()
	left := func() []int {
		return slices.DeleteFunc(slices.Clone(d.children), func(pid int) bool { return !running(pid) })
	}
	gone := func() bool {
		_, err := os.Stat(d.folder)
		return len(left()) == 0 && os.IsNotExist(err)
	}
	waitUntil(d.t, within, gone)
	if alive := left(); len(alive) > 0 {
		d.t.Errorf("children %v are alive %v later", alive, within)
		for _, pid := range alive {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if _, err := os.Stat(d.folder); !os.IsNotExist(err) {
		d.t.Errorf("the folder %s is still there: %v", d.folder, err)
		_ = os.RemoveAll(d.folder)
	}
}

// TestDemo runs the short demo to its end. The verdict is the machine's; the books are
// the program's.
func TestDemo(t *testing.T) {
	d := startDemo(t)
	select {
	case <-d.done:
	case <-time.After(90 * time.Second):
		t.Fatalf("the demo does not end\n%s", d.out)
	}
	out := d.out.String()
	if code := d.cmd.ProcessState.ExitCode(); code != 0 && code != 3 && code != 4 {
		t.Errorf("exit code %d", code)
	}
	for _, say := range []string{"The ledger closes", "they agree", "PASS"} {
		if !strings.Contains(out, say) {
			t.Errorf("does not say %q", say)
		}
	}
	if !regexp.MustCompile(`(?m)^ +lost +0$`).MatchString(out) {
		t.Error("the ledger does not say that nothing is lost")
	}
	if m := regexp.MustCompile(`(?m)^ +load tester +([0-9]+) accepted`).FindStringSubmatch(out); m == nil || len(m[1]) < 4 {
		t.Errorf("too little was sent for this to mean anything: %v", m)
	}
	if strings.Contains(out, filepath.Join(d.folder, "load.json")) {
		t.Error("points to a file that the demo removes")
	}
	if info, err := os.Stat(d.report); err != nil || info.Size() == 0 || info.Size() > 1<<20 {
		t.Errorf("report: %v %v", info, err)
	}
	d.assertGone(5 * time.Second)
	if t.Failed() {
		t.Log(out)
	}
}

// TestDemoInterrupted: Ctrl-C in the middle ends with 130, in order.
func TestDemoInterrupted(t *testing.T) {
	d := startDemo(t)
	// The middle is the point, not an event: two seconds of load.
	<-time.After(2 * time.Second)
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.done:
	case <-time.After(45 * time.Second):
		t.Fatalf("the demo does not end\n%s", d.out)
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130\n%s", code, d.out)
	}
	d.assertGone(5 * time.Second)
}

// TestDemoKilled: SIGKILL of the demo takes its children and its folder with it.
func TestDemoKilled(t *testing.T) {
	d := startDemo(t)
	<-time.After(2 * time.Second)
	d.kill()
	d.assertGone(20 * time.Second)
}
