package store

import (
	"encoding/binary"
	"fmt"
	"math"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/message"
)

// What follows the version of a recordInbound.
const (
	inboundArrived = 1 // a whole message or a part
	inboundChanged = 2
)

// inboundRecord is the content of a recordInbound: one of both.
type inboundRecord struct {
	msg    *message.Inbound
	change message.InboundChange
}

func addInbound(g *journal.Group, r *inboundRecord) {
	b := append(g.Begin(recordInbound), recordVersion)
	if r.msg == nil {
		b = append(b, inboundChanged)
		b = appendID(b, r.change.ID)
		g.End(appendInboundState(b, &r.change.InboundState))
		return
	}
	b = append(b, inboundArrived)
	b = appendID(b, r.msg.ID)
	b = binary.AppendUvarint(b, uint64(len(r.msg.Consumed)))
	for _, id := range r.msg.Consumed {
		b = appendID(b, id)
	}
	b = appendInboundState(b, &r.msg.InboundState)
	g.End(AppendInbound(b, r.msg))
}

func appendInboundState(b []byte, s *message.InboundState) []byte {
	b = append(b, byte(s.Status))
	b = binary.AppendUvarint(b, uint64(s.Account))
	b = appendID(b, s.Route)
	b = appendString(b, s.URL)
	return binary.AppendVarint(b, s.DoneAt)
}

// inboundVersion is the first byte of a row's body.
const inboundVersion = 1

// AppendInbound appends what never changes of m: the body of its row.
func AppendInbound(b []byte, m *message.Inbound) []byte {
	b = append(b, inboundVersion)
	b = binary.AppendUvarint(b, uint64(m.Connector))
	b = appendAddress(b, m.Source)
	b = appendAddress(b, m.Dest)
	b = append(b, m.DataCoding, m.ESMClass, m.ProtocolID, flag(m.Wide), m.Total, m.Seq, m.Parts)
	b = binary.AppendUvarint(b, uint64(m.Ref))
	b = binary.AppendVarint(b, m.ReceivedAt)
	return appendString(b, string(m.Octets))
}

func (d *decoder) inbound() (r inboundRecord) {
	switch d.byte() {
	case inboundArrived:
		r.msg = &message.Inbound{ID: d.id()}
		for n := d.limited(math.MaxUint16); n > 0 && !d.bad; n-- {
			r.msg.Consumed = append(r.msg.Consumed, d.id())
		}
		r.msg.InboundState = d.inboundState()
		d.inboundBody(r.msg)
	case inboundChanged:
		r.change.ID = d.id()
		r.change.InboundState = d.inboundState()
	default:
		d.fail()
	}
	return r
}

func (d *decoder) inboundState() message.InboundState {
	s := message.InboundState{Status: message.InboundStatus(d.byte())}
	if !s.Status.Valid() {
		d.fail()
	}
	s.Account, s.Route, s.URL, s.DoneAt = d.u32(), d.id(), d.string(), d.varint()
	return s
}

// DecodeInbound reads into m what AppendInbound wrote.
func DecodeInbound(m *message.Inbound, body string) error {
	d := decoder{src: body}
	d.inboundBody(m)
	if err := d.end(); err != nil {
		return fmt.Errorf("inbound message %s: %w", m.ID, err)
	}
	return nil
}

func (d *decoder) inboundBody(m *message.Inbound) {
	if d.byte() != inboundVersion {
		d.fail()
	}
	m.Connector = d.u16()
	m.Source, m.Dest = d.address(), d.address()
	m.DataCoding, m.ESMClass, m.ProtocolID = d.byte(), d.byte(), d.byte()
	m.Wide = d.limited(1) == 1
	m.Total, m.Seq, m.Parts = d.byte(), d.byte(), d.byte()
	m.Ref = d.u16()
	m.ReceivedAt = d.varint()
	m.Octets = []byte(d.string())
}
