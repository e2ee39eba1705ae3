package smpp_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/smpp"
	"protei-bulk/smpp/smpptest"
)

func send(t testing.TB, s *smpp.Session, c smpp.Completion) {
	t.Helper()
	if err := s.Send(within(t), sampleSubmit(), c); err != nil {
		t.Fatal(err)
	}
}

func TestSequenceNumbers(t *testing.T) {
	t.Run("item 8: from 1, rising, wrapping to 1", func(t *testing.T) {
		s, p := client(t, smpp.DialOptions{})
		done := make(results, 10)
		next := func(want uint32) {
			t.Helper()
			send(t, s, done)
			if _, seq := p.ExpectRequest(smpp.CmdSubmitSM); seq != want {
				t.Fatalf("sequence_number %d, want %d", seq, want)
			}
		}
		next(2) // 1 was the bind
		next(3)
		s.SetSequence(smpp.MaxSequence - 1)
		next(smpp.MaxSequence)
		next(1)
	})
	t.Run("item 8: numbers of slow requests are passed over", func(t *testing.T) {
		s, p := client(t, smpp.DialOptions{Session: smpp.SessionOptions{Window: 2}})
		slow, done := make(results, 1), make(results, 1)
		send(t, s, slow)
		_, slowSeq := p.ExpectRequest(smpp.CmdSubmitSM)
		last := slowSeq
		for range 100 {
			send(t, s, done)
			_, seq := p.ExpectRequest(smpp.CmdSubmitSM)
			if seq <= last {
				t.Fatalf("%d after %d", seq, last)
			}
			last = seq
			p.Send(smpp.Header{ID: smpp.CmdSubmitSMResp, Seq: seq}, &smpp.SubmitSMResp{MessageID: []byte("x")})
			done.next(t)
		}
		p.Send(smpp.Header{ID: smpp.CmdSubmitSMResp, Seq: slowSeq}, &smpp.SubmitSMResp{MessageID: []byte("slow")})
		if r := slow.next(t); string(r.PDU.(*smpp.SubmitSMResp).MessageID) != "slow" {
			t.Fatalf("%+v", r)
		}
	})
}

