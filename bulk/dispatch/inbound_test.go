package dispatch_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

// mailroom is a dispatch.Inbound that keeps the last message, or refuses it.
type mailroom struct {
	last   atomic.Pointer[message.Inbound]
	refuse error
}

func (m *mailroom) Receive(in *message.Inbound, done func(error)) {
	m.last.Store(in)
	done(m.refuse)
}

func TestInboundMessages(t *testing.T) {
	from, to := smpp.Address{TON: 1, NPI: 1, Addr: []byte("79161234567")}, smpp.Address{Addr: []byte("1000")}
	sar := func(ref uint16, total, seq byte) smpp.TLVs {
		return smpp.TLVs(nil).AppendUint16(smpp.TagSarMsgRefNum, ref).AppendByte(smpp.TagSarTotalSegments, total).AppendByte(smpp.TagSarSegmentSeqnum, seq)
	}
	payload := smpp.TLVs(nil).Append(smpp.TagMessagePayload, []byte(strings.Repeat("long ", 100)))
	want := func(change func(*message.Inbound)) *message.Inbound {
		m := &message.Inbound{
			Connector: 1, Source: message.Address{TON: 1, NPI: 1, Addr: "79161234567"}, Dest: message.Address{Addr: "1000"}, Octets: []byte("hi"),
		}
		change(m)
		return m
	}
	for name, c := range map[string]struct {
		pdu    smpp.PDU
		answer smpp.Status
		want   *message.Inbound
	}{
		"plain": {
			&smpp.DeliverSM{Source: from, Dest: to, DataCoding: 8, ProtocolID: 2, ShortMessage: []byte("hi")}, smpp.ROK,
			want(func(m *message.Inbound) { m.DataCoding, m.ProtocolID = 8, 2 }),
		},
		"8-bit reference": {
			&smpp.DeliverSM{Source: from, Dest: to, ESMClass: smpp.ESMUDHI, ShortMessage: []byte("\x05\x00\x03\xaa\x03\x02hi")}, smpp.ROK,
			want(func(m *message.Inbound) {
				m.ESMClass, m.Ref, m.Total, m.Seq, m.Octets = 0x40, 0xaa, 3, 2, []byte("\x05\x00\x03\xaa\x03\x02hi")
			}),
		},
		"16-bit reference behind ports": {
			&smpp.DeliverSM{Source: from, Dest: to, ESMClass: smpp.ESMUDHI, ShortMessage: []byte("\x0c\x05\x04\x0b\x84\x23\xf0\x08\x04\xaa\xbb\x03\x02hi")}, smpp.ROK,
			want(func(m *message.Inbound) {
				m.ESMClass, m.Ref, m.Wide, m.Total, m.Seq = 0x40, 0xaabb, true, 3, 2
				m.Octets = []byte("\x0c\x05\x04\x0b\x84\x23\xf0\x08\x04\xaa\xbb\x03\x02hi")
			}),
		},
		"sar": {
			&smpp.DeliverSM{Source: from, Dest: to, ShortMessage: []byte("hi"), TLVs: sar(700, 2, 1)}, smpp.ROK,
			want(func(m *message.Inbound) { m.Ref, m.Wide, m.Total, m.Seq = 700, true, 2, 1 }),
		},
		"one part of one": {
			&smpp.DeliverSM{Source: from, Dest: to, ShortMessage: []byte("hi"), TLVs: sar(700, 1, 1)}, smpp.ROK,
			want(func(*message.Inbound) {}),
		},
		"message_payload": {
			&smpp.DeliverSM{Source: from, Dest: to, TLVs: payload}, smpp.ROK,
			want(func(m *message.Inbound) { m.Octets = []byte(strings.Repeat("long ", 100)) }),
		},
		"data_sm": {
			&smpp.DataSM{Source: from, Dest: to, DataCoding: 4, TLVs: payload}, smpp.ROK,
			want(func(m *message.Inbound) { m.DataCoding, m.Octets = 4, []byte(strings.Repeat("long ", 100)) }),
		},
		"header beyond the message": {&smpp.DeliverSM{Source: from, Dest: to, ESMClass: smpp.ESMUDHI, ShortMessage: []byte("\x09\x00")}, smpp.RINVESMCLASS, nil},
		"sar without a total":       {&smpp.DeliverSM{Source: from, Dest: to, ShortMessage: []byte("hi"), TLVs: sar(700, 0, 1)}, smpp.RINVOPTPARAMVAL, nil},
		"sar beyond the total":      {&smpp.DeliverSM{Source: from, Dest: to, ShortMessage: []byte("hi"), TLVs: sar(700, 2, 3)}, smpp.RINVOPTPARAMVAL, nil},
	} {
		t.Run(name, func(t *testing.T) {
			room := new(mailroom)
			m := newSMSC(t, 10)
			newRig(t, m, settings{dispatch: dispatch.Options{Inbound: room}})
			eventually(t, "bind", func() bool { return len(m.bound()) > 0 })
			a := make(answers, 1)
			if err := m.bound()[0].TrySend(c.pdu, a); err != nil {
				t.Fatal(err)
			}
			if r := <-a; r.Err != nil || r.Status != c.answer {
				t.Fatalf("answered %v %v, want %v", r.Status, r.Err, c.answer)
			}
			if diff := cmp.Diff(c.want, room.last.Load(), cmpopts.IgnoreFields(message.Inbound{}, "ReceivedAt")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestInboundIsNotAcknowledgedBeforeItIsStored(t *testing.T) {
	m := newSMSC(t, 10)
	room := &mailroom{refuse: errors.New("the disk is full")}
	r := newRig(t, m, settings{dispatch: dispatch.Options{Inbound: room}})
	eventually(t, "bind", func() bool { return len(m.bound()) > 0 })
	if st := m.deliver(m.bound()[0], &smpp.DeliverSM{ShortMessage: []byte("hi")}); st != smpp.RXTAPPN {
		t.Errorf("answered %v, want ESME_RX_T_APPN: the SMSC is to bring it again", st)
	}
	if n := r.d.Counters().NotStored; n != 1 {
		t.Errorf("%d not stored", n)
	}
}
