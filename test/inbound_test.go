package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// carrier is an SMSC in the test's own process, which says what it sends and sees each answer.
type carrier struct {
	t      *testing.T
	addr   string
	server *smpp.Server
}

func newCarrier(t *testing.T) *carrier {
	t.Helper()
	server, err := smpp.NewServer(smpp.ServerOptions{SystemID: "carrier", RefusalDelay: -1, Session: smpp.SessionOptions{Window: 100}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &carrier{t: t, addr: ln.Addr().String(), server: server}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		server.Shutdown(ctx)
		<-served
	})
	return c
}

func (c *carrier) upstream() string { return "smpp://x:y@" + c.addr + "?binds=1&window=50" }

// session waits for a bind of the platform.
func (c *carrier) session() *smpp.Session {
	c.t.Helper()
	var found *smpp.Session
	waitUntil(c.t, 20*time.Second, func() bool {
		for _, s := range c.server.Sessions() {
			if s.BindType() == smpp.Transceiver && s.Err() == nil {
				found = s
			}
		}
		return found != nil
	})
	if found == nil {
		c.t.Fatal("the platform does not bind")
	}
	return found
}

// deliver brings a message and returns the answer; a link that breaks is an error.
func (c *carrier) deliver(s *smpp.Session, p *smpp.DeliverSM) (smpp.Status, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	st, _, err := s.Do(ctx, p)
	return st, err
}

func fromMobile(from, to, text string) *smpp.DeliverSM {
	return &smpp.DeliverSM{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: []byte(from)}, Dest: smpp.Address{Addr: []byte(to)}, ShortMessage: []byte(text),
	}
}

// inParts cuts a text as a mobile does.
func inParts(t *testing.T, from, to, text string, ref uint16) (all []*smpp.DeliverSM) {
	t.Helper()
	payload, ends, info, err := gsm.Segment(nil, nil, text, gsm.Options{Ref: ref})
	if err != nil {
		t.Fatal(err)
	}
	start := uint32(0)
	for _, end := range ends {
		p := fromMobile(from, to, string(payload[start:end]))
		p.DataCoding, p.ESMClass = info.DataCoding, smpp.ESMUDHI
		start = end
		all = append(all, p)
	}
	return all
}

// moHook is a customer's webhook for inbound messages.
type moHook struct {
	url string

	mu    sync.Mutex // guards below
	down  bool
	texts map[string]string // message_id → text
	says  map[string]string // webhook-id → body, refused ones included
	mixed []string          // webhook-ids that came with two bodies
	tries int
}

func newMOHook(t *testing.T) *moHook {
	h := &moHook{texts: map[string]string{}, says: map[string]string{}}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL + "/mo"
	return h
}

