package test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/smpp"
)

const (
	needNode = `this test runs an SMPP client that this project did not write: the npm package "smpp".
It needs node and npm; on Debian and Ubuntu: apt-get install -y nodejs npm`
	needRegistry = `"npm ci" could not install the packages of test/npm/package-lock.json.
It needs the npm registry, or a mirror: npm config set registry https://…`
)

// foreignClient is what test/npm/client.js saw.
type foreignClient struct {
	Bad struct {
		Password, SystemID smpp.Status
	}
	Bind struct {
		Status   smpp.Status
		SystemID string
		Version  int
	}
	Submits []struct {
		Name   string
		Status smpp.Status
		ID     string
	}
	Receipts map[string]struct {
		Stat, TLVID, From, To string
		ESMClass, State       int
	}
	Manage struct {
		Query, Replace, Cancel, Multi smpp.Status
		State, Gone                   smpp.MessageState
		MultiID                       string
		Unsuccess                     []struct {
			To     string
			Status smpp.Status
		}
	}
	EnquireLink, Unbind *smpp.Status
}

// TestForeignClient drives the SMPP server with the npm package smpp.
func TestForeignClient(t *testing.T) {
	t.Parallel()
	dir := npmInstall(t)
	p := serveDev(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "client.js", p.SMPP, "dev", "devpass1")
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("client.js: %v\n%s\n%s", err, stderr.String(), p.out)
	}
	var saw foreignClient
	if err := json.Unmarshal(out, &saw); err != nil {
		t.Fatalf("client.js printed %q: %v", out, err)
	}
	if saw.Bad.Password != smpp.RINVPASWD || saw.Bad.SystemID != smpp.RINVSYSID {
		t.Errorf("wrong password %v, wrong system_id %v", saw.Bad.Password, saw.Bad.SystemID)
	}
	if saw.Bind.Status != smpp.ROK || saw.Bind.SystemID != "protei-bulk" || saw.Bind.Version != 0x34 {
		t.Errorf("bind: %+v", saw.Bind)
	}
	if saw.EnquireLink == nil || *saw.EnquireLink != smpp.ROK || saw.Unbind == nil || *saw.Unbind != smpp.ROK {
		t.Errorf("enquire_link %v, unbind %v", saw.EnquireLink, saw.Unbind)
	}
	if m := saw.Manage; m.Query != smpp.ROK || m.State != smpp.StateEnroute || m.Replace != smpp.ROK || m.Cancel != smpp.ROK || m.Gone != smpp.StateDeleted {
		t.Errorf("query, replace, cancel: %+v", m)
	}
	if m := saw.Manage; m.Multi != smpp.ROK || len(m.MultiID) != 16 || len(m.Unsuccess) != 1 || m.Unsuccess[0].To != "nobody" || m.Unsuccess[0].Status != smpp.RINVDSTADR {
		t.Errorf("submit_multi: %+v", m)
	}
	if len(saw.Submits) != 7 {
		t.Fatalf("%d submits, want 7: %+v", len(saw.Submits), saw.Submits)
	}
	texts := map[string]string{"gsm7": "Hello {GSM} €", "ucs2": "Здравствуйте, 世界", "payload": strings.Repeat("p", 100)}
	for _, s := range saw.Submits {
		if s.Name == "nobody" {
			if s.Status != smpp.RINVDSTADR {
				t.Errorf("submit to nobody: %v", s.Status)
			}
			continue
		}
		if s.Status != smpp.ROK {
			t.Errorf("submit %s: %v", s.Name, s.Status)
			continue
		}
		dlr, ok := saw.Receipts[s.ID]
		if !ok || dlr.Stat != "DELIVRD" || dlr.ESMClass != 4 || dlr.TLVID != s.ID || dlr.State != 2 || dlr.To != "Interop" {
			t.Errorf("receipt of %s (%s): %+v", s.Name, s.ID, dlr)
		}
		var m struct{ Status, Text string }
		p.want(200, "GET", "/api/v1/messages/"+s.ID, "", &m)
		if want := texts[s.Name]; m.Status != "DELIVERED" || want != "" && m.Text != want {
			t.Errorf("%s is %s with text %q, want %q", s.Name, m.Status, m.Text, want)
		}
	}
}

// needPrograms installs node and npm where a test may do that, which is as the superuser
// of a Debian, such as in a container; elsewhere it says how.
func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	missing := func() string {
		for _, name := range programs {
			if _, err := exec.LookPath(name); err != nil {
				return name
			}
		}
		return ""
	}
	if missing() == "" {
		return
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		t.Fatalf("%s is not installed: %s", missing(), needNode)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var said bytes.Buffer
	for _, args := range [][]string{{"update", "-q"}, {"install", "-y", "-q", "--no-install-recommends", "nodejs", "npm"}} {
		t.Logf("apt-get %s", strings.Join(args, " "))
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err != nil {
			t.Fatalf("apt-get %s: %v\n%s\n%s", strings.Join(args, " "), err, said.String(), needNode)
		}
	}
	if name := missing(); name != "" {
		t.Fatalf("%s is not there after apt-get: %s", name, needNode)
	}
}

// npm is the folder of test/npm with its packages, for all tests.
var npm struct {
	mu   sync.Mutex
	path string // guarded by mu; empty: not installed yet
}

// npmInstall puts the programs of test/npm and their packages into a folder beside the binary.
func npmInstall(t *testing.T) string {
	t.Helper()
	npm.mu.Lock()
	defer npm.mu.Unlock()
	if npm.path != "" {
		return npm.path
	}
	needPrograms(t, "node", "npm")
	dir := filepath.Join(filepath.Dir(binary), "npm")
	if err := os.RemoveAll(dir); err != nil { // of a try that failed
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS("npm")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--cache", filepath.Join(dir, "cache"))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, needRegistry)
	}
	npm.path = dir
	return dir
}
