package stats

// Counts are the ledger's totals. They close when nothing is under way:
//
//	Issued   = Accepted + Rejected + Unanswered + Awaiting
//	Accepted = Delivered + Failed + Open + Pending + Lost
//
// A receipt for an unanswered message proves that it was accepted and moves it from Unanswered to Accepted.
type Counts struct {
	Issued, Accepted, Rejected, Unanswered, Awaiting uint64
	Delivered, Failed, Open, Pending, Lost           uint64

	Receipts        uint64 // all receipts that came, duplicates and unknown ones included
	Duplicates      uint64 // receipts for messages settled before
	UnknownReceipts uint64 // receipts without a submit
	EarlyReceipts   uint64 // receipts before the response
	Parked          uint64 // receipts by SMSC id that still wait for a response
	IDsRefused      uint64 // SMSC ids not kept because MaxIDs was reached
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
