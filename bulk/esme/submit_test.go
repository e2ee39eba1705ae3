package esme_test

import (
	"context"
	"errors"
	"strings"
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

func TestBinds(t *testing.T) {
	r := newRig(t, account.Spec{MaxBinds: 1}, nil)
	refused := func(systemID, password string, want smpp.Status) {
		t.Helper()
		_, err := smpp.Dial(context.Background(), smpp.DialOptions{Addr: r.addr, SystemID: systemID, Password: password})
		var se *smpp.StatusError
		if !errors.As(err, &se) || se.Status != want {
			t.Fatalf("%s: got %v, want %s", systemID, err, want)
		}
	}
	refused("nobody", "secret", smpp.RINVSYSID)
	refused("esme", "wrong", smpp.RINVPASWD)
	s := r.bind(t, smpp.Transceiver, nil)
	if s.SystemID() != "protei-bulk" || s.InterfaceVersion() != smpp.Version34 {
		t.Fatalf("bound to %s of version %x", s.SystemID(), s.InterfaceVersion())
	}
	refused("esme", "secret", smpp.RBINDFAIL) // MaxBinds
	if err := s.Unbind(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the bind's place is free", func() bool { return r.srv.Stats().Binds == 0 })
	s = r.bind(t, smpp.Receiver, nil)
	if st, _ := submit(t, s, &smpp.EnquireLink{}); st != smpp.ROK {
		t.Fatal(st)
	}
	s.Close()
	eventually(t, "the bind's place is free", func() bool { return r.srv.Stats().Binds == 0 })
	if _, err := r.dir.Update(context.Background(), r.acct.ID, func(s *account.Spec) { s.Disabled = true }); err != nil {
		t.Fatal(err)
	}
	refused("esme", "secret", smpp.RBINDFAIL)
}

// elsewhere counts binds, of which all nodes may have so many.
type elsewhere struct {
	mu          sync.Mutex
	room, most  int
	took, given int
}

func (e *elsewhere) Take(_ context.Context, _ uint32, most int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.most = most
	if e.room == 0 {
		return false
	}
	e.room--
	e.took++
	return true
}

func (e *elsewhere) Give(uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.room++
	e.given++
}

// counts returns the places left, the most asked for, and the binds taken and given.
func (e *elsewhere) counts() (room, most, took, given int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.room, e.most, e.took, e.given
}

// TestBindsOverNodes: what other nodes have counts, and each bind that was taken is given once.
func TestBindsOverNodes(t *testing.T) {
	e := &elsewhere{room: 2}
	r := newRig(t, account.Spec{MaxBinds: 3}, func(o *esme.Options, _ *sink) { o.Binds = e })
	first, second := r.bind(t, smpp.Transceiver, nil), r.bind(t, smpp.Transmitter, nil)
	refused := func(password string) {
		t.Helper()
		_, err := smpp.Dial(context.Background(), smpp.DialOptions{Addr: r.addr, SystemID: "esme", Password: password})
		var se *smpp.StatusError
		if !errors.As(err, &se) || se.Status != smpp.RBINDFAIL && password == "secret" {
			t.Fatalf("got %v", err)
		}
	}
	refused("secret")
	refused("wrong")
	_, most, _, _ := e.counts()
	if n := r.srv.Stats().Binds; n != 2 || most != 3 {
		t.Errorf("%d binds of %d", n, most)
	}
	if err := first.Unbind(context.Background()); err != nil {
		t.Fatal(err)
	}
	second.Close()
	eventually(t, "all places are free", func() bool { room, _, _, _ := e.counts(); return room == 2 })
	r.bind(t, smpp.Receiver, nil)
	if _, _, took, given := e.counts(); took != 3 || given != 2 {
		t.Errorf("%d taken, %d given", took, given)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(6 * smpptest.Patience) // the machine may be busy
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestSubmitIsAnsweredWhenDurable(t *testing.T) {
	r := newRig(t, account.Spec{}, func(_ *esme.Options, s *sink) { s.hold = true })
	s := r.bind(t, smpp.Transmitter, nil)
	done := make(chan smpp.Result, 1)
	if err := s.Send(context.Background(), message1(), completion(func(res smpp.Result) { done <- res })); err != nil {
		t.Fatal(err)
	}
	<-r.sink.came
	select {
	case res := <-done:
		t.Fatalf("answered before it was durable: %+v", res)
	case <-time.After(20 * time.Millisecond):
	}
	r.sink.release()
	if res := <-done; res.Err != nil || res.Status != smpp.ROK {
		t.Fatalf("%+v", res)
	}
}

type completion func(smpp.Result)

func (c completion) Complete(r smpp.Result) { c(r) }

func TestSubmit(t *testing.T) {
	r := newRig(t, account.Spec{}, nil)
	s := r.bind(t, smpp.Transceiver, nil)
	accepted := func(p smpp.PDU) *message.Message {
		t.Helper()
		st, id := submit(t, s, p)
		m := r.sink.last(t)
		if st != smpp.ROK || id != m.ID.String() || !smpp.ValidMessageID([]byte(id)) || id[0] == '0' {
			t.Fatalf("%s, message_id %q, want %s", st, id, m.ID)
		}
		return m
	}
	t.Run("item 52: the id, the octets and the addresses", func(t *testing.T) {
		m := accepted(message1())
		if m.Source != (message.Address{TON: 5, Addr: "ACME"}) || m.Dest.Addr != "4915112345678" || string(m.Payload) != "Your code is 123456, do not tell." || m.Account != r.acct.ID {
			t.Fatalf("%+v", m)
		}
	})
	for name, c := range map[string]struct {
		registered byte
		want       message.Flags
	}{
		"item 54: no receipt":   {0, message.ViaSMPP},
		"item 54: any final":    {1, message.ViaSMPP | message.WantReceipt | message.NotifyFinal},
		"item 54: failure only": {2, message.ViaSMPP | message.WantReceipt | message.NotifyFinal | message.NotifyFailureOnly},
		"item 54: intermediate": {0x11, message.ViaSMPP | message.WantReceipt | message.NotifyFinal | message.NotifyIntermediate},
	} {
		t.Run(name, func(t *testing.T) {
			p := message1()
			p.RegisteredDelivery = c.registered
			if m := accepted(p); m.Flags != c.want {
				t.Fatalf("flags %b, want %b", m.Flags, c.want)
			}
		})
	}
	t.Run("priority", func(t *testing.T) {
		for flag, want := range map[byte]message.Priority{0: message.Normal, 1: message.Normal, 2: message.High, 3: message.Critical} {
			p := message1()
			p.PriorityFlag = flag
			if m := accepted(p); m.Priority != want {
				t.Fatalf("priority_flag %d became %s", flag, m.Priority)
			}
		}
	})
	t.Run("item 16: schedule and validity", func(t *testing.T) {
		p := message1()
		p.ScheduleDeliveryTime, p.ValidityPeriod = []byte("000000010000000R"), []byte("000000020000000R")
		m := accepted(p)
		if d := time.Until(time.UnixMilli(m.ScheduleAt)).Round(time.Minute); d != time.Hour {
			t.Fatalf("scheduled in %s", d)
		}
		if d := time.Until(time.UnixMilli(m.ValidUntil)).Round(time.Minute); d != 2*time.Hour {
			t.Fatalf("valid for %s", d)
		}
	})
	t.Run("item 25: payload, split by us", func(t *testing.T) {
		p := message1()
		p.ShortMessage, p.TLVs = nil, smpp.TLVs{}.Append(smpp.TagMessagePayload, []byte(strings.Repeat("long ", 100)))
		if m := accepted(p); len(m.Parts) != 4 || m.ESMClass&smpp.ESMUDHI == 0 {
			t.Fatalf("%d parts, esm_class %x", len(m.Parts), m.ESMClass)
		}
	})
	t.Run("sar becomes a user data header", func(t *testing.T) {
		p := message1()
		p.TLVs = smpp.TLVs{}.AppendUint16(smpp.TagSarMsgRefNum, 0x0107).AppendByte(smpp.TagSarTotalSegments, 3).AppendByte(smpp.TagSarSegmentSeqnum, 2)
		m := accepted(p)
		if want := "\x05\x00\x03\x07\x03\x02" + string(p.ShortMessage); string(m.Payload) != want || m.ESMClass&smpp.ESMUDHI == 0 {
			t.Fatalf("got %q", m.Payload)
		}
	})
	t.Run("item 27: user_message_reference", func(t *testing.T) {
		p := message1()
		p.TLVs = smpp.TLVs{}.AppendUint16(smpp.TagUserMessageReference, 4711)
		if m := accepted(p); m.ClientRef != "4711" {
			t.Fatalf("client_ref %q", m.ClientRef)
		}
		if m := accepted(message1()); m.ClientRef != "" {
			t.Fatalf("the next message has client_ref %q", m.ClientRef)
		}
	})
	t.Run("item 61: data_sm", func(t *testing.T) {
		m := accepted(&smpp.DataSM{Source: smpp.Address{TON: 5, Addr: []byte("ACME")}, Dest: smpp.Address{Addr: []byte("4915112345678")}, TLVs: smpp.TLVs{}.Append(smpp.TagMessagePayload, []byte("hello"))})
		if string(m.Payload) != "hello" {
			t.Fatalf("%q", m.Payload)
		}
	})
}

func TestRefusals(t *testing.T) {
	r := newRig(t, account.Spec{}, nil)
	s := r.bind(t, smpp.Transceiver, nil)
	before := r.sink.count()
	bad := message1()
	bad.Dest.Addr = []byte("not a number")
	long := message1()
	long.ShortMessage, long.TLVs = nil, smpp.TLVs{}.Append(smpp.TagMessagePayload, make([]byte, 60_000))
	for name, c := range map[string]struct {
		p    smpp.PDU
		want smpp.Status
	}{
		"bad destination":         {bad, smpp.RINVDSTADR},
		"too long":                {long, smpp.RINVMSGLEN},
		"item 59: query_sm":       {&smpp.QuerySM{MessageID: []byte("1")}, smpp.RQUERYFAIL},
		"item 59: cancel_sm":      {&smpp.CancelSM{MessageID: []byte("1")}, smpp.RCANCELFAIL},
		"item 59: replace_sm":     {&smpp.ReplaceSM{MessageID: []byte("1")}, smpp.RREPLACEFAIL},
		"item 60: submit_multi":   {&smpp.SubmitMulti{Dests: []smpp.Destination{{Address: smpp.Address{Addr: []byte("79")}}}}, smpp.RSUBMITFAIL},
		"data_sm without payload": {&smpp.DataSM{Dest: smpp.Address{Addr: []byte("no")}}, smpp.RINVDSTADR},
	} {
		t.Run(name, func(t *testing.T) {
			if st, _ := submit(t, s, c.p); st != c.want {
				t.Fatalf("got %s, want %s", st, c.want)
			}
		})
	}
	for _, fault := range []error{intake.ErrBusy, intake.ErrDiskFull, errors.New("fdatasync")} {
		t.Run("item 39: "+fault.Error(), func(t *testing.T) {
			r.sink.mu.Lock()
			r.sink.err = fault
			r.sink.mu.Unlock()
			want := smpp.Status(intake.AsRefusal(fault).SMPPStatus())
			if st, _ := submit(t, s, message1()); st != want || st == smpp.ROK {
				t.Fatalf("got %s, want %s", st, want)
			}
		})
	}
	if n := r.sink.count(); n != before {
		t.Fatalf("%d refused messages were stored", n-before)
	}
}

func TestRateLimit(t *testing.T) {
	t.Run("item 39: above the account's TPS nothing is stored, over all its binds", func(t *testing.T) {
		r := newRig(t, account.Spec{TPS: 1}, nil)
		a, b := r.bind(t, smpp.Transceiver, nil), r.bind(t, smpp.Transceiver, nil)
		var ok, throttled int
		for i := range 10 {
			s := a
			if i%2 == 1 {
				s = b
			}
			switch st, _ := submit(t, s, message1()); st {
			case smpp.ROK:
				ok++
			case smpp.RTHROTTLED:
				throttled++
			default:
				t.Fatal(st)
			}
		}
		if ok == 0 || throttled == 0 || r.sink.count() != ok {
			t.Fatalf("%d accepted, %d throttled, %d stored", ok, throttled, r.sink.count())
		}
	})
}

func TestStopAnswersWhatIsUnderWay(t *testing.T) {
	r := newRig(t, account.Spec{}, func(_ *esme.Options, s *sink) { s.hold = true })
	s := r.bind(t, smpp.Transceiver, nil)
	const n = 20
	done := make(chan smpp.Result, n)
	for range n {
		if err := s.Send(context.Background(), message1(), completion(func(res smpp.Result) { done <- res })); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all have reached the store", func() bool { return r.sink.count() == n })
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), smpptest.Patience)
		defer cancel()
		stopped <- r.srv.Stop(ctx)
	}()
	<-time.After(20 * time.Millisecond)
	r.sink.release()
	for range n {
		if res := <-done; res.Err != nil || res.Status != smpp.ROK {
			t.Fatalf("%+v", res)
		}
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if _, err := smpp.Dial(context.Background(), smpp.DialOptions{Addr: r.addr, SystemID: "esme", Password: "secret"}); err == nil {
		t.Fatal("still accepting")
	}
}
