package smpp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/smpp"
	"protei-bulk/smpp/smpptest"
)

// credentials accepts esme/secret, and refuses "off" as a disabled account.
func credentials(_ context.Context, b smpp.BindInfo) (any, smpp.Status) {
	switch {
	case b.SystemID == "off":
		return nil, smpp.RBINDFAIL
	case b.SystemID != "esme":
		return nil, smpp.RINVSYSID
	case b.Password != "secret":
		return nil, smpp.RINVPASWD
	default:
		return "account of esme", smpp.ROK
	}
}

func TestRequestsOfThePeer(t *testing.T) {
	_, addr := serve(t, smpp.ServerOptions{Handler: accepting})
	bound := func(t *testing.T, bt smpp.BindType) *smpptest.Peer {
		p := smpptest.Dial(t, addr)
		p.Bind(bt, "esme", "")
		return p
	}
	alive := func(t *testing.T, p *smpptest.Peer) {
		t.Helper()
		p.ExpectHeaderOnly(smpp.CmdEnquireLinkResp, smpp.ROK, p.Request(&smpp.EnquireLink{}))
	}
	t.Run("item 5: unknown command", func(t *testing.T) {
		p := bound(t, smpp.Transceiver)
		p.Send(smpp.Header{ID: 0x00000099, Seq: 4711}, nil)
		p.ExpectHeaderOnly(smpp.CmdGenericNack, smpp.RINVCMDID, 4711)
		p.Send(smpp.Header{ID: 0x00010200, Seq: 4712}, nil)
		p.ExpectHeaderOnly(smpp.CmdGenericNack, smpp.RINVCMDID, 4712)
		alive(t, p)
	})
	t.Run("item 6: deliver_sm to the SMSC", func(t *testing.T) {
		p := bound(t, smpp.Transceiver)
		seq := p.Request(&smpp.DeliverSM{Dest: smpp.Address{Addr: []byte("1")}})
		if body := p.Expect(smpp.CmdDeliverSMResp, smpp.RINVBNDSTS, seq); !bytes.Equal(body, []byte{0}) {
			t.Fatalf("body % x", body)
		}
		alive(t, p)
	})
	for name, c := range map[string]struct {
		p  smpp.PDU
		st smpp.Status
	}{
		"item 7: submit_sm":  {sampleSubmit(), smpp.RINVCMDLEN},
		"item 7: data_sm":    {&smpp.DataSM{Dest: smpp.Address{Addr: []byte("79")}}, smpp.RINVCMDLEN},
		"item 7: query_sm":   {&smpp.QuerySM{MessageID: []byte("1"), Source: smpp.Address{Addr: []byte("79")}}, smpp.RINVCMDLEN},
		"item 7: replace_sm": {&smpp.ReplaceSM{MessageID: []byte("1"), Source: smpp.Address{Addr: []byte("79")}}, smpp.RINVCMDLEN},
	} {
		t.Run(name, func(t *testing.T) {
			p := bound(t, smpp.Transceiver)
			b := smpptest.Encode(t, smpp.Header{Seq: 9}, c.p)
			b = b[:smpp.HeaderLen+4]
			b[3] = byte(len(b))
			p.SendRaw(b)
			p.ExpectHeaderOnly(c.p.CommandID().Response(), c.st, 9)
			alive(t, p)
		})
	}
	t.Run("item 7: field status", func(t *testing.T) {
		p := bound(t, smpp.Transceiver)
		seq := p.Request(&smpp.SubmitSM{})
		p.ExpectHeaderOnly(smpp.CmdSubmitSMResp, smpp.RINVDSTADR, seq)
		alive(t, p)
	})
	for _, seq := range []uint32{0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF} {
		t.Run(fmt.Sprintf("item 8: sequence_number 0x%X is echoed", seq), func(t *testing.T) {
			p := bound(t, smpp.Transceiver)
			p.Send(smpp.Header{ID: smpp.CmdSubmitSM, Seq: seq}, sampleSubmit())
			p.Expect(smpp.CmdSubmitSMResp, smpp.ROK, seq)
		})
	}
	t.Run("item 9: duplicate sequence_number", func(t *testing.T) {
		p := bound(t, smpp.Transceiver)
		one := smpptest.Encode(t, smpp.Header{Seq: 5}, sampleSubmit())
		two := smpptest.Encode(t, smpp.Header{Seq: 5}, &smpp.QuerySM{MessageID: []byte("1")})
		p.SendRaw(append(append(bytes.Clone(one), two...), one...))
		p.Expect(smpp.CmdSubmitSMResp, smpp.ROK, 5)
		p.Expect(smpp.CmdQuerySMResp, smpp.ROK, 5)
		p.Expect(smpp.CmdSubmitSMResp, smpp.ROK, 5)
	})
	t.Run("item 10: command_status in a request", func(t *testing.T) {
		p := bound(t, smpp.Transceiver)
		p.Send(smpp.Header{ID: smpp.CmdSubmitSM, Status: smpp.RTHROTTLED, Seq: 3}, sampleSubmit())
		p.Expect(smpp.CmdSubmitSMResp, smpp.ROK, 3)
	})
	for name, t61 := range map[string]smpp.PDU{
		"item 61: data_sm with a payload": &smpp.DataSM{Dest: smpp.Address{Addr: []byte("79")}, TLVs: smpp.TLVs{}.Append(smpp.TagMessagePayload, []byte("hello"))},
		"item 61: query_sm":               &smpp.QuerySM{MessageID: []byte("1")},
	} {
		t.Run(name, func(t *testing.T) {
			p := bound(t, smpp.Transmitter)
			p.Expect(t61.CommandID().Response(), smpp.ROK, p.Request(t61))
		})
	}
	t.Run("item 61: alert_notification to the SMSC", func(t *testing.T) {
		p := bound(t, smpp.Transceiver)
		p.ExpectHeaderOnly(smpp.CmdGenericNack, smpp.RINVBNDSTS, p.Request(&smpp.AlertNotification{}))
		alive(t, p)
	})
}

