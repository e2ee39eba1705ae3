package test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// kannel is Kannel's bearerbox and smsbox, whose clients push messages over HTTP.
type kannel struct {
	t             *testing.T
	dir           string
	sendsms       string // port of smsbox
	statusOfAdmin string // URL
}

// startKannel starts it with one SMSC, the settings of which are smsc, and waits until the
// link to it is up.
func startKannel(t *testing.T, smsc string) *kannel {
	t.Helper()
	k := &kannel{t: t, dir: t.TempDir(), sendsms: portOf(freeAddress(t))}
	admin := portOf(freeAddress(t))
	k.statusOfAdmin = "http://127.0.0.1:" + admin + "/status.txt?password=secret"
	conf := filepath.Join(k.dir, "kannel.conf")
	text := fmt.Sprintf(`group = core
admin-port = %s
admin-password = secret
smsbox-port = %s
log-level = 1
log-file = "%s/bearerbox.log"
dlr-storage = internal

group = smsc
smsc-id = bulk
%s

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = %s
log-level = 1
log-file = "%s/smsbox.log"

group = sendsms-user
username = tester
password = foobar
max-messages = 10
concatenation = true
`, admin, portOf(freeAddress(t)), k.dir, smsc, k.sendsms, k.dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, box := range []struct{ name, url, says string }{
		{"bearerbox", k.statusOfAdmin, "(online"},
		{"smsbox", "http://127.0.0.1:" + k.sendsms + "/", ""},
	} {
		cmd := exec.Command(box.name, conf)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		up := func() bool {
			resp, err := http.Get(box.url)
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			return strings.Contains(string(body), box.says)
		}
		waitUntil(t, 30*time.Second, up)
		if !up() {
			t.Fatalf("%s does not get ready\n%s", box.name, k.logs())
		}
	}
	return k
}

func needKannel(t *testing.T) {
	t.Helper()
	for _, name := range []string{"bearerbox", "smsbox"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("Kannel is not installed; on Debian and Ubuntu: apt-get install -y kannel (%v)", err)
		}
	}
}

func (k *kannel) logs() string {
	a, _ := os.ReadFile(filepath.Join(k.dir, "bearerbox.log"))
	b, _ := os.ReadFile(filepath.Join(k.dir, "smsbox.log"))
	return string(a) + string(b)
}

// send pushes a message; extra are more parameters of sendsms.
func (k *kannel) send(to, text, dlrURL string, extra ...string) {
	k.t.Helper()
	resp, err := http.Get("http://127.0.0.1:" + k.sendsms + "/cgi-bin/sendsms?" + form(append([]string{
		"username", "tester", "password", "foobar", "from", "Shop", "to", to, "text", text, "dlr-mask", "31", "dlr-url", dlrURL,
	}, extra...)...))
	if err != nil {
		k.t.Fatalf("%v\n%s", err, k.logs())
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 202 {
		k.t.Fatalf("smsbox: %d %s\n%s", resp.StatusCode, body, k.logs())
	}
}

// TestRealKannel: Kannel's bearerbox uses the platform as an SMSC of type http/kannel, and its
// smsbox is asked as usual; the reports go to the address that its client named.
func TestRealKannel(t *testing.T) {
	needKannel(t)
	t.Parallel()
	hook := newReports(t, func(int) (int, string) { return 200, "" })
	p := serveDev(t)
	k := startKannel(t, fmt.Sprintf(`smsc = http
system-type = kannel
send-url = "http://%s/cgi-bin/sendsms"
port = %s
smsc-username = dev
smsc-password = devpass1
connect-allow-ip = "127.0.0.1"`, p.HTTP, portOf(freeAddress(t))))
	send := func(message, ref string) {
		t.Helper()
		k.send("+4915112345678", message, hook.url+"/?ref="+ref+"&status=%d", "coding", "0")
	}
	send("Hello from Kannel", "plain")
	waitUntil(t, 30*time.Second, func() bool { _, by := p.byStatus(); return by["DELIVERED"] == 1 })
	if accepted, by := p.byStatus(); accepted != 1 || by["DELIVERED"] != 1 {
		t.Fatalf("%d accepted, %v\n%s", accepted, by, k.logs())
	}
	waitUntil(t, 20*time.Second, func() bool { return slices.Contains(hook.values("plain", "ref", "status"), "1") })
	if got := hook.values("plain", "ref", "status"); !slices.Equal(got, []string{"1", "8"}) {
		t.Errorf("the client was told %v\n%s", got, k.logs())
	}
	send(strings.Repeat("long and longer ", 20), "long")
	waitUntil(t, 30*time.Second, func() bool { _, by := p.byStatus(); return by["DELIVERED"] >= 2 })
	if accepted, by := p.byStatus(); accepted != by["DELIVERED"] || accepted < 2 {
		t.Errorf("%d accepted, %v\n%s", accepted, by, k.logs())
	}
}

// TestKannelESME: Kannel binds to the platform as a transceiver, and behind the platform is
// an SMSC that is not ours either. Each message arrives once, and its client is told once
// that it was accepted and once that it was delivered.
func TestKannelESME(t *testing.T) {
	needKannel(t)
	t.Parallel()
	f := newForeignSMSC(t)
	hook := newReports(t, func(int) (int, string) { return 200, "" })
	data, door := t.TempDir(), freeAddress(t)
	p := serveDev(t, "--data", data, "--smpp", door, "--upstream", f.upstream())
	k := startKannel(t, `smsc = smpp
host = 127.0.0.1
port = `+portOf(door)+`
transceiver-mode = true
smsc-username = dev
smsc-password = devpass1
system-type = VMA
enquire-link-interval = 1
reconnect-delay = 1`)
	want := map[string]string{}
	send := func(to, text string) {
		t.Helper()
		coding := "0"
		if strings.ContainsAny(text, "ёа") {
			coding = "2"
		}
		k.send(to, text, hook.url+"/?ref="+to+"&status=%d", "charset", "UTF-8", "coding", coding)
		want[to] = text
	}
	told := func(to string) {
		t.Helper()
		waitUntil(t, 30*time.Second, func() bool { return len(hook.each(to, "ref", "status")) >= 2 })
		if got := hook.each(to, "ref", "status"); !slices.Equal(got, []string{"1", "8"}) {
			t.Errorf("the client was told %v of %s\n%s", got, to, k.logs())
		}
	}
	for i, text := range texts {
		send("155500000"+i, text)
	}
	for to := range want {
		told(to)
	}
	f.assertArrived(want)

	// The platform goes away and comes back; Kannel keeps what it is given meanwhile.
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.out)
	}
	send("1555000005", "while it was away")
	serveDev(t, "--data", data, "--smpp", door, "--upstream", f.upstream())
	told("1555000005")
	f.assertArrived(want)
}
