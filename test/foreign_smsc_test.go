package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// foreignEvent is a line that test/npm/server.js prints.
type foreignEvent struct {
	Event    string
	Status   smpp.Status
	ID       string
	From, To string
	UDH      []string // information elements in hexadecimal
	Text     string   // as the package decodes it
	Payload  string   // the same of message_payload

	DataCoding, ESMClass int
}

// foreignSMSC is an SMSC that this project did not write: the server of the npm package smpp.
type foreignSMSC struct {
	t    *testing.T
	addr string
	in   io.WriteCloser

	mu     sync.Mutex
	events []foreignEvent // guarded by mu
}

func newForeignSMSC(t *testing.T) *foreignSMSC {
	t.Helper()
	cmd := exec.Command("node", "server.js")
	cmd.Dir = npmInstall(t)
	f := &foreignSMSC{t: t}
	var err error
	if f.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := &lockedBuffer{}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			e := foreignEvent{Event: lines.Text()} // what is no event shows in the logs
			_ = json.Unmarshal(lines.Bytes(), &e)
			f.mu.Lock()
			f.events = append(f.events, e)
			f.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = f.in.Close() // ends it
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
		if text := stderr.String(); text != "" {
			t.Logf("server.js: %s", text)
		}
	})
	f.await("an address", 1, "listening")
	f.addr = f.all("listening")[0].Text
	return f
}

func (f *foreignSMSC) upstream() string { return "smpp://x:y@" + f.addr + "?binds=1&window=10" }

// tell changes what it does; server.js has the words.
func (f *foreignSMSC) tell(format string, args ...any) {
	f.t.Helper()
	if _, err := fmt.Fprintf(f.in, format+"\n", args...); err != nil {
		f.t.Fatal(err)
	}
}

// all are the events of a kind so far.
func (f *foreignSMSC) all(event string) (of []foreignEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if e.Event == event {
			of = append(of, e)
		}
	}
	return of
}

// await waits until there are n events of a kind.
func (f *foreignSMSC) await(what string, n int, event string) {
	f.t.Helper()
	waitUntil(f.t, 30*time.Second, func() bool { return len(f.all(event)) >= n })
	if len(f.all(event)) < n {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.t.Fatalf("no %s: %+v", what, f.events)
	}
}

// arrived are the messages that it accepted, by recipient; parts are joined in their order.
// A part that came twice is a failure, as is a message with parts missing.
func (f *foreignSMSC) arrived() map[string]foreignEvent {
	f.t.Helper()
	parts := map[string]map[string]foreignEvent{} // by recipient and information element
	for _, e := range f.all("submit") {
		if e.Status != smpp.ROK {
			continue
		}
		at := strings.Join(e.UDH, " ")
		if parts[e.To] == nil {
			parts[e.To] = map[string]foreignEvent{}
		}
		if _, twice := parts[e.To][at]; twice {
			f.t.Errorf("%s arrived twice: %+v", e.To, e)
		}
		parts[e.To][at] = e
	}
	messages := map[string]foreignEvent{}
	for to, of := range parts {
		var whole foreignEvent
		for i, at := range slices.Sorted(maps.Keys(of)) { // reference and total are alike, so the number of the part decides
			part := of[at]
			if at != "" && !strings.HasSuffix(at, fmt.Sprintf("%02x%02x", len(of), i+1)) {
				f.t.Errorf("%s: part %d of %d has the header %s", to, i+1, len(of), at)
			}
			part.Text = whole.Text + part.Text
			whole = part
		}
		messages[to] = whole
	}
	return messages
}

// assertArrived holds what arrived, once, against texts by recipient.
func (f *foreignSMSC) assertArrived(want map[string]string) map[string]foreignEvent {
	f.t.Helper()
	got := f.arrived()
	for to, text := range want {
		if m := got[to]; m.Text+m.Payload != text {
			f.t.Errorf("%s got %q, want %q", to, m.Text+m.Payload, text)
		}
	}
	if len(got) != len(want) {
		f.t.Errorf("%d recipients got messages, want %d", len(got), len(want))
	}
	return got
}

