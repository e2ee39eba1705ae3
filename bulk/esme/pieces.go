package esme

import (
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// cut takes an inbound message apart that short_message cannot hold, for an ESME below version
// 3.4, which has no message_payload: parts as they were on the air, with user data headers
// that join them.
func cut(m *message.Inbound) [][]byte {
	o := gsm.Options{Ref: uint16(m.ID), MaxParts: gsm.MaxParts}
	octets := m.Octets
	if m.ESMClass&smpp.ESMUDHI != 0 {
		if h, rest, err := gsm.ParseUDH(octets); err == nil {
			octets = rest
			if len(h) <= gsm.MaxElements {
				o.Elements = h
			}
		}
	}
	var payload []byte
	var ends []uint32
	var err error
	o.Encoding = gsm.OfDataCoding(m.DataCoding)
	if o.Encoding != gsm.Binary {
		// As text, so that no character is cut in two.
		payload, ends, _, err = gsm.Segment(nil, nil, gsm.Decode(o.Encoding, octets), o)
	}
	if o.Encoding == gsm.Binary || err != nil {
		o.Encoding = gsm.Binary
		payload, ends, _, err = gsm.SegmentBinary(nil, nil, octets, o)
	}
	if err != nil {
		return nil
	}
	pieces := make([][]byte, 0, len(ends))
	from := uint32(0)
	for _, end := range ends {
		pieces = append(pieces, payload[from:end:end])
		from = end
	}
	return pieces
}

// cuts reports whether e goes to a session in parts. Once it began to, it ends so.
func (e *entry) cuts(sess *smpp.Session) bool {
	m := e.n.Inbound
	if m == nil || len(m.Octets) <= maxShort || e.pieces == nil && sess.InterfaceVersion() >= smpp.Version34 {
		return false
	}
	if e.pieces == nil {
		e.pieces = cut(m)
	}
	return e.pieces != nil
}

// another reports whether e has a part left to send after the one that was taken.
func (e *entry) another() bool {
	if e.piece+1 >= len(e.pieces) {
		return false
	}
	e.piece++
	return true
}

// piece returns the deliver_sm of the part whose turn it is, valid until the next call.
func (w *receiptWriter) piece(e *entry) *smpp.DeliverSM {
	pdu := w.inbound(e.n.Inbound)
	pdu.ESMClass |= smpp.ESMUDHI
	pdu.ShortMessage, pdu.TLVs = e.pieces[e.piece], pdu.TLVs[:0]
	return pdu
}
