// Package servers starts private PostgreSQL and Redis servers for tests and benchmarks: on free
// ports of loopback, with their files in a temporary folder, gone when the process is.
package servers

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startWithin bounds how long a server may take to answer.
const startWithin = 30 * time.Second

// Server is one server process.
type Server struct {
	Dir  string // its files
	Port int
	Addr string // 127.0.0.1:Port

	program string
	args    []string
	as      *syscall.Credential // nil: as this process
	answers func() error        // whether it takes connections

	passes string // what a start ends with for a while after a crash

	mu  sync.Mutex
	cmd *exec.Cmd
}

// Start starts the server, again after Kill or Stop, and returns when it answers.
func (s *Server) Start() error {
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		err := s.start()
		if err == nil || s.passes == "" || !strings.Contains(err.Error(), s.passes) || time.Since(began) > startWithin {
			return err
		}
	}
}

func (s *Server) start() error {
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	cmd := exec.Command(s.program, s.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Pdeathsig: syscall.SIGKILL}
	if err := startPinned(cmd); err != nil {
		return fmt.Errorf("start %s: %w", s.program, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its state says how it ended
		close(ended)
	}()
	s.mu.Lock()
	s.cmd = cmd
	s.mu.Unlock()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := s.answers()
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("%s ended at its start (%s):\n%s", s.program, cmd.ProcessState, text[min(before, int64(len(text))):])
		default:
		}
		if time.Since(began) > startWithin {
			return errors.Join(fmt.Errorf("%s does not answer within %v: %w", s.program, startWithin, err), s.Kill())
		}
	}
}

// startPinned starts cmd from a thread that lives as long as the process: the child is killed
// when the thread that made it ends.
func startPinned(cmd *exec.Cmd) error {
	result := make(chan error)
	starters.Do(func() {
		go func() {
			runtime.LockOSThread()
			for f := range starts {
				f()
			}
		}()
	})
	starts <- func() { result <- cmd.Start() }
	return <-result
}

var (
	starters sync.Once
	starts   = make(chan func())
)

// Signal sends a signal to the server's process: SIGSTOP and SIGCONT for one that hangs.
func (s *Server) Signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return errors.New("it does not run")
	}
	return s.cmd.Process.Signal(sig)
}

// PID returns the number of the server's process.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Answers returns nil when the server takes connections.
func (s *Server) Answers() error { return s.answers() }

// Kill ends the server as a crash does.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

func (s *Server) end(sig syscall.Signal) error {
	s.mu.Lock()
	cmd := s.cmd
	s.cmd = nil
	s.mu.Unlock()
	if cmd == nil {
		return nil
	}
	_ = cmd.Process.Signal(syscall.SIGCONT)
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	for began := time.Now(); s.answers() == nil || alive(cmd.Process.Pid); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > startWithin {
			return fmt.Errorf("%s does not end", s.program)
		}
	}
	return nil
}

// alive reports whether a process is there and not only waits to be asked how it ended.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func dial(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		err = c.Close()
	}
	return err
}

// program finds a program in PATH or by patterns; the error says which package has it.
func program(name, debian string, patterns ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, p := range patterns {
		if found, _ := filepath.Glob(p); len(found) > 0 {
			slices.Sort(found)
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%s is not installed; Debian, Ubuntu: sudo apt-get install %s", name, debian)
}

// unprivileged returns who runs a server that refuses to run as root: the user of its package.
// It is nil when this process is not root.
func unprivileged(name string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("this process is root, and there is no user %s to run the server as: %w", name, err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}
