package dispatch_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/dispatch/dispatchtest"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/upstream"
	"protei-bulk/smpp"
)

const patience = 10 * time.Second

// smsc is a real SMPP server whose answers a test scripts.
type smsc struct {
	t      testing.TB
	server *smpp.Server
	addr   string
	served chan error

	// submit answers a submit_sm; nil means ROK with the next number as id.
	submit atomic.Pointer[func(s *smpp.Session, r *smpp.Request, p *smpp.SubmitSM)]
	ids    atomic.Uint64

	other    smpp.Handler // when set, it answers instead
	counters func() dispatch.Counters

	mu       sync.Mutex
	sessions []*smpp.Session
	got      []submitted
}

// submitted is one submit_sm as the SMSC saw it.
type submitted struct {
	dest, text, trace string
	seq               uint32
	registered        byte
	esm               byte
	validity          string
	more, dup         bool
	at                time.Time
	session           *smpp.Session
}

func newSMSC(t testing.TB, window int) *smsc {
	t.Helper()
	m := &smsc{t: t, served: make(chan error, 1)}
	server, err := smpp.NewServer(smpp.ServerOptions{
		SystemID: "smsc", Handler: m, RefusalDelay: -1, MaxInFlight: 100_000,
		Bound: func(s *smpp.Session) {
			m.mu.Lock()
			m.sessions = append(m.sessions, s)
			m.mu.Unlock()
		},
		Session: smpp.SessionOptions{Window: window},
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.server, m.addr = server, ln.Addr().String()
	go func() { m.served <- server.Serve(ln) }()
	t.Cleanup(m.stop)
	return m
}

func (m *smsc) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	m.server.Shutdown(ctx)
	<-m.served
}

func (m *smsc) HandleRequest(s *smpp.Session, r *smpp.Request) {
	if m.other != nil {
		m.other.HandleRequest(s, r)
		return
	}
	p, ok := r.PDU.(*smpp.SubmitSM)
	if !ok {
		s.Respond(r.Seq, r.ID, smpp.RINVCMDID, nil)
		return
	}
	m.note(s, r, p)
	if f := m.submit.Load(); f != nil {
		(*f)(s, r, p)
		return
	}
	m.accept(s, r)
}

func (m *smsc) note(s *smpp.Session, r *smpp.Request, p *smpp.SubmitSM) {
	trace, _ := p.TLVs.Find(dispatch.TagTrace)
	_, dup := p.TLVs.Find(dispatch.TagDuplicate)
	_, more := p.TLVs.Find(smpp.TagMoreMessagesToSend)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got = append(m.got, submitted{
		dest: string(p.Dest.Addr), text: string(p.ShortMessage), trace: string(trace), seq: r.Seq,
		registered: p.RegisteredDelivery, esm: p.ESMClass, validity: string(p.ValidityPeriod),
		more: more, dup: dup, at: time.Now(), session: s,
	})
}

// accept answers ROK with the next number as id, and returns that.
func (m *smsc) accept(s *smpp.Session, r *smpp.Request) string {
	id := strconv.FormatUint(m.ids.Add(1), 10)
	s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte(id)})
	return id
}

func (m *smsc) onSubmit(f func(s *smpp.Session, r *smpp.Request, p *smpp.SubmitSM)) {
	m.submit.Store(&f)
}

func (m *smsc) all() []submitted {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]submitted(nil), m.got...)
}

func (m *smsc) bound() []*smpp.Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]*smpp.Session(nil), m.sessions...)
}

// answers collects the deliver_sm_resp of one receipt.
type answers chan smpp.Result

func (a answers) Complete(r smpp.Result) { r.PDU = nil; a <- r }

// receipt sends a delivery receipt and returns its answer's status.
func (m *smsc) receipt(s *smpp.Session, id, from, stat string) smpp.Status {
	m.t.Helper()
	return m.deliver(s, &smpp.DeliverSM{
		ESMClass: smpp.ESMReceipt, Source: smpp.Address{TON: 1, NPI: 1, Addr: []byte(from)},
		ShortMessage: []byte("id:" + id + " sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:" + stat + " err:007 text:x"),
	})
}

func (m *smsc) deliver(s *smpp.Session, p *smpp.DeliverSM) smpp.Status {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a := make(answers, 1)
	if err := s.Send(ctx, p, a); err != nil {
		m.t.Fatalf("send deliver_sm: %v", err)
	}
	select {
	case r := <-a:
		if r.Err != nil {
			m.t.Fatalf("deliver_sm: %v", r.Err)
		}
		return r.Status
	case <-ctx.Done():
		m.t.Fatal("deliver_sm was not answered")
		return 0
	}
}