// texts are messages in each form: their recipients are 1 to 4.
var texts = map[string]string{
	"1": "Hello {GSM} €",
	"2": "Здравствуйте, 世界",
	"3": strings.Repeat("The quick brown fox. ", 20),
	"4": strings.Repeat("Съешь ещё этих 😀 булок. ", 10),
}

// TestForeignSMSC: a connector to the server of the npm package smpp, which throttles,
// unbinds and cuts the connection.
func TestForeignSMSC(t *testing.T) {
	t.Parallel()
	f := newForeignSMSC(t)
	p := serveDev(t, "--upstream", f.upstream())
	want := map[string]string{}
	send := func(to, text string) {
		t.Helper()
		body, err := json.Marshal(map[string]string{"from": "Interop", "to": "+" + to, "text": text})
		if err != nil {
			t.Fatal(err)
		}
		p.sendOne(string(body))
		want[to] = text
	}
	// some sends messages and waits for their receipts.
	some := func(series string, n int) {
		t.Helper()
		for i := range n {
			send(fmt.Sprintf("1555%s%04d", series, i), fmt.Sprintf("%s %d", series, i))
		}
		p.allBecome(len(want), "DELIVERED")
	}
	for i, text := range texts {
		send("155500000"+i, text)
	}
	p.allBecome(len(want), "DELIVERED")
	got := f.assertArrived(want)
	for to, coding := range map[string]int{"1": 0, "2": 8, "3": 0, "4": 8} {
		if m := got["155500000"+to]; m.DataCoding != coding || m.From != "Interop" {
			t.Errorf("message %s came as %+v", to, m)
		}
	}
	if got["1555000003"].ESMClass != 0x40 || len(got["1555000003"].UDH) != 1 {
		t.Errorf("a part: %+v", got["1555000003"])
	}

	f.tell("throttle 5")
	some("100", 20)
	throttled := 0
	for _, e := range f.all("submit") {
		if e.Status == smpp.RTHROTTLED {
			throttled++
		}
	}
	if throttled != 5 {
		t.Errorf("%d submit_sm were throttled, want 5", throttled)
	}

	// A message is DELIVERED before the SMSC has the answer to its receipt, which a cut would lose.
	answered := func() {
		waitUntil(t, 20*time.Second, func() bool { return len(f.all("receipt")) == len(f.all("submit"))-throttled })
	}
	answered()
	binds := len(f.all("bind"))
	f.tell("unbind")
	f.await("answer to unbind", 1, "unbound")
	if st := f.all("unbound")[0].Status; st != smpp.ROK {
		t.Errorf("unbind was answered %v", st)
	}
	some("200", 10)
	f.await("bind after the unbind", binds+1, "bind")

	answered()
	binds = len(f.all("bind"))
	f.tell("cut")
	f.await("end of the connection", 2, "closed")
	some("300", 10)
	f.await("bind after the cut", binds+1, "bind")

	// With the charset ucs2 a long text of the GSM alphabet goes in one piece.
	p.want(201, "POST", "/api/v1/connectors", `{"name":"payload","address":"`+f.addr+`","system_id":"x","password":"y","charset":"ucs2","mode":"running"}`, nil)
	p.want(201, "POST", "/api/v1/routes", `{"name":"all","targets":[{"connector":"payload"}]}`, nil)
	send("1555000005", texts["3"])
	p.allBecome(len(want), "DELIVERED")
	if m := f.assertArrived(want)["1555000005"]; m.Payload != texts["3"] || m.DataCoding != 8 {
		t.Errorf("in message_payload: %+v", m)
	}

	answered()
	receipts := f.all("receipt")
	for _, r := range receipts {
		if r.Status != smpp.ROK {
			t.Errorf("the receipt of %s was answered %v", r.ID, r.Status)
		}
	}
	accepted := len(f.all("submit")) - throttled
	if len(receipts) != accepted {
		t.Errorf("%d receipts of %d submit_sm were answered", len(receipts), accepted)
	}
	if bad := f.all("error"); len(bad) != 0 {
		t.Errorf("errors of the package: %+v", bad)
	}
}