func TestResponses(t *testing.T) {
	type step struct {
		h    smpp.Header
		body smpp.PDU
	}
	for name, c := range map[string]struct {
		answer step
		status smpp.Status
		id     string
	}{
		"item 11: error without a body":    {step{smpp.Header{ID: smpp.CmdSubmitSMResp, Status: smpp.RMSGQFUL}, nil}, smpp.RMSGQFUL, ""},
		"item 11: error with a body":       {step{smpp.Header{ID: smpp.CmdSubmitSMResp, Status: smpp.RMSGQFUL}, &smpp.SubmitSMResp{MessageID: []byte("1")}}, smpp.RMSGQFUL, "1"},
		"item 11: success without a body":  {step{smpp.Header{ID: smpp.CmdSubmitSMResp}, nil}, smpp.ROK, ""},
		"item 12: generic_nack":            {step{smpp.Header{ID: smpp.CmdGenericNack, Status: smpp.RINVCMDID}, nil}, smpp.RINVCMDID, ""},
		"item 12: generic_nack without st": {step{smpp.Header{ID: smpp.CmdGenericNack}, nil}, smpp.RUNKNOWNERR, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := client(t, smpp.DialOptions{})
			done := make(results, 1)
			send(t, s, done)
			_, seq := p.ExpectRequest(smpp.CmdSubmitSM)
			c.answer.h.Seq = seq
			p.Send(c.answer.h, c.answer.body)
			r := done.next(t)
			id := ""
			if resp, ok := r.PDU.(*smpp.SubmitSMResp); ok {
				id = string(resp.MessageID)
			}
			if r.Err != nil || r.Status != c.status || id != c.id {
				t.Fatalf("%+v, id %q", r, id)
			}
			if s.InFlight() != 0 {
				t.Fatalf("%d in flight", s.InFlight())
			}
		})
	}
	t.Run("item 9: response to no request", func(t *testing.T) {
		s, p := client(t, smpp.DialOptions{})
		p.Send(smpp.Header{ID: smpp.CmdSubmitSMResp, Seq: 999}, &smpp.SubmitSMResp{MessageID: []byte("1")})
		p.Send(smpp.Header{ID: smpp.CmdGenericNack, Status: smpp.RINVCMDLEN, Seq: 0}, nil) // item 12
		done := make(results, 1)
		send(t, s, done)
		_, seq := p.ExpectRequest(smpp.CmdSubmitSM)
		p.Send(smpp.Header{ID: smpp.CmdDeliverSMResp, Seq: seq}, nil) // the number, not the command
		p.Send(smpp.Header{ID: smpp.CmdSubmitSMResp, Seq: seq}, &smpp.SubmitSMResp{MessageID: []byte("1")})
		if r := done.next(t); r.Err != nil {
			t.Fatal(r.Err)
		}
		if c := s.Counters(); c.UnknownResponses != 3 {
			t.Fatalf("%+v", c)
		}
	})
	t.Run("item 13: last first", func(t *testing.T) {
		s, p := client(t, smpp.DialOptions{})
		var done [3]results
		var seqs [3]uint32
		for i := range done {
			done[i] = make(results, 1)
			send(t, s, done[i])
			_, seqs[i] = p.ExpectRequest(smpp.CmdSubmitSM)
		}
		for i := 2; i >= 0; i-- {
			p.Send(smpp.Header{ID: smpp.CmdSubmitSMResp, Seq: seqs[i]}, &smpp.SubmitSMResp{MessageID: []byte{byte('a' + i)}})
			if id := done[i].next(t).PDU.(*smpp.SubmitSMResp).MessageID; string(id) != string(rune('a'+i)) {
				t.Fatalf("request %d got %q", i, id)
			}
		}
	})
	t.Run("item 7: malformed response", func(t *testing.T) {
		s, p := client(t, smpp.DialOptions{})
		done := make(results, 1)
		send(t, s, done)
		_, seq := p.ExpectRequest(smpp.CmdSubmitSM)
		p.SendRaw(append(smpp.AppendHeader(nil, smpp.Header{Length: 18, ID: smpp.CmdSubmitSMResp, Seq: seq}), "no"...))
		if r := done.next(t); smpp.StatusOf(r.Err) != smpp.RINVCMDLEN {
			t.Fatalf("%+v", r)
		}
	})
}

