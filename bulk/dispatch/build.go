package dispatch

import (
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue"
	"protei-bulk/smpp"
)

// Vendor TLVs, sent when the connector's trace_tlv is on.
const (
	TagTrace     smpp.Tag = 0x1501 // "16-hex-id/part", parts from 1
	TagDuplicate smpp.Tag = 0x1502 // one octet 1: the SMSC may have it already
)

// builder makes submit_sm in reused memory. It is for one goroutine.
type builder struct {
	pdu     smpp.SubmitSM
	trace   bool
	charset Charset
	source  []AddressRule
	dest    []AddressRule
	addrs   []byte
	octets  []byte // of a part in another charset
	utf8    []byte // its text
	tlvs    smpp.TLVs
	text    []byte // of TagTrace
	valid   []byte // validity_period of …
	validAt int64  // … this second
}

// smppPriority maps our priorities to priority_flag (SMPP 3.4 §5.2.14): in GSM
// everything but 0 is priority.
var smppPriority = [message.NumPriorities]byte{message.Low: 0, message.Normal: 0, message.High: 2, message.Critical: 3}

// build returns the submit_sm of one part, valid until the next call. It fails for a text
// that the connector's charset does not have.
func (b *builder) build(it *queue.Item, part int) (p *smpp.SubmitSM, err error) {
	m := it.Msg
	p = &b.pdu
	b.addrs = b.addrs[:0]
	p.Source = b.address(&m.Source, b.source)
	p.Dest = b.address(&m.Dest, b.dest)
	p.ESMClass, p.ProtocolID = m.ESMClass, m.ProtocolID
	whole := b.charset.wholly(m)
	if whole {
		p.ESMClass &^= udhIndicator
	}
	if p.ShortMessage, p.DataCoding, err = b.encode(m, part); err != nil {
		return nil, err
	}
	p.PriorityFlag = smppPriority[m.Priority]
	p.RegisteredDelivery = smpp.RegisteredNone
	if m.Flags&message.WantReceipt != 0 {
		p.RegisteredDelivery = smpp.RegisteredFinal
	}
	if m.Flags&message.NotifyIntermediate != 0 {
		p.RegisteredDelivery |= smpp.RegisteredIntermediate
	}
	p.ValidityPeriod = b.validity(m.ValidUntil)
	b.tlvs = b.tlvs[:0]
	if len(p.ShortMessage) > maxShortMessage {
		b.tlvs = b.tlvs.Append(smpp.TagMessagePayload, p.ShortMessage)
		p.ShortMessage = nil
	}
	if part < len(m.Parts)-1 && !whole {
		b.tlvs = b.tlvs.AppendByte(smpp.TagMoreMessagesToSend, 1)
	}
	if b.trace {
		b.traceTLVs(it, part)
	}
	p.TLVs = b.tlvs
	return p, nil
}

// maxShortMessage is the longest short_message (SMPP 3.4 §5.2.21); more goes into
// message_payload.
const maxShortMessage = 254

func (b *builder) traceTLVs(it *queue.Item, part int) {
	b.text = append(it.Msg.ID.Append(b.text[:0]), '/')
	b.text = appendDecimal(b.text, uint64(part+1))
	b.tlvs = b.tlvs.Append(TagTrace, b.text)
	if it.Dup {
		b.tlvs = b.tlvs.AppendByte(TagDuplicate, 1)
	}
}

// validity returns validity_period as an absolute time in UTC (SMPP 3.4 §7.1.1), rounded
// up to the second: SMSCs refuse one in the past. Many messages end in the same second,
// so the last text is kept.
func (b *builder) validity(until int64) []byte {
	if until == 0 {
		return nil
	}
	if sec := (until + 999) / 1000; b.validAt != sec {
		b.validAt = sec
		b.valid = smpp.AppendTime(b.valid[:0], time.Unix(sec, 0))
	}
	return b.valid
}

func appendDecimal(dst []byte, n uint64) []byte {
	if n >= 10 {
		dst = appendDecimal(dst, n/10)
	}
	return append(dst, byte('0'+n%10))
}
