package store

import (
	"sync/atomic"

	"protei-bulk/bulk/message"
)

// SentDone is the index in a Ledger of messages that are SENT and want no receipt:
// nothing more happens to them. Those at message.Sent still await one.
const SentDone = 0

// Sum is the number of messages in all statuses together.
func (l Ledger) Sum() (n int64) {
	for _, c := range l {
		n += c
	}
	return n
}

// Open is the number of messages that something is still expected to happen to.
func (l Ledger) Open() int64 {
	return l[message.Pending] + l[message.Scheduled] + l[message.Sent] + l[message.Held]
}

// ledgerKey names one set of counts. Campaign 0 stands for the messages of none.
type ledgerKey struct {
	account  uint32
	campaign message.ID
}

// counts are the messages of one ledgerKey by status, twice: as applied, and as the
// rows in SQLite have it. The second set is written in the transaction that writes the
// rows, so that after a crash the replayed events change exactly what the rows lack.
type counts struct {
	key    ledgerKey
	now    [message.Unknown + 1]atomic.Int64
	cursor atomic.Uint32 // highest recipient ordinal accepted
	// accepted counts accepts and nothing else: that it equals the sum of now is what
	// "the ledger closes" means, so it is not derived from it.
	accepted atomic.Int64

	rows         Ledger // the materialiser's
	rowsAccepted int64  // the materialiser's: rows inserted
	dirty        bool   // the materialiser's
}

// books holds all counts.
type books = Registry[ledgerKey, counts]

func newCounts(key ledgerKey) *counts { return &counts{key: key} }

// page remembers the counts used last: runs of messages share them.
type page struct {
	books *books
	last  *counts
}

func (p *page) of(m *message.Message) *counts {
	key := ledgerKey{m.Account, m.Campaign}
	if p.last == nil || p.last.key != key {
		p.last = p.books.Get(key, newCounts)
	}
	return p.last
}

// cell is the index of a message's status in a Ledger.
func cell(m *message.Message, s message.Status) message.Status {
	if s == message.Sent && m.Flags&message.WantReceipt == 0 {
		return SentDone
	}
	return s
}

// Ledgers returns the counts of every account, its campaigns included.
func (e *Embedded) Ledgers() map[uint32]Ledger {
	sum := make(map[uint32]Ledger)
	e.books.Each(func(key ledgerKey, c *counts) {
		l := sum[key.account]
		c.add(&l)
		sum[key.account] = l
	})
	return sum
}

// Accepted returns the number of messages that each account had accepted, counted on its
// own: it equals the sum of the account's Ledger, or something was lost or counted twice.
func (e *Embedded) Accepted() map[uint32]int64 {
	sum := make(map[uint32]int64)
	e.books.Each(func(key ledgerKey, c *counts) { sum[key.account] += c.accepted.Load() })
	return sum
}

func (c *counts) add(l *Ledger) {
	for s := range c.now {
		l[s] += c.now[s].Load()
	}
}

// CampaignLedger returns the counts of a campaign's messages.
func (e *Embedded) CampaignLedger(account uint32, campaign message.ID) (l Ledger) {
	if c := e.books.Find(ledgerKey{account, campaign}); c != nil {
		c.add(&l)
	}
	return l
}

// CampaignTop returns the highest recipient ordinal of the campaign for which a message
// was accepted.
func (e *Embedded) CampaignTop(account uint32, campaign message.ID) uint32 {
	if c := e.books.Find(ledgerKey{account, campaign}); c != nil {
		return c.cursor.Load()
	}
	return 0
}
