package store

import (
	"encoding/binary"
	"fmt"
	"math"

	"protei-bulk/bulk/message"
)

// The first byte of an encoded message.
const (
	messageVersion = 1
	// messageMore is messageVersion with a second presence byte behind the first. A message
	// that has none of its fields is written as version 1, which older programs read too.
	messageMore = 2
)

// maxParts bounds what a decoder makes of a damaged number of parts.
const maxParts = 255

// Bits of the presence word: which optional fields follow.
const (
	hasBatch = 1 << iota
	hasCampaign
	hasClientRef
	hasDLRURL
	hasTimes // schedule, validity, due
	hasDone
	hasDuplicate // possible duplicate; no field
	hasLaneSeq
)

// Bits of the second presence byte.
const (
	hasRoute = 1 << iota
	hasTariff
	hasCallback
	knownMore = 1<<iota - 1
)

// Bits of a part's first byte, above its status.
const (
	partStatusMask = 0x0f
	partAttempts   = 0x10
	partSMSCID     = 0x20
	partError      = 0x40
	partTimes      = 0x80
)

func presence(m *message.Message) (p byte) {
	set := func(bit byte, on bool) {
		if on {
			p |= bit
		}
	}
	set(hasBatch, m.Batch != 0)
	set(hasCampaign, m.Campaign != 0 || m.Ordinal != 0)
	set(hasClientRef, m.ClientRef != "")
	set(hasDLRURL, m.DLRURL != "")
	set(hasTimes, m.ScheduleAt|m.ValidUntil|m.DueAt != 0)
	set(hasDone, m.DoneAt != 0)
	set(hasDuplicate, m.PossibleDuplicate)
	set(hasLaneSeq, m.LaneSeq != 0)
	return p
}

func more(m *message.Message) (p byte) {
	if m.Route != 0 {
		p |= hasRoute
	}
	if m.Tariff != nil {
		p |= hasTariff
	}
	if m.Callback != (message.Callback{}) {
		p |= hasCallback
	}
	return p
}

// AppendMessage appends m without its id: the payload of an accept record and the
// body of a row. The bookkeeping's record number is part of it.
func AppendMessage(dst []byte, m *message.Message) []byte {
	p, more := presence(m), more(m)
	if more == 0 {
		dst = append(dst, messageVersion, p)
	} else {
		dst = append(dst, messageMore, p, more)
	}
	dst = append(dst, byte(m.Status), byte(m.Notify), byte(m.Priority), byte(m.Flags),
		m.Encoding, m.DataCoding, m.ESMClass, m.ProtocolID)
	dst = binary.AppendUvarint(dst, m.Store.Applied)
	dst = binary.AppendUvarint(dst, uint64(m.Account))
	dst = binary.AppendUvarint(dst, uint64(m.Connector))
	dst = appendAddress(dst, m.Source)
	dst = appendAddress(dst, m.Dest)
	dst = binary.AppendVarint(dst, m.SubmittedAt)
	if p&hasBatch != 0 {
		dst = appendID(dst, m.Batch)
	}
	if p&hasCampaign != 0 {
		dst = appendID(dst, m.Campaign)
		dst = binary.AppendUvarint(dst, uint64(m.Ordinal))
	}
	if p&hasClientRef != 0 {
		dst = appendString(dst, m.ClientRef)
	}
	if p&hasDLRURL != 0 {
		dst = appendString(dst, m.DLRURL)
	}
	if p&hasTimes != 0 {
		dst = appendMoment(dst, m.ScheduleAt, m.SubmittedAt)
		dst = appendMoment(dst, m.ValidUntil, m.SubmittedAt)
		dst = appendMoment(dst, m.DueAt, m.SubmittedAt)
	}
	if p&hasDone != 0 {
		dst = appendMoment(dst, m.DoneAt, m.SubmittedAt)
	}
	if p&hasLaneSeq != 0 {
		dst = binary.AppendUvarint(dst, m.LaneSeq)
	}
	if more&hasRoute != 0 {
		dst = binary.AppendUvarint(dst, uint64(m.Route))
	}
	if more&hasTariff != 0 {
		dst = binary.AppendUvarint(dst, uint64(m.Tariff.Price))
		dst = binary.AppendUvarint(dst, uint64(m.Tariff.Payer))
		dst = append(dst, byte(m.Tariff.Refunds), m.Refunded)
	}
	if more&hasCallback != 0 {
		dst = append(dst, byte(m.Callback.Form), byte(m.Callback.Tells))
	}
	dst = binary.AppendUvarint(dst, uint64(len(m.Payload)))
	dst = append(dst, m.Payload...)
	dst = binary.AppendUvarint(dst, uint64(len(m.Parts)))
	end := uint32(0)
	for i := range m.Parts {
		dst = appendPart(dst, &m.Parts[i], end, m.SubmittedAt)
		end = m.Parts[i].End
	}
	return dst
}

func appendAddress(dst []byte, a message.Address) []byte {
	dst = append(dst, a.TON, a.NPI)
	return appendString(dst, a.Addr)
}

