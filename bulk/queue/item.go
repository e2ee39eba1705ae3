package queue

import "protei-bulk/bulk/message"

// Item is one message that waits in a lane, with the state it had when it came in.
// It is a value: a taken Item belongs to its taker.
type Item struct {
	Msg      *message.Message
	Seq      uint64   // position in its lane
	Due      int64    // Unix ms, 0: at once
	Parts    *PartSet // the parts to send; nil: all of them
	Attempts uint8    // failed or finished tries so far, the highest of its parts
	Dup      bool     // the SMSC may have it already
	Ordered  bool     // message.Ordered
	// Suspect marks an item that was below the send horizon when the platform
	// started: it may have been sent by the process before this one.
	Suspect bool
}

// PartSet is a set of part numbers, 0..255.
type PartSet [4]uint64

// Add puts i into the set.
func (s *PartSet) Add(i int) { s[i>>6&3] |= 1 << (i & 63) }

// Has reports whether part i is in the set. A nil set holds every part.
func (s *PartSet) Has(i int) bool { return s == nil || s[i>>6&3]&(1<<(i&63)) != 0 }

// ItemOf copies from m what a lane needs. It reads m's state, so it must run where
// that cannot change: in Store.View.
func ItemOf(m *message.Message) Item {
	it := Item{Msg: m, Seq: m.LaneSeq, Due: m.DueAt, Dup: m.PossibleDuplicate, Ordered: m.Flags&message.Ordered != 0}
	if len(m.Parts) == 1 {
		it.Attempts = m.Parts[0].Attempts
		return it
	}
	waiting := 0
	for i := range m.Parts {
		if m.Parts[i].Status.Waiting() {
			waiting++
			it.Attempts = max(it.Attempts, m.Parts[i].Attempts)
		}
	}
	if waiting == len(m.Parts) {
		return it
	}
	it.Parts = new(PartSet)
	for i := range m.Parts {
		if m.Parts[i].Status.Waiting() {
			it.Parts.Add(i)
		}
	}
	return it
}
