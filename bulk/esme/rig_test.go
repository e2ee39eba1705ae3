package esme_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
	"protei-bulk/smpp"
	"protei-bulk/smpp/smpptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is an intake.Sink whose messages become durable when the test lets them.
type sink struct {
	hold bool // AcceptAsync waits for release
	drop bool // nothing is kept
	tick bool // nothing is kept, and what gathers in 1 ms becomes durable together

	mu   sync.Mutex
	msgs []*message.Message
	held []func(error)
	err  error
	came chan struct{}
}

func (s *sink) Accept(context.Context, []*message.Message, *message.Answer) error {
	panic("not used over SMPP")
}

func (s *sink) AcceptAsync(m *message.Message, done func(error)) {
	if s.drop {
		done(nil)
		return
	}
	if s.tick {
		s.mu.Lock()
		s.held = append(s.held, done)
		s.mu.Unlock()
		return
	}
	s.mu.Lock()
	err := s.err
	if err == nil {
		s.msgs = append(s.msgs, m)
	}
	if s.hold {
		s.held = append(s.held, done)
	}
	s.mu.Unlock()
	if !s.hold {
		done(err)
	}
	select {
	case s.came <- struct{}{}:
	default:
	}
}

func (s *sink) release() {
	s.mu.Lock()
	held := s.held
	s.held = nil
	s.mu.Unlock()
	for _, done := range held {
		done(nil)
	}
}

func (s *sink) last(t testing.TB) *message.Message {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.msgs) == 0 {
		t.Fatal("nothing was accepted")
	}
	return s.msgs[len(s.msgs)-1]
}

// take returns what was accepted since it was called last.
func (s *sink) take() []*message.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.msgs
	s.msgs = nil
	return all
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.msgs)
}

// outbox is an esme.Outbox in memory. The account is not looked at twice: what Notified ends is gone.
type outbox struct {
	mu    sync.Mutex
	open  map[message.ID]esme.Notice
	ended map[message.ID]int
	ends  map[message.ID]esme.Notice // as Notified was told
	fails int                        // calls of OpenReceipts that fail
	noted chan message.ID
}

func newOutbox() *outbox {
	return &outbox{open: map[message.ID]esme.Notice{}, ended: map[message.ID]int{}, ends: map[message.ID]esme.Notice{}, noted: make(chan message.ID, 100_000)}
}

func (o *outbox) add(ns ...esme.Notice) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range ns {
		o.open[n.MessageID] = n
	}
}

func (o *outbox) OpenReceipts(_ context.Context, account uint32, after message.ID, limit int) ([]esme.Notice, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fails > 0 {
		o.fails--
		return nil, errors.New("the disk is gone for a moment")
	}
	var page []esme.Notice
	for id, n := range o.open {
		if id > after && (account == 0 || n.Account == account) {
			page = append(page, n)
		}
	}
	slices.SortFunc(page, func(a, b esme.Notice) int {
		if a.MessageID < b.MessageID {
			return -1
		}
		return 1
	})
	return page[:min(len(page), limit)], nil
}

func (o *outbox) Notified(ns []esme.Notice, done func(error)) {
	o.mu.Lock()
	for _, n := range ns {
		delete(o.open, n.MessageID)
		o.ended[n.MessageID]++
		o.ends[n.MessageID] = n
		o.noted <- n.MessageID
	}
	o.mu.Unlock()
	done(nil)
}

func (o *outbox) fail(calls int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fails = calls
}

// wait returns when id has ended.
func (o *outbox) wait(t testing.TB, want message.ID) {
	t.Helper()
	select {
	case id := <-o.noted:
		if id != want {
			t.Fatalf("%s was noted, want %s", id, want)
		}
	case <-time.After(smpptest.Patience):
		t.Fatalf("%s was not noted", want)
	}
}

func (o *outbox) last(id message.ID) esme.Notice {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ends[id]
}

func (o *outbox) left() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.open)
}

// rig is a server with an account that binds as esme/secret.
type rig struct {
	srv    *esme.Server
	addr   string
	sink   *sink
	outbox *outbox
	dir    *account.Directory
	acct   *account.Account
	ids    *message.IDSource
}

