package store

import (
	"encoding/binary"
	"math"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/message"
)

// addAnswer appends the record of an answer. Those of its messages follow at once.
func addAnswer(g *journal.Group, s *stamp) {
	a := s.answer
	b := append(g.Begin(recordIdempotency), recordVersion)
	b = binary.AppendUvarint(b, uint64(s.n))
	b = appendID(b, s.first)
	b = appendID(b, s.batch)
	b = binary.AppendUvarint(b, uint64(a.Account))
	b = append(b, a.Key[:]...)
	b = append(b, a.Body[:]...)
	b = binary.AppendVarint(b, a.At)
	b = binary.AppendUvarint(b, uint64(a.Status))
	b = appendString(b, a.Location)
	g.End(appendString(b, string(a.Text)))
}

func (d *decoder) stamp() stamp {
	s := stamp{n: int(d.limited(math.MaxInt32)), first: d.id(), batch: d.id()}
	a := &message.Answer{Account: d.u32()}
	d.fixed(a.Key[:])
	d.fixed(a.Body[:])
	a.At = d.varint()
	a.Status = int(d.limited(999))
	a.Location = d.string()
	a.Text = []byte(d.string())
	s.answer = a
	if s.n == 0 {
		d.fail()
	}
	return s
}

// fixed reads as many bytes as b has.
func (d *decoder) fixed(b []byte) {
	if len(d.src) < len(b) {
		d.fail()
		return
	}
	d.src = d.src[copy(b, d.src):]
}

// owns reports whether rec is the next message of the stamp, of which got came already.
func (s *stamp) owns(rec *record, got []held) bool {
	if rec.kind != recordAccept || rec.event.Msg.Account != s.answer.Account || rec.event.Msg.Batch != s.batch {
		return false
	}
	if len(got) == 0 {
		return rec.id == s.first
	}
	return rec.id > got[len(got)-1].rec.id
}
