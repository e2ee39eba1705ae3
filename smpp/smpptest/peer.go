// Package smpptest drives the other end of an SMPP connection octet by octet, for tests
// of protocol behaviour. A [Peer] sends raw octets or PDUs and says what must come back;
// a [Listener] hands out in-memory connections that work inside testing/synctest.
// It starts no goroutine.
package smpptest

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// Patience is how long a Peer waits for what it expects.
const Patience = 5 * time.Second

// Peer is a scripted end of a connection. Whatever differs from the script ends the test.
type Peer struct {
	t    testing.TB
	conn net.Conn
	seq  uint32
}

// New returns a peer on conn, which is closed with the test.
func New(t testing.TB, conn net.Conn) *Peer {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	return &Peer{t: t, conn: conn}
}

// Dial connects to addr over TCP.
func Dial(t testing.TB, addr string) *Peer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return New(t, conn)
}

// Conn returns the connection.
func (p *Peer) Conn() net.Conn { return p.conn }

// Close closes the connection.
func (p *Peer) Close() { p.conn.Close() }

// Encode returns a whole PDU.
func Encode(t testing.TB, h smpp.Header, body smpp.PDU) []byte {
	t.Helper()
	b, err := smpp.Append(nil, h, body)
	if err != nil {
		t.Fatalf("encode %s: %v", h.ID, err)
	}
	return b
}

// SendRaw writes octets as they are.
func (p *Peer) SendRaw(b []byte) {
	p.t.Helper()
	_ = p.conn.SetWriteDeadline(time.Now().Add(Patience)) // when it is closed, the write tells
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

// Request sends a request with the peer's next sequence number, which it returns.
func (p *Peer) Request(body smpp.PDU) uint32 {
	p.t.Helper()
	p.seq++
	p.SendRaw(Encode(p.t, smpp.Header{ID: body.CommandID(), Seq: p.seq}, body))
	return p.seq
}

// Send sends one PDU with the given header; a nil body is a header only.
func (p *Peer) Send(h smpp.Header, body smpp.PDU) {
	p.t.Helper()
	p.SendRaw(Encode(p.t, h, body))
}

// Read returns the next PDU, whatever it is: its header and its octets behind it.
func (p *Peer) Read() (smpp.Header, []byte) {
	p.t.Helper()
	h, body, err := p.read()
	if err != nil {
		p.t.Fatalf("read: %v", err)
	}
	return h, body
}

func (p *Peer) read() (smpp.Header, []byte, error) {
	p.readWithin(Patience)
	var head [smpp.HeaderLen]byte
	if _, err := io.ReadFull(p.conn, head[:]); err != nil {
		return smpp.Header{}, nil, err
	}
	h := smpp.ParseHeader(head[:])
	if h.Length < smpp.HeaderLen || h.Length > smpp.DefaultMaxPDU {
		return h, nil, errors.New("impossible command_length")
	}
	body := make([]byte, h.Length-smpp.HeaderLen)
	_, err := io.ReadFull(p.conn, body)
	return h, body, err
}

// Expect reads the next PDU and requires its command, status and sequence number. It returns the
// octets behind the header.
func (p *Peer) Expect(id smpp.CommandID, st smpp.Status, seq uint32) []byte {
	p.t.Helper()
	h, body := p.Read()
	if h.ID != id || h.Status != st || h.Seq != seq {
		p.t.Fatalf("got %s, %s, sequence %d; want %s, %s, sequence %d", h.ID, h.Status, h.Seq, id, st, seq)
	}
	return body
}

// ExpectRequest reads the next PDU, requires its command, decodes it and returns its
// sequence number too.
func (p *Peer) ExpectRequest(id smpp.CommandID) (smpp.PDU, uint32) {
	p.t.Helper()
	h, body := p.Read()
	if h.ID != id {
		p.t.Fatalf("got %s, sequence %d; want %s", h.ID, h.Seq, id)
	}
	pdu := smpp.NewPDU(id)
	if err := pdu.DecodeBody(body); err != nil {
		p.t.Fatal(err)
	}
	return pdu, h.Seq
}

// ExpectHeaderOnly is Expect for a PDU of 16 octets.
func (p *Peer) ExpectHeaderOnly(id smpp.CommandID, st smpp.Status, seq uint32) {
	p.t.Helper()
	if body := p.Expect(id, st, seq); len(body) != 0 {
		p.t.Fatalf("%s has a body of %d octets", id, len(body))
	}
}

// readWithin bounds the reads that follow. A closed connection takes no deadline; the read
// tells.
func (p *Peer) readWithin(d time.Duration) {
	_ = p.conn.SetReadDeadline(time.Now().Add(d))
}

// ExpectClosed requires that the other end closes without sending more.
func (p *Peer) ExpectClosed() {
	p.t.Helper()
	p.readWithin(Patience)
	rest, err := io.ReadAll(p.conn)
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		p.t.Fatal("the connection is still open")
	}
	if len(rest) != 0 {
		p.t.Fatalf("got %d octets before the end: % x", len(rest), rest)
	}
}

// ExpectSilence requires that nothing comes for d.
func (p *Peer) ExpectSilence(d time.Duration) {
	p.t.Helper()
	p.readWithin(d)
	var b [smpp.HeaderLen]byte
	n, err := p.conn.Read(b[:])
	var ne net.Error
	if n != 0 || !errors.As(err, &ne) || !ne.Timeout() {
		p.t.Fatalf("got %d octets and %v instead of silence: % x", n, err, b[:n])
	}
}

// Bind binds to a server and requires success. It returns the body of the response.
func (p *Peer) Bind(bt smpp.BindType, systemID, password string) *smpp.BindResp {
	p.t.Helper()
	seq := p.Request(&smpp.BindReq{ID: bt.Command(), SystemID: []byte(systemID), Password: []byte(password), InterfaceVersion: smpp.Version34})
	id := bt.Command().Response()
	resp := &smpp.BindResp{ID: id}
	if err := resp.DecodeBody(p.Expect(id, smpp.ROK, seq)); err != nil {
		p.t.Fatal(err)
	}
	return resp
}

// AcceptBind answers the bind of a client with success.
func (p *Peer) AcceptBind() *smpp.BindReq {
	p.t.Helper()
	h, body := p.Read()
	req, ok := smpp.NewPDU(h.ID).(*smpp.BindReq)
	if !ok {
		p.t.Fatalf("got %s instead of a bind", h.ID)
	}
	if err := req.DecodeBody(body); err != nil {
		p.t.Fatal(err)
	}
	id := h.ID.Response()
	p.Send(smpp.Header{ID: id, Seq: h.Seq}, &smpp.BindResp{ID: id, SystemID: []byte("scripted")})
	return req
}