func newRig(t testing.TB, spec account.Spec, change func(*esme.Options, *sink)) *rig {
	t.Helper()
	r := &rig{sink: &sink{came: make(chan struct{}, 1000)}, outbox: newOutbox(), ids: message.NewIDSource(1, 0, nil)}
	var err error
	if r.dir, err = account.Open(context.Background(), account.Options{Store: new(accounttest.Store)}); err != nil {
		t.Fatal(err)
	}
	spec.Name, spec.SystemID = "acme", "esme"
	if r.acct, _, err = r.dir.Create(context.Background(), spec, "secret"); err != nil {
		t.Fatal(err)
	}
	table, err := route.NewTable([]route.Connector{{ID: 1, Name: "default"}})
	if err != nil {
		t.Fatal(err)
	}
	router, err := route.NewRouter(table)
	if err != nil {
		t.Fatal(err)
	}
	door, err := intake.New(intake.Options{Sink: r.sink, Router: router, IDs: r.ids})
	if err != nil {
		t.Fatal(err)
	}
	o := esme.Options{Accounts: r.dir, Intake: door, Outbox: r.outbox, RefusalDelay: -1, RetryMin: 10 * time.Millisecond, RetryMax: 20 * time.Millisecond}
	if change != nil {
		change(&o, r.sink)
	}
	if r.srv, err = esme.New(o); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	r.srv.Start(ln)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), smpptest.Patience)
		defer cancel()
		r.sink.release()
		if err := r.srv.Stop(ctx); err != nil {
			t.Log(err)
		}
	})
	return r
}

// bind binds with the real client; h takes the receipts, nil answers ROK.
func (r *rig) bind(t testing.TB, bt smpp.BindType, h smpp.Handler) *smpp.Session {
	t.Helper()
	if h == nil {
		h = smpp.HandlerFunc(func(s *smpp.Session, req *smpp.Request) { s.Respond(req.Seq, req.ID, smpp.ROK, nil) })
	}
	s, err := smpp.Dial(context.Background(), smpp.DialOptions{Addr: r.addr, BindType: bt, SystemID: "esme", Password: "secret", Session: smpp.SessionOptions{Window: 100, Handler: h}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		<-s.Done()
	})
	return s
}

// submit sends p and returns status and message id.
func submit(t testing.TB, s *smpp.Session, p smpp.PDU) (smpp.Status, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), smpptest.Patience)
	defer cancel()
	st, body, err := s.Do(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	switch resp := body.(type) {
	case *smpp.SubmitSMResp:
		return st, string(resp.MessageID)
	case *smpp.DataSMResp:
		return st, string(resp.MessageID)
	default:
		return st, ""
	}
}

func message1() *smpp.SubmitSM {
	return &smpp.SubmitSM{
		Source: smpp.Address{TON: 5, Addr: []byte("ACME")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("4915112345678")},
		RegisteredDelivery: smpp.RegisteredFinal, ShortMessage: []byte("Your code is 123456, do not tell."),
	}
}

// notice is a final state of a message of the rig's account.
func (r *rig) notice(st message.Status) esme.Notice {
	at := time.Now().UnixMilli()
	return esme.Notice{
		MessageID: r.ids.Next(), Account: r.acct.ID, Source: message.Address{TON: 5, Addr: "ACME"}, Dest: message.Address{TON: 1, NPI: 1, Addr: "4915112345678"},
		Text: []byte("Your code is 123456, do not tell."), Status: st, SubmittedAt: at, DoneAt: at,
	}
}

// deliveries gathers deliver_sm and answers each with the next status, ROK when there is none.
type deliveries struct {
	got    chan *smpp.DeliverSM
	answer chan smpp.Status
}

func newDeliveries(answers ...smpp.Status) deliveries {
	d := deliveries{make(chan *smpp.DeliverSM, 100_000), make(chan smpp.Status, len(answers))}
	for _, a := range answers {
		d.answer <- a
	}
	return d
}

func (d deliveries) HandleRequest(s *smpp.Session, r *smpp.Request) {
	pdu, err := smpp.Clone(r.PDU)
	if err != nil {
		panic(err)
	}
	d.got <- pdu.(*smpp.DeliverSM)
	st := smpp.ROK
	select {
	case st = <-d.answer:
	default:
	}
	s.Respond(r.Seq, r.ID, st, nil)
}

func (d deliveries) next(t testing.TB) *smpp.DeliverSM {
	t.Helper()
	select {
	case p := <-d.got:
		return p
	case <-time.After(smpptest.Patience):
		t.Fatal("no deliver_sm came")
		return nil
	}
}
