package esme_test

import (
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/message"
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
