package report

import "protei-bulk/load/stats"

// ledgerLine is one line of the delivery ledger.
type ledgerLine struct {
	Depth int
	Label string
	Value string
	Note  string
	Bad   bool
}

// ledgerLines is the ledger as it is read: what was sent, what became of it, and what came back.
func ledgerLines(run *Run) []ledgerLine {
	c := &run.Ledger
	of := func(n uint64) string {
		if c.Accepted == 0 {
			return ""
		}
		return formatShare(float64(n) / float64(c.Accepted))
	}
	lines := []ledgerLine{
		{0, "messages sent", formatCount(c.Issued), "", false},
		{1, "rejected or throttled", formatCount(c.Rejected), "", false},
		{1, "unanswered", formatCount(c.Unanswered + c.Awaiting), "", c.Unanswered+c.Awaiting > 0},
		{1, "accepted", formatCount(c.Accepted), "", false},
	}
	if run.Receipts.Off != "" {
		return append(lines, ledgerLine{2, "receipts", "not measured", run.Receipts.Off, false})
	}
	lines = append(lines,
		ledgerLine{2, "delivered", formatCount(c.Delivered), of(c.Delivered), false},
		ledgerLine{2, "failed by the SMSC", formatCount(c.Failed), of(c.Failed), false},
		ledgerLine{2, "pending after the drain", formatCount(c.Pending + c.Open), "", c.Pending+c.Open > 0},
		ledgerLine{2, "lost", formatCount(c.Lost), "", c.Lost > 0},
	)
	if c.Unverified > 0 {
		lines = append(lines, ledgerLine{2, "unverified", formatCount(c.Unverified), "open when their worker was lost", true})
	}
	lines = append(lines,
		ledgerLine{0, "receipts", formatCount(c.Receipts), "", false},
		ledgerLine{1, "duplicate", formatCount(c.Duplicates), "", false},
		ledgerLine{1, "without a submit", formatCount(c.UnknownReceipts + c.Parked), "", c.UnknownReceipts+c.Parked > 0},
		ledgerLine{1, "before the response", formatCount(c.EarlyReceipts), "", false},
	)
	if c.IDsRefused > 0 {
		lines = append(lines, ledgerLine{1, "SMSC ids not followed", formatCount(c.IDsRefused), "too many in flight", true})
	}
	return lines
}

// closing says whether every message sent is accounted for.
func closing(c *stats.Counts) (text string, ok bool) {
	switch {
	case c.Issued == 0:
		return "Nothing was sent.", true
	case c.Issued != c.Accepted+c.Rejected+c.Unanswered+c.Awaiting:
		return "The ledger does not close: sent ≠ accepted + rejected + unanswered.", false
	case c.Accepted != c.Delivered+c.Failed+c.Open+c.Pending+c.Lost+c.Unverified:
		return "The ledger does not close: accepted ≠ delivered + failed + pending + lost.", false
	default:
		return "The ledger closes: every message sent is in exactly one line.", true
	}
}