// rig is a connector: store, lanes, links and dispatcher against an smsc.
type rig struct {
	t     testing.TB
	store *dispatchtest.Store
	lanes *queue.Lanes
	group *upstream.Group
	d     *dispatch.Dispatcher
	ids   *message.IDSource
	smsc  *smsc
	once  sync.Once
}

type settings struct {
	url      string // query of the connector's URL
	store    *dispatchtest.Store
	memory   int
	dispatch dispatch.Options
	group    func(*upstream.Options)
}

func newRig(t testing.TB, m *smsc, set settings) *rig {
	t.Helper()
	r := &rig{t: t, smsc: m, store: set.store}
	if r.store == nil {
		r.store = dispatchtest.New()
	}
	var err error
	if r.lanes, err = queue.New(queue.Options{Store: r.store, Memory: set.memory, LoadBatch: 100}); err != nil {
		t.Fatal(err)
	}
	q := r.lanes.Connector(1)
	r.lanes.Restore(r.store.Recovery())
	r.store.Applied = r.lanes.Applied
	opts, err := upstream.ParseURL("smpp://test:secret@" + m.addr + "?trace_tlv=1&" + set.url)
	if err != nil {
		t.Fatal(err)
	}
	opts.BackoffMin, opts.BackoffMax = 10*time.Millisecond, 50*time.Millisecond
	if set.group != nil {
		set.group(&opts)
	}
	if r.group, err = upstream.New(opts); err != nil {
		t.Fatal(err)
	}
	o := set.dispatch
	o.Connector, o.Queue, o.Group, o.Store = 1, q, r.group, r.store
	if r.d, err = dispatch.New(o); err != nil {
		t.Fatal(err)
	}
	m.counters = r.d.Counters
	r.ids = message.NewIDSource(1, 0, nil)
	r.store.Start()
	r.lanes.Start()
	r.d.Start()
	t.Cleanup(func() { r.stop(5 * time.Second) })
	return r
}

// stop ends everything in order, and the store last.
func (r *rig) stop(within time.Duration) (err error) {
	r.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		err = r.d.Stop(ctx)
		r.lanes.Stop()
		r.store.Stop()
	})
	return err
}

// crash drops what is not durable and returns what a new process finds.
func (r *rig) crash() *dispatchtest.Store {
	var left *dispatchtest.Store
	r.once.Do(func() {
		left = r.store.Crash()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r.d.Stop(ctx)
		r.lanes.Stop()
	})
	return left
}

func (r *rig) message(i int, parts ...string) *message.Message {
	m := &message.Message{
		ID: r.ids.Next(), Account: 1, Connector: 1, Priority: message.Normal, Status: message.Pending,
		Source:      message.Address{TON: 5, Addr: "SHOP"},
		Dest:        message.Address{TON: 1, NPI: 1, Addr: "9936" + strconv.Itoa(1000000+i)},
		Flags:       message.WantReceipt,
		SubmittedAt: time.Now().UnixMilli(), ValidUntil: time.Now().Add(time.Hour).UnixMilli(),
	}
	if len(parts) == 0 {
		parts = []string{"hello " + strconv.Itoa(i)}
	}
	m.SetParts(len(parts))
	for i, p := range parts {
		m.Payload = append(m.Payload, p...)
		m.Parts[i].End = uint32(len(m.Payload))
	}
	return m
}

func (r *rig) accept(msgs ...*message.Message) {
	r.t.Helper()
	done := make(chan error, 1)
	r.store.Accept(msgs, func(err error) { done <- err })
	if err := <-done; err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) send(n int) []*message.Message {
	r.t.Helper()
	msgs := make([]*message.Message, n)
	for i := range msgs {
		msgs[i] = r.message(i)
	}
	r.accept(msgs...)
	return msgs
}

// eventually polls until ok, since results come back on other goroutines.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}

func (r *rig) expect(want message.Status, n int) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for r.store.Count()[want] != n {
		if time.Now().After(deadline) {
			r.t.Fatalf("not %d messages %v but %v; lanes %+v; %+v", n, want, r.store.Count(), r.lanes.Depths(nil), r.d.Counters())
		}
		time.Sleep(time.Millisecond)
	}
}

func (r *rig) get(id message.ID) message.Message {
	r.t.Helper()
	m, ok := r.store.Message(id)
	if !ok {
		r.t.Fatalf("message %v is not in the store", id)
	}
	return m
}

var errDisk = errors.New("disk broke")