func TestRefusalsHaveNoBody(t *testing.T) {
	h := smpp.HandlerFunc(func(s *smpp.Session, r *smpp.Request) {
		s.Respond(r.Seq, r.ID, smpp.RMSGQFUL, &smpp.SubmitSMResp{MessageID: []byte("no")})
	})
	_, addr := serve(t, smpp.ServerOptions{Handler: h})
	t.Run("item 11: submit_sm_resp with an error is a header only", func(t *testing.T) {
		p := smpptest.Dial(t, addr)
		p.Bind(smpp.Transmitter, "esme", "")
		p.ExpectHeaderOnly(smpp.CmdSubmitSMResp, smpp.RMSGQFUL, p.Request(sampleSubmit()))
	})
}

func TestAnswersInAnyOrder(t *testing.T) {
	t.Run("item 13: answered from other goroutines, last first", func(t *testing.T) {
		reqs := make(requests, 10)
		_, addr := serve(t, smpp.ServerOptions{Handler: reqs})
		p := smpptest.Dial(t, addr)
		p.Bind(smpp.Transmitter, "esme", "")
		var held []request
		for range 3 {
			p.Request(sampleSubmit())
			held = append(held, reqs.next(t))
		}
		for i := len(held) - 1; i >= 0; i-- {
			r := held[i]
			if err := r.s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte("1")}); err != nil {
				t.Fatal(err)
			}
			p.Expect(smpp.CmdSubmitSMResp, smpp.ROK, r.Seq)
		}
	})
}

