package esme_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
	"protei-bulk/smpp/smpptest"
)

// shelf is an esme.Messages over what a sink accepted.
type shelf struct {
	sink *sink

	mu       sync.Mutex
	replaced []*esme.Replacement
	refuse   error
}

func (s *shelf) Messages(_ context.Context, accountID uint32, id message.ID) (found []*message.Message, err error) {
	for _, m := range s.all() {
		if m.Account == accountID && (m.ID == id || m.Batch == id) {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		return nil, esme.ErrNoMessage
	}
	return found, nil
}

func (s *shelf) all() []*message.Message {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	return slices.Clone(s.sink.msgs)
}

func (s *shelf) Waiting(_ context.Context, _ uint32, source, dest string, _ int) (found []*message.Message, err error) {
	for _, m := range s.all() {
		if m.Source.Addr == source && m.Dest.Addr == dest && m.Status.Waiting() {
			found = append(found, m)
		}
	}
	return found, nil
}

func (s *shelf) Cancel(_ context.Context, id message.ID) error {
	for _, m := range s.all() {
		if m.ID == id && m.Status.Waiting() {
			m.Status, m.DoneAt = message.Cancelled, time.Now().UnixMilli()
			return nil
		}
	}
	return esme.ErrTooLate
}

func (s *shelf) Replace(_ context.Context, _ *message.Message, with *esme.Replacement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replaced = append(s.replaced, with)
	return s.refuse
}

func managedRig(t *testing.T, spec account.Spec) (*rig, *shelf) {
	t.Helper()
	sh := &shelf{}
	ids := message.NewIDSource(2, 0, nil)
	r := newRig(t, spec, func(o *esme.Options, s *sink) { sh.sink, o.Messages, o.IDs = s, sh, ids })
	return r, sh
}

// ask sends a request and returns the answer.
func ask(t *testing.T, s *smpp.Session, p smpp.PDU) (smpp.Status, smpp.PDU) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), smpptest.Patience)
	defer cancel()
	st, body, err := s.Do(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	return st, body
}

func TestQuery(t *testing.T) {
	r, _ := managedRig(t, account.Spec{})
	s := r.bind(t, smpp.Transmitter, nil)
	_, id := submit(t, s, message1())
	m := r.sink.last(t)
	source := smpp.Address{TON: 5, Addr: []byte("ACME")}
	for name, c := range map[string]struct {
		id     string
		source smpp.Address
		want   smpp.Status
	}{
		"its own":            {id, source, smpp.ROK},
		"without a source":   {id, smpp.Address{}, smpp.ROK},
		"another source":     {id, smpp.Address{Addr: []byte("OTHER")}, smpp.RINVSRCADR},
		"an unknown id":      {"0000000000000001", source, smpp.RINVMSGID},
		"not an id":          {"hello", source, smpp.RINVMSGID},
		"no id":              {"", source, smpp.RINVMSGID},
		"an id as a decimal": {"1", source, smpp.RINVMSGID},
	} {
		t.Run("item 59: "+name, func(t *testing.T) {
			if st, _ := ask(t, s, &smpp.QuerySM{MessageID: []byte(c.id), Source: c.source}); st != c.want {
				t.Errorf("%v, want %v", st, c.want)
			}
		})
	}
	query := func() *smpp.QuerySMResp {
		t.Helper()
		_, body := ask(t, s, &smpp.QuerySM{MessageID: []byte(id), Source: source})
		return body.(*smpp.QuerySMResp)
	}
	if q := query(); q.MessageState != smpp.StateEnroute || len(q.FinalDate) != 0 || string(q.MessageID) != id {
		t.Errorf("on its way: %+v", q)
	}
	at := time.Date(2026, 11, 25, 23, 59, 58, 0, time.UTC)
	m.Status, m.DoneAt, m.Parts[0].Error = message.Failed, at.UnixMilli(), 27
	if q := query(); q.MessageState != smpp.StateUndeliverable || string(q.FinalDate) != "261125235958000+" || q.ErrorCode != 27 {
		t.Errorf("failed: %+v %s", q, q.FinalDate)
	}
}