func TestWindow(t *testing.T) {
	opts := smpp.DialOptions{Session: smpp.SessionOptions{Window: 2, ResponseTimeout: 5 * time.Second}}
	t.Run("item 38: never above the window", func(t *testing.T) {
		s, p := client(t, opts)
		done := make(results, 3)
		send(t, s, done)
		send(t, s, done)
		if err := s.TrySend(sampleSubmit(), done); !errors.Is(err, smpp.ErrWindowFull) {
			t.Fatalf("third: %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		if err := s.Send(ctx, sampleSubmit(), done); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("third, waiting: %v", err)
		}
		sent := make(chan error, 1)
		go func() { sent <- s.Send(within(t), sampleSubmit(), done) }()
		_, seq := p.ExpectRequest(smpp.CmdSubmitSM)
		p.ExpectRequest(smpp.CmdSubmitSM)
		p.ExpectSilence(20 * time.Millisecond)
		p.Send(smpp.Header{ID: smpp.CmdSubmitSMResp, Seq: seq}, nil)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		p.ExpectRequest(smpp.CmdSubmitSM)
	})
	t.Run("item 38: timeout frees the slot, the late response is correlated", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, p := client(t, opts)
			c := lateResults{make(results, 2), make(results, 2)}
			began := time.Now()
			send(t, s, c)
			_, seq := p.ExpectRequest(smpp.CmdSubmitSM)
			r := <-c.results
			if d := time.Since(began); !errors.Is(r.Err, smpp.ErrTimeout) || d < 5*time.Second || d > 6*time.Second {
				t.Fatalf("%+v after %s", r, d)
			}
			if s.InFlight() != 0 {
				t.Fatal("the slot is still taken")
			}
			p.Send(smpp.Header{ID: smpp.CmdSubmitSMResp, Seq: seq}, &smpp.SubmitSMResp{MessageID: []byte("late")})
			if late := <-c.late; string(late.PDU.(*smpp.SubmitSMResp).MessageID) != "late" {
				t.Fatalf("%+v", late)
			}
			p.Send(smpp.Header{ID: smpp.CmdSubmitSMResp, Seq: seq}, nil)
			synctest.Wait()
			if n := s.Counters(); n.LateResponses != 1 || n.Timeouts != 1 || n.UnknownResponses != 1 {
				t.Fatalf("%+v", n)
			}
		})
	})
	t.Run("item 35: each request in flight ends once when the link is lost", func(t *testing.T) {
		s, p := client(t, opts)
		done := make(results, 10)
		send(t, s, done)
		send(t, s, done)
		blocked := make(chan error, 1)
		go func() { blocked <- s.Send(context.Background(), sampleSubmit(), done) }()
		p.ExpectRequest(smpp.CmdSubmitSM)
		p.ExpectRequest(smpp.CmdSubmitSM)
		p.Close()
		for range 2 {
			if r := done.next(t); !errors.Is(r.Err, smpp.ErrClosed) {
				t.Fatalf("%+v", r)
			}
		}
		if err := <-blocked; !errors.Is(err, smpp.ErrClosed) {
			t.Fatalf("a Send that waited: %v", err)
		}
		<-s.Done()
		if len(done) != 0 {
			t.Fatal("completed twice")
		}
	})
}

func TestEnquireLink(t *testing.T) {
	opts := smpp.DialOptions{Session: smpp.SessionOptions{Window: 1, EnquireLink: 30 * time.Second, ResponseTimeout: 10 * time.Second}}
	t.Run("item 33: sent after silence, and the link is closed without an answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, p := client(t, opts)
			p.ExpectSilence(29 * time.Second)
			_, seq := p.ExpectRequest(smpp.CmdEnquireLink)
			p.Send(smpp.Header{ID: smpp.CmdEnquireLinkResp, Seq: seq}, nil)
			p.ExpectSilence(29 * time.Second)
			p.ExpectRequest(smpp.CmdEnquireLink)
			began := time.Now()
			<-s.Done()
			if d := time.Since(began); !errors.Is(s.Err(), smpp.ErrLinkDead) || d > 20*time.Second {
				t.Fatalf("%v after %s", s.Err(), d)
			}
		})
	})
	t.Run("item 33: answered with a full window", func(t *testing.T) {
		s, p := client(t, opts)
		send(t, s, make(results, 1))
		p.ExpectRequest(smpp.CmdSubmitSM)
		p.ExpectHeaderOnly(smpp.CmdEnquireLinkResp, smpp.ROK, p.Request(&smpp.EnquireLink{}))
	})
	t.Run("item 33: sent with a full window", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := opts
			o.Session.ResponseTimeout = time.Hour
			s, p := client(t, o)
			send(t, s, make(results, 1))
			p.ExpectRequest(smpp.CmdSubmitSM)
			p.ExpectSilence(29 * time.Second)
			p.ExpectRequest(smpp.CmdEnquireLink)
		})
	})
}

