package store

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
)

const (
	// firstLook is how many of the newest rows a filtered list reads in order before it
	// asks the index: most lists find enough there.
	firstLook = 64
	// contextEvery is how many rows are read between two looks at the context.
	contextEvery = 256
	// maxOwners bounds the accounts whose indexes are walked together.
	maxOwners = 64
	// rareBelow is the share of all messages, one in so many, below which a status of all accounts is
	// looked for in the index of each account: more are found sooner by reading the rows.
	rareBelow = 32
)

// List returns the messages that q selects, newest first, the cursor for the next call
// (0 when there are no more) and the moment that the answer shows at least: SQLite may
// be up to 2 s behind what Message sees.
func (e *Embedded) List(ctx context.Context, q Query) (msgs []*message.Message, next message.ID, asOf time.Time, err error) {
	l := newLister(q, e.hash)
	if q.Account == 0 && (q.Status.Final() || q.Status == message.Sent) {
		l.owners, l.rare = owners(e.Ledgers(), q.Status)
	}
	asOf = time.UnixMilli(e.asOf.Load())
	if e.dirty.len() == 0 {
		asOf = e.opts.Now()
	}
	err = e.read(ctx, func(conn *database, cat *catalog) error {
		l.conn = conn
		return l.walk(ctx, cat)
	})
	if err != nil {
		return nil, 0, asOf, fmt.Errorf("list messages: %w", err)
	}
	for _, m := range l.found {
		m.Store = message.Bookkeeping{}
	}
	if len(l.found) == l.q.Limit {
		next = l.found[len(l.found)-1].ID
	}
	return l.found, next, asOf, nil
}

// lister is one List under way.
type lister struct {
	conn  *database
	q     Query
	hash  hasher
	high  message.ID // bounds of the ids, both inclusive
	low   message.ID
	skip  int
	found []*message.Message
	keys  []uint32
	looks int // rows that may still be read in order

	owners []uint32 // accounts with messages in the status that is asked for of all accounts
	rare   bool     // owners says so, and they are few
}

// owners returns the accounts that have messages in a status, unless they or the messages are many.
func owners(ledgers map[uint32]Ledger, s message.Status) (all []uint32, rare bool) {
	have, total := int64(0), int64(0)
	for account, l := range ledgers {
		n := l[s]
		if s == message.Sent {
			n += l[SentDone]
		}
		if n > 0 {
			all = append(all, account)
		}
		have += n
		for _, n := range l {
			total += n
		}
	}
	return all, len(all) <= maxOwners && have < total/rareBelow
}

func newLister(q Query, h hasher) *lister {
	var skip int
	q.Limit, skip = q.Window()
	l := &lister{q: q, hash: h, high: ^message.ID(0) >> 1, looks: firstLook + 2*q.Limit}
	if !q.Since.IsZero() {
		l.low = message.FirstID(q.Since)
	}
	if !q.Until.IsZero() {
		l.high = max(message.FirstID(q.Until), 1) - 1
	}
	switch {
	case q.Cursor != 0:
		l.high = min(l.high, q.Cursor-1)
	default:
		l.skip = skip
	}
	l.keys = l.filterKeys()
	return l
}

// filterKeys are the keys of the index that all answers have.
func (l *lister) filterKeys() (keys []uint32) {
	q, h := &l.q, l.hash
	if q.To != "" {
		keys = append(keys, h.text(byTo, q.To))
	}
	if q.Batch != 0 {
		keys = append(keys, h.number(byBatch, uint64(q.Batch)))
	}
	if q.Campaign != 0 {
		keys = append(keys, h.number(byCampaign, uint64(q.Campaign)))
	}
	if q.From != "" {
		keys = append(keys, h.text(byFrom, q.From))
	}
	if q.Status.Final() && q.Account != 0 {
		keys = append(keys, h.status(q.Account, q.Status))
	}
	if q.Account != 0 {
		keys = append(keys, h.number(byAccount, uint64(q.Account)))
	}
	return keys
}

// plain reports whether every row is an answer.
func (l *lister) plain() bool { return len(l.keys) == 0 && l.q.Status == 0 }

func (l *lister) full() bool { return len(l.found) >= l.q.Limit }

