package store

import (
	"encoding/binary"
	"fmt"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
)

// Kinds of journal records. They are stored: never renumber them.
const (
	recordAccept      = 1
	recordSubmitted   = 2
	recordSettle      = 3
	recordRequeue     = 4
	recordHold        = 5
	recordNotified    = 6
	recordParked      = 7
	recordHorizon     = 8
	recordIdempotency = 9  // the answer to a request, before the accepts of its messages
	recordCampaign    = 10 // reserved: campaign created
	recordInbound     = 11 // MO
	recordMoney       = 12 // movement: top-up, adjustment, transfer
)

// The first byte of every record but accept, whose message has its own.
const (
	recordVersion = 1
	// recordMarked is a submitted record with a byte of flags at its end, or a requeue record
	// with the connector that the message moves to, or a notified record that opens an outbox
	// entry again or ends that of a SENT message. One without is written as version 1, which
	// older programs read too.
	recordMarked = 2
)

// markDuplicate is the flag of a submitted record: the SMSC may have had the message already.
const markDuplicate = 1

// record is one decoded journal record.
type record struct {
	kind    byte
	id      message.ID
	event   message.Event // kinds 1 to 6; Msg is set for accept only
	receipt message.Receipt
	horizon horizon
	inbound inboundRecord
	stamp   stamp
	move    money.Movement
}

// horizon is a lane's durable permission to send up to a lane sequence.
type horizon struct {
	lane message.Lane
	seq  uint64
}

// addEvent appends one event to the group.
func addEvent(g *journal.Group, e *message.Event) {
	b := g.Begin(byte(e.Kind))
	if e.Kind == message.Accept {
		b = appendID(b, e.Msg.ID)
		b = binary.AppendUvarint(b, e.Seq)
		g.End(AppendMessage(b, e.Msg))
		return
	}
	part := e.Part
	if e.Kind == message.Notified && part != message.Reopen && part != message.ToldSent {
		part = 0 // it means nothing else there, and a record that is not read back stops the next start
	}
	marked := e.Kind == message.Submitted && e.Dup || e.Kind == message.Requeue && e.Connector != 0 ||
		e.Kind == message.Notified && part != 0
	b = append(b, recordVersion+flag(marked))
	b = appendID(b, e.Msg.ID)
	b = binary.AppendUvarint(b, uint64(part))
	b = binary.AppendVarint(b, e.At)
	switch e.Kind {
	case message.Submitted:
		b = binary.AppendUvarint(b, uint64(e.Error))
		b = appendString(b, e.SMSCID)
		if marked {
			b = append(b, markDuplicate)
		}
	case message.Settle:
		b = append(b, byte(e.Status))
		b = binary.AppendUvarint(b, uint64(e.Error))
	case message.Requeue:
		b = binary.AppendUvarint(b, uint64(e.Error))
		b = binary.AppendVarint(b, e.Due)
		b = binary.AppendUvarint(b, e.Seq)
		b = append(b, flag(e.Dup))
		if marked {
			b = binary.AppendUvarint(b, uint64(e.Connector))
		}
	}
	g.End(b)
}

func flag(on bool) byte {
	if on {
		return 1
	}
	return 0
}

func addReceipt(g *journal.Group, r *message.Receipt) {
	b := append(g.Begin(recordParked), recordVersion)
	g.End(appendReceipt(b, r))
}

func appendReceipt(b []byte, r *message.Receipt) []byte {
	b = binary.AppendUvarint(b, uint64(r.Key.Group))
	b = appendString(b, r.Key.SMSCID)
	b = appendString(b, r.Dest)
	b = append(b, byte(r.Status))
	b = binary.AppendUvarint(b, uint64(r.Error))
	return binary.AppendVarint(b, r.At)
}

func addHorizon(g *journal.Group, h horizon) {
	b := append(g.Begin(recordHorizon), recordVersion)
	b = binary.AppendUvarint(b, uint64(h.lane.Connector))
	b = append(b, byte(h.lane.Priority))
	g.End(binary.AppendUvarint(b, h.seq))
}

// decodeRecord reads one record of the journal. payload may be reused afterwards.
func decodeRecord(kind byte, payload []byte) (record, error) {
	d := decoder{src: string(payload)}
	r := record{kind: kind}
	switch kind {
	case recordAccept:
		r.id = d.id()
		r.event = message.Event{Kind: message.Accept, Seq: d.uvarint(), Msg: &message.Message{ID: r.id}}
		d.message(r.event.Msg)
	case recordSubmitted, recordRequeue:
		marked := len(d.src) > 0 && d.src[0] == recordMarked
		if marked {
			d.src = d.src[1:]
		} else {
			d.version()
		}
		d.event(&r)
		switch {
		case marked && kind == recordSubmitted:
			r.event.Dup = d.limited(markDuplicate) != 0
		case marked:
			if r.event.Connector = d.u16(); r.event.Connector == 0 {
				d.fail()
			}
		}
	case recordNotified:
		version := d.byte()
		d.event(&r)
		if r.event.Part > message.ToldSent || version != recordVersion+flag(r.event.Part != 0) {
			d.fail()
		}
	case recordSettle, recordHold:
		d.version()
		d.event(&r)
	case recordParked:
		d.version()
		r.receipt = d.receipt()
	case recordInbound:
		d.version()
		r.inbound = d.inbound()
	case recordIdempotency:
		d.version()
		r.stamp = d.stamp()
	case recordMoney:
		d.version()
		r.move = d.movement()
	case recordHorizon:
		d.version()
		r.horizon.lane.Connector = d.u16()
		r.horizon.lane.Priority = message.Priority(d.limited(uint64(message.NumPriorities) - 1))
		r.horizon.seq = d.uvarint()
	default:
		return r, fmt.Errorf("%w: kind %d is not known to this version", errCodec, kind)
	}
	if err := d.end(); err != nil {
		return r, fmt.Errorf("record of kind %d: %w", kind, err)
	}
	return r, nil
}

func (d *decoder) version() {
	if d.byte() != recordVersion {
		d.fail()
	}
}

func (d *decoder) event(r *record) {
	e := &r.event
	e.Kind = message.Kind(r.kind)
	r.id = d.id()
	e.Part = d.u16()
	e.At = d.varint()
	switch e.Kind {
	case message.Submitted:
		e.Error = d.u32()
		e.SMSCID = d.string()
	case message.Settle:
		e.Status = d.status()
		e.Error = d.u32()
	case message.Requeue:
		e.Error = d.u32()
		e.Due = d.varint()
		e.Seq = d.uvarint()
		e.Dup = d.limited(1) == 1
	}
}

func (d *decoder) status() message.Status {
	s := message.Status(d.byte())
	if !s.Final() {
		d.fail()
	}
	return s
}

func (d *decoder) receipt() message.Receipt {
	return message.Receipt{
		Key:    message.ReceiptKey{Group: d.u16(), SMSCID: d.string()},
		Dest:   d.string(),
		Status: d.status(), Error: d.u32(), At: d.varint(),
	}
}