func TestInactivity(t *testing.T) {
	t.Run("item 34: closed after silence only when enquire_link is off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, dial := inMemory(t, smpp.ServerOptions{Session: smpp.SessionOptions{EnquireLink: -1, InactivityTimeout: time.Minute}})
			p := dial()
			p.Bind(smpp.Transceiver, "esme", "")
			for range 3 { // any PDU resets it
				p.ExpectSilence(50 * time.Second)
				p.ExpectHeaderOnly(smpp.CmdEnquireLinkResp, smpp.ROK, p.Request(&smpp.EnquireLink{}))
			}
			p.ExpectSilence(59 * time.Second)
			p.ExpectClosed()
		})
	})
	t.Run("item 34: not with enquire_link", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, dial := inMemory(t, smpp.ServerOptions{Session: smpp.SessionOptions{EnquireLink: 2 * time.Minute, InactivityTimeout: time.Minute}})
			p := dial()
			p.Bind(smpp.Transceiver, "esme", "")
			p.ExpectSilence(119 * time.Second)
			p.ExpectRequest(smpp.CmdEnquireLink)
		})
	})
}

func TestUnbind(t *testing.T) {
	t.Run("item 35: waits for responses, then unbinds", func(t *testing.T) {
		s, p := client(t, smpp.DialOptions{})
		done := make(results, 1)
		send(t, s, done)
		_, seq := p.ExpectRequest(smpp.CmdSubmitSM)
		ended := make(chan error, 1)
		go func() { ended <- s.Unbind(within(t)) }()
		p.ExpectSilence(20 * time.Millisecond)
		if err := s.TrySend(sampleSubmit(), done); !errors.Is(err, smpp.ErrUnbinding) {
			t.Fatalf("a request after Unbind: %v", err)
		}
		p.Send(smpp.Header{ID: smpp.CmdSubmitSMResp, Seq: seq}, nil)
		_, unbind := p.ExpectRequest(smpp.CmdUnbind)
		p.Send(smpp.Header{ID: smpp.CmdUnbindResp, Seq: unbind}, nil)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if done.next(t).Err != nil || !errors.Is(s.Err(), smpp.ErrUnbound) {
			t.Fatalf("ended with %v", s.Err())
		}
	})
	t.Run("item 35: by the SMSC, with requests in flight", func(t *testing.T) {
		s, p := client(t, smpp.DialOptions{})
		done := make(results, 2)
		send(t, s, done)
		_, seq := p.ExpectRequest(smpp.CmdSubmitSM)
		unbind := p.Request(&smpp.Unbind{})
		p.ExpectSilence(20 * time.Millisecond)
		p.Send(smpp.Header{ID: smpp.CmdSubmitSMResp, Seq: seq}, nil)
		if r := done.next(t); r.Err != nil {
			t.Fatal(r.Err)
		}
		p.ExpectHeaderOnly(smpp.CmdUnbindResp, smpp.ROK, unbind)
		p.ExpectClosed()
		if <-s.Done(); !errors.Is(s.Err(), smpp.ErrUnbound) {
			t.Fatal(s.Err())
		}
	})
	t.Run("item 35: no unbind_resp", func(t *testing.T) {
		s, p := client(t, smpp.DialOptions{})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- s.Unbind(ctx) }()
		p.ExpectRequest(smpp.CmdUnbind)
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		p.ExpectClosed()
	})
	t.Run("item 35: both at once", func(t *testing.T) {
		s, p := client(t, smpp.DialOptions{})
		ended := make(chan error, 1)
		go func() { ended <- s.Unbind(within(t)) }()
		p.ExpectRequest(smpp.CmdUnbind)
		p.ExpectHeaderOnly(smpp.CmdUnbindResp, smpp.ROK, p.Request(&smpp.Unbind{}))
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
}

func TestDeliveries(t *testing.T) {
	d := &smpp.DeliverSM{ESMClass: smpp.ESMReceipt, ShortMessage: []byte("id:1 stat:DELIVRD")}
	t.Run("item 57: deliver_sm_resp has one NUL", func(t *testing.T) {
		_, p := client(t, smpp.DialOptions{Session: smpp.SessionOptions{Handler: accepting}})
		if body := p.Expect(smpp.CmdDeliverSMResp, smpp.ROK, p.Request(d)); !bytes.Equal(body, []byte{0}) {
			t.Fatalf("body % x", body)
		}
	})
	t.Run("item 57: with an error too", func(t *testing.T) {
		_, p := client(t, smpp.DialOptions{})
		if body := p.Expect(smpp.CmdDeliverSMResp, smpp.RXTAPPN, p.Request(d)); !bytes.Equal(body, []byte{0}) {
			t.Fatalf("body % x", body)
		}
	})
	t.Run("item 61: alert_notification has no response", func(t *testing.T) {
		reqs := make(requests, 1)
		_, p := client(t, smpp.DialOptions{Session: smpp.SessionOptions{Handler: reqs}})
		p.Request(&smpp.AlertNotification{Source: smpp.Address{Addr: []byte("79")}})
		reqs.next(t)
		p.ExpectSilence(20 * time.Millisecond)
	})
	t.Run("item 6: submit_sm to an ESME", func(t *testing.T) {
		_, p := client(t, smpp.DialOptions{})
		p.ExpectHeaderOnly(smpp.CmdSubmitSMResp, smpp.RINVBNDSTS, p.Request(sampleSubmit()))
	})
	t.Run("item 31: deliver_sm to a transmitter", func(t *testing.T) {
		_, p := client(t, smpp.DialOptions{BindType: smpp.Transmitter})
		p.Expect(smpp.CmdDeliverSMResp, smpp.RINVBNDSTS, p.Request(d))
	})
}

func TestDialErrors(t *testing.T) {
	_, addr := serve(t, smpp.ServerOptions{Authenticate: credentials})
	_, err := smpp.Dial(within(t), smpp.DialOptions{Addr: addr, SystemID: "esme", Password: "wrong"})
	var se *smpp.StatusError
	if !errors.As(err, &se) || se.Status != smpp.RINVPASWD || se.Cmd != smpp.CmdBindTransceiver {
		t.Fatalf("got %v", err)
	}
	_, err = smpp.Dial(within(t), smpp.DialOptions{Addr: addr, SystemID: "a system_id that is too long"})
	if smpp.StatusOf(err) != smpp.RINVSYSID {
		t.Fatalf("got %v", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = smpp.Dial(within(t), smpp.DialOptions{Addr: ln.Addr().String(), SystemID: "esme", Timeout: 20 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
}

func TestOutbind(t *testing.T) {
	t.Run("item 37: the ESME listens and binds back", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		sessions := make(chan *smpp.Session, 1)
		srv, _ := serve(t, smpp.ServerOptions{Authenticate: credentials, Bound: func(s *smpp.Session) { sessions <- s }})
		if err := srv.Outbind(within(t), ln.Addr().String(), smpp.Outbind{SystemID: []byte("smsc"), Password: []byte("outpass")}); err != nil {
			t.Fatal(err)
		}
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		s, err := smpp.AcceptOutbind(within(t), conn, smpp.Outbind{SystemID: []byte("smsc"), Password: []byte("outpass")},
			smpp.DialOptions{SystemID: "esme", Password: "secret", Session: smpp.SessionOptions{Handler: accepting}})
		if err != nil {
			t.Fatal(err)
		}
		defer end(s)
		st, _, err := (<-sessions).Do(within(t), &smpp.DeliverSM{ShortMessage: []byte("hello")})
		if err != nil || st != smpp.ROK || s.BindType() != smpp.Receiver {
			t.Fatalf("%s, %v", st, err)
		}
	})
	t.Run("item 37: wrong credentials", func(t *testing.T) {
		near, far := net.Pipe()
		p := smpptest.New(t, far)
		refused := make(chan error, 1)
		go func() {
			_, err := smpp.AcceptOutbind(within(t), near, smpp.Outbind{SystemID: []byte("smsc"), Password: []byte("outpass")}, smpp.DialOptions{SystemID: "esme"})
			refused <- err
		}()
		p.Request(&smpp.Outbind{SystemID: []byte("smsc"), Password: []byte("guess")})
		p.ExpectClosed()
		if err := <-refused; !errors.Is(err, smpp.ErrOutbindRefused) {
			t.Fatal(err)
		}
	})
}

func TestSlowPeer(t *testing.T) {
	t.Run("item 38: a peer that does not read holds Send back and is closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, p := client(t, smpp.DialOptions{Session: smpp.SessionOptions{Window: 1000, WriteBuffer: 1 << 10, WriteTimeout: 20 * time.Second, ResponseTimeout: time.Hour, EnquireLink: -1}})
			_ = p // reads nothing; net.Pipe has no buffer
			done := make(results, 1000)
			sent := 0
			for s.TrySend(sampleSubmit(), done) == nil {
				sent++
				synctest.Wait()
			}
			if sent == 0 || sent > 40 {
				t.Fatalf("%d requests were buffered", sent)
			}
			began := time.Now()
			<-s.Done()
			if d := time.Since(began); !errors.Is(s.Err(), smpp.ErrWriteTimeout) || d > 22*time.Second {
				t.Fatalf("%v after %s", s.Err(), d)
			}
			if len(done) != sent {
				t.Fatalf("%d of %d completed", len(done), sent)
			}
		})
	})
	t.Run("item 38: a peer that does not read its responses is not read from", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, dial := inMemory(t, smpp.ServerOptions{Handler: accepting, Session: smpp.SessionOptions{WriteBuffer: 1 << 10}})
			p := dial()
			p.Bind(smpp.Transceiver, "esme", "")
			one := smpptest.Encode(t, smpp.Header{Seq: 1}, sampleSubmit())
			taken := 0
			for ; taken < 10_000; taken++ {
				p.Conn().SetWriteDeadline(time.Now().Add(time.Second))
				if _, err := p.Conn().Write(one); err != nil {
					break
				}
			}
			if taken < 20 || taken > 500 {
				t.Fatalf("%d requests were taken", taken)
			}
		})
	})
}