// ServeHTTP implements http.Handler.
func (h *moHook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	var body struct {
		Events []struct {
			Event string
			ID    string `json:"message_id"`
			Text  string
		}
	}
	if err != nil || json.Unmarshal(text, &body) != nil {
		return // the sender was killed in the middle of it
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries++
	id := r.Header.Get("webhook-id")
	if before, again := h.says[id]; again && before != string(text) {
		h.mixed = append(h.mixed, id)
	}
	h.says[id] = string(text)
	for _, e := range body.Events {
		if !h.down && e.Event == "inbound" {
			h.texts[e.ID] = e.Text
		}
	}
	if h.down {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (h *moHook) setDown(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

// count is how many different messages came, and with how many different texts.
func (h *moHook) count() (messages, texts int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[string]bool{}
	for _, text := range h.texts {
		seen[text] = true
	}
	return len(h.texts), len(seen)
}

// TestKilledPlatformLosesNoInbound kills the platform with SIGKILL between the SMSC's
// acknowledgement and the webhook, again and again. Each message that was answered ESME_ROK,
// long ones among them, reaches the customer, and a webhook-id always says the same.
func TestKilledPlatformLosesNoInbound(t *testing.T) {
	t.Parallel()
	far, hook, data := newCarrier(t), newMOHook(t), t.TempDir()
	hook.setDown(true)
	promised := map[string]bool{}
	const rounds = 6
	for round := range rounds {
		p := serveDev(t, "--data", data, "--upstream", far.upstream())
		if round == 0 {
			p.want(http.StatusCreated, "POST", "/api/v1/inbound/routes", `{"to":"1000","url":"`+hook.url+`"}`, nil)
		}
		s := far.session()
		for i := range 20 {
			text := fmt.Sprintf("round %d message %d", round, i)
			if st, err := far.deliver(s, fromMobile("79161234567", "1000", text)); err == nil && st == smpp.ROK {
				promised[text] = true
			}
		}
		long := fmt.Sprintf("round %d: ", round) + strings.Repeat("long ", 80)
		whole := true
		for i, part := range inParts(t, "79160000000", "1000", long, uint16(round)) {
			if i == 1 { // the rest comes after a crash
				p.kill()
				p = serveDev(t, "--data", data, "--upstream", far.upstream())
				s = far.session()
			}
			st, err := far.deliver(s, part)
			whole = whole && err == nil && st == smpp.ROK
		}
		if whole {
			promised[long] = true
		}
		p.kill()
	}
	if len(promised) < rounds*20 {
		t.Errorf("only %d messages were acknowledged", len(promised))
	}
	hook.setDown(false)
	p := serveDev(t, "--data", data, "--upstream", far.upstream())
	waitUntil(t, 60*time.Second, func() bool { n, _ := hook.count(); return n >= len(promised) })
	if messages, texts := hook.count(); messages != len(promised) || texts != len(promised) {
		t.Errorf("%d messages with %d texts came, want %d\n%s", messages, texts, len(promised), p.out)
	}
	hook.mu.Lock()
	for id, text := range hook.texts {
		if !promised[text] {
			t.Errorf("%s was never sent: %q", id, text)
		}
	}
	if len(hook.mixed) > 0 {
		t.Errorf("webhook-ids that came with two bodies: %v", hook.mixed)
	}
	hook.mu.Unlock()
	var listed struct {
		Messages []struct{ Status string }
	}
	waitUntil(t, 20*time.Second, func() bool {
		p.want(http.StatusOK, "GET", "/api/v1/inbound/messages?status=PENDING&limit=1000", "", &listed)
		return len(listed.Messages) == 0
	})
	if len(listed.Messages) != 0 {
		t.Errorf("%d are still pending", len(listed.Messages))
	}
}

// TestInboundRoutes: number, keyword and pattern; webhook and ESME; listing, replay and the
// commands of the terminal.
func TestInboundRoutes(t *testing.T) {
	t.Parallel()
	far, hook, data := newCarrier(t), newMOHook(t), t.TempDir()
	p := serveDev(t, "--data", data, "--upstream", far.upstream())
	s := far.session()
	send := func(to, text string) {
		t.Helper()
		if st, err := far.deliver(s, fromMobile("79161234567", to, text)); err != nil || st != smpp.ROK {
			t.Fatalf("%s: %v %v", text, st, err)
		}
	}
	send("3000", "nobody wants it")
	p.want(http.StatusCreated, "POST", "/api/v1/inbound/routes", `{"to":"1000","keyword":"JOIN","url":"`+hook.url+`","order":10}`, nil)
	p.want(http.StatusCreated, "POST", "/api/v1/inbound/routes", `{"to":"10*","pattern":"(?i)^vote \\d+$","url":"`+hook.url+`","order":20}`, nil)
	var toESME struct {
		ID string `json:"route_id"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/inbound/routes", `{"to":"1000","order":30}`, &toESME)
	for body, code := range map[string]string{
		`{"pattern":"("}`: "invalid_pattern", `{"account_id":99}`: "invalid_account_id", `{"url":"http://10.0.0.1/x"}`: "invalid_url", `{"order":"x"}`: "wrong_type",
	} {
		if a := p.post("/api/v1/inbound/routes", body); a.code != 422 || a.problem(t).Errors[0].Code != code {
			t.Errorf("%s: %d %s", body, a.code, a.body)
		}
	}
	send("1000", "join now")
	send("1000", "Vote 12")
	send("1000", "for the ESME, which is not bound")
	waitUntil(t, 20*time.Second, func() bool { n, _ := hook.count(); return n == 2 })
	if n, _ := hook.count(); n != 2 {
		t.Errorf("%d messages at the webhook, want 2\n%s", n, p.out)
	}
	p.kill() // and the one for the ESME waits on disk
	p = serveDev(t, "--data", data, "--upstream", far.upstream())
	got := make(chan string, 10)
	esme, err := p.bind("dev", "devpass1", smpp.HandlerFunc(func(s *smpp.Session, r *smpp.Request) {
		got <- string(r.PDU.(*smpp.DeliverSM).Payload())
		s.Respond(r.Seq, r.ID, smpp.ROK, nil)
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer esme.Close()
	expect := func(want string) {
		t.Helper()
		select {
		case text := <-got:
			if text != want {
				t.Errorf("deliver_sm %q, want %q", text, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%q does not come\n%s", want, p.out)
		}
	}
	expect("for the ESME, which is not bound")
	var listed struct {
		Messages []struct {
			ID     string `json:"message_id"`
			Status string
			Text   string
		}
	}
	p.want(http.StatusOK, "GET", "/api/v1/inbound/messages?status=NO_ROUTE", "", &listed)
	if len(listed.Messages) != 1 || listed.Messages[0].Text != "nobody wants it" {
		t.Fatalf("without a route: %+v", listed)
	}
	replay := "/api/v1/inbound/messages/" + listed.Messages[0].ID + "/replay"
	if a := p.post(replay, ""); a.code != 409 || a.problem(t).Code != "not_replayable" {
		t.Errorf("replay without a route: %d %s", a.code, a.body)
	}
	p.want(http.StatusOK, "PATCH", "/api/v1/inbound/routes/"+toESME.ID, `{"to":"*"}`, nil)
	p.want(http.StatusAccepted, "POST", replay, "", nil)
	expect("nobody wants it")
}
