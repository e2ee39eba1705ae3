package stats

// Counts are the ledger's totals. They close, also while messages are under way:
//
//	Issued   = Accepted + Rejected + Unanswered + Awaiting
//	Accepted = Delivered + Failed + Open + Pending + Lost + Unverified
//
// A receipt proves that its message was accepted, whether the answer is still awaited, never came or comes later.
type Counts struct {
	Issued     uint64 `json:"issued"`
	Accepted   uint64 `json:"accepted"`
	Rejected   uint64 `json:"rejected"`
	Unanswered uint64 `json:"unanswered"`
	Awaiting   uint64 `json:"awaiting"` // sent, the answer may still come
	Delivered  uint64 `json:"delivered"`
	Failed     uint64 `json:"failed"`
	Open       uint64 `json:"open"` // accepted, the receipt may still come
	Pending    uint64 `json:"pending"`
	Lost       uint64 `json:"lost"`
	// Unverified are open messages of a worker that was lost: nobody knows what became of them.
	Unverified uint64 `json:"unverified,omitempty"`

	Receipts        uint64 `json:"receipts"`                // all that came, duplicates and unknown ones included
	Duplicates      uint64 `json:"duplicate_receipts"`      // for messages settled before
	UnknownReceipts uint64 `json:"receipts_without_submit"` // no such message was submitted, or it was refused
	EarlyReceipts   uint64 `json:"receipts_before_response"`
	Parked          uint64 `json:"receipts_parked"`       // by SMSC id, they still wait for a response
	IDsRefused      uint64 `json:"smsc_ids_not_followed"` // because MaxIDs was reached
}

// Counts sums the totals. While messages are under way the sums are taken one after the other, so they may be off by
// what happens meanwhile.
func (l *Ledger) Counts() Counts {
	var c Counts
	for i := range l.stripes {
		s := &l.stripes[i]
		c.Delivered += s.delivered.Load()
		c.Failed += s.failed.Load()
		c.Accepted += s.accepted.Load()
		c.Rejected += s.rejected.Load()
		c.Unanswered += s.unanswered.Load()
		c.Pending += s.pending.Load()
		c.Lost += s.lost.Load()
		c.Receipts += s.receipts.Load()
		c.Duplicates += s.duplicates.Load()
		c.UnknownReceipts += s.unknown.Load()
		c.EarlyReceipts += s.early.Load()
		c.IDsRefused += s.idsRefused.Load()
	}
	c.Issued = l.next.Load()
	c.Parked = uint64(l.ids.parked())
	c.Awaiting = sub(c.Issued, c.Accepted+c.Rejected+c.Unanswered)
	c.Open = sub(c.Accepted, c.Delivered+c.Failed+c.Pending+c.Lost)
	return c
}

// sub is a − b, or 0 when sums taken one after the other cross.
func sub(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}