func TestCancel(t *testing.T) {
	r, sh := managedRig(t, account.Spec{})
	s := r.bind(t, smpp.Transceiver, nil)
	source, dest := smpp.Address{TON: 5, Addr: []byte("ACME")}, smpp.Address{Addr: []byte("4915112345678")}
	_, id := submit(t, s, message1())
	cancel := func(id string, source, dest smpp.Address) smpp.Status {
		st, _ := ask(t, s, &smpp.CancelSM{MessageID: []byte(id), Source: source, Dest: dest})
		return st
	}
	if st := cancel(id, source, smpp.Address{Addr: []byte("4900000")}); st != smpp.RINVDSTADR {
		t.Errorf("another destination: %v", st)
	}
	if st := cancel(id, source, smpp.Address{}); st != smpp.ROK || r.sink.last(t).Status != message.Cancelled {
		t.Errorf("by id: %v, %v", st, r.sink.last(t).Status)
	}
	if st := cancel(id, source, smpp.Address{}); st != smpp.RCANCELFAIL {
		t.Errorf("twice: %v", st)
	}
	for range 3 {
		submit(t, s, message1())
	}
	if st := cancel("", source, smpp.Address{}); st != smpp.RINVDSTADR {
		t.Errorf("a group without a destination: %v", st)
	}
	if st := cancel("", source, dest); st != smpp.ROK {
		t.Errorf("a group: %v", st)
	}
	for _, m := range sh.all() {
		if m.Status != message.Cancelled {
			t.Errorf("%s is %v", m.ID, m.Status)
		}
	}
	if st := cancel("", source, dest); st != smpp.RCANCELFAIL {
		t.Errorf("an empty group: %v", st)
	}
}

func TestReplace(t *testing.T) {
	r, sh := managedRig(t, account.Spec{})
	s := r.bind(t, smpp.Transceiver, nil)
	_, id := submit(t, s, message1())
	replace := func(p *smpp.ReplaceSM) smpp.Status {
		p.MessageID, p.Source = []byte(id), smpp.Address{Addr: []byte("ACME")}
		st, _ := ask(t, s, p)
		return st
	}
	if st := replace(&smpp.ReplaceSM{ShortMessage: []byte("better"), RegisteredDelivery: 2}); st != smpp.ROK {
		t.Errorf("%v", st)
	}
	if n := len(sh.replaced); n != 1 || string(sh.replaced[0].Octets) != "better" || sh.replaced[0].ReceiptRequested != 2 {
		t.Errorf("%d replacements, %+v", n, sh.replaced)
	}
	sh.refuse = &intake.Refusal{Code: intake.RateLimited}
	if st := replace(&smpp.ReplaceSM{}); st != smpp.RTHROTTLED {
		t.Errorf("refused by intake: %v", st)
	}
	sh.refuse = esme.ErrTooLate
	if st := replace(&smpp.ReplaceSM{}); st != smpp.RREPLACEFAIL {
		t.Errorf("too late: %v", st)
	}
	r.sink.last(t).Status = message.Sent
	if st := replace(&smpp.ReplaceSM{}); st != smpp.RREPLACEFAIL || len(sh.replaced) != 3 {
		t.Errorf("sent already: %v", st)
	}
}

