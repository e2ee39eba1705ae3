package postgres

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/store"
)

// A Quota is how many parts an account may have accepted in a day or a month. What is used of it
// is one row for all nodes, which the accepting transaction changes.
type Quota struct {
	Account uint32
	Month   bool  // else a day
	From    int64 // Unix ms, a whole quarter of an hour, as To
	To      int64
	Parts   int64
	// Version is another one after each change of the account: another node may have accepted
	// messages without the quota until it heard of it.
	Version int64
}

type quotaKey struct {
	account uint32
	month   bool
	from    int64
}

func (q *Quota) key() quotaKey { return quotaKey{q.Account, q.Month, q.From} }

func (q *Quota) has(account uint32, at int64) bool {
	return account == q.Account && at >= q.From && at < q.To
}

// Rows are compared with usage when this node first uses them, and again after checkFirst, twice
// that and so on up to checkLast: a node that does not know of a quota yet counts in usage alone.
const (
	checkFirst = 10 * time.Second
	checkLast  = 10 * time.Minute
)

// quotaCheck is when a row was compared with usage.
type quotaCheck struct {
	version int64
	pause   time.Duration
	next    time.Time
}

// quotaUse is what one transaction takes from a quota.
type quotaUse struct {
	Quota
	parts int64       // of all requests
	taken int64       // of those that fitted
	short []*request  // that did not fit
	used  int64       // the row, with what is taken
	check *quotaCheck // nil: it is not compared with usage this time
}

// take takes parts for one request, or for all; full is called when it has not so many left.
func (u *quotaUse) take(b *pgx.Batch, parts int64, full func()) {
	b.Queue("UPDATE quotas SET used = used + $4 WHERE account = $1 AND month = $2 AND begins = $3 AND used + $4 <= $5 RETURNING used",
		int64(u.Account), u.Month, u.From, parts, u.Parts).Query(func(rows pgx.Rows) error {
		fits := rows.Next()
		if fits {
			if err := rows.Scan(&u.used); err != nil {
				return err
			}
			u.taken += parts
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return err
		}
		if !fits {
			full()
		}
		return nil
	})
}

// look reads what is used, after all was taken, and refuses what did not fit.
func (u *quotaUse) look(b *pgx.Batch) {
	b.Queue("SELECT used FROM quotas WHERE account = $1 AND month = $2 AND begins = $3", int64(u.Account), u.Month, u.From).
		QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&u.used); err != nil {
				return err
			}
			for _, r := range u.short {
				r.exceeds(store.QuotaLeft{Month: u.Month, To: u.To, Parts: u.Parts, Left: max(0, u.Parts-u.used)})
			}
			return nil
		})
}

// exceeds refuses a request that does not fit in a quota, maybe in another one neither.
func (r *request) exceeds(q store.QuotaLeft) {
	var over *store.QuotaError
	if errors.As(r.err, &over) {
		over.Quotas = append(over.Quotas, q)
		return
	}
	r.refuse(&store.QuotaError{Quotas: []store.QuotaLeft{q}})
}

// lessen corrects what a refused request is told is left: no more than after the transaction that it is
// refused beside.
func (t *quotaUses) lessen(r *request) {
	var over *store.QuotaError
	if !errors.As(r.err, &over) {
		return
	}
	for i := range over.Quotas {
		q := &over.Quotas[i]
		for _, u := range t.now {
			if u.Account == r.msgs[0].Account && u.Month == q.Month && u.To == q.To {
				q.Left = max(0, min(q.Left, u.Parts-u.used))
			}
		}
	}
}

// compare makes the row if there is none, and corrects it by usage. The lock comes before the sum:
// others that count in both have committed, or their parts are in neither.
func (u *quotaUse) compare(b *pgx.Batch) {
	account := int64(u.Account)
	b.Queue("INSERT INTO quotas (account, month, begins, ends) VALUES ($1,$2,$3,$4) ON CONFLICT DO NOTHING", account, u.Month, u.From, u.To)
	b.Queue("SELECT FROM quotas WHERE account = $1 AND month = $2 AND begins = $3 FOR UPDATE", account, u.Month, u.From)
	b.Queue(`UPDATE quotas SET used = greatest(used, (SELECT coalesce(sum(parts), 0)::bigint FROM usage WHERE account = $1 AND quarter >= $4 AND quarter < $5))
WHERE account = $1 AND month = $2 AND begins = $3`, account, u.Month, u.From, u.From/quarterMs, u.To/quarterMs)
}

