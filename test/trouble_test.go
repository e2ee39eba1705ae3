package test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// TestStopWithStuckPeers: customers who drip a body or never answer unbind, and an SMSC
// that never answers submit_sm, do not keep the platform from an orderly end.
func TestStopWithStuckPeers(t *testing.T) {
	t.Parallel()
	silent := newSilentSMSC(t)
	data := t.TempDir()
	p := serveDev(t, "--data", data, "--upstream", "smpp://x:y@"+silent+"?binds=1&window=5")
	ids := p.sendBulk(20, "")

	// A body that never ends.
	drip := dialRaw(t, p.HTTP)
	if _, err := fmt.Fprintf(drip, "POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: 1000\r\n\r\n{", p.key); err != nil {
		t.Fatal(err)
	}
	// An ESME that is bound and reads nothing more.
	esme := dialRaw(t, p.SMPP)
	bind, err := smpp.Append(nil, smpp.Header{Seq: 1}, &smpp.BindReq{
		ID: smpp.CmdBindTransceiver, SystemID: []byte("dev"), Password: []byte("devpass1"), InterfaceVersion: 0x34,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := esme.Write(bind); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(esme, make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	code := p.stop()
	took := time.Since(began)
	t.Logf("stopped in %v", took.Round(time.Millisecond))
	if code != 0 || took > 28*time.Second {
		t.Errorf("exit code %d after %v\n%s", code, took, p.out)
	}
	// Nothing is lost: with an SMSC that answers all of them arrive.
	_, far := simulator(t)
	p = serveDev(t, "--data", data, "--upstream", upstreamOf(far))
	for _, id := range ids {
		p.becomes(id, "DELIVERED")
	}
}

// newSilentSMSC accepts binds and answers nothing else. It returns its address.
func newSilentSMSC(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go answerBindOnly(conn)
		}
	}()
	return ln.Addr().String()
}

func answerBindOnly(conn net.Conn) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(conn, head); err != nil {
		return
	}
	answer := append([]byte(nil), head...)
	answer[4] |= 0x80 // bind_…_resp, ESME_ROK, the same sequence
	copy(answer[8:12], []byte{0, 0, 0, 0})
	answer = append(answer, "quiet\x00"...)
	copy(answer[:4], []byte{0, 0, 0, byte(len(answer))})
	if _, err := conn.Write(answer); err == nil {
		_, _ = io.Copy(io.Discard, conn)
	}
}

// TestSMSCThatComesAndGoes: the SMSC is killed under load and comes back; everything
// arrives.
func TestSMSCThatComesAndGoes(t *testing.T) {
	t.Parallel()
	addr := freeAddress(t)
	p := serveDev(t, "--upstream", upstreamOf(smscAt{SMPP: addr}))
	total := 0
	for round := range 3 {
		far, _ := simulator(t, "--listen", addr, "--latency", "5ms-20ms")
		total += len(p.sendBulk(500, ""))
		waitUntil(t, 20*time.Second, func() bool { _, by := p.byStatus(); return by["DELIVERED"]+by["SENT"] >= 500*round+50 })
		far.kill()
	}
	simulator(t, "--listen", addr)
	// What was in flight at a kill is sent again; a message that the dead simulator had
	// accepted keeps waiting for a receipt that died with it.
	var accepted int
	var by map[string]int
	waitUntil(t, 40*time.Second, func() bool {
		accepted, by = p.byStatus()
		return by["DELIVERED"]+by["SENT"] == total
	})
	if accepted != total || by["DELIVERED"]+by["SENT"] != total || by["DELIVERED"] < total/2 {
		t.Errorf("%d accepted, %v; want %d delivered or sent", accepted, by, total)
	}
	p.assertWell()
}

