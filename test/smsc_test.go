package test

import (
	"bytes"
	"context"
	"encoding/hex"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// submitted is a submit_sm as a capturing SMSC has it.
type submitted struct {
	from, to             smpp.Address
	dataCoding, esmClass byte
	registered, priority byte
	protocol             byte
	schedule, validity   string
	text                 []byte
}

// capture is an SMSC that keeps what it gets and never sends a receipt.
type capture struct {
	mu   sync.Mutex
	got  []submitted // guarded by mu
	next byte        // guarded by mu
}

// HandleRequest implements smpp.Handler.
func (c *capture) HandleRequest(s *smpp.Session, r *smpp.Request) {
	m, ok := r.PDU.(*smpp.SubmitSM)
	if !ok {
		_ = s.Respond(r.Seq, r.ID, smpp.RINVCMDID, nil)
		return
	}
	address := func(a smpp.Address) smpp.Address {
		return smpp.Address{TON: a.TON, NPI: a.NPI, Addr: bytes.Clone(a.Addr)}
	}
	c.mu.Lock()
	c.got = append(c.got, submitted{
		from: address(m.Source), to: address(m.Dest), dataCoding: m.DataCoding, esmClass: m.ESMClass,
		registered: m.RegisteredDelivery, priority: m.PriorityFlag, protocol: m.ProtocolID,
		schedule: string(m.ScheduleDeliveryTime), validity: string(m.ValidityPeriod), text: bytes.Clone(m.ShortMessage),
	})
	c.next++
	id := []byte{'i', 'd', 'a' + c.next/26, 'a' + c.next%26}
	c.mu.Unlock()
	_ = s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.SubmitSMResp{MessageID: id})
}

// to returns what was sent to a number, in the order of the parts, once n have come.
func (c *capture) to(t *testing.T, number string, n int) (found []submitted) {
	t.Helper()
	waitUntil(t, 10*time.Second, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		found = nil
		for _, m := range c.got {
			if string(m.to.Addr) == number {
				found = append(found, m)
			}
		}
		return len(found) >= n
	})
	if len(found) != n {
		t.Fatalf("%d submit_sm to %s, want %d", len(found), number, n)
	}
	return found
}

// startCapture listens on an address, such as 127.0.0.1:0, and returns the real one.
func startCapture(t *testing.T, addr string) (*capture, string) {
	t.Helper()
	c := &capture{}
	server, err := smpp.NewServer(smpp.ServerOptions{SystemID: "capture", Handler: c})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(ln) // ends with ErrServerClosed
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx) // the platform may be gone without an unbind
		<-served
	})
	return c, ln.Addr().String()
}