func TestBind(t *testing.T) {
	srv, addr := serve(t, smpp.ServerOptions{SystemID: "fifteen-letters", Authenticate: credentials, Handler: accepting})
	bind := func(id smpp.CommandID, systemID, password string, version byte) *smpp.BindReq {
		return &smpp.BindReq{ID: id, SystemID: []byte(systemID), Password: []byte(password), InterfaceVersion: version}
	}
	for _, bt := range []smpp.BindType{smpp.Transmitter, smpp.Receiver, smpp.Transceiver} {
		t.Run("item 32: "+bt.String(), func(t *testing.T) {
			p := smpptest.Dial(t, addr)
			resp := p.Bind(bt, "esme", "secret")
			if string(resp.SystemID) != "fifteen-letters" {
				t.Fatalf("system_id %q", resp.SystemID)
			}
			for _, s := range srv.Sessions() {
				if s.RemoteAddr().String() == p.Conn().LocalAddr().String() {
					if s.BindType() != bt || s.SystemID() != "esme" || s.UserData() != "account of esme" || s.InterfaceVersion() != 0x34 {
						t.Fatalf("session: %s %s %v %x", s.BindType(), s.SystemID(), s.UserData(), s.InterfaceVersion())
					}
				}
			}
		})
	}
	for _, c := range []struct {
		name, systemID, password string
		st                       smpp.Status
	}{
		{"item 30: unknown system_id", "nobody", "secret", smpp.RINVSYSID},
		{"item 30: wrong password", "esme", "wrong", smpp.RINVPASWD},
		{"item 30: disabled account", "off", "secret", smpp.RBINDFAIL},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := smpptest.Dial(t, addr)
			p.ExpectHeaderOnly(smpp.CmdBindTransceiverResp, c.st, p.Request(bind(smpp.CmdBindTransceiver, c.systemID, c.password, 0x34)))
			p.ExpectClosed()
		})
	}
	t.Run("item 14: over-long system_id", func(t *testing.T) {
		p := smpptest.Dial(t, addr)
		b := smpptest.Encode(t, smpp.Header{Seq: 1}, bind(smpp.CmdBindReceiver, "Q", "", 0x34))
		b = bytes.Replace(b, []byte("Q"), bytes.Repeat([]byte("x"), 16), 1)
		b[3] = byte(len(b))
		p.SendRaw(b)
		p.ExpectHeaderOnly(smpp.CmdBindReceiverResp, smpp.RINVSYSID, 1)
		p.ExpectClosed()
	})
	t.Run("item 14: long password where allowed", func(t *testing.T) {
		_, addr := serve(t, smpp.ServerOptions{LongPasswords: true, Authenticate: func(_ context.Context, b smpp.BindInfo) (any, smpp.Status) {
			if b.Password == "longer than eight" {
				return nil, smpp.ROK
			}
			return nil, smpp.RINVPASWD
		}})
		smpptest.Dial(t, addr).Bind(smpp.Transceiver, "esme", "longer than eight")
	})
	for version, want := range map[byte]int{0x00: -1, 0x33: -1, 0x34: 0x34, 0x50: 0x50} {
		t.Run(fmt.Sprintf("item 24: sc_interface_version for 0x%02x", version), func(t *testing.T) {
			p := smpptest.Dial(t, addr)
			seq := p.Request(bind(smpp.CmdBindTransceiver, "esme", "secret", version))
			var resp smpp.BindResp
			if err := resp.DecodeBody(p.Expect(smpp.CmdBindTransceiverResp, smpp.ROK, seq)); err != nil {
				t.Fatal(err)
			}
			got, ok := resp.TLVs.FindByte(smpp.TagSCInterfaceVersion)
			if ok != (want >= 0) || ok && int(got) != want {
				t.Fatalf("got 0x%02x, %t", got, ok)
			}
		})
	}
	t.Run("item 28: submit_sm before bind", func(t *testing.T) {
		p := smpptest.Dial(t, addr)
		p.ExpectHeaderOnly(smpp.CmdEnquireLinkResp, smpp.ROK, p.Request(&smpp.EnquireLink{}))
		p.ExpectHeaderOnly(smpp.CmdSubmitSMResp, smpp.RINVBNDSTS, p.Request(sampleSubmit()))
		p.Bind(smpp.Transceiver, "esme", "secret")
	})
	t.Run("item 29: second bind", func(t *testing.T) {
		p := smpptest.Dial(t, addr)
		p.Bind(smpp.Transceiver, "esme", "secret")
		p.ExpectHeaderOnly(smpp.CmdBindReceiverResp, smpp.RALYBND, p.Request(bind(smpp.CmdBindReceiver, "esme", "secret", 0x34)))
		p.Expect(smpp.CmdSubmitSMResp, smpp.ROK, p.Request(sampleSubmit()))
	})
	t.Run("item 31: receiver", func(t *testing.T) {
		p := smpptest.Dial(t, addr)
		p.Bind(smpp.Receiver, "esme", "secret")
		p.ExpectHeaderOnly(smpp.CmdSubmitSMResp, smpp.RINVBNDSTS, p.Request(sampleSubmit()))
	})
}

