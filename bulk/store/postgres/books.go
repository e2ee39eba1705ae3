package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/store"
)

// refreshEvery is how often what other nodes counted and paid is read.
const refreshEvery = time.Second

// ledgerKey names a page of the books.
type ledgerKey struct {
	account  uint32
	campaign message.ID
}

// page is what is counted of an account, or of one of its campaigns.
type page struct {
	counts   store.Ledger
	accepted int64
	top      int64 // highest recipient ordinal
}

func (p *page) add(o *page) {
	for i, n := range o.counts {
		p.counts[i] += n
	}
	p.accepted += o.accepted
	p.top = max(p.top, o.top)
}

// books are the counts of messages: this node's, exact, and those of the others, a second old.
type books struct {
	mu     sync.Mutex
	own    map[ledgerKey]*page // guarded by mu
	others map[ledgerKey]*page // guarded by mu
}

// pages are changes of the books by one transaction.
type pages map[ledgerKey]*page

func (p pages) of(m *message.Message) *page {
	key := ledgerKey{m.Account, m.Campaign}
	if p[key] == nil {
		p[key] = &page{}
	}
	return p[key]
}

// cell is where a message is counted: SENT without a receipt wanted is an end.
func cell(m *message.Message, status message.Status) message.Status {
	if status == message.Sent && m.Flags&message.WantReceipt == 0 {
		return store.SentDone
	}
	return status
}

// ledgerColumns are the counts by status.
var ledgerColumns = func() (names []string) {
	for i := range len(store.Ledger{}) {
		names = append(names, fmt.Sprintf("s%d", i))
	}
	return names
}()

var upsertLedger = func() string {
	var values, sums []string
	for i, name := range ledgerColumns {
		values = append(values, fmt.Sprintf("$%d", 7+i))
		sums = append(sums, fmt.Sprintf("%s = ledger.%s + excluded.%s", name, name, name))
	}
	return "INSERT INTO ledger (account, campaign, node, writer, accepted, top, " + strings.Join(ledgerColumns, ", ") + ") VALUES ($1,$2,$3,$4,$5,$6," +
		strings.Join(values, ",") + ") ON CONFLICT (account, campaign, node, writer) DO UPDATE SET accepted = ledger.accepted + excluded.accepted, top = greatest(ledger.top, excluded.top), " +
		strings.Join(sums, ", ")
}()

// maxFolded bounds the rows that foldBooks takes at once.
const maxFolded = 10_000

var foldLedger = func() string {
	var columns, sums []string
	for _, name := range append([]string{"accepted"}, ledgerColumns...) {
		columns = append(columns, "sum("+name+")")
		sums = append(sums, name+" = ledger."+name+" + excluded."+name)
	}
	return `WITH old AS (SELECT account, campaign, node, writer FROM ledger l WHERE campaign > 0 AND campaign < $1
AND NOT EXISTS (SELECT FROM campaigns c WHERE c.id = l.campaign) LIMIT $2),
gone AS (DELETE FROM ledger l USING old o WHERE (l.account, l.campaign, l.node, l.writer) = (o.account, o.campaign, o.node, o.writer) RETURNING l.*)
INSERT INTO ledger (account, campaign, node, writer, top, accepted, ` + strings.Join(ledgerColumns, ", ") + `)
SELECT account, 0, node, writer, 0, ` + strings.Join(columns, ", ") + ` FROM gone GROUP BY account, node, writer
ON CONFLICT (account, campaign, node, writer) DO UPDATE SET ` + strings.Join(sums, ", ")
}()

// foldBooks counts the messages of campaigns that were deleted, and are older than messages are kept, as messages of
// none: nobody asks for them by campaign any more. The sums of an account stay what they are, also for nodes that have
// them in memory. What is counted of such a campaign later makes a row again, which is folded the next time.
func (s *Store) foldBooks(ctx context.Context) error {
	if s.opts.Retention == 0 {
		return nil
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// A writer may have one of the rows and wait for another. It is not the one that gives up: this is below
		// PostgreSQL's deadlock_timeout.
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '200ms'"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, foldLedger, int64(message.FirstID(s.opts.Now().Add(-s.opts.Retention))), maxFolded)
		return err
	})
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "55P03" { // lock_not_available
		return nil // the next time
	}
	return wrap(err, "fold the ledger")
}

