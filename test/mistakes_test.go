package test

import (
	le "encoding/binary"
	"fmt"
	"hash/crc32"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// fails runs the binary with a command line that is wrong and returns what it says on
// stderr. It must end with the exit code by itself.
func fails(t *testing.T, code int, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(15*time.Second, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	_ = cmd.Wait() // the exit code says it
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("%s %v: exit code %d, want %d\n%s", binary, args, got, code, stderr.String())
	}
	return stderr.String()
}

// TestMistakesOnTheCommandLine: each ends with code 2 and says what is wrong, where, and
// what was probably meant. Nothing looks like a crash.
func TestMistakesOnTheCommandLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	free := []string{"--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", filepath.Join(dir, "data")}
	serve := func(args ...string) []string { return append(append([]string{"serve"}, free...), args...) }
	for _, c := range []struct {
		name string
		env  []string
		args []string
		says []string
		not  string
	}{
		{name: "unknown key", args: serve("--config", file("a.yaml", "limits:\n  max_part: 3\n")), says: []string{"a.yaml", `"max_part"`, `did you mean "max_parts"`, "[2:3]"}},
		{name: "unknown key at the top", args: serve("--config", file("b.yaml", "htpp: 127.0.0.1:0\n")), says: []string{`did you mean "http"`, "[1:1]"}},
		{name: "wrong type", args: serve("--config", file("c.yaml", "limits:\n  max_parts: many\n")), says: []string{"[2:14]", "whole number"}, not: "Go struct"},
		{name: "duration of nonsense", args: serve("--config", file("d.yaml", "http: 127.0.0.1:0\nretention: forever\n")), says: []string{"[2:12]", `"forever"`, "30d"}},
		{name: "no YAML", args: serve("--config", file("e.yaml", "http: [\n")), says: []string{"e.yaml", "[1:7]"}},
		{name: "file that is not there", args: serve("--config", filepath.Join(dir, "none.yaml")), says: []string{"none.yaml", "no such file"}},
		{name: "all wrong values at once", args: serve("--config", file("f.yaml", "durability: maybe\nnode: 900\nlog:\n  level: loud\n")), says: []string{"durability", "node", "log.level"}},
		{name: "number in the environment", env: []string{"PROTEI_BULK_NODE=many"}, args: serve(), says: []string{"PROTEI_BULK_NODE", "many", "whole number"}},
		{name: "duration in the environment", env: []string{"PROTEI_BULK_RETENTION=x"}, args: serve(), says: []string{"PROTEI_BULK_RETENTION", "30d"}},
		{name: "network in the environment", env: []string{"PROTEI_BULK_WEBHOOKS_ALLOW=10.0.0.0"}, args: serve(), says: []string{"webhooks.allow", "10.0.0.0"}},
		{name: "value of a flag", args: serve("--durability", "maybe"), says: []string{"durability", "maybe", "fsync"}},
		{name: "store of another kind", args: serve("--store", "mysql://u:secret@h/d"), says: []string{"store", "embedded"}, not: "secret"},
		{name: "address without port", args: serve("--http", "localhost"), says: []string{"http", "host:port"}},
		{name: "unknown flag", args: serve("--durabilty", "none"), says: []string{"--durabilty", "did you mean --durability?"}},
		{name: "unknown command", args: []string{"serv"}, says: []string{"serv", "Did you mean", "serve"}},
		{name: "argument too many", args: serve("now"), says: []string{"now"}},
		{name: "development mode for everybody", args: serve("--dev", "--http", "0.0.0.0:0"), says: []string{"--http 0.0.0.0:0", "loopback"}},
		{name: "development mode on any address", args: serve("--dev", "--smpp", ":0"), says: []string{"--smpp :0", "loopback"}},
		{name: "upstream without scheme", args: serve("--upstream", "smsc.example.net:2775"), says: []string{"upstream", "smpp"}},
		{name: "upstream with a wrong setting", args: serve("--upstream", "smpp://a:secret@127.0.0.1:1?bnds=3"), says: []string{"bnds", "binds"}, not: "secret"},
		{name: "upstream without system_id", args: serve("--upstream", "smpp://127.0.0.1:1"), says: []string{"system_id"}},
		{name: "data folder in a file", args: append(serve(), "--data", file("file", "x")+"/data"), says: []string{"file: not a directory"}},
		{name: "certificate without key", env: []string{"PROTEI_BULK_TLS_CERT=x.pem"}, args: serve(), says: []string{"tls", "cert and key"}},
		{name: "certificate that is not there", env: []string{"PROTEI_BULK_TLS_CERT=x.pem", "PROTEI_BULK_TLS_KEY=y.pem"}, args: serve(), says: []string{"tls", "x.pem"}},
		{name: "load test of nothing", args: []string{"load", "--headless", "-H", "http://127.0.0.1:1", "-u", "1", "-t", "1s"}, says: []string{"127.0.0.1:1"}},
		{name: "scenario that is not there", args: []string{"load", "--headless", "-f", "mine.yaml"}, says: []string{"mine.yaml", "messaging"}},
		{name: "scenario in Python", args: []string{"load", "--headless", "-f", "locustfile.py", "-u", "5"}, says: []string{"locustfile.py", "protei-bulk load"}},
		{name: "shape of nonsense", args: []string{"load", "--headless", "--shape", "0s:many"}, says: []string{"shape", "0s:many"}},
		{name: "run time of nonsense", args: []string{"load", "--headless", "-t", "soon"}, says: []string{"--run-time", "soon", "20s"}},
		{name: "target of nonsense", args: []string{"load", "--headless", "--target", "speed<3"}, says: []string{"speed", "p95"}},
		{name: "load test without a number", args: []string{"load", "-u", "many"}, says: []string{"many", "--users"}},
		{name: "simulator with a wrong delay", args: []string{"smsc", "--latency", "soon"}, says: []string{"latency", "soon"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := fails(t, 2, c.env, c.args...)
			for _, word := range c.says {
				if !strings.Contains(said, word) {
					t.Errorf("does not say %q:\n%s", word, said)
				}
			}
			if c.not != "" && strings.Contains(said, c.not) {
				t.Errorf("shows %q:\n%s", c.not, said)
			}
			if strings.Contains(said, "goroutine ") || strings.Contains(said, "panic") {
				t.Errorf("looks like a crash:\n%s", said)
			}
			if n := strings.Count(said, "\n"); n > 8 {
				t.Errorf("%d lines where one or a few would do:\n%s", n, said)
			}
		})
	}
}