func TestRefusalTakesTheSameTime(t *testing.T) {
	for name, id := range map[string]string{"item 30: delay for an unknown system_id": "nobody", "item 30: delay for a wrong password": "esme"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, dial := inMemory(t, smpp.ServerOptions{RefusalDelay: 200 * time.Millisecond, Authenticate: credentials})
				p := dial()
				began := time.Now()
				p.ExpectHeaderOnly(smpp.CmdBindReceiverResp, smppStatusFor(id), p.Request(&smpp.BindReq{ID: smpp.CmdBindReceiver, SystemID: []byte(id)}))
				if d := time.Since(began); d != 200*time.Millisecond {
					t.Fatalf("after %s", d)
				}
			})
		})
	}
}

func smppStatusFor(systemID string) smpp.Status {
	if systemID == "nobody" {
		return smpp.RINVSYSID
	}
	return smpp.RINVPASWD
}

func TestDirectionOfDeliveries(t *testing.T) {
	for bt, want := range map[smpp.BindType]bool{smpp.Transmitter: false, smpp.Receiver: true, smpp.Transceiver: true} {
		t.Run("item 31: deliver_sm to a "+bt.String(), func(t *testing.T) {
			sessions := make(chan *smpp.Session, 1)
			_, addr := serve(t, smpp.ServerOptions{Bound: func(s *smpp.Session) { sessions <- s }})
			p := smpptest.Dial(t, addr)
			p.Bind(bt, "esme", "")
			err := (<-sessions).TrySend(&smpp.DeliverSM{}, make(results, 1))
			if (err == nil) != want {
				t.Fatalf("error %v", err)
			}
			if want {
				p.ExpectRequest(smpp.CmdDeliverSM)
			}
		})
	}
}

func TestOldPeersGetNoOptionalParameters(t *testing.T) {
	t.Run("item 24: deliver_sm to a peer of version 3.3", func(t *testing.T) {
		sessions := make(chan *smpp.Session, 1)
		_, addr := serve(t, smpp.ServerOptions{Bound: func(s *smpp.Session) { sessions <- s }})
		p := smpptest.Dial(t, addr)
		p.Expect(smpp.CmdBindReceiverResp, smpp.ROK, p.Request(&smpp.BindReq{ID: smpp.CmdBindReceiver, SystemID: []byte("old"), InterfaceVersion: 0x33}))
		s := <-sessions
		d := &smpp.DeliverSM{ShortMessage: []byte("id:1"), TLVs: smpp.TLVs{}.AppendByte(smpp.TagMessageState, 2)}
		if err := s.TrySend(d, make(results, 1)); err != nil {
			t.Fatal(err)
		}
		got, _ := p.ExpectRequest(smpp.CmdDeliverSM)
		if len(got.(*smpp.DeliverSM).TLVs) != 0 || len(d.TLVs) == 0 {
			t.Fatalf("sent % x, left % x", got.(*smpp.DeliverSM).TLVs, d.TLVs)
		}
		d.ShortMessage, d.TLVs = nil, d.TLVs.Append(smpp.TagMessagePayload, []byte("x"))
		if err := s.TrySend(d, make(results, 1)); err == nil {
			t.Fatal("a payload was sent to a peer that cannot read it")
		}
	})
}

