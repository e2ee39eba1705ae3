// Package targettest starts private servers for tests: a PostgreSQL and a Redis in temporary folders on free ports of
// loopback. They end with the test.
package targettest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Password of the servers; tests look for it where it must not be.
const Password = "s3cr3t-of-the-test"

const startTime = 60 * time.Second

// Postgres is a running PostgreSQL.
type Postgres struct {
	URL string // of database "postgres", with the superuser's password
	PID int
	cmd *exec.Cmd
}

// Redis is a running Redis, with Password.
type Redis struct {
	Addr string
	PID  int
	cmd  *exec.Cmd
}

// StartPostgres starts a PostgreSQL.
func StartPostgres(t *testing.T) *Postgres {
	t.Helper()
	bin := postgresBin(t)
	dir := folder(t)
	as := postgresUser(t, dir)
	secret := filepath.Join(dir, "password")
	write(t, secret, Password+"\n", as)
	data := filepath.Join(dir, "data")
	init := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "tester", "--pwfile", secret, "-A", "scram-sha-256", "-N", "--no-instructions")
	init.SysProcAttr = as
	init.Dir = dir
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	port := freePort(t)
	p := &Postgres{URL: fmt.Sprintf("postgres://tester:%s@127.0.0.1:%d/postgres?sslmode=disable", Password, port)}
	p.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(port), "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
	p.cmd.SysProcAttr, p.cmd.Dir = as, dir
	p.PID = start(t, p.cmd, syscall.SIGQUIT, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), func() error {
		ready := exec.Command(filepath.Join(bin, "pg_isready"), "-h", "127.0.0.1", "-p", strconv.Itoa(port))
		return ready.Run()
	})
	return p
}

// StartRedis starts a Redis.
func StartRedis(t *testing.T) *Redis {
	t.Helper()
	name, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("this test needs Redis: run test/deps.sh (%v)", err)
	}
	port := freePort(t)
	r := &Redis{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	r.cmd = exec.Command(name, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir(), "--requirepass", Password)
	r.PID = start(t, r.cmd, syscall.SIGKILL, r.Addr, func() error {
		answer, err := r.exchange("PING")
		if err == nil && !strings.HasPrefix(answer, "+PONG") {
			err = fmt.Errorf("it answers %q", answer)
		}
		return err
	})
	return r
}

// Do runs one command, its words without blanks, and returns the first line of the answer.
func (r *Redis) Do(t *testing.T, command string) string {
	t.Helper()
	answer, err := r.exchange(command)
	if err != nil || strings.HasPrefix(answer, "-") {
		t.Fatalf("%s: %v %s", command, err, answer)
	}
	return answer
}

func (r *Redis) exchange(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\n%s\r\nQUIT\r\n", Password, command); err != nil {
		return "", err
	}
	var all bytes.Buffer
	if _, err := all.ReadFrom(conn); err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(all.String(), "\r\n")
	line, _, _ := strings.Cut(rest, "\r\n")
	return line, nil
}

// Stop ends the server now.
func (p *Postgres) Stop() { end(p.cmd, syscall.SIGQUIT) }

// Stop ends the server now.
func (r *Redis) Stop() { end(r.cmd, syscall.SIGKILL) }

func end(cmd *exec.Cmd, signal os.Signal) {
	if cmd.ProcessState == nil {
		_ = cmd.Process.Signal(signal)
		_ = cmd.Wait()
	}
}

// start runs a server and waits until it answers.
func start(t *testing.T, cmd *exec.Cmd, signal os.Signal, addr string, ready func() error) (pid int) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(cmd, signal) })
	ctx, cancel := context.WithTimeout(t.Context(), startTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return cmd.Process.Pid
		}
		select {
		case <-ctx.Done():
			end(cmd, signal)
			t.Fatalf("%s does not answer on %s: %v\n%s", filepath.Base(cmd.Path), addr, err, &out)
		case <-tick.C:
		}
	}
}

func postgresBin(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	name, err := exec.LookPath("postgres")
	if err != nil {
		t.Fatalf("this test needs PostgreSQL: run test/deps.sh (%v)", err)
	}
	return filepath.Dir(name)
}

// postgresUser gives the folder to the user postgres when we are root, as whom PostgreSQL refuses to run.
func postgresUser(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// folder is a temporary folder that another user can reach: the parent of t.TempDir may be closed to others.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "protei-bulk-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func write(t *testing.T, name, text string, as *syscall.SysProcAttr) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if as == nil {
		return
	}
	if err := os.Chown(name, int(as.Credential.Uid), int(as.Credential.Gid)); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