func TestTLS(t *testing.T) {
	cert, pool := certificate(t)
	_, addr := serve(t, smpp.ServerOptions{Handler: accepting, Authenticate: credentials, TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10}})
	t.Run("item 40: bind, submit and unbind over TLS", func(t *testing.T) {
		s := dialTo(t, addr, smpp.DialOptions{TLS: &tls.Config{RootCAs: pool}})
		st, pdu, err := s.Do(within(t), sampleSubmit())
		if err != nil || st != smpp.ROK || len(pdu.(*smpp.SubmitSMResp).MessageID) != 16 {
			t.Fatalf("%s, %v, %v", st, pdu, err)
		}
		if err := s.Unbind(within(t)); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("item 40: TLS 1.1 is refused", func(t *testing.T) {
		_, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		if err == nil {
			t.Fatal("accepted")
		}
	})
	t.Run("item 40: unknown authority", func(t *testing.T) {
		if _, err := smpp.Dial(within(t), smpp.DialOptions{Addr: addr, SystemID: "esme", TLS: &tls.Config{}}); err == nil {
			t.Fatal("accepted")
		}
	})
	t.Run("item 40: plain SMPP on the TLS port", func(t *testing.T) {
		p := smpptest.Dial(t, addr)
		p.Request(&smpp.BindReq{SystemID: []byte("esme")})
		p.Conn().SetReadDeadline(time.Now().Add(smpptest.Patience))
		var b [64]byte
		for {
			if _, err := p.Conn().Read(b[:]); err != nil {
				var ne net.Error
				if errors.As(err, &ne) && ne.Timeout() {
					t.Fatal("still open")
				}
				return
			}
		}
	})
}

// certificate makes a certificate for 127.0.0.1 and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "smsc"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
