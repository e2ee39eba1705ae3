package intake

import (
	"fmt"
	"strings"

	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

const (
	receiptMask        = 0x03 // registered_delivery bits 1-0, SMPP 3.4 §5.2.17
	receiptAny         = 1
	receiptFailureOnly = 2
	receiptSuccessOnly = 3
	intermediate       = 0x10
	// featureBits are what is passed on of a customer's esm_class: UDHI and reply path.
	// Mode and type are the platform's own.
	featureBits = 0xC0
)

// raw takes a submit_sm's octets as they are, or cuts them when they are too long for
// one short message.
func (b *build) raw(m *message.Message, req *Request) *Refusal {
	raw := req.Raw
	m.Flags |= message.ViaSMPP
	switch raw.ReceiptRequested & receiptMask {
	case receiptAny:
		m.Flags |= message.WantReceipt | message.NotifyFinal
	case receiptFailureOnly:
		m.Flags |= message.WantReceipt | message.NotifyFinal | message.NotifyFailureOnly
	}
	if raw.ReceiptRequested&receiptMask == receiptSuccessOnly {
		m.Flags |= message.WantReceipt | message.NotifyFinal | message.NotifySuccessOnly
	}
	if raw.ReceiptRequested&intermediate != 0 {
		m.Flags |= message.WantReceipt | message.NotifyIntermediate
	}
	if r := b.rawAddresses(m, req); r != nil {
		return r
	}
	if r := b.rawTimes(m, raw); r != nil {
		return r
	}
	m.ProtocolID, m.ESMClass = raw.ProtocolID, raw.ESMClass&featureBits
	return b.rawParts(m, raw)
}

func (b *build) rawAddresses(m *message.Message, req *Request) *Refusal {
	raw, a := req.Raw, req.Account
	switch {
	case raw.Source.Addr == "" && a.DefaultSender != "":
		if r := b.source(m, a, ""); r != nil {
			return r
		}
	case !isAddress(raw.Source.Addr) || len(raw.Source.Addr) > maxDigits:
		return &Refusal{Code: InvalidSender, Field: "source_addr", Detail: quote(raw.Source.Addr) + " is not an address of at most 20 ASCII characters"}
	default:
		m.Source = raw.Source
		m.Source.Addr = strings.Clone(raw.Source.Addr)
	}
	if r := b.mayBe(m, a, "source_addr"); r != nil {
		return r
	}
	digits, _, detail := parseRecipient(b.dest[:0], raw.Dest.Addr)
	switch {
	case raw.Dest.Addr == "":
		return &Refusal{Code: MissingRecipient, Field: "destination_addr", Detail: "is empty"}
	case detail != "":
		return &Refusal{Code: InvalidRecipient, Field: "destination_addr", Detail: detail}
	}
	m.Dest = message.Address{TON: raw.Dest.TON, NPI: raw.Dest.NPI}
	if r := b.names(m, digits, req.ClientRef); r != nil {
		return r
	}
	return b.listed(m, req, "destination_addr")
}

func isAddress(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func (b *build) rawTimes(m *message.Message, raw *Raw) *Refusal {
	if raw.ScheduleAt > b.nowMs {
		if raw.ScheduleAt-b.nowMs > b.in.opts.MaxSchedule.Milliseconds() {
			return &Refusal{Code: InvalidSchedule, Field: "schedule_delivery_time", Detail: "is too far ahead"}
		}
		m.ScheduleAt = raw.ScheduleAt
	}
	if raw.ValidUntil != 0 {
		if raw.ValidUntil <= max(b.nowMs, m.ScheduleAt) {
			return &Refusal{Code: InvalidValidity, Field: "validity_period", Detail: "ends before the message may be sent"}
		}
		// A longer period than allowed is shortened: SMPP 3.4 §5.2.16 lets the SMSC do so.
		longest := max(b.nowMs, m.ScheduleAt) + b.in.opts.MaxValidity.Milliseconds()
		m.ValidUntil = min(raw.ValidUntil, longest)
	}
	return nil
}

func (b *build) rawParts(m *message.Message, raw *Raw) *Refusal {
	enc := gsm.OfDataCoding(raw.DataCoding)
	m.Encoding, m.DataCoding = uint8(enc), raw.DataCoding
	most := maxSingleOctets
	if enc == gsm.GSM7 {
		most = maxSingleSeptets
	}
	if raw.ESMClass&udhIndicator != 0 {
		if _, _, err := gsm.ParseUDH(raw.Octets); err != nil {
			return &Refusal{Code: InvalidHeader, Field: "short_message", Detail: err.Error()}
		}
		if len(raw.Octets) > most {
			return &Refusal{Code: TextTooLong, Field: "short_message", Detail: fmt.Sprintf("has %d octets with its user data header, at most %d are allowed", len(raw.Octets), most)}
		}
	}
	if len(raw.Octets) <= most {
		m.Payload = append([]byte(nil), raw.Octets...)
		m.SetParts(1)
		m.Parts[0].End = uint32(len(raw.Octets))
		return nil
	}
	return b.rawLong(m, raw, enc)
}

// rawLong cuts octets that are longer than one message, by their alphabet.
func (b *build) rawLong(m *message.Message, raw *Raw, enc gsm.Encoding) *Refusal {
	o := gsm.Options{Encoding: enc, MaxParts: b.in.opts.MaxParts, Ref: b.reference(m, true)}
	var info gsm.Info
	var err error
	if enc == gsm.Binary || enc == gsm.Latin1 {
		b.payload, b.ends, info, err = gsm.SegmentBinary(b.payload[:0], b.ends[:0], raw.Octets, o)
	} else {
		b.text = gsm.AppendText(b.text[:0], enc, raw.Octets)
		b.payload, b.ends, info, err = gsm.Segment(b.payload[:0], b.ends[:0], string(b.text), o)
	}
	if err != nil {
		r := textRefusal(err)
		r.Field = "short_message"
		return r
	}
	info.Encoding, info.DataCoding = enc, raw.DataCoding
	b.parts(m, info)
	return nil
}
