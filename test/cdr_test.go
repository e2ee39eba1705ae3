package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/cdr"
	"protei-bulk/load/target/targettest"
	"protei-bulk/smpp"
)

// TestFullCDRFolder: the CDR files stand on a disk of their own, which becomes full. Both
// doors refuse, the log says why, and when there is room again messages are taken by
// themselves; each one has its record.
func TestFullCDRFolder(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	dir := filepath.Join(data, "cdr")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v %s", err, out)
	}
	p := &platform{key: "dev-api-key"}
	p.child = launchBehind(t, []string{"unshare", "-rm", "sh", "-c", `mount -t tmpfs -o size=256k tmpfs "$0" && exec "$@"`, dir},
		"serve", &p.serveAt, "serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", data)
	s, err := p.bind("dev", "devpass1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	sent := 0
	waitUntil(t, 30*time.Second, func() bool {
		if a := p.post("/api/v1/messages/bulk", bulkOf(100)); a.code == http.StatusCreated {
			sent += 100
			return false
		} else if a.code != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || a.problem(t).Code != "disk_full" {
			t.Fatalf("on a full disk: %d %s", a.code, a.body)
		}
		return true
	})
	st, _, err := s.Do(t.Context(), &smpp.SubmitSM{
		Source: smpp.Address{TON: 5, Addr: []byte("Test")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("15550001")},
		ShortMessage: []byte("x"),
	})
	if err != nil || st != smpp.RXTAPPN {
		t.Errorf("submit_sm on a full disk: %v %v", st, err)
	}
	if out := p.out.String(); !strings.Contains(out, "CDR files cannot be written") || !strings.Contains(out, "no space left on device") {
		t.Errorf("the log does not say it:\n%s", out)
	}

	grow := exec.Command("nsenter", "-t", fmt.Sprint(p.cmd.Process.Pid), "-U", "-m", "--preserve-credentials", "mount", "-o", "remount,size=64m", dir)
	if out, err := grow.CombinedOutput(); err != nil {
		t.Fatalf("remount: %v %s", err, out)
	}
	waitUntil(t, 20*time.Second, func() bool {
		a := p.post("/api/v1/messages", `{"from":"Test","to":"+15550001111","text":"again"}`)
		if a.code == http.StatusCreated {
			sent++
		}
		return a.code == http.StatusCreated
	})
	p.allBecome(sent, "DELIVERED")
	inside := fmt.Sprintf("/proc/%d/root%s/current.csv", p.cmd.Process.Pid, dir)
	ids := map[string]int{}
	waitUntil(t, 20*time.Second, func() bool {
		text, err := os.ReadFile(inside)
		if err != nil {
			t.Fatal(err)
		}
		clear(ids)
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		for _, line := range lines[1:] {
			if fields := strings.Split(line, ","); len(fields) > 1 {
				ids[fields[1]]++
			}
		}
		return len(ids) == sent
	})
	for id, n := range ids {
		if n != 1 {
			t.Errorf("%d records of %s", n, id)
		}
	}
	if len(ids) != sent || sent < 200 {
		t.Errorf("records of %d messages, %d were sent", len(ids), sent)
	}
	if code := p.stop(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, p.out)
	}
}

// bulkOf is a bulk request of n messages.
func bulkOf(n int) string {
	var b strings.Builder
	b.WriteString(`{"from":"Test","messages":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"to":"+1555%07d","text":"x","client_ref":"%064d"}`, i, i)
	}
	b.WriteString("]}")
	return b.String()
}

// TestCDRFilesAreVerified: a platform that writes compressed JSON closes files that
// `cdr verify` finds whole, and finds a changed one.
func TestCDRFilesAreVerified(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	file := filepath.Join(data, "c.yaml")
	if err := os.WriteFile(file, []byte("cdr:\n  format: json\n  compress: zstd\n  rotate_bytes: 20KiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveDev(t, "--data", data, "--config", file)
	p.sendBulk(500, "")
	p.allBecome(500, "DELIVERED")
	dir := filepath.Join(data, "cdr")
	var files []string
	waitUntil(t, 20*time.Second, func() bool {
		var err error
		if files, err = cdr.Files([]string{dir}); err != nil {
			t.Fatal(err)
		}
		left, _ := filepath.Glob(filepath.Join(dir, "closing-*"))
		return len(files) > 0 && len(left) == 0
	})
	verify := func() (code int, all []struct {
		File    string
		Records int
		OK      bool
	},
	) {
		out, err := exec.Command(binary, "cdr", "verify", "--output", "json", dir).Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &all); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if exit != nil {
			code = exit.ExitCode()
		}
		return code, all
	}
	code, all := verify()
	if code != 0 || len(all) != len(files) || !all[0].OK || all[0].Records == 0 || !strings.HasSuffix(all[0].File, ".jsonl.zst") {
		t.Errorf("exit code %d: %+v", code, all)
	}
	if err := os.Truncate(files[0], 200); err != nil {
		t.Fatal(err)
	}
	if code, all := verify(); code != 1 || all[0].OK {
		t.Errorf("a cut file: exit code %d: %+v", code, all)
	}
}

// TestCDRFilesAreLoaded: `cdr load` brings a platform's files into a real PostgreSQL, once.
func TestCDRFilesAreLoaded(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	file := filepath.Join(data, "c.yaml")
	if err := os.WriteFile(file, []byte("cdr:\n  compress: gzip\n  rotate_bytes: 20KiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pg := targettest.StartPostgres(t)
	p := serveDev(t, "--data", data, "--config", file)
	p.sendBulk(500, "")
	p.allBecome(500, "DELIVERED")
	dir := filepath.Join(data, "cdr")
	waitUntil(t, 20*time.Second, func() bool {
		left, _ := filepath.Glob(filepath.Join(dir, "closing-*"))
		files, _ := cdr.Files([]string{dir})
		return len(files) > 0 && len(left) == 0
	})
	load := func() (records, added int) {
		t.Helper()
		cmd := exec.Command(binary, "cdr", "load", "-o", "json", dir)
		cmd.Env = append(os.Environ(), "PROTEI_BULK_CDR_DSN="+pg.URL)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v %s", err, out)
		}
		var all []struct{ Records, Added int }
		if err := json.Unmarshal(out, &all); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, f := range all {
			records += f.Records
			added += f.Added
		}
		return records, added
	}
	before, added := load()
	if before == 0 || added != before {
		t.Errorf("%d records, %d added", before, added)
	}
	// More files may have been closed meanwhile: what was loaded already is not added again.
	if records, added := load(); records < before || added != records-before {
		t.Errorf("again: %d records, %d before, %d added", records, before, added)
	}
}
