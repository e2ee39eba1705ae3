package esme_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// inbound is a message from a mobile for the rig's account.
func (r *rig) inbound(octets string, change ...func(*message.Inbound)) esme.Notice {
	m := &message.Inbound{
		ID: r.ids.Next(), Source: message.Address{TON: 1, NPI: 1, Addr: "79161234567"}, Dest: message.Address{TON: 3, Addr: "1000"},
		DataCoding: 8, ESMClass: 0x43, ProtocolID: 1, Octets: []byte(octets), ReceivedAt: time.Now().UnixMilli(),
	}
	m.Account, m.Status = r.acct.ID, message.InboundOpen
	for _, f := range change {
		f(m)
	}
	return esme.NoticeOfInbound(m)
}

func TestInboundIsDelivered(t *testing.T) {
	r := newRig(t, account.Spec{}, nil)
	d := newDeliveries()
	r.bind(t, smpp.Receiver, d)
	n := r.inbound("\x05\x00\x03\x01\x02\x01\x00A")
	r.settle(n)
	p := d.next(t)
	if string(p.Source.Addr) != "79161234567" || p.Source.TON != 1 || p.Source.NPI != 1 || string(p.Dest.Addr) != "1000" || p.Dest.TON != 3 {
		t.Errorf("from %+v to %+v", p.Source, p.Dest)
	}
	if p.ESMClass != smpp.ESMUDHI || p.DataCoding != 8 || p.ProtocolID != 1 || string(p.ShortMessage) != "\x05\x00\x03\x01\x02\x01\x00A" || len(p.TLVs) != 0 {
		t.Errorf("%+v", p)
	}
	r.outbox.wait(t, n.MessageID)

	long := r.inbound(strings.Repeat("long ", 200), func(m *message.Inbound) { m.ESMClass, m.DataCoding = 0, 0 })
	r.settle(long)
	if p = d.next(t); len(p.ShortMessage) != 0 || string(p.Payload()) != strings.Repeat("long ", 200) {
		t.Errorf("a long one: %d octets in short_message, %d in all", len(p.ShortMessage), len(p.Payload()))
	}
	r.outbox.wait(t, long.MessageID)

	receipt := r.notice(message.Delivered)
	r.settle(receipt)
	if p = d.next(t); !p.IsReceipt() || p.DataCoding != 0 || p.ProtocolID != 0 {
		t.Errorf("a receipt after it: %+v", p)
	}
	r.outbox.wait(t, receipt.MessageID)
}

// TestInboundWaitsForItsESME: nothing is bound; at the bind both kinds come, in order.
func TestInboundWaitsForItsESME(t *testing.T) {
	r := newRig(t, account.Spec{}, nil)
	first, receipt, second := r.inbound("1"), r.notice(message.Delivered), r.inbound("2")
	for _, n := range []esme.Notice{first, receipt, second} {
		if r.settle(n) {
			t.Error("taken, and nobody is bound")
		}
	}
	d := newDeliveries()
	r.bind(t, smpp.Transceiver, d)
	for i, want := range []string{"1", "receipt", "2"} {
		p := d.next(t)
		if got := string(p.ShortMessage); got != want && (want != "receipt" || !p.IsReceipt()) {
			t.Errorf("%d: %q, want %q", i, got, want)
		}
	}
}

// TestInboundEnds: what the outbox is told of one that the customer refuses, or that is too old.
func TestInboundEnds(t *testing.T) {
	r := newRig(t, account.Spec{}, func(o *esme.Options, _ *sink) { o.GiveUp = time.Hour })
	d := newDeliveries(smpp.RXTAPPN, smpp.ROK, smpp.RXPAPPN)
	r.bind(t, smpp.Transceiver, d)
	taken := r.inbound("taken")
	r.settle(taken)
	r.outbox.wait(t, taken.MessageID)
	refused := r.inbound("refused")
	r.settle(refused)
	r.outbox.wait(t, refused.MessageID)
	for id, want := range map[message.ID]bool{taken.MessageID: false, refused.MessageID: true} {
		if got := r.outbox.last(id).Failed; got != want {
			t.Errorf("failed is %v, want %v", got, want)
		}
	}
}

// TestLongInboundForAnOldESME: a version without message_payload gets the parts, which join to
// what the mobile wrote; one that is refused for now comes again, and one failure does not
// repeat what was taken.
func TestLongInboundForAnOldESME(t *testing.T) {
	for name, c := range map[string]struct {
		coding byte
		esm    byte
		text   string
		octets string
		parts  int
	}{
		"gsm7":   {0, 0, strings.Repeat("long {text} ", 40), "", 4},
		"ucs2":   {8, 0, strings.Repeat("длинный 😀 ", 30), "", 5},
		"binary": {4, 0, "", strings.Repeat("\x00\xff\x1b", 100), 3},
		"ports":  {4, smpp.ESMUDHI, "", "\x06\x05\x04\x0b\x84\x23\xf0" + strings.Repeat("x", 300), 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, account.Spec{}, nil)
			d := newDeliveries(smpp.ROK, smpp.RXTAPPN)
			s, err := smpp.Dial(context.Background(), smpp.DialOptions{
				Addr: r.addr, BindType: smpp.Receiver, SystemID: "esme", Password: "secret", InterfaceVersion: 0x33,
				Session: smpp.SessionOptions{Window: 100, Handler: d},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { s.Close(); <-s.Done() }()
			octets := c.octets
			if octets == "" {
				octets = whole(t, c.text, gsm.OfDataCoding(c.coding))
			}
			n := r.inbound(octets, func(m *message.Inbound) { m.DataCoding, m.ESMClass = c.coding, c.esm })
			r.settle(n)
			got := ""
			for i := 1; i <= c.parts+1; i++ { // one comes twice
				p := d.next(t)
				h, rest, err := gsm.ParseUDH(p.ShortMessage)
				concat, ok := h.Concat()
				want := byte(i)
				if i > 2 {
					want--
				}
				if err != nil || !ok || p.ESMClass&smpp.ESMUDHI == 0 || len(p.TLVs) > 0 || concat.Seq != want || int(concat.Total) != c.parts || len(p.ShortMessage) > 160 {
					t.Fatalf("part %d is %d of %d with %d octets, %v, %+v", i, concat.Seq, concat.Total, len(p.ShortMessage), err, p)
				}
				if i != 2 {
					got += string(rest)
				}
				if _, _, ports := h.Ports(); ports != (name == "ports") {
					t.Errorf("part %d has ports %v", i, ports)
				}
			}
			if c.esm != 0 {
				octets = octets[7:]
			}
			if got != octets {
				t.Errorf("joined %q, want %q", got, octets)
			}
			r.outbox.wait(t, n.MessageID)
			if r.outbox.last(n.MessageID).Failed {
				t.Error("it counts as failed")
			}
		})
	}
}

// whole returns a text in one piece.
func whole(t *testing.T, text string, enc gsm.Encoding) string {
	t.Helper()
	payload, ends, info, err := gsm.Segment(nil, nil, text, gsm.Options{Encoding: enc})
	if err != nil {
		t.Fatal(err)
	}
	out, from := "", uint32(0)
	for _, end := range ends {
		part := payload[from:end]
		if info.UDHI {
			if _, part, err = gsm.ParseUDH(part); err != nil {
				t.Fatal(err)
			}
		}
		out += string(part)
		from = end
	}
	return out
}
