package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// runInBackground runs a command line until the returned function ends it, which gives
// the exit code and the output.
func runInBackground(t *testing.T, args ...string) (end func() (code int, stdout, stderr string)) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := &environment{Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" }}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() { done <- run(ctx, env, args) }()
	return func() (int, string, string) {
		cancel()
		code := <-done
		return code, stdout.String(), stderr.String()
	}
}

// awaitReady reads a ready file that appears as a whole.
func awaitReady(t *testing.T, path string, v any) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		if text, err := os.ReadFile(path); err == nil {
			if err := json.Unmarshal(text, v); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never ready")
		}
	}
}

func TestSMSCCommandReportsItsAddressesAndStops(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready.json")
	end := runInBackground(t, "smsc", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--ready-file", ready,
		"--latency", "5ms-50ms", "--receipt-id-format", "dec", "--refuse-binds", "--parent-death")
	var at smscReady
	awaitReady(t, ready, &at)
	if at.PID != os.Getpid() {
		t.Errorf("pid %d", at.PID)
	}
	conn, err := net.Dial("tcp", at.SMPP)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	var behaviour struct {
		Latency         string `json:"latency"`
		ReceiptIDFormat string `json:"receipt_id_format"`
		RefuseBinds     bool   `json:"refuse_binds"`
	}
	resp, err := http.Get("http://" + at.Control + "/behaviour")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&behaviour); err != nil {
		t.Fatal(err)
	}
	if behaviour.Latency != "5ms-50ms" || behaviour.ReceiptIDFormat != "dec" || !behaviour.RefuseBinds {
		t.Errorf("flags made %+v", behaviour)
	}
	code, stdout, stderr := end()
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	if !strings.Contains(stdout, "SMPP "+at.SMPP+", control http://"+at.Control) || !strings.Contains(stdout, "stopped: 0 submits") {
		t.Errorf("said %q", stdout)
	}
}

func TestSMSCCommandExplainsMistakes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--latency", "soon"}, "--latency"},
		{[]string{"--errors", "RTHROTTLED=120%"}, "120%"},
		{[]string{"--errors", "NOSUCH=1%"}, `"NOSUCH" is not a command_status`},
		{[]string{"--receipts", "LOST=1%"}, "not a final state"},
		{[]string{"--receipt-id-format", "octal"}, "hex, dec"},
		{[]string{"--system-id", "longer than 15 octets"}, "SystemID"},
		{[]string{"--listen", taken.Addr().String()}, "address already in use"},
		{[]string{"--control", taken.Addr().String()}, "control"},
		{[]string{"extra"}, "extra"},
	} {
		args := append([]string{"smsc", "--listen", "127.0.0.1:0", "--control", "off"}, c.args...)
		end := runInBackground(t, args...)
		// It ends by itself: end only collects.
		code, _, stderr := end()
		if code != 2 || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: exit code %d, %q", c.args, code, stderr)
		}
	}
}
