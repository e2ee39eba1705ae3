package smsc_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"protei-bulk/smpp"
	"protei-bulk/smsc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

func start(t testing.TB, o smsc.Options) *smsc.Simulator {
	t.Helper()
	sim, err := smsc.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return sim
}

// receipt is a deliver_sm as it came, with its parsed receipt.
type receipt struct {
	on           string // name of the client
	class        byte
	coding       byte
	protocol     byte
	source, dest string
	text         string
	id, stat     string
	state        smpp.MessageState
	submitted    string
	err          string
	userRef      int
	raw          string
}

// client is an ESME that keeps what it gets and answers with a status that tests choose.
type client struct {
	t       testing.TB
	name    string
	session *smpp.Session

	mu     sync.Mutex
	status smpp.Status
	silent bool
	order  []string // "resp" and "receipt" as they came
	got    []receipt
	news   chan struct{}
}

func dial(t testing.TB, sim *smsc.Simulator, name string, bind smpp.BindType) *client {
	t.Helper()
	return dialAs(t, sim, name, "esme", bind)
}

func dialAs(t testing.TB, sim *smsc.Simulator, name, systemID string, bind smpp.BindType) *client {
	t.Helper()
	c := &client{t: t, name: name, news: make(chan struct{}, 1)}
	s, err := smpp.Dial(t.Context(), smpp.DialOptions{
		Addr: sim.Addr(), BindType: bind, SystemID: systemID, Password: "secret",
		Session: smpp.SessionOptions{Window: 100, Handler: c, ResponseTimeout: patience},
	})
	if err != nil {
		t.Fatalf("bind %s: %v", name, err)
	}
	c.session = s
	t.Cleanup(func() {
		s.Close()
		<-s.Done()
	})
	return c
}

func (c *client) HandleRequest(s *smpp.Session, r *smpp.Request) {
	m, ok := r.PDU.(*smpp.DeliverSM)
	if !ok {
		c.t.Errorf("got %s", r.ID)
		return
	}
	parsed, _ := smpp.ParseReceipt(m.ShortMessage, m.TLVs)
	got := receipt{
		on: c.name, class: m.ESMClass, coding: m.DataCoding, protocol: m.ProtocolID, source: string(m.Source.Addr), dest: string(m.Dest.Addr),
		text: string(m.ShortMessage), id: string(parsed.ID), stat: string(parsed.Stat), state: parsed.State,
		submitted: string(parsed.SubmitDate), err: string(parsed.Err), raw: string(m.TLVs),
	}
	if ref, ok := m.TLVs.Find(smpp.TagUserMessageReference); ok {
		got.userRef = int(binary.BigEndian.Uint16(ref))
	}
	c.mu.Lock()
	c.got = append(c.got, got)
	c.order = append(c.order, "receipt")
	status, silent := c.status, c.silent
	c.mu.Unlock()
	if !silent {
		_ = s.Respond(r.Seq, r.ID, status, nil)
	}
	c.tell()
}

func (c *client) tell() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// answer chooses what receipts are answered with from now on.
func (c *client) answer(st smpp.Status, silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status, c.silent = st, silent
}

// receipts waits until n have come and returns them.
func (c *client) receipts(n int) []receipt {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		got := slices.Clone(c.got)
		c.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-c.news:
		case <-deadline:
			c.t.Fatalf("%s: %d of %d receipts came", c.name, len(got), n)
		}
	}
}

func (c *client) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.got)
}

// message returns a submit_sm that asks for a receipt.
func message(dest, text string) *smpp.SubmitSM {
	return &smpp.SubmitSM{
		Source:             smpp.Address{TON: 5, Addr: []byte("Demo")},
		Dest:               smpp.Address{TON: 1, NPI: 1, Addr: []byte(dest)},
		RegisteredDelivery: smpp.RegisteredFinal,
		ShortMessage:       []byte(text),
	}
}

func traced(id string) *smpp.SubmitSM {
	m := message("79161234567", "hello")
	m.TLVs = m.TLVs.Append(smsc.TraceTag, []byte(id))
	return m
}

// submit sends one message and returns status and id.
func (c *client) submit(m smpp.PDU) (smpp.Status, string) {
	c.t.Helper()
	done := make(chan struct{})
	var status smpp.Status
	var id string
	err := c.session.Send(c.t.Context(), m, completion(func(r smpp.Result) {
		defer close(done)
		c.mu.Lock()
		c.order = append(c.order, "resp")
		c.mu.Unlock()
		status = r.Status
		if r.Err != nil {
			c.t.Errorf("submit: %v", r.Err)
		}
		switch p := r.PDU.(type) {
		case *smpp.SubmitSMResp:
			id = string(p.MessageID)
		case *smpp.DataSMResp:
			id = string(p.MessageID)
		}
	}))
	if err != nil {
		c.t.Fatalf("submit: %v", err)
	}
	<-done
	return status, id
}

// must submits a message that must be accepted and returns its id.
func (c *client) must(m smpp.PDU) string {
	c.t.Helper()
	st, id := c.submit(m)
	if st != smpp.ROK || id == "" {
		c.t.Fatalf("submit: %s, id %q", st, id)
	}
	return id
}

type completion func(smpp.Result)

func (f completion) Complete(r smpp.Result) { f(r) }

// eventually waits for the counters to satisfy ok.
func eventually(t testing.TB, sim *smsc.Simulator, what string, ok func(c smsc.Counters) bool) smsc.Counters {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		c := sim.Counters()
		if ok(c) {
			return c
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: %+v", what, c)
		}
	}
}

// settled waits until nothing is pending and checks that the receipts add up.
func settled(t testing.TB, sim *smsc.Simulator) smsc.Counters {
	t.Helper()
	c := eventually(t, sim, "nothing pending", func(c smsc.Counters) bool { return c.Receipts.Pending == 0 })
	r := c.Receipts
	if in, out := r.Wanted+r.Doubled+r.Unknown+r.Intermediate, r.Acked+r.Refused+r.Lost+r.Dropped; in != out {
		t.Errorf("receipts do not add up: %+v", r)
	}
	return c
}

func ids(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%016x/%d", i+1, 1)
	}
	return all
}

// patched returns the zero behaviour with a JSON object applied.
func patched(t testing.TB, object string) smsc.Behaviour {
	t.Helper()
	var b smsc.Behaviour
	if err := b.Patch([]byte(object)); err != nil {
		t.Fatal(err)
	}
	return b
}