func TestWindowOfThePeer(t *testing.T) {
	t.Run("item 38: reading stops at the bound", func(t *testing.T) {
		reqs := make(requests, 10)
		_, addr := serve(t, smpp.ServerOptions{Handler: reqs, MaxInFlight: 2})
		p := smpptest.Dial(t, addr)
		p.Bind(smpp.Transceiver, "esme", "")
		for range 3 {
			p.Request(sampleSubmit())
		}
		one := reqs.next(t)
		reqs.next(t)
		p.ExpectSilence(50 * time.Millisecond)
		if len(reqs) != 0 {
			t.Fatal("a third request was handled")
		}
		one.s.Respond(one.Seq, one.ID, smpp.ROK, nil)
		p.Expect(smpp.CmdSubmitSMResp, smpp.ROK, one.Seq)
		if three := reqs.next(t); three.Seq != one.Seq+2 {
			t.Fatalf("then came %d", three.Seq)
		}
	})
	t.Run("item 38: answered at the bound", func(t *testing.T) {
		reqs := make(requests, 10)
		_, addr := serve(t, smpp.ServerOptions{Handler: reqs, MaxInFlight: 2, Session: smpp.SessionOptions{WindowFull: smpp.RTHROTTLED}})
		p := smpptest.Dial(t, addr)
		p.Bind(smpp.Transceiver, "esme", "")
		p.Request(sampleSubmit())
		p.Request(sampleSubmit())
		p.ExpectHeaderOnly(smpp.CmdSubmitSMResp, smpp.RTHROTTLED, p.Request(sampleSubmit()))
		t.Run("item 33: enquire_link while the window is full", func(t *testing.T) {
			p.ExpectHeaderOnly(smpp.CmdEnquireLinkResp, smpp.ROK, p.Request(&smpp.EnquireLink{}))
		})
	})
}

func TestUnbindByThePeer(t *testing.T) {
	t.Run("item 35: answers first, then unbind_resp, then the end", func(t *testing.T) {
		reqs := make(requests, 10)
		closed := make(chan error, 1)
		_, addr := serve(t, smpp.ServerOptions{Handler: reqs, Session: smpp.SessionOptions{OnClose: func(_ *smpp.Session, err error) { closed <- err }}})
		p := smpptest.Dial(t, addr)
		p.Bind(smpp.Transceiver, "esme", "")
		submit := p.Request(sampleSubmit())
		unbind := p.Request(&smpp.Unbind{})
		late := p.Request(sampleSubmit())
		r := reqs.next(t)
		p.ExpectHeaderOnly(smpp.CmdSubmitSMResp, smpp.RINVBNDSTS, late)
		if err := r.s.TrySend(&smpp.DeliverSM{}, make(results, 1)); !errors.Is(err, smpp.ErrUnbinding) {
			t.Fatalf("a request after unbind: %v", err)
		}
		r.s.Respond(r.Seq, r.ID, smpp.ROK, nil)
		p.Expect(smpp.CmdSubmitSMResp, smpp.ROK, submit)
		p.ExpectHeaderOnly(smpp.CmdUnbindResp, smpp.ROK, unbind)
		p.ExpectClosed()
		if err := <-closed; !errors.Is(err, smpp.ErrUnbound) {
			t.Fatalf("closed with %v", err)
		}
	})
	t.Run("item 35: a handler that never answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, dial := inMemory(t, smpp.ServerOptions{Handler: make(requests, 1)})
			p := dial()
			p.Bind(smpp.Transceiver, "esme", "")
			p.Request(sampleSubmit())
			unbind := p.Request(&smpp.Unbind{})
			p.ExpectSilence(9 * time.Second)
			p.ExpectHeaderOnly(smpp.CmdUnbindResp, smpp.ROK, unbind)
			p.ExpectClosed()
		})
	})
}

func TestShutdown(t *testing.T) {
	t.Run("item 36: answers what is under way, unbinds and waits", func(t *testing.T) {
		reqs := make(requests, 10)
		srv, addr := serve(t, smpp.ServerOptions{Handler: reqs})
		p := smpptest.Dial(t, addr)
		p.Bind(smpp.Transceiver, "esme", "")
		submit := p.Request(sampleSubmit())
		r := reqs.next(t)
		down := make(chan error, 1)
		go func() { down <- srv.Shutdown(within(t)) }()
		_, seq := p.ExpectRequest(smpp.CmdUnbind)
		p.Send(smpp.Header{ID: smpp.CmdUnbindResp, Seq: seq}, nil)
		r.s.Respond(r.Seq, r.ID, smpp.ROK, nil)
		p.Expect(smpp.CmdSubmitSMResp, smpp.ROK, submit)
		p.ExpectClosed()
		p.Close()
		if err := <-down; err != nil {
			t.Fatal(err)
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			t.Fatal("still accepting")
		}
	})
	t.Run("item 36: a peer that does not answer unbind", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv, dial := inMemory(t, smpp.ServerOptions{Handler: accepting})
			p := dial()
			p.Bind(smpp.Transceiver, "esme", "")
			idle := dial() // not bound
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			began := time.Now()
			down := make(chan error, 1)
			go func() { down <- srv.Shutdown(ctx) }()
			p.ExpectRequest(smpp.CmdUnbind)
			idle.ExpectClosed()
			<-down
			if d := time.Since(began); d > 30*time.Second {
				t.Fatalf("took %s", d)
			}
			p.ExpectClosed()
		})
	})
}

