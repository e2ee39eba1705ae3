package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one child of the demo. It runs in a process group of its own, so that
// Ctrl-C on the terminal reaches the demo alone and the demo decides the order in
// which things stop; it dies with the demo even when that is killed (--parent-death).
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // valid after done: what Wait returned
	log  *tail

	cpuAtEnd time.Duration
}

// startProcess starts this same binary with args. Its output goes to stdout (nil: to
// the log file) and the end of its error output is kept for messages.
func startProcess(name, logDir string, stdout io.Writer, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	logFile, err := os.Create(filepath.Join(logDir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("create log of %s: %w", name, err)
	}
	p := &process{name: name, done: make(chan struct{}), log: &tail{next: logFile, limit: 4096}}
	p.cmd = exec.Command(self, args...)
	p.cmd.Stdout, p.cmd.Stderr = stdout, p.log
	if stdout == nil {
		p.cmd.Stdout = p.log
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		logFile.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		if p.cmd.ProcessState != nil {
			p.cpuAtEnd = p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
		}
		logFile.Close()
		close(p.done)
	}()
	return p, nil
}

// waitReady waits for the child's ready file and decodes it into v.
func (p *process) waitReady(ctx context.Context, path string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(path)
		if err == nil {
			if err := json.Unmarshal(text, v); err != nil {
				return fmt.Errorf("%s reported %q: %w", p.name, text, err)
			}
			return nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("wait for %s: %w", p.name, err)
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended at its start: %w\n%s", p.name, p.err, p.log)
		case <-ctx.Done():
			return fmt.Errorf("%s did not get ready: %w\n%s", p.name, ctx.Err(), p.log)
		}
	}
}

// stop asks the process to end, and kills it after grace. It is idempotent.
func (p *process) stop(grace time.Duration) error {
	p.signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	p.signal(syscall.SIGKILL)
	<-p.done
	return fmt.Errorf("%s did not stop within %v and was killed", p.name, grace)
}

func (p *process) signal(sig os.Signal) {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(sig)
	}
}

func (p *process) exitCode() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// cpu returns the CPU time the process has used so far.
func (p *process) cpu() time.Duration {
	select {
	case <-p.done:
		return p.cpuAtEnd
	default:
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/stat")
	if err != nil {
		return p.cpuAtEnd
	}
	// The command in parentheses may hold blanks; utime and stime are fields 14 and 15.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	sys, _ := strconv.ParseInt(fields[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux
	return time.Duration(user+sys) * tick
}

// tail passes text on and keeps the last bytes of it.
type tail struct {
	next  io.Writer
	limit int

	mu   sync.Mutex
	last []byte // guarded by mu
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	t.last = append(t.last, b...)
	if over := len(t.last) - t.limit; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	t.mu.Unlock()
	return t.next.Write(b)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.last))
}
