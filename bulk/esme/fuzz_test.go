package esme_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
	"protei-bulk/smpp/smpptest"
)

// wire is a bound connection without a session of ours at its end.
type wire struct {
	conn net.Conn
	seq  uint32
}

// exchange sends a request with body, and returns the header of what comes back.
func (w *wire) exchange(t testing.TB, id smpp.CommandID, body []byte) smpp.Header {
	t.Helper()
	w.seq++
	pdu := append(smpp.AppendHeader(nil, smpp.Header{Length: uint32(smpp.HeaderLen + len(body)), ID: id, Seq: w.seq}), body...)
	_ = w.conn.SetDeadline(time.Now().Add(smpptest.Patience)) // when it is closed, the next call tells
	if _, err := w.conn.Write(pdu); err != nil {
		t.Fatalf("%s with %x: send: %v", id, body, err)
	}
	var head [smpp.HeaderLen]byte
	if _, err := io.ReadFull(w.conn, head[:]); err != nil {
		t.Fatalf("%s with %x: no answer: %v", id, body, err)
	}
	h := smpp.ParseHeader(head[:])
	if h.Length < smpp.HeaderLen || h.Length > 1024 {
		t.Fatalf("%s with %x: an answer of %d octets", id, body, h.Length)
	}
	if _, err := io.CopyN(io.Discard, w.conn, int64(h.Length-smpp.HeaderLen)); err != nil {
		t.Fatalf("%s with %x: the answer ends too early: %v", id, body, err)
	}
	return h
}

// FuzzRequests sends what a customer may send on a bound connection: each request has one answer,
// the connection lives on, and what was accepted has a recipient and its octets.
func FuzzRequests(f *testing.F) {
	commands := []smpp.CommandID{
		smpp.CmdSubmitSM, smpp.CmdDataSM, smpp.CmdSubmitMulti, smpp.CmdQuerySM, smpp.CmdCancelSM, smpp.CmdReplaceSM, smpp.CmdEnquireLink, smpp.CmdBindTransceiver, smpp.CmdDeliverSM, 0x777,
	}
	dest := smpp.Address{TON: 1, NPI: 1, Addr: []byte("4915112345678")}
	source := smpp.Address{TON: 5, Addr: []byte("ACME")}
	for i, p := range []smpp.PDU{
		&smpp.SubmitSM{Source: source, Dest: dest, ShortMessage: []byte("hello"), RegisteredDelivery: 1},
		&smpp.DataSM{Source: source, Dest: dest, TLVs: smpp.TLVs(nil).Append(smpp.TagMessagePayload, []byte("hello"))},
		&smpp.SubmitMulti{Source: source, Dests: []smpp.Destination{{Address: dest}}, ShortMessage: []byte("hello")},
		&smpp.QuerySM{MessageID: []byte("00000000000000ff"), Source: source},
		&smpp.CancelSM{MessageID: []byte("00000000000000ff"), Source: source, Dest: dest},
		&smpp.ReplaceSM{MessageID: []byte("00000000000000ff"), Source: source, ShortMessage: []byte("x")},
	} {
		body, err := p.AppendBody(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), body)
	}
	f.Add(uint8(6), []byte("x"))
	f.Add(uint8(9), []byte(nil))
	r := newRig(f, account.Spec{}, func(_ *esme.Options, s *sink) { s.came = make(chan struct{}, 1) })
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { conn.Close() })
	w := &wire{conn: conn}
	bind, err := (&smpp.BindReq{SystemID: []byte("esme"), Password: []byte("secret"), InterfaceVersion: 0x34}).AppendBody(nil)
	if err != nil {
		f.Fatal(err)
	}
	if h := w.exchange(f, smpp.CmdBindTransceiver, bind); h.Status != smpp.ROK {
		f.Fatalf("bind: %v", h.Status)
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		id := commands[int(which)%len(commands)]
		if len(body) > 4000 {
			return
		}
		h := w.exchange(t, id, body)
		if h.Seq != w.seq || h.ID != id|smpp.CmdGenericNack && h.ID != smpp.CmdGenericNack {
			t.Fatalf("%s %d with %x has the answer %s %d", id, w.seq, body, h.ID, h.Seq)
		}
		if h := w.exchange(t, smpp.CmdEnquireLink, nil); h.Status != smpp.ROK || h.Seq != w.seq {
			t.Fatalf("after %s with %x, enquire_link has the answer %s %v", id, body, h.ID, h.Status)
		}
		for _, m := range r.sink.take() {
			checkAccepted(t, m)
		}
	})
}

func checkAccepted(t *testing.T, m *message.Message) {
	t.Helper()
	if m.Dest.Addr == "" || len(m.Dest.Addr) > 20 || strings.ContainsRune(m.Dest.Addr, 0) || len(m.Parts) == 0 || int(m.Parts[len(m.Parts)-1].End) != len(m.Payload) {
		t.Fatalf("accepted %+v", m)
	}
}
