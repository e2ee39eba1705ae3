package test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestBackupUnderLoad: a backup is made while messages come in, the platform is killed, and
// what the backup says goes on in a new folder: every message that was acknowledged before
// it is there, and the ledger closes.
func TestBackupUnderLoad(t *testing.T) {
	_, far := simulator(t, "--receipt-delay", "0-200ms")
	led := newLedger()
	hook := led.webhooks(t)
	p := serveDev(t, "--data", t.TempDir(), "--upstream", upstreamOf(far))
	later := p.sendOne(`{"from":"Shop","to":"+4917000001","text":"Later","schedule_at":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var load sync.WaitGroup
	for range 2 {
		load.Go(func() { led.sendHTTP(ctx, p.HTTP, hook) })
	}
	enough := func() bool { n, _ := led.size(); return n > 2000 }
	waitUntil(t, 20*time.Second, enough)
	before := led.ids()
	file := filepath.Join(t.TempDir(), "sms.tar.gz")
	out, err := exec.CommandContext(t.Context(), binary, "backup", file, "--url", p.url()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	cancel()
	p.kill()
	load.Wait()

	data := filepath.Join(t.TempDir(), "restored")
	out, err = exec.CommandContext(t.Context(), binary, "restore", file, "--data", data).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%d messages were acknowledged before it\n%s", len(before), out)
	p = serveDev(t, "--data", data, "--upstream", upstreamOf(far))
	if len(before) < 1000 {
		t.Fatalf("only %d messages were acknowledged before the backup", len(before))
	}
	for _, id := range before[len(before)-1000:] {
		if a := p.get("/api/v1/messages/" + id); a.code != http.StatusOK {
			t.Fatalf("message %s: %d %s", id, a.code, a.body)
		}
	}
	if status := p.statusOf(later); status != "SCHEDULED" {
		t.Errorf("the scheduled message is %s", status)
	}
	p.assertWell()

	again, err := exec.CommandContext(t.Context(), binary, "restore", file, "--data", data).CombinedOutput()
	if err == nil || !strings.Contains(string(again), "is not empty") {
		t.Errorf("a folder with data was taken: %v\n%s", err, again)
	}
}

func TestBackupIsForAdmins(t *testing.T) {
	p := serveDev(t)
	var key struct {
		Key string `json:"api_key"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"shop"}`, &key)
	if a := p.do("POST", "/api/v1/backup", nil, "X-API-Key", key.Key); a.code != http.StatusForbidden {
		t.Errorf("%d %s", a.code, a.body)
	}
}
