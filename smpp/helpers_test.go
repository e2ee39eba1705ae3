package smpp_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"protei-bulk/smpp"
	"protei-bulk/smpp/smpptest"
)

// serve runs a server on a TCP port until the test ends.
func serve(t testing.TB, o smpp.ServerOptions) (*smpp.Server, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, o, ln), ln.Addr().String()
}

func serveOn(t testing.TB, o smpp.ServerOptions, ln net.Listener) *smpp.Server {
	t.Helper()
	if o.SystemID == "" {
		o.SystemID = "smsc"
	}
	if o.RefusalDelay == 0 {
		o.RefusalDelay = -1
	}
	srv, err := smpp.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := srv.Serve(ln); !errors.Is(err, smpp.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what is still open is closed
		srv.Shutdown(ctx)
		wg.Wait()
	})
	return srv
}

// inMemory runs a server on in-memory connections, for synctest bubbles. The function it returns
// dials.
func inMemory(t testing.TB, o smpp.ServerOptions) (*smpp.Server, func() *smpptest.Peer) {
	t.Helper()
	ln := smpptest.Listen()
	srv := serveOn(t, o, ln)
	return srv, func() *smpptest.Peer {
		t.Helper()
		conn, err := ln.Dial()
		if err != nil {
			t.Fatal(err)
		}
		return smpptest.New(t, conn)
	}
}

// client binds a session against a scripted SMSC, over an in-memory connection.
func client(t testing.TB, o smpp.DialOptions) (*smpp.Session, *smpptest.Peer) {
	t.Helper()
	near, far := net.Pipe()
	return clientOn(t, o, near, far)
}

func clientOn(t testing.TB, o smpp.DialOptions, near, far net.Conn) (*smpp.Session, *smpptest.Peer) {
	t.Helper()
	peer := smpptest.New(t, far)
	o.DialContext = func(context.Context, string, string) (net.Conn, error) { return near, nil }
	if o.SystemID == "" {
		o.SystemID, o.Password = "esme", "secret"
	}
	type dialled struct {
		s   *smpp.Session
		err error
	}
	ch := make(chan dialled, 1)
	go func() {
		s, err := smpp.Dial(context.Background(), o)
		ch <- dialled{s, err}
	}()
	peer.AcceptBind()
	d := <-ch
	if d.err != nil {
		t.Fatal(d.err)
	}
	t.Cleanup(func() { end(d.s) })
	return d.s, peer
}

// dialTo binds a client to a server; the session ends with the test.
func dialTo(t testing.TB, addr string, o smpp.DialOptions) *smpp.Session {
	t.Helper()
	o.Addr = addr
	if o.SystemID == "" {
		o.SystemID, o.Password = "esme", "secret"
	}
	s, err := smpp.Dial(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(s) })
	return s
}

func end(s *smpp.Session) {
	s.Close()
	<-s.Done()
}

// within is a context that ends after smpptest.Patience.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), smpptest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// results gathers Results; each call of Complete is one.
type results chan smpp.Result

func (r results) Complete(res smpp.Result) { r <- copied(res) }

// lateResults also gathers the late ones.
type lateResults struct {
	results
	late results
}

func (r lateResults) CompleteLate(res smpp.Result) { r.late <- copied(res) }

func copied(res smpp.Result) smpp.Result {
	pdu, err := smpp.Clone(res.PDU)
	if err != nil {
		panic(err)
	}
	res.PDU = pdu
	return res
}

func (r results) next(t testing.TB) smpp.Result {
	t.Helper()
	select {
	case res := <-r:
		return res
	case <-time.After(smpptest.Patience):
		t.Fatal("a request was not completed")
		return smpp.Result{}
	}
}

// requests is a Handler that hands requests, copied, to the test.
type requests chan request

type request struct {
	s *smpp.Session
	smpp.Request
}

func (r requests) HandleRequest(s *smpp.Session, req *smpp.Request) {
	pdu, err := smpp.Clone(req.PDU)
	if err != nil {
		panic(err)
	}
	r <- request{s, smpp.Request{Header: req.Header, PDU: pdu}}
}

func (r requests) next(t testing.TB) request {
	t.Helper()
	select {
	case req := <-r:
		return req
	case <-time.After(smpptest.Patience):
		t.Fatal("no request came")
		return request{}
	}
}

// accepting answers every request with ROK, submit_sm with an id.
var accepting = smpp.HandlerFunc(func(s *smpp.Session, r *smpp.Request) {
	var body smpp.PDU
	if r.ID == smpp.CmdSubmitSM {
		body = &smpp.SubmitSMResp{MessageID: []byte("3f2a9c0b11223344")}
	}
	s.Respond(r.Seq, r.ID, smpp.ROK, body)
})