// TestRefusedBySMSC: a connector with a wrong password says so and keeps the messages.
func TestRefusedBySMSC(t *testing.T) {
	t.Parallel()
	_, far := simulator(t, "--system-id", "us", "--password", "rightpw")
	data := t.TempDir()
	p := serveProduction(t, "", data, "--upstream", "smpp://us:wr0ngpw@"+far.SMPP+"?binds=1")
	key, password := p.firstSecrets()
	p.key = key
	id := p.sendOne(`{"from":"Test","to":"+15550009001","text":"x"}`)
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
	if len(view.Connectors) != 1 || !strings.Contains(view.Connectors[0].LastError, "ESME_RINVPASWD") {
		t.Errorf("connectors: %+v", view)
	}
	if got := p.statusOf(id); got != "PENDING" {
		t.Errorf("%s while the SMSC refuses us", got)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.out)
	}
	log, err := os.ReadFile(filepath.Join(data, "logs", "system.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(log, []byte("ESME_RINVPASWD")) {
		t.Errorf("the log does not say why:\n%s", log)
	}
	for name, secret := range map[string]string{"the connector's password": "wr0ngpw", "the API key": key, "the admin's password": password} {
		if bytes.Contains(log, []byte(secret)) {
			t.Errorf("the log shows %s", name)
		}
	}
	p = serveProduction(t, key, data, "--upstream", "smpp://us:rightpw@"+far.SMPP+"?binds=1")
	p.becomes(id, "DELIVERED")
}

// TestFullDisk: below min_free_disk nothing is accepted, by neither door, and what is
// there can still be read.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := serveDev(t, "--data", data)
	old := p.sendOne(`{"from":"Test","to":"+15550009101","text":"x"}`)
	p.becomes(old, "DELIVERED")
	if code := p.stop(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, p.out)
	}
	file := filepath.Join(t.TempDir(), "bulk.yaml")
	if err := os.WriteFile(file, []byte("min_free_disk: 1000TiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p = serveDev(t, "--data", data, "--config", file)
	full := func() bool {
		a := p.post("/api/v1/messages", `{"from":"Test","to":"+15550009102","text":"x"}`)
		return a.code == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "" && a.problem(t).Code == "disk_full"
	}
	waitUntil(t, 5*time.Second, full)
	if !full() {
		t.Error("messages are accepted on a full disk")
	}
	s, err := p.bind("dev", "devpass1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	st, _, err := s.Do(t.Context(), &smpp.SubmitSM{
		Source: smpp.Address{TON: 5, Addr: []byte("Test")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("15550001111")}, ShortMessage: []byte("x"),
	})
	if err != nil || st != smpp.RXTAPPN {
		t.Errorf("submit_sm on a full disk: %v %v", st, err)
	}
	if got := p.statusOf(old); got != "DELIVERED" {
		t.Errorf("the old message is %s", got)
	}
}

// TestDamagedJournal: damage before the last group stops the start and names the place.
func TestDamagedJournal(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := serveDev(t, "--data", data, "--upstream", "smpp://x:y@"+freeAddress(t))
	for range 20 {
		p.sendOne(`{"from":"Test","to":"+15550009201","text":"a text to be found in the journal"}`)
	}
	p.kill()
	path := filepath.Join(data, "journal", "000000000001.seg")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head := make([]byte, 64<<10)
	if _, err := f.ReadAt(head, 0); err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(head, []byte("to be found in the journal"))
	first := bytes.Index(head, []byte("to be found in the journal"))
	if first < 0 || first == at {
		t.Fatal("the journal does not hold the texts")
	}
	// In the middle: after some groups, before others.
	middle := first + bytes.Index(head[(first+at)/2-first+first:], []byte("to be found")) + (first+at)/2 - first
	if _, err := f.WriteAt([]byte("X"), int64(middle)); err != nil {
		t.Fatal(err)
	}
	said := fails(t, 2, nil, "serve", "--dev", "--data", data, "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0")
	if !strings.Contains(said, "segment 1") || !strings.Contains(said, "offset") {
		t.Errorf("does not name segment and offset:\n%s", said)
	}
	out, err := exec.CommandContext(t.Context(), binary, "journal", "inspect", data).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Contains(out, []byte("damage")) {
		t.Errorf("journal inspect of a damaged journal: %v\n%s", err, out)
	}
}