func TestSubmitMulti(t *testing.T) {
	r, sh := managedRig(t, account.Spec{})
	d := newDeliveries()
	s := r.bind(t, smpp.Transceiver, d)
	dest := func(number string) smpp.Destination {
		return smpp.Destination{Address: smpp.Address{TON: 1, NPI: 1, Addr: []byte(number)}}
	}
	p := &smpp.SubmitMulti{
		Source: smpp.Address{TON: 5, Addr: []byte("ACME")}, RegisteredDelivery: 1, ShortMessage: []byte("to all"),
		Dests: []smpp.Destination{dest("4915100000001"), dest("nobody"), dest("4915100000002")},
	}
	st, body := ask(t, s, p)
	resp, ok := body.(*smpp.SubmitMultiResp)
	if st != smpp.ROK || !ok {
		t.Fatalf("item 60: %v %+v", st, body)
	}
	if len(resp.Unsuccess) != 1 || string(resp.Unsuccess[0].Address.Addr) != "nobody" || resp.Unsuccess[0].Status != smpp.RINVDSTADR {
		t.Errorf("item 60: unsuccess %+v", resp.Unsuccess)
	}
	msgs := sh.all()
	if len(msgs) != 2 || msgs[0].Batch != msgs[1].Batch || string(resp.MessageID) != msgs[0].Batch.String() || string(msgs[1].Payload) != "to all" {
		t.Fatalf("%s: %+v", resp.MessageID, msgs)
	}
	for _, m := range msgs {
		m.Status, m.DoneAt = message.Delivered, time.Now().UnixMilli()
		r.settle(esme.NoticeOf(m))
		got := d.next(t)
		if rec, err := smpp.ParseReceipt(got.ShortMessage, got.TLVs); err != nil || string(rec.ID) != string(resp.MessageID) || string(got.Source.Addr) != m.Dest.Addr {
			t.Errorf("receipt %s from %s, want the id of the call from %s", got.ShortMessage, got.Source.Addr, m.Dest.Addr)
		}
	}
	if st, body := ask(t, s, &smpp.QuerySM{MessageID: resp.MessageID}); st != smpp.ROK || body.(*smpp.QuerySMResp).MessageState != smpp.StateDelivered {
		t.Errorf("query of the call: %v %+v", st, body)
	}
	msgs[1].Status = message.Pending
	if _, body := ask(t, s, &smpp.QuerySM{MessageID: resp.MessageID}); body.(*smpp.QuerySMResp).MessageState != smpp.StateEnroute {
		t.Errorf("query of a call with one on its way: %+v", body)
	}
	p.Dests = []smpp.Destination{dest("nobody")}
	if st, _ := ask(t, s, p); st != smpp.RINVDSTADR {
		t.Errorf("all refused: %v", st)
	}
	p.Dests = []smpp.Destination{dest("4915100000001"), {List: []byte("friends")}}
	if st, _ := ask(t, s, p); st != smpp.RINVDLNAME {
		t.Errorf("item 60: a list: %v", st)
	}
}

func TestDecimalMessageIDs(t *testing.T) {
	r, _ := managedRig(t, account.Spec{MessageIDs: account.DecimalIDs})
	d := newDeliveries()
	s := r.bind(t, smpp.Transceiver, d)
	_, id := submit(t, s, message1())
	m := r.sink.last(t)
	if n, ok := smpp.ParseMessageID([]byte(id), smpp.IDDecimal); !ok || message.ID(n) != m.ID || id[0] == '0' {
		t.Fatalf("item 62: message_id %s, want %d", id, m.ID)
	}
	if st, _ := ask(t, s, &smpp.QuerySM{MessageID: []byte(id)}); st != smpp.ROK {
		t.Errorf("query: %v", st)
	}
	m.Status, m.DoneAt = message.Delivered, time.Now().UnixMilli()
	r.settle(esme.NoticeOf(m))
	got := d.next(t)
	if rec, err := smpp.ParseReceipt(got.ShortMessage, got.TLVs); err != nil || string(rec.ID) != id {
		t.Errorf("receipt %s, want the id %s", got.ShortMessage, id)
	}
}

func TestBindsFromElsewhereAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		allow []string
		want  smpp.Status
	}{
		"its address":     {[]string{"192.0.2.0/24", "127.0.0.1"}, smpp.ROK},
		"its network":     {[]string{"127.0.0.0/8"}, smpp.ROK},
		"another network": {[]string{"192.0.2.0/24", "::1"}, smpp.RBINDFAIL},
	} {
		t.Run("item 30: "+name, func(t *testing.T) {
			r := newRig(t, account.Spec{SMPPAllow: c.allow}, nil)
			s, err := smpp.Dial(t.Context(), smpp.DialOptions{Addr: r.addr, SystemID: "esme", Password: "secret"})
			if err == nil {
				defer s.Close()
			}
			if got := smpp.StatusOf(err); got != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestCongestionIsToldToVersion5(t *testing.T) {
	r := newRig(t, account.Spec{}, func(o *esme.Options, _ *sink) { o.Congestion = func() uint8 { return 42 } })
	for _, version := range []byte{smpp.Version34, smpp.Version50} {
		s, err := smpp.Dial(t.Context(), smpp.DialOptions{Addr: r.addr, SystemID: "esme", Password: "secret", InterfaceVersion: version})
		if err != nil {
			t.Fatal(err)
		}
		_, body := ask(t, s, message1())
		state, ok := body.(*smpp.SubmitSMResp).TLVs.FindByte(smpp.TagCongestionState)
		if want := version == smpp.Version50; ok != want || want && state != 42 {
			t.Errorf("version %#x: congestion_state %d, %v", version, state, ok)
		}
		s.Close()
		<-s.Done()
	}
}

func TestIntermediateNotification(t *testing.T) {
	r := newRig(t, account.Spec{}, nil)
	d := newDeliveries()
	r.srv.Intermediate(r.notice(message.Sent), smpp.StateEnroute) // nobody is there: nothing happens
	r.bind(t, smpp.Receiver, d)
	first := r.notice(message.Delivered) // when it comes the receiver is there
	r.settle(first)
	d.next(t)
	n := r.notice(message.Sent)
	r.srv.Intermediate(n, smpp.StateEnroute)
	p := d.next(t)
	if p.ESMClass != smpp.ESMIntermediate {
		t.Errorf("item 49: esm_class %#x", p.ESMClass)
	}
	if rec, err := smpp.ParseReceipt(p.ShortMessage, p.TLVs); err != nil || rec.State != smpp.StateEnroute || string(rec.ID) != n.MessageID.String() {
		t.Errorf("%s %+v %v", p.ShortMessage, rec, err)
	}
	n.Status = message.Delivered
	r.settle(n)
	if p = d.next(t); p.ESMClass != smpp.ESMReceipt {
		t.Errorf("the final one has esm_class %#x", p.ESMClass)
	}
}

// TestOutbind: a customer who listens is asked to bind while something waits for it.
func TestOutbind(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	r := newRig(t, account.Spec{Outbind: ln.Addr().String(), OutbindPassword: "knock"}, func(o *esme.Options, _ *sink) { o.Outbind = 5 * time.Millisecond })
	n := r.inbound("waits")
	r.settle(n)
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	d := newDeliveries()
	s, err := smpp.AcceptOutbind(t.Context(), conn, smpp.Outbind{SystemID: []byte("protei-bulk"), Password: []byte("knock")},
		smpp.DialOptions{SystemID: "esme", Password: "secret", Session: smpp.SessionOptions{Handler: d}})
	if err != nil {
		t.Fatalf("item 37: %v", err)
	}
	defer func() { s.Close(); <-s.Done() }()
	if p := d.next(t); string(p.ShortMessage) != "waits" {
		t.Errorf("%q", p.ShortMessage)
	}
	r.outbox.wait(t, n.MessageID)
}

func TestAlertNotification(t *testing.T) {
	r := newRig(t, account.Spec{}, nil)
	got := make(chan string, 1)
	r.bind(t, smpp.Receiver, smpp.HandlerFunc(func(s *smpp.Session, req *smpp.Request) {
		if p, ok := req.PDU.(*smpp.AlertNotification); ok {
			got <- string(p.Source.Addr)
			return
		}
		s.Respond(req.Seq, req.ID, smpp.ROK, nil)
	}))
	first := r.notice(message.Delivered) // when it is confirmed the receiver is there
	r.settle(first)
	r.outbox.wait(t, first.MessageID)
	r.srv.Alert(r.acct.ID, &smpp.AlertNotification{Source: smpp.Address{Addr: []byte("79161234567")}, ESME: smpp.Address{Addr: []byte("1000")}})
	select {
	case from := <-got:
		if from != "79161234567" {
			t.Errorf("item 61: from %s", from)
		}
	case <-time.After(smpptest.Patience):
		t.Fatal("item 61: no alert_notification came")
	}
}
