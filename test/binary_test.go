package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "protei-bulk-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "protei-bulk")
		build := exec.Command("go", "build", "-o", binary, "protei-bulk/cmd/protei-bulk")
		if os.Getenv("RACE") != "" { // make race: the program itself under the race detector
			build.Args = append(build.Args[:2], append([]string{"-race"}, build.Args[2:]...)...)
		}
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// child is one process of the binary.
type child struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	out  *lockedBuffer
	done chan struct{}
	err  error
}

// launch starts the binary and, when ready is not nil, waits until it listens and
// decodes what it reports.
func launch(t *testing.T, name string, ready any, args ...string) *child {
	t.Helper()
	return launchBehind(t, nil, name, ready, args...)
}

// launchBehind runs the binary behind another command, which must exec it.
func launchBehind(t *testing.T, before []string, name string, ready any, args ...string) *child {
	t.Helper()
	c := &child{t: t, name: name, out: &lockedBuffer{}, done: make(chan struct{})}
	readyFile := filepath.Join(t.TempDir(), name+".json")
	if ready != nil {
		args = append(args, "--ready-file", readyFile)
	}
	args = append(append(before, binary), args...)
	c.cmd = exec.Command(args[0], args[1:]...)
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.out
	if err := c.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	t.Cleanup(c.kill)
	if ready != nil {
		c.waitReady(readyFile, ready)
	}
	return c
}

func (c *child) waitReady(path string, v any) {
	c.t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if text, err := os.ReadFile(path); err == nil {
			if err := json.Unmarshal(text, v); err != nil {
				c.t.Fatalf("%s reported %q: %v", c.name, text, err)
			}
			return
		}
		select {
		case <-tick.C:
		case <-c.done:
			c.t.Fatalf("%s ended at its start: %v\n%s", c.name, c.err, c.out)
		case <-deadline.C:
			c.t.Fatalf("%s is not ready after 30 s\n%s", c.name, c.out)
		}
	}
}

// kill ends the process at once and waits for it.
func (c *child) kill() {
	c.end(syscall.SIGKILL, 10*time.Second)
	if strings.Contains(c.out.String(), "DATA RACE") {
		c.t.Errorf("%s has a data race\n%s", c.name, c.out)
	}
}

// stop ends it as an operator does and returns its exit code.
func (c *child) stop() int {
	c.end(syscall.SIGTERM, 40*time.Second)
	return c.cmd.ProcessState.ExitCode()
}

func (c *child) end(sig syscall.Signal, within time.Duration) {
	select {
	case <-c.done:
		return
	default:
	}
	if err := c.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.t.Errorf("%v to %s: %v", sig, c.name, err)
	}
	select {
	case <-c.done:
	case <-time.After(within):
		_ = c.cmd.Process.Kill()
		<-c.done
		c.t.Errorf("%s did not end within %v of %v\n%s", c.name, within, sig, c.out)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.b.Len() > 1<<20 {
		b.b.Reset()
	}
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

type serveAt struct{ HTTP, SMPP string }

type smscAt struct{ SMPP, Control string }

// call sends a request to the API and decodes the answer into v (nil: ignored).
func call(ctx context.Context, method, url, body string, v any) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-API-Key", "dev-api-key")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, err
	}
	if v != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal(text, v); err != nil {
			return resp.StatusCode, fmt.Errorf("%s %s answered %q: %w", method, url, text, err)
		}
	}
	return resp.StatusCode, nil
}
