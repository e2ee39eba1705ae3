package store

import (
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store/receiptindex"
)

// NoteSubmitted makes a part findable by its SMSC id at once, before its Submitted
// event is durable: a receipt may come on another bind in the same instant.
func (e *Embedded) NoteSubmitted(key message.ReceiptKey, m *message.Message, part int) {
	e.index(e.receipts.Hash(key), m, part)
}

func (e *Embedded) index(h uint64, m *message.Message, part int) {
	if dropped := e.receipts.Add(h, receiptindex.Ref{ID: m.ID, Part: uint16(part)}); dropped != 0 && dropped != m.ID {
		e.unindex(dropped)
	}
}

// unindex lets go of a message whose receipt index entry was the oldest.
func (e *Embedded) unindex(id message.ID) {
	s := e.live.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.m[id]
	if m == nil {
		return
	}
	m.Store.Flags &^= flagIndexed
	if m.Store.Flags&(flagDirty|flagWriting) == 0 && m.Store.Row != 0 && !e.keeps(m) {
		e.forget(s, m)
	}
}

// FindReceipts looks the keys up in memory only, so that a read goroutine may call it.
// dests are the recipients as the receipts name them (an empty one matches all); out
// has the length of keys. It returns how many were found.
func (e *Embedded) FindReceipts(keys []message.ReceiptKey, dests []string, out []ReceiptMatch) int {
	var buf [8]receiptindex.Ref
	n := 0
	for i := range keys {
		out[i] = ReceiptMatch{}
		if out[i] = e.findReceipt(buf[:0], keys[i], dests[i]); out[i].Found {
			n++
		}
	}
	return n
}

func (e *Embedded) findReceipt(buf []receiptindex.Ref, key message.ReceiptKey, dest string) ReceiptMatch {
	var second ReceiptMatch
	for _, r := range e.receipts.Find(buf, e.receipts.Hash(key)) {
		m, open := e.candidate(r, dest)
		if m == nil {
			continue
		}
		match := ReceiptMatch{Msg: m, Part: int(r.Part), Found: true}
		if open {
			return match
		}
		if !second.Found {
			second = match
		}
	}
	return second
}

// candidate returns the live message of r if it went to dest, and whether the part
// still awaits its final state.
func (e *Embedded) candidate(r receiptindex.Ref, dest string) (m *message.Message, open bool) {
	s := e.live.shard(r.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	m = s.m[r.ID]
	if m == nil || int(r.Part) >= len(m.Parts) || !receiptindex.SameDest(m.Dest.Addr, dest) {
		return nil, false
	}
	return m, !m.Parts[r.Part].Status.Final()
}