// quotaUses are what one transaction takes, and what is known from those before.
type quotaUses struct {
	now    map[quotaKey]*quotaUse
	full   map[quotaKey]bool // quotas whose requests are counted one by one
	checks map[quotaKey]*quotaCheck
	swept  time.Time // when checks that are of no use any more were forgotten
	found  []Quota   // used again
}

// limit takes the parts of the transaction from the quotas of their accounts, all requests at once;
// if they are too many for a quota, one by one: those that do not fit are refused alone. Whoever
// locks several rows does so in the same order. It comes before the parts are counted in usage.
func (s *Store) limit(b *pgx.Batch, a *accepting, parts map[usageKey]int64) {
	if s.opts.Quotas == nil {
		return
	}
	t := &a.quotas
	t.now = make(map[quotaKey]*quotaUse)
	for key, n := range parts {
		t.found = s.opts.Quotas(key.account, key.quarter*quarterMs, t.found[:0])
		for _, q := range t.found {
			if t.now[q.key()] == nil {
				t.now[q.key()] = &quotaUse{Quota: q}
			}
			t.now[q.key()].parts += n
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(t.now), compareQuotas) {
		u := t.now[key]
		if u.check = t.due(u, s.opts.Now()); u.check != nil {
			u.compare(b)
		}
		if !t.full[key] {
			u.take(b, u.parts, func() { t.full[key] = true })
			continue
		}
		for _, r := range a.list {
			if n := r.partsOf(&u.Quota); n > 0 {
				u.take(b, n, func() { u.short = append(u.short, r) })
			}
		}
		u.look(b)
	}
}

func compareQuotas(a, b quotaKey) int {
	kind := func(k quotaKey) int {
		if k.month {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(kind(a), kind(b)), cmp.Compare(a.from, b.from))
}

// due returns the check that a row is due for, or nil.
func (t *quotaUses) due(u *quotaUse, now time.Time) *quotaCheck {
	last := t.checks[u.key()]
	if last == nil || last.version != u.Version {
		return &quotaCheck{version: u.Version, pause: checkFirst, next: now.Add(checkFirst)}
	}
	if now.Before(last.next) {
		return nil
	}
	pause := min(2*last.pause, checkLast)
	return &quotaCheck{version: u.Version, pause: pause, next: now.Add(pause)}
}

// partsOf counts the parts of a request that a quota is for.
func (r *request) partsOf(q *Quota) (n int64) {
	for _, m := range r.msgs {
		if q.has(m.Account, m.SubmittedAt) {
			n += int64(len(m.Parts))
		}
	}
	return n
}

// limited notes what was taken from quotas by a transaction that is committed, or what others had
// taken when it was refused.
func (s *Store) limited(t *quotaUses, committed bool) {
	for key, u := range t.now {
		switch {
		case committed:
			s.opts.Used(u.Quota, u.used)
			if u.check != nil {
				t.checks[key] = u.check
			}
		case t.full[key]:
			s.opts.Used(u.Quota, u.used-u.taken)
		}
	}
	if now := s.opts.Now(); now.Sub(t.swept) > checkLast {
		t.swept = now
		maps.DeleteFunc(t.checks, func(_ quotaKey, c *quotaCheck) bool { return now.Sub(c.next) > checkLast })
	}
}

// refreshQuotas reads what all nodes have used.
func (s *Store) refreshQuotas(ctx context.Context) error {
	if s.opts.Quotas == nil {
		return nil
	}
	var q Quota
	var account, used int64
	err := s.each(ctx, "SELECT account, month, begins, ends, used FROM quotas WHERE ends > $1", []any{s.opts.Now().UnixMilli()},
		[]any{&account, &q.Month, &q.From, &q.To, &used}, func() error {
			q.Account = uint32(account)
			s.opts.Used(q, used)
			return nil
		})
	return wrap(err, "read what is used of quotas")
}