func (l *lister) walk(ctx context.Context, cat *catalog) error {
	for i := len(cat.tables) - 1; i >= 0 && !l.full(); i-- {
		t := cat.tables[i]
		if t.first > l.high {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.table(ctx, t); err != nil {
			return err
		}
		if t.first <= l.low || t.first == 0 {
			return nil
		}
		l.high = min(l.high, t.first-1)
	}
	return nil
}

// table adds the answers of one table.
func (l *lister) table(ctx context.Context, t *table) error {
	if l.plain() {
		_, err := l.inOrder(t, l.q.Limit+l.skip)
		return err
	}
	if l.looks > 0 {
		ended, err := l.inOrder(t, l.looks)
		if ended || err != nil || l.full() {
			return err
		}
	}
	walks := l.walks(t)
	if len(walks) == 0 { // a status over all accounts
		return l.all(ctx, t)
	}
	return l.indexed(ctx, t, walks)
}

// walks are the ways through the table's indexes that every answer lies on.
func (l *lister) walks(t *table) (walks []walk) {
	for _, key := range l.keys {
		walks = append(walks, newMerged(l.conn, t, key))
	}
	switch q := &l.q; {
	case l.rare:
		all := &openWalk{} // none is open in a final status
		if q.Status == message.Sent {
			all = newOpenWalk(l.conn, t, q)
		}
		var some walk = all
		for _, account := range l.owners {
			some = &either{some, newMerged(l.conn, t, l.hash.status(account, q.Status))}
		}
		walks = append(walks, some)
	case q.Status == 0 || q.Status.Final():
	case q.Status == message.Sent && q.Account != 0:
		done := newMerged(l.conn, t, l.hash.status(q.Account, message.Sent))
		walks = append(walks, &either{done, newOpenWalk(l.conn, t, q)})
	case q.Status != message.Sent:
		walks = append(walks, newOpenWalk(l.conn, t, q))
	}
	return walks
}

// inOrder reads up to most rows from high down, and moves high below them. ended says
// that the table has no more.
func (l *lister) inOrder(t *table, most int) (ended bool, err error) {
	read := 0
	low := max(l.low, t.first)
	err = query1(l.conn, t.sql.scan, func(stmt *sqlite.Stmt) error {
		read++
		l.high = message.ID(stmt.ColumnInt64(0)) - 1
		if l.full() || !l.fits(stmt) {
			return nil
		}
		return l.take(stmt)
	}, int64(l.high), int64(low), int64(most))
	l.looks -= read
	return read < most, err
}

// fits checks what the columns tell without decoding the row.
func (l *lister) fits(stmt *sqlite.Stmt) bool {
	return (l.q.Account == 0 || uint32(stmt.ColumnInt64(1)) == l.q.Account) &&
		(l.q.Status == 0 || statusOf(stmt.ColumnInt64(2)) == l.q.Status)
}

// take decodes the row and keeps it if it is an answer.
func (l *lister) take(stmt *sqlite.Stmt) error {
	if l.plain() && l.skip > 0 {
		l.skip--
		return nil
	}
	m, err := scanRow(stmt)
	if err != nil {
		return err
	}
	q := &l.q
	if q.To != "" && m.Dest.Addr != q.To || q.From != "" && m.Source.Addr != q.From ||
		q.Batch != 0 && m.Batch != q.Batch || q.Campaign != 0 && m.Campaign != q.Campaign {
		return nil
	}
	if l.skip > 0 {
		l.skip--
		return nil
	}
	l.found = append(l.found, m)
	return nil
}

// byID takes the row of one id.
func (l *lister) byID(t *table, id message.ID) error {
	return query1(l.conn, t.sql.byID, func(stmt *sqlite.Stmt) error {
		if !l.fits(stmt) {
			return nil
		}
		return l.take(stmt)
	}, int64(id))
}

// all reads a table in order to its end.
func (l *lister) all(ctx context.Context, t *table) error {
	for !l.full() {
		ended, err := l.inOrder(t, 4*maxLimit)
		if ended || err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// indexed walks the ids that have all the keys: each cursor in turn goes down to the
// lowest id that another one stands on, until they agree.
func (l *lister) indexed(ctx context.Context, t *table, walks []walk) error {
	low := max(l.low, t.first)
	for steps := 0; !l.full() && l.high >= low; steps++ {
		id, ok, err := agree(walks, l.high)
		if err != nil || !ok || id < low {
			return err
		}
		if err := l.byID(t, id); err != nil {
			return err
		}
		if l.high = id - 1; id == 0 {
			return nil
		}
		if steps%contextEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}