// TestStartsThatMustFail: what only shows when the platform opens its folder and ports.
func TestStartsThatMustFail(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := serveDev(t, "--data", data)
	p.assertWell()
	args := func(data, http, smpp string) []string {
		return []string{"serve", "--dev", "--data", data, "--http", http, "--smpp", smpp}
	}
	said := fails(t, 2, nil, args(data, "127.0.0.1:0", "127.0.0.1:0")...)
	if pid := fmt.Sprint(p.cmd.Process.Pid); !strings.Contains(said, data) || !strings.Contains(said, pid) {
		t.Errorf("a locked folder: does not name %s and process %s:\n%s", data, pid, said)
	}
	said = fails(t, 1, nil, "account", "reset-admin", "--data", data)
	if pid := fmt.Sprint(p.cmd.Process.Pid); !strings.Contains(said, pid) {
		t.Errorf("reset-admin of a running platform: does not name process %s:\n%s", pid, said)
	}
	said = fails(t, 2, nil, args(t.TempDir(), p.HTTP, "127.0.0.1:0")...)
	if !strings.Contains(said, p.HTTP) || !strings.Contains(said, "in use") {
		t.Errorf("HTTP port in use: does not name it:\n%s", said)
	}
	said = fails(t, 2, nil, args(t.TempDir(), "127.0.0.1:0", p.SMPP)...)
	if !strings.Contains(said, p.SMPP) || !strings.Contains(said, "in use") {
		t.Errorf("SMPP port in use: does not name it:\n%s", said)
	}
	p.assertWell()
	if os.Geteuid() != 0 { // the superuser may write everywhere
		closed := filepath.Join(t.TempDir(), "closed")
		if err := os.Mkdir(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		if said := fails(t, 2, nil, args(closed, "127.0.0.1:0", "127.0.0.1:0")...); !strings.Contains(said, closed) {
			t.Errorf("a folder that cannot be written: does not name it:\n%s", said)
		}
	}
}

// TestNewerFoldersAreRefused: a folder of a later version is not touched.
func TestNewerFoldersAreRefused(t *testing.T) {
	t.Parallel()
	made := func() string {
		data := t.TempDir()
		p := serveDev(t, "--data", data)
		p.assertWell()
		if code := p.stop(); code != 0 {
			t.Fatalf("exit code %d\n%s", code, p.out)
		}
		return data
	}
	serve := func(data string) string {
		return fails(t, 2, nil, "serve", "--dev", "--data", data, "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0")
	}
	t.Run("schema", func(t *testing.T) {
		data := made()
		db, err := sqlite.OpenConn(filepath.Join(data, "messages.db"))
		if err != nil {
			t.Fatal(err)
		}
		if err := sqlitex.ExecuteTransient(db, "PRAGMA user_version = 999", nil); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if said := serve(data); !strings.Contains(said, "newer") || !strings.Contains(said, "999") {
			t.Errorf("does not say that schema 999 is newer:\n%s", said)
		}
	})
	t.Run("journal", func(t *testing.T) {
		data := made()
		segments, err := filepath.Glob(filepath.Join(data, "journal", "*.seg"))
		if err != nil || len(segments) == 0 {
			t.Fatalf("no segments: %v", err)
		}
		for _, path := range segments {
			raiseVersion(t, path)
		}
		if said := serve(data); !strings.Contains(said, "newer") && !strings.Contains(said, "version") {
			t.Errorf("does not say that the journal is newer:\n%s", said)
		}
	})
}

// TestUnreachableSMSC: the platform starts without it, says so, keeps what it accepts,
// and delivers when the SMSC is there.
func TestUnreachableSMSC(t *testing.T) {
	t.Parallel()
	addr := freeAddress(t)
	data := t.TempDir()
	p := serveDev(t, "--data", data, "--upstream", upstreamOf(smscAt{SMPP: addr}))
	ids := p.sendBulk(20, "")
	for _, id := range ids[:3] {
		if got := p.statusOf(id); got != "PENDING" {
			t.Errorf("%s without an SMSC", got)
		}
	}
	var view struct {
		Connectors []struct {
			State     string
			LastError string `json:"last_error"`
		}
	}
	waitUntil(t, 5*time.Second, func() bool {
		p.want(http.StatusOK, "GET", "/api/v1/connectors", "", &view)
		return len(view.Connectors) == 1 && view.Connectors[0].LastError != ""
	})
	if len(view.Connectors) != 1 || view.Connectors[0].State != "down" || !strings.Contains(view.Connectors[0].LastError, "refused") {
		t.Errorf("connectors without an SMSC: %+v", view)
	}
	if log := p.out.String(); !strings.Contains(log, addr) || !strings.Contains(log, "refused") {
		t.Errorf("the log does not say that %s is unreachable:\n%s", addr, log)
	}
	if _, err := os.Stat(filepath.Join(data, "logs", "system.log")); err != nil {
		t.Error(err)
	}
	simulator(t, "--listen", addr)
	p.allBecome(len(ids), "DELIVERED")
	if lines := strings.Count(p.out.String(), "\n"); lines > 60 {
		t.Errorf("%d lines of log for one unreachable SMSC", lines)
	}
}

// freeAddress is a loopback address where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// raiseVersion makes a journal segment one of format version 99: version at 8, CRC-32C of
// the header without itself at 12.
func raiseVersion(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var header [128]byte
	if _, err := f.ReadAt(header[:], 0); err != nil {
		t.Fatal(err)
	}
	if string(header[:8]) != "PBULKJNL" {
		return // prepared and not in use
	}
	le.LittleEndian.PutUint32(header[8:], 99)
	table := crc32.MakeTable(crc32.Castagnoli)
	le.LittleEndian.PutUint32(header[12:], crc32.Update(crc32.Checksum(header[:12], table), table, header[16:]))
	if _, err := f.WriteAt(header[:], 0); err != nil {
		t.Fatal(err)
	}
}