// write puts the changes into a transaction of a writer.
func (p pages) write(b *pgx.Batch, node, writer int16) {
	for key, c := range p {
		args := []any{int64(key.account), int64(key.campaign), node, writer, c.accepted, c.top}
		for _, n := range c.counts {
			args = append(args, n)
		}
		b.Queue(upsertLedger, args...)
	}
}

// count adds what was committed to this node's counts.
func (s *Store) count(p pages) {
	s.books.mu.Lock()
	defer s.books.mu.Unlock()
	for key, c := range p {
		if s.books.own[key] == nil {
			s.books.own[key] = &page{}
		}
		s.books.own[key].add(c)
	}
}

// readBooks reads the counts of this node, or those of all others.
func (s *Store) readBooks(ctx context.Context, own bool) (map[ledgerKey]*page, error) {
	sums := make([]string, len(ledgerColumns))
	for i, name := range ledgerColumns {
		sums[i] = "sum(" + name + ")::bigint"
	}
	all := make(map[ledgerKey]*page)
	var account, campaign int64
	var p page
	to := []any{&account, &campaign, &p.accepted, &p.top}
	for i := range p.counts {
		to = append(to, &p.counts[i])
	}
	err := s.each(ctx, "SELECT account, campaign, sum(accepted)::bigint, max(top), "+strings.Join(sums, ", ")+
		" FROM ledger WHERE (node = $1) = $2 GROUP BY account, campaign", []any{int16(s.node.Load()), own}, to, func() error {
		c := p
		all[ledgerKey{uint32(account), message.ID(campaign)}] = &c
		return nil
	})
	return all, wrap(err, "read the ledger")
}

// openBooks reads everything that is counted in memory.
func (s *Store) openBooks(ctx context.Context) error {
	own, err := s.readBooks(ctx, true)
	if err != nil {
		return err
	}
	s.books.mu.Lock()
	s.books.own = own
	s.books.mu.Unlock()
	return errors.Join(s.refreshBooks(ctx), s.refreshPurses(ctx), s.refreshQuotas(ctx))
}

func (s *Store) refreshBooks(ctx context.Context) error {
	others, err := s.readBooks(ctx, false)
	if err != nil {
		return err
	}
	s.books.mu.Lock()
	s.books.others = others
	s.books.mu.Unlock()
	return nil
}

// maxBooksPause bounds how long the books of others are not read after a slow look at them: PostgreSQL, or the
// way there, may have been slow for another reason.
const maxBooksPause = 10 * time.Second

// refresher keeps up with what other nodes count and pay. The books have rows for each campaign there was: what takes
// long is read less often.
func (s *Store) refresher() {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	var books time.Time
	for {
		select {
		case <-tick.C:
			if s.ids.Load() == nil {
				continue // no node yet
			}
			var err error
			if began := time.Now(); began.After(books) {
				if err = s.refreshBooks(s.working); err == nil {
					books = time.Now().Add(min(lookPause*time.Since(began), maxBooksPause))
				}
			}
			if err = errors.Join(err, s.refreshPurses(s.working), s.refreshQuotas(s.working)); err != nil && s.working.Err() == nil {
				s.log.Warn("read what other nodes counted", "error", err)
			}
		case <-s.working.Done():
			return
		}
	}
}

// visit calls f with every page that which selects, this node's and the others'.
func (s *Store) visit(which func(ledgerKey) bool, f func(ledgerKey, *page)) {
	s.books.mu.Lock()
	defer s.books.mu.Unlock()
	for _, all := range []map[ledgerKey]*page{s.books.own, s.books.others} {
		for key, p := range all {
			if which(key) {
				f(key, p)
			}
		}
	}
}

func every(ledgerKey) bool { return true }