func TestManyConnections(t *testing.T) {
	_, addr := serve(t, smpp.ServerOptions{MaxConns: 2})
	a, b := smpptest.Dial(t, addr), smpptest.Dial(t, addr)
	a.Bind(smpp.Receiver, "a", "")
	b.Bind(smpp.Receiver, "b", "")
	smpptest.Dial(t, addr).ExpectClosed()
	a.Expect(smpp.CmdUnbindResp, smpp.ROK, a.Request(&smpp.Unbind{}))
	a.ExpectClosed()
}

func TestPanicInAHandlerCostsOneConnection(t *testing.T) {
	_, addr := serve(t, smpp.ServerOptions{Handler: smpp.HandlerFunc(func(s *smpp.Session, r *smpp.Request) {
		if r.ID == smpp.CmdQuerySM {
			panic("on purpose")
		}
		accepting(s, r)
	})})
	p, q := smpptest.Dial(t, addr), smpptest.Dial(t, addr)
	p.Bind(smpp.Transceiver, "p", "")
	q.Bind(smpp.Transceiver, "q", "")
	p.Request(&smpp.QuerySM{})
	p.ExpectClosed()
	q.Expect(smpp.CmdSubmitSMResp, smpp.ROK, q.Request(sampleSubmit()))
}

// TestClient: whom a connection is from is what the hook says, before TLS and SMPP.
func TestClient(t *testing.T) {
	cert, pool := certificate(t)
	from := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 50000}
	for name, config := range map[string]*tls.Config{"plain": nil, "over TLS": {Certificates: []tls.Certificate{cert}}} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan net.Addr, 1)
			srv, addr := serve(t, smpp.ServerOptions{
				Handler: accepting, TLS: config,
				Authenticate: func(_ context.Context, b smpp.BindInfo) (any, smpp.Status) {
					asked <- b.RemoteAddr
					return nil, smpp.ROK
				},
				Client: func(conn net.Conn) (net.Addr, error) {
					var hello [5]byte
					if _, err := io.ReadFull(conn, hello[:]); err != nil || string(hello[:]) != "hello" {
						return nil, fmt.Errorf("%q, %w", hello, err)
					}
					return from, nil
				},
			})
			dial := func(greeting string) (*smpp.Session, error) {
				o := smpp.DialOptions{Addr: addr, SystemID: "esme", BindType: smpp.Transceiver, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, network, addr)
					if err == nil {
						_, err = io.WriteString(conn, greeting)
					}
					return conn, err
				}}
				if config != nil {
					o.TLS = &tls.Config{RootCAs: pool}
				}
				return smpp.Dial(within(t), o)
			}
			s, err := dial("hello")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if got := <-asked; got != net.Addr(from) {
				t.Errorf("the bind is from %v", got)
			}
			if all := srv.Sessions(); len(all) != 1 || all[0].RemoteAddr() != net.Addr(from) {
				t.Errorf("the sessions are %v", all)
			}
			if _, err := dial("hallo"); err == nil {
				t.Error("bound without the greeting")
			}
		})
	}
	t.Run("shutdown does not wait for it", func(t *testing.T) {
		waits := make(chan struct{})
		srv, addr := serve(t, smpp.ServerOptions{Handler: accepting, Client: func(conn net.Conn) (net.Addr, error) {
			close(waits)
			_, err := conn.Read(make([]byte, 1))
			return conn.RemoteAddr(), err
		}})
		p := smpptest.Dial(t, addr)
		<-waits
		if err := srv.Shutdown(within(t)); err != nil {
			t.Error(err)
		}
		p.ExpectClosed()
	})
}