// TestWhatTheSMSCGets looks at the submit_sm that each kind of message becomes.
func TestWhatTheSMSCGets(t *testing.T) {
	t.Parallel()
	c, addr := startCapture(t, "127.0.0.1:0")
	p := serveDev(t, "--upstream", "smpp://x:y@"+addr+"?binds=1&window=20")
	send := func(members string) { p.sendOne(`{` + members + `}`) }

	send(`"from":"Brand","to":"+15550010001","text":"[€] à @"`)
	m := c.to(t, "15550010001", 1)[0]
	if m.from.TON != 5 || string(m.from.Addr) != "Brand" || m.to.TON != 1 || m.to.NPI != 1 {
		t.Errorf("addresses: %+v to %+v", m.from, m.to)
	}
	// One octet a septet: ESC < is [, ESC e is the euro sign, ESC > is ].
	if want := []byte("\x1b<\x1be\x1b> \x7f \x00"); m.dataCoding != 0 || m.esmClass != 0 || !bytes.Equal(m.text, want) {
		t.Errorf("GSM7: coding %#x, class %#x, %q", m.dataCoding, m.esmClass, m.text)
	}
	if m.registered&1 != 1 {
		t.Errorf("registered_delivery %#x: no receipt is asked for", m.registered)
	}

	send(`"from":"+15559990000","to":"+15550010002","text":"жё"`)
	m = c.to(t, "15550010002", 1)[0]
	if m.dataCoding != 8 || !bytes.Equal(m.text, []byte("\x04\x36\x04\x51")) || m.from.TON != 1 || string(m.from.Addr) != "15559990000" {
		t.Errorf("UCS2: coding %#x, %x, from %+v", m.dataCoding, m.text, m.from)
	}

	send(`"from":"1234","to":"+15550010003","text":"é","encoding":"LATIN1"`)
	if m = c.to(t, "15550010003", 1)[0]; m.dataCoding != 3 || !bytes.Equal(m.text, []byte{0xe9}) {
		t.Errorf("Latin-1: coding %#x, %x", m.dataCoding, m.text)
	}

	send(`"from":"Brand","to":"+15550010004","text":"00ff10","encoding":"BINARY"`)
	if m = c.to(t, "15550010004", 1)[0]; m.dataCoding != 4 || hex.EncodeToString(m.text) != "00ff10" {
		t.Errorf("binary: coding %#x, %x", m.dataCoding, m.text)
	}

	send(`"from":"Brand","to":"+15550010005","text":"now","flash":true`)
	if m = c.to(t, "15550010005", 1)[0]; m.dataCoding&0x0f != 0 || m.dataCoding&0x10 == 0 {
		t.Errorf("flash: coding %#x, want message class 0", m.dataCoding)
	}

	text := strings.Repeat("0123456789", 40) // 400 septets: 153 + 153 + 94
	send(`"from":"Brand","to":"+15550010006","text":"` + text + `"`)
	joined := ""
	var ref byte
	for i, m := range c.to(t, "15550010006", 3) {
		if m.esmClass&0x40 == 0 || len(m.text) < 6 || !bytes.Equal(m.text[:3], []byte{5, 0, 3}) || m.text[4] != 3 || int(m.text[5]) != i+1 {
			t.Fatalf("part %d: class %#x, %x", i+1, m.esmClass, m.text[:min(7, len(m.text))])
		}
		if i == 0 {
			ref = m.text[3]
		}
		if m.text[3] != ref {
			t.Errorf("part %d has reference %d, the first %d", i+1, m.text[3], ref)
		}
		if len(m.text) > 159 {
			t.Errorf("part %d has %d octets", i+1, len(m.text))
		}
		joined += string(m.text[6:])
	}
	if joined != text {
		t.Errorf("the parts make %q", joined)
	}

	// A pair of ESC and sign stands at the border of the first part.
	text = strings.Repeat("x", 152) + "€" + strings.Repeat("y", 100)
	send(`"from":"Brand","to":"+15550010007","text":"` + text + `"`)
	parts := c.to(t, "15550010007", 2)
	if last := parts[0].text[len(parts[0].text)-1]; last == 0x1b || !bytes.HasPrefix(parts[1].text[6:], []byte("\x1be")) {
		t.Errorf("the pair is split: …%x | %x…", last, parts[1].text[6:8])
	}

	// Over SMPP octets pass as they are.
	s, err := p.bind("dev", "devpass1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	st, _, err := s.Do(t.Context(), &smpp.SubmitSM{
		Source: smpp.Address{TON: 5, Addr: []byte("Esme")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("15550010008")},
		DataCoding: 0xf5, ESMClass: 0x40, ProtocolID: 0x41, RegisteredDelivery: 1, ShortMessage: []byte("\x06\x05\x04\x15\x81\x00\x00\xfe\xff"),
	})
	if err != nil || st != smpp.ROK {
		t.Fatalf("submit_sm: %v %v", st, err)
	}
	m = c.to(t, "15550010008", 1)[0]
	if m.dataCoding != 0xf5 || m.esmClass&0x40 == 0 || m.protocol != 0x41 || hex.EncodeToString(m.text) != "06050415810000feff" || string(m.from.Addr) != "Esme" {
		t.Errorf("through SMPP: %+v", m)
	}
}

// TestSMSCOnABadDay: throttling, passing errors, cut binds, receipts that come early,
// twice, on the other bind, in the other notation, or for nobody. Everything is delivered
// and told all the same.
func TestSMSCOnABadDay(t *testing.T) {
	t.Parallel()
	const messages = 1000
	_, far := simulator(t, "--latency", "0ms-10ms", "--errors", "RTHROTTLED=3%,RSYSERR=2%,RMSGQFUL=1%",
		"--disconnect-share", "0.2%", "--receipt-delay", "0ms-200ms", "--receipt-duplicates", "20%", "--receipts-before-response", "20%",
		"--receipts-other-bind", "30%", "--receipts-unknown-id", "5%", "--id-format", "hex", "--receipt-id-format", "dec", "--seed", "7")
	p := serveDev(t, "--upstream", upstreamOf(far))
	led := newLedger()
	hook := led.webhooks(t)
	led.promise(false, p.sendBulk(messages, `"dlr_url":"`+hook+`",`)...)
	p.allBecome(messages, "DELIVERED")
	waitUntil(t, 20*time.Second, func() bool { return len(led.open()) == 0 })
	if open := led.open(); len(open) != 0 {
		t.Errorf("%d of %d final states were not told", len(open), messages)
	}
	assertSeen(t, far.Control, led)
}
