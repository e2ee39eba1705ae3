package smsc

import (
	"strconv"
	"time"

	"protei-bulk/smpp"
)

// compose builds the deliver_sm of a receipt in p's buffers: SMPP 3.4 appendix B, with
// addresses swapped (SMPP.md items 49 to 53). It needs p.mu.
func (p *peer) compose(from *record) {
	p.rec = *from // the PDU points into it: the caller's may stay on its stack
	r := &p.rec
	b := p.sim.behaviour.Load()
	format := b.ReceiptIDFormat
	if format == DefaultID {
		format = b.IDFormat
	}
	p.id = appendID(p.id[:0], r.id, format)
	d := &p.deliver
	*d = smpp.DeliverSM{TLVs: d.TLVs[:0], ESMClass: smpp.ESMReceipt}
	if r.flags&intermediate != 0 {
		d.ESMClass = smpp.ESMIntermediate
	}
	r.dest.to(&d.Source)
	r.source.to(&d.Dest)
	p.text = p.text[:0]
	if b.ReceiptForm != TLVsOnly {
		p.appendText(r)
	}
	d.ShortMessage = p.text
	if b.ReceiptForm == TextOnly || p.session.InterfaceVersion() < smpp.Version34 {
		return
	}
	const gsmNetwork = 3 // SMPP 3.4 §5.3.2.31 network type
	d.TLVs = smpp.AppendReceiptTLVs(d.TLVs, &smpp.Receipt{
		ID: p.id, State: r.state, Network: [3]byte{gsmNetwork, 0, errorCode(r.state)},
	})
	if r.flags&hasUserRef != 0 {
		d.TLVs = d.TLVs.AppendUint16(smpp.TagUserMessageReference, r.userRef)
	}
}

func (p *peer) appendText(r *record) {
	n := errorCode(r.state)
	code := [3]byte{'0' + n/100, '0' + n/10%10, '0' + n%10}
	p.text = smpp.AppendReceipt(p.text, &smpp.Receipt{
		ID: p.id, State: r.state, Err: code[:], Text: r.text[:r.textLen],
		SubmitDate: p.dates[0].of(r.submitted), DoneDate: p.dates[1].of(p.sim.unix(p.sim.elapsed())),
	})
}

// errorCode is the err of a receipt and its network_error_code: one for each state.
func errorCode(s smpp.MessageState) byte {
	switch s {
	case smpp.StateUndeliverable:
		return 1
	case smpp.StateExpired:
		return 2
	case smpp.StateDeleted:
		return 3
	case smpp.StateRejected:
		return 4
	case smpp.StateUnknown:
		return 5
	default:
		return 0
	}
}

// date is YYMMDDhhmm of the minute asked for last.
type date struct {
	minute int64
	text   [10]byte
}

// of returns the date of Unix seconds in UTC; it is valid until the next call.
func (d *date) of(unix int64) []byte {
	if minute := unix / 60; minute != d.minute {
		d.minute = minute
		smpp.AppendReceiptDate(d.text[:0], time.Unix(unix, 0).UTC())
	}
	return d.text[:]
}

// appendID writes a message id, without leading zeros.
func appendID(dst []byte, id uint64, f IDFormat) []byte {
	if f == DecimalID {
		return strconv.AppendUint(dst, id, 10)
	}
	return strconv.AppendUint(dst, id, 16)
}