// Ledgers implements store.Store.
func (s *Store) Ledgers() map[uint32]store.Ledger {
	all := make(map[uint32]store.Ledger)
	s.visit(every, func(key ledgerKey, p *page) {
		l := all[key.account]
		for i, n := range p.counts {
			l[i] += n
		}
		all[key.account] = l
	})
	return all
}

// Accepted implements store.Store.
func (s *Store) Accepted() map[uint32]int64 {
	all := make(map[uint32]int64)
	s.visit(every, func(key ledgerKey, p *page) { all[key.account] += p.accepted })
	return all
}

// CampaignLedger implements store.Store.
func (s *Store) CampaignLedger(account uint32, campaign message.ID) store.Ledger {
	return s.campaign(account, campaign).counts
}

// CampaignTop implements store.Store. A node that takes over a campaign looks at the database,
// once it has refreshed; see RefreshBooks.
func (s *Store) CampaignTop(account uint32, campaign message.ID) uint32 {
	return uint32(s.campaign(account, campaign).top)
}

func (s *Store) campaign(account uint32, campaign message.ID) (sum page) {
	want := ledgerKey{account, campaign}
	s.visit(func(key ledgerKey) bool { return key == want }, func(_ ledgerKey, p *page) { sum.add(p) })
	return sum
}

// RefreshBooks reads what other nodes have counted, before something of theirs is taken over.
func (s *Store) RefreshBooks(ctx context.Context) error { return s.refreshBooks(ctx) }

// bookAccepts adds to the transaction what is accepted beside the messages: answers, counts, quotas, money.
func (s *Store) bookAccepts(b *pgx.Batch, a *accepting) {
	a.pages = make(pages)
	parts := make(map[usageKey]int64)
	for _, r := range a.list {
		if r.extra.Answer != nil {
			s.answer(b, r)
		}
		for _, m := range r.msgs {
			p := a.pages.of(m)
			p.counts[cell(m, m.Status)]++
			p.accepted++
			p.top = max(p.top, int64(m.Ordinal))
			parts[usageKey{m.Account, m.SubmittedAt / quarterMs}] += int64(len(m.Parts))
		}
	}
	a.pages.write(b, int16(s.node.Load()), acceptWriter)
	s.limit(b, a, parts)
	s.meter(b, parts)
	s.charge(b, a)
}

// bookSettles adds to the transaction what changes with the messages: counts, money.
func (s *Store) bookSettles(b *pgx.Batch, g *settling) {
	g.pages = make(pages)
	g.refunds = make(map[uint32]worth)
	for _, t := range g.touched {
		if t.refused != nil || !t.changed {
			continue
		}
		sh := s.live.shard(t.e.m.ID)
		sh.mu.Lock()
		m := t.e.m
		if from, to := cell(m, t.was.status), cell(m, m.Status); from != to {
			p := g.pages.of(m)
			p.counts[from]--
			p.counts[to]++
		}
		if m.Tariff != nil {
			now := worthOf(m)
			w := g.refunds[m.Tariff.Payer]
			w.open += now.open - t.was.worth.open
			w.refunded += now.refunded - t.was.worth.refunded
			g.refunds[m.Tariff.Payer] = w
		}
		sh.mu.Unlock()
	}
	g.pages.write(b, int16(s.node.Load()), g.w.number)
	s.refund(b, g.refunds)
}

// before is what the books know of a message before a change.
type before struct {
	status message.Status
	worth  worth
}

// worth is what a message with a Tariff is to its payer: what may still come back, and what came
// back, in millionths.
type worth struct{ open, refunded int64 }

func worthOf(m *message.Message) worth {
	if m.Tariff == nil {
		return worth{}
	}
	return worth{m.Tariff.Price * int64(m.OpenParts()), m.Tariff.Price * int64(m.Refunded)}
}

// payers returns the accounts of a map in order: whoever locks several purses does so in the
// same order.
func payers[V any](all map[uint32]V) []uint32 {
	ids := make([]uint32, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// costOf is what a message costs its payer at accept.
func costOf(m *message.Message) money.Amount {
	if m.Tariff == nil {
		return 0
	}
	return money.Amount(m.Tariff.Price * int64(len(m.Parts)))
}