func appendPart(dst []byte, p *message.Part, start uint32, base int64) []byte {
	head := byte(p.Status) & partStatusMask
	if p.Attempts != 0 {
		head |= partAttempts
	}
	if p.SMSCID != "" {
		head |= partSMSCID
	}
	if p.Error != 0 {
		head |= partError
	}
	if p.SentAt|p.DoneAt != 0 {
		head |= partTimes
	}
	dst = append(dst, head)
	dst = binary.AppendUvarint(dst, uint64(p.End-start))
	if head&partAttempts != 0 {
		dst = append(dst, p.Attempts)
	}
	if head&partSMSCID != 0 {
		dst = appendString(dst, p.SMSCID)
	}
	if head&partError != 0 {
		dst = binary.AppendUvarint(dst, uint64(p.Error))
	}
	if head&partTimes != 0 {
		dst = appendMoment(dst, p.SentAt, base)
		dst = appendMoment(dst, p.DoneAt, base)
	}
	return dst
}

// DecodeMessage reads what AppendMessage wrote. The message's strings alias body,
// its payload is a copy.
func DecodeMessage(id message.ID, body string) (*message.Message, error) {
	d := decoder{src: body}
	m := &message.Message{ID: id}
	d.message(m)
	if err := d.end(); err != nil {
		return nil, fmt.Errorf("message %s: %w", id, err)
	}
	return m, nil
}

func (d *decoder) message(m *message.Message) {
	v := d.byte()
	p, more := d.byte(), byte(0)
	switch v {
	case messageVersion:
	case messageMore:
		if more = d.byte(); more&^knownMore != 0 {
			d.fail() // written by a newer program
			return
		}
	default:
		d.fail()
		return
	}
	m.Status, m.Notify = message.Status(d.byte()), message.NotifyState(d.byte())
	m.Priority, m.Flags = message.Priority(d.byte()), message.Flags(d.byte())
	m.Encoding, m.DataCoding, m.ESMClass, m.ProtocolID = d.byte(), d.byte(), d.byte(), d.byte()
	if m.Status == 0 || m.Status > message.Unknown || m.Priority >= message.NumPriorities || m.Notify > message.NotifyDone {
		d.fail()
		return
	}
	m.Store.Applied = d.uvarint()
	m.Account = d.u32()
	m.Connector = d.u16()
	m.Source, m.Dest = d.address(), d.address()
	m.SubmittedAt = d.varint()
	if p&hasBatch != 0 {
		m.Batch = d.id()
	}
	if p&hasCampaign != 0 {
		m.Campaign = d.id()
		m.Ordinal = d.u32()
	}
	if p&hasClientRef != 0 {
		m.ClientRef = d.string()
	}
	if p&hasDLRURL != 0 {
		m.DLRURL = d.string()
	}
	if p&hasTimes != 0 {
		m.ScheduleAt, m.ValidUntil, m.DueAt = d.moment(m.SubmittedAt), d.moment(m.SubmittedAt), d.moment(m.SubmittedAt)
	}
	if p&hasDone != 0 {
		m.DoneAt = d.moment(m.SubmittedAt)
	}
	m.PossibleDuplicate = p&hasDuplicate != 0
	if p&hasLaneSeq != 0 {
		m.LaneSeq = d.uvarint()
	}
	if more&hasRoute != 0 {
		m.Route = d.u32()
	}
	if more&hasTariff != 0 {
		m.Tariff = &message.Tariff{Price: int64(d.limited(math.MaxInt64)), Payer: d.u32(), Refunds: message.Refunds(d.byte())}
		if m.Refunded = d.byte(); !m.Tariff.Refunds.Valid() || m.Tariff.Price == 0 {
			d.fail()
		}
	}
	if more&hasCallback != 0 {
		m.Callback = message.Callback{Form: message.CallbackForm(d.limited(uint64(message.JasminPOST))), Tells: message.Tells(d.byte())}
	}
	d.parts(m)
}

func (d *decoder) address() message.Address {
	return message.Address{TON: d.byte(), NPI: d.byte(), Addr: d.string()}
}

func (d *decoder) parts(m *message.Message) {
	if payload := d.string(); payload != "" {
		m.Payload = []byte(payload)
	}
	n := int(d.limited(maxParts))
	if d.bad || n == 0 {
		return
	}
	m.SetParts(n)
	end := uint64(0)
	for i := range m.Parts {
		head := d.byte()
		end += d.limited(uint64(len(m.Payload)))
		if end > uint64(len(m.Payload)) {
			d.fail()
		}
		m.Parts[i].End = uint32(end)
		d.part(&m.Parts[i], head, m.SubmittedAt)
		if d.bad {
			return
		}
	}
}

func (d *decoder) part(p *message.Part, head byte, base int64) {
	p.Status = message.Status(head & partStatusMask)
	if p.Status == 0 || p.Status > message.Unknown {
		d.fail()
		return
	}
	if head&partAttempts != 0 {
		p.Attempts = d.byte()
	}
	if head&partSMSCID != 0 {
		p.SMSCID = d.string()
	}
	if head&partError != 0 {
		p.Error = d.u32()
	}
	if head&partTimes != 0 {
		p.SentAt, p.DoneAt = d.moment(base), d.moment(base)
	}
}
