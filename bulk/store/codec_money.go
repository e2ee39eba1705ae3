package store

import (
	"encoding/binary"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/money"
)

func addMove(g *journal.Group, mv *money.Movement) {
	b := append(g.Begin(recordMoney), recordVersion, byte(mv.Kind))
	b = appendID(b, mv.ID)
	b = binary.AppendUvarint(b, uint64(mv.Account))
	b = binary.AppendUvarint(b, uint64(mv.Peer))
	b = binary.AppendUvarint(b, uint64(mv.By))
	b = binary.AppendVarint(b, int64(mv.Amount))
	b = binary.AppendVarint(b, mv.At)
	b = appendString(b, mv.Reference)
	g.End(appendString(b, mv.Note))
}

func (d *decoder) movement() money.Movement {
	mv := money.Movement{Kind: money.Kind(d.byte()), ID: d.id(), Account: d.u32(), Peer: d.u32(), By: d.u32()}
	mv.Amount, mv.At = money.Amount(d.varint()), d.varint()
	mv.Reference, mv.Note = d.string(), d.string()
	if !mv.Kind.Valid() {
		d.fail()
	}
	return mv
}
