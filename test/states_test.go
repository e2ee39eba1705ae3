package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// TestFinalStates: what the SMSC says, or does not say in time, is what the customer sees
// in the API, in the webhook and in the receipt.
func TestFinalStates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		smsc   []string
		send   string // members of the message
		status string
		dlr    string // of webhook and receipt
		code   int    // error_code
	}{
		{name: "delivered", status: "DELIVERED", dlr: "DELIVRD"},
		{name: "undeliverable", smsc: []string{"--receipts", "UNDELIV=100%"}, status: "FAILED", dlr: "UNDELIV"},
		{name: "expired at the SMSC", smsc: []string{"--receipts", "EXPIRED=100%"}, status: "EXPIRED", dlr: "EXPIRED"},
		{name: "rejected in a receipt", smsc: []string{"--receipts", "REJECTD=100%"}, status: "REJECTED", dlr: "REJECTD"},
		{name: "refused", smsc: []string{"--errors", "RINVDSTADR=100%"}, status: "REJECTED", dlr: "REJECTD", code: 11},
		{name: "no answer before it expires", smsc: []string{"--errors", "RTHROTTLED=100%"}, send: `,"validity_period":"PT2S"`, status: "EXPIRED", dlr: "EXPIRED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, far := simulator(t, c.smsc...)
			p := serveDev(t, "--upstream", upstreamOf(far))
			var account struct {
				Secret string `json:"webhook_secret"`
			}
			p.want(http.StatusOK, "GET", "/api/v1/webhooks", "", &account)
			hook := newEndpoint(t, account.Secret)
			id := p.sendOne(`{"from":"Test","to":"+15550012001","text":"x","dlr_url":"` + hook.url + `"` + c.send + `}`)
			p.becomes(id, c.status)
			var m struct {
				ErrorCode int `json:"error_code"`
			}
			p.want(http.StatusOK, "GET", "/api/v1/messages/"+id, "", &m)
			if c.code != 0 && m.ErrorCode != c.code {
				t.Errorf("error_code %d, want %d", m.ErrorCode, c.code)
			}
			if !hook.has(10*time.Second, id) {
				t.Fatal("no webhook")
			}
			if ev := hook.events[id]; ev.Status != c.status || ev.DLRStatus != c.dlr {
				t.Errorf("webhook says %s and %s, want %s and %s", ev.Status, ev.DLRStatus, c.status, c.dlr)
			}
			if c.send != "" {
				return // what follows sends without these members
			}
			stats := receiptStats{seen: make(chan string, 10)}
			s, err := p.bind("dev", "devpass1", stats)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			viaSMPP := p.submit(s, "15550012002", "x")
			select {
			case got := <-stats.seen:
				if want := viaSMPP + " " + c.dlr; got != want {
					t.Errorf("the receipt over SMPP says %s, want %s", got, want)
				}
			case <-time.After(10 * time.Second):
				t.Error("no receipt over SMPP")
			}
			if got := p.statusOf(viaSMPP); got != c.status {
				t.Errorf("over SMPP it is %s, want %s", got, c.status)
			}
		})
	}
}

// receiptStats notes id and stat of each receipt.
type receiptStats struct{ seen chan string }

// HandleRequest implements smpp.Handler.
func (h receiptStats) HandleRequest(s *smpp.Session, r *smpp.Request) {
	if d, ok := r.PDU.(*smpp.DeliverSM); ok {
		if dlr, err := smpp.ParseReceipt(d.ShortMessage, d.TLVs); err == nil {
			h.seen <- string(dlr.ID) + " " + string(dlr.Stat)
		}
	}
	_ = s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.DeliverSMResp{})
}

// TestNoReceiptWanted: registered_delivery 0 ends with the SMSC's answer, in SENT, and no
// deliver_sm comes.
func TestNoReceiptWanted(t *testing.T) {
	t.Parallel()
	p := serveDev(t)
	led := newLedger()
	s, err := led.listenSMPP(t.Context(), p.SMPP)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	st, resp, err := s.Do(t.Context(), &smpp.SubmitSM{
		Source: smpp.Address{TON: 5, Addr: []byte("Test")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("15550013001")}, ShortMessage: []byte("x"),
	})
	if err != nil || st != smpp.ROK {
		t.Fatalf("submit_sm: %v %v", st, err)
	}
	id := string(resp.(*smpp.SubmitSMResp).MessageID)
	p.becomes(id, "SENT")
	with := p.submit(s, "15550013002", "x")
	led.promise(true, with)
	waitUntil(t, 10*time.Second, func() bool { return len(led.open()) == 0 })
	led.mu.Lock()
	defer led.mu.Unlock()
	if led.receipts[id] != 0 || led.receipts[with] != 1 {
		t.Errorf("receipts: %v, want one of %s alone", led.receipts, with)
	}
}

// TestWithoutConnector: a platform without an upstream is up, not ready, and refuses.
func TestWithoutConnector(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := serveProduction(t, "", data)
	p.key, _ = p.firstSecrets()
	p.want(http.StatusOK, "GET", "/api/v1/health", "", nil)
	if a := p.get("/api/v1/health/ready"); a.code != http.StatusServiceUnavailable || !strings.Contains(a.problem(t).Detail, "connector") {
		t.Errorf("ready: %d %s", a.code, a.body)
	}
	a := p.post("/api/v1/messages", `{"from":"Test","to":"+15550014001","text":"x"}`)
	if a.code != http.StatusUnprocessableEntity || a.problem(t).Code != "no_route" {
		t.Errorf("a message without a connector: %d %s", a.code, a.body)
	}
	key := p.key
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.out)
	}
	_, far := simulator(t)
	p = serveProduction(t, key, data, "--upstream", upstreamOf(far))
	p.want(http.StatusOK, "GET", "/api/v1/health/ready", "", nil)
	p.assertWell()
}

// TestOrderAndPriority: what waited goes out by priority, and within one in the order of
// acceptance; a restart changes nothing.
func TestOrderAndPriority(t *testing.T) {
	t.Parallel()
	const low, critical = 100, 10
	addr, data := freeAddress(t), t.TempDir()
	start := func() *platform {
		return serveDev(t, "--data", data, "--upstream", "smpp://x:y@"+addr+"?binds=1&window=1")
	}
	p := start()
	for n := range low {
		p.sendOne(fmt.Sprintf(`{"from":"Test","to":"+1555100%04d","text":"x","priority":"LOW"}`, n))
	}
	for n := range critical {
		p.sendOne(fmt.Sprintf(`{"from":"Test","to":"+1555900%04d","text":"x","priority":"CRITICAL"}`, n))
	}
	p.kill()
	start()
	c, _ := startCapture(t, addr)
	sent := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.got)
	}
	waitUntil(t, 20*time.Second, func() bool { return sent() >= low+critical })
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.got) != low+critical {
		t.Fatalf("%d submit_sm, want %d", len(c.got), low+critical)
	}
	lastCritical, last := 0, map[string]string{}
	for i, m := range c.got {
		to := string(m.to.Addr)
		if to[:7] == "1555900" {
			lastCritical = i
		}
		if to <= last[to[:7]] {
			t.Errorf("%s goes out after %s", to, last[to[:7]])
		}
		last[to[:7]] = to
	}
	if lastCritical >= 3*critical {
		t.Errorf("the last of %d CRITICAL messages is number %d", critical, lastCritical+1)
	}
}
