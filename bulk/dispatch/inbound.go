package dispatch

import (
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// Inbound takes mobile-originated messages (inbound.Receiver).
type Inbound interface {
	// Receive keeps a message or one part of it; done is called once, when it is durable or
	// is not kept. It must not block, and m is its own from then on.
	Receive(m *message.Inbound, done func(error))
}

// inbound gives a mobile-originated message to whoever takes them, and acknowledges it when
// it is durable; when it is not the SMSC is asked to bring it again.
func (d *Dispatcher) inbound(s *smpp.Session, r *smpp.Request) {
	d.counters.inbound.Add(1)
	if d.o.Inbound == nil {
		respond(s, r.Seq, r.ID, smpp.RXPAPPN)
		return
	}
	m, st := inboundOf(r.PDU)
	if st != smpp.ROK {
		d.counters.malformed.Add(1)
		d.log.Warn("an inbound message that is none", "from", m.Source.Addr, "to", m.Dest.Addr, "status", st)
		respond(s, r.Seq, r.ID, st)
		return
	}
	m.Connector, m.ReceivedAt = d.o.Connector, d.o.Now().UnixMilli()
	seq, cmd := r.Seq, r.ID
	d.o.Inbound.Receive(m, func(err error) {
		st := smpp.ROK
		if err != nil {
			d.counters.notStored.Add(1)
			st = smpp.RXTAPPN
		}
		respond(s, seq, cmd, st)
	})
}

// inboundOf copies a message out of a deliver_sm or data_sm.
func inboundOf(pdu smpp.PDU) (*message.Inbound, smpp.Status) {
	m := new(message.Inbound)
	var tlvs smpp.TLVs
	switch p := pdu.(type) {
	case *smpp.DeliverSM:
		m.Source, m.Dest = addressOf(&p.Source), addressOf(&p.Dest)
		m.DataCoding, m.ESMClass, m.ProtocolID, tlvs = p.DataCoding, p.ESMClass, p.ProtocolID, p.TLVs
		m.Octets = append([]byte{}, p.Payload()...)
	case *smpp.DataSM:
		m.Source, m.Dest = addressOf(&p.Source), addressOf(&p.Dest)
		m.DataCoding, m.ESMClass, tlvs = p.DataCoding, p.ESMClass, p.TLVs
		m.Octets = append([]byte{}, p.Payload()...)
	}
	return m, concatenation(m, tlvs)
}

func addressOf(a *smpp.Address) message.Address {
	return message.Address{TON: a.TON, NPI: a.NPI, Addr: string(a.Addr)}
}

// concatenation reads which part of a longer message m is, from its user data header or
// from the sar_* parameters.
func concatenation(m *message.Inbound, tlvs smpp.TLVs) smpp.Status {
	c, ok, st := sar(tlvs)
	if m.ESMClass&smpp.ESMUDHI != 0 {
		h, _, err := gsm.ParseUDH(m.Octets)
		if err != nil {
			return smpp.RINVESMCLASS
		}
		if inHeader, found := h.Concat(); found {
			c, ok = inHeader, true
		}
	}
	if st != smpp.ROK {
		return st
	}
	if ok && c.Total > 1 {
		m.Ref, m.Wide, m.Total, m.Seq = c.Ref, c.Ref16, c.Total, c.Seq
	}
	return smpp.ROK
}

// sar reads sar_msg_ref_num, sar_total_segments and sar_segment_seqnum (SMPP 3.4 §5.3.2.22
// to 24), which stand together or not at all.
func sar(tlvs smpp.TLVs) (c gsm.Concat, ok bool, st smpp.Status) {
	ref, ok := tlvs.FindUint16(smpp.TagSarMsgRefNum)
	if !ok {
		return c, false, smpp.ROK
	}
	total, _ := tlvs.FindByte(smpp.TagSarTotalSegments)
	seq, _ := tlvs.FindByte(smpp.TagSarSegmentSeqnum)
	if seq == 0 || seq > total {
		return c, false, smpp.RINVOPTPARAMVAL
	}
	return gsm.Concat{Ref: ref, Ref16: true, Total: total, Seq: seq}, true, smpp.ROK
}
