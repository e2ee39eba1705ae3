package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/store"
)

// limits are the quotas of the accounts of one test, in the day and month that it runs in.
type limits struct {
	day, month, version atomic.Int64

	mu   sync.Mutex
	used map[bool]int64 // by month, what the store said last: guarded by mu
}

// midnight is a day in UTC that these tests call today.
var midnight = time.Now().UTC().Truncate(24 * time.Hour)

func (l *limits) set(o *Options) {
	o.Quotas = func(account uint32, at int64, list []Quota) []Quota {
		if n := l.day.Load(); n > 0 {
			day := at / 86_400_000 * 86_400_000
			list = append(list, Quota{Account: account, From: day, To: day + 86_400_000, Parts: n, Version: l.version.Load()})
		}
		if n := l.month.Load(); n > 0 {
			list = append(list, Quota{Account: account, Month: true, From: midnight.Add(-240 * time.Hour).UnixMilli(), To: midnight.Add(240 * time.Hour).UnixMilli(), Parts: n, Version: l.version.Load()})
		}
		return list
	}
	o.Used = func(q Quota, parts int64) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.used == nil {
			l.used = make(map[bool]int64)
		}
		l.used[q.Month] = parts
	}
}

func (l *limits) seen(month bool) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.used[month]
}

// try lets a node accept a request of messages with so many parts each, today.
func (n *node) try(account uint32, parts ...int) error {
	return n.tryAt([]time.Time{midnight.Add(time.Hour)}, account, parts...)
}

// tryAt is try with messages of these moments, in turn.
func (n *node) tryAt(at []time.Time, account uint32, parts ...int) error {
	msgs := n.make(len(parts), 1)
	for i, m := range msgs {
		m.Account, m.SubmittedAt = account, at[i%len(at)].UnixMilli()
		m.SetParts(parts[i])
	}
	return n.Accept(context.Background(), msgs, store.AcceptExtra{})
}

// TestOneQuotaOnTwoNodes: requests of one part to three and of several messages, of two accounts,
// come to two nodes at the same time; they know nothing of each other but the rows.
func TestOneQuotaOnTwoNodes(t *testing.T) {
	url := database(t)
	const day, month, senders, rounds = 2003, 2501, 16, 200
	var l limits
	l.day.Store(day)
	l.month.Store(month)
	nodes := [2]*node{open(t, url, 1, l.set), open(t, url, 2, l.set)}
	var took [10]atomic.Int64
	var refused atomic.Int64
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for j := range rounds {
				account := uint32(7 + j%2)
				parts := [][]int{{1}, {3}, {1, 2, 1}, {1, 1}}[(i+j/2)%4]
				err := nodes[(i+j/3)%2].try(account, parts...)
				switch {
				case err == nil:
					for _, n := range parts {
						took[account].Add(int64(n))
					}
				case isQuota(err):
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	// What is left is less than a request was: single parts fill it up.
	for _, account := range []uint32{7, 8} {
		for i := 0; ; i++ {
			if err := nodes[i%2].try(account, 1); isQuota(err) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			took[account].Add(1)
		}
		if got := took[account].Load(); got != day {
			t.Errorf("account %d: %d parts were accepted, the quota is %d", account, got, day)
		}
		if got := nodes[0].Parts(account, midnight.UnixMilli(), midnight.Add(24*time.Hour).UnixMilli()); got != day {
			t.Errorf("account %d: %d parts are counted", account, got)
		}
	}
	if refused.Load() == 0 {
		t.Error("no request was refused: nothing was contested")
	}
	if n := nodes[0].count("SELECT count(*) FROM quotas WHERE used = $1", day); n != 4 {
		t.Errorf("%d rows say that %d parts are used, want a day's and a month's of two accounts", n, day)
	}
	// The day's quota goes up: the month's is what holds now.
	l.day.Store(10 * day)
	for i := range month - day {
		if err := nodes[i%2].try(7, 1); err != nil {
			t.Fatalf("%d parts after the day's quota was raised: %v", i, err)
		}
	}
	var over *store.QuotaError
	err := nodes[0].try(7, 1)
	want := []store.QuotaLeft{{Month: true, To: midnight.Add(240 * time.Hour).UnixMilli(), Parts: month}}
	if !errors.As(err, &over) || !slices.Equal(over.Quotas, want) {
		t.Errorf("more than the month's quota: %+v", err)
	}
	if got := l.seen(true); got != month {
		t.Errorf("the refusal says that %d parts are used, want %d", got, month)
	}
}

// TestQuotaAtMidnight: the day ends where the account is, which is no whole hour in UTC, while two
// nodes accept; their clocks differ, and one request may have messages of both days. Each day has
// its quota, and the month goes on.
func TestQuotaAtMidnight(t *testing.T) {
	const day, month, senders, rounds = 301, 1000, 8, 100
	zone, err := time.LoadLocation("Asia/Kathmandu")
	if err != nil {
		t.Fatal(err)
	}
	y, m, d := time.Now().In(zone).AddDate(0, 0, 1).Date() // a day that is over is swept away
	if d == 1 {
		d = 2 // both days are of one month
	}
	begins := time.Date(y, m, d, 0, 0, 0, 0, zone)
	first := begins.AddDate(0, 0, 1-d)
	quotas := func(o *Options) {
		o.Quotas = func(account uint32, at int64, list []Quota) []Quota {
			today := begins
			if at < begins.UnixMilli() {
				today = begins.AddDate(0, 0, -1)
			}
			return append(list,
				Quota{Account: account, From: today.UnixMilli(), To: today.AddDate(0, 0, 1).UnixMilli(), Parts: day},
				Quota{Account: account, Month: true, From: first.UnixMilli(), To: first.AddDate(0, 1, 0).UnixMilli(), Parts: month})
		}
	}
	url := database(t)
	nodes := [2]*node{open(t, url, 1, quotas), open(t, url, 2, quotas)}
	before, after := begins.Add(-time.Millisecond), begins
	moments := [][]time.Time{{before}, {before, after}, {after, before}, {after}}
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for j := range rounds {
				if err := nodes[(i+j/3)%2].tryAt(moments[j*len(moments)/rounds], 7, 1, 1+j%2); err != nil && !isQuota(err) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	fill := func(at time.Time) {
		t.Helper()
		for i := 0; ; i++ {
			if err := nodes[i%2].tryAt([]time.Time{at}, 7, 1); isQuota(err) {
				return
			} else if err != nil || i > month {
				t.Fatalf("part %d: %v", i, err)
			}
		}
	}
	fill(before)
	fill(after)
	used := func(from, to time.Time) int64 { return nodes[0].Parts(7, from.UnixMilli(), to.UnixMilli()) }
	yesterday, today := used(begins.AddDate(0, 0, -1), begins), used(begins, begins.AddDate(0, 0, 1))
	if yesterday != day || today != day {
		t.Errorf("%d parts before midnight and %d after it, want %d each", yesterday, today, day)
	}
	for _, row := range []struct {
		month bool
		from  time.Time
		used  int64
	}{{false, begins.AddDate(0, 0, -1), yesterday}, {false, begins, today}, {true, first, yesterday + today}} {
		if n := nodes[0].count("SELECT used FROM quotas WHERE account = 7 AND month = $1 AND begins = $2", row.month, row.from.UnixMilli()); int64(n) != row.used {
			t.Errorf("the row of %v says %d, want %d", row.from, n, row.used)
		}
	}
	if n := nodes[0].count("SELECT count(*) FROM quotas"); n != 3 {
		t.Errorf("%d rows, want two days' and a month's", n)
	}
}

// TestQuotaRefusesAlone: in one transaction a request that does not fit takes neither the others
// with it nor parts from them, and its messages leave nothing behind.
func TestQuotaRefusesAlone(t *testing.T) {
	var l limits
	l.day.Store(10)
	n := open(t, database(t), 1, l.set)
	lock, err := n.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The first request makes the row, and waits for the lock: the others meet behind it.
	if err := n.try(7, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), "SELECT FROM quotas FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	errs := make(map[int]error)
	var mu sync.Mutex
	send := func(i int, account uint32, parts ...int) {
		waiting := n.accepts.size.Load()
		all.Go(func() {
			err := n.try(account, parts...)
			mu.Lock()
			defer mu.Unlock()
			errs[i] = err
		})
		n.until("it waits", func() bool { return n.accepts.size.Load() >= waiting+int64(len(parts)) })
	}
	send(0, 7, 1)
	for i, parts := range [][]int{{4}, {3, 3}, {1}, {5}, {3}} {
		send(1+i, 7, parts...)
	}
	send(6, 8, 10)
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	for i, fits := range []bool{true, true, false, true, false, true, true} {
		if err := errs[i]; fits != (err == nil) || !fits && !isQuota(err) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if got := n.count("SELECT count(*) FROM messages"); got != 6 {
		t.Errorf("%d messages, want 6", got)
	}
	if got := n.count("SELECT used FROM quotas WHERE account = 7"); got != 10 {
		t.Errorf("%d parts are used, want 10", got)
	}
	if got := n.Parts(7, midnight.UnixMilli(), midnight.Add(24*time.Hour).UnixMilli()); got != 10 {
		t.Errorf("%d parts are counted, want 10", got)
	}
}

// TestQuotaThatOneNodeDoesNotKnowYet: what a node accepts before it hears of a quota counts, at
// the latest when that node or another one checks.
func TestQuotaThatOneNodeDoesNotKnowYet(t *testing.T) {
	url := database(t)
	var here, there limits
	var ahead atomic.Int64 // the clock of the first node
	a := open(t, url, 1, here.set, func(o *Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	b := open(t, url, 2, there.set)
	b.mustTry(7, 5) // before there is a quota
	here.day.Store(20)
	a.mustTry(7, 1)
	if err := a.try(7, 15); !isQuota(err) {
		t.Errorf("15 parts on top of 6 of 20: %v", err)
	}
	b.mustTry(7, 6) // it has not heard yet
	if n := a.count("SELECT used FROM quotas"); n != 6 {
		t.Fatalf("%d parts in the row: the test tests nothing", n)
	}
	ahead.Store(int64(checkFirst + time.Second))
	if err := a.try(7, 9); !isQuota(err) {
		t.Errorf("9 parts on top of 12 of 20: %v", err)
	}
	b.mustTry(7, 2)
	there.day.Store(20)
	if err := b.try(7, 7); !isQuota(err) {
		t.Errorf("7 parts on top of 14 of 20: %v", err)
	}
	// The quota is taken away for a while, and the first node notices no gap.
	there.day.Store(0)
	b.mustTry(7, 5)
	here.version.Add(1)
	if err := a.try(7, 2); !isQuota(err) {
		t.Errorf("2 parts on top of 19 of 20: %v", err)
	}
	a.mustTry(7, 1)
}

func (n *node) mustTry(account uint32, parts ...int) {
	n.t.Helper()
	if err := n.try(account, parts...); err != nil {
		n.t.Fatal(err)
	}
}

// TestOtherNodesLearnWhatIsUsed: within a refresh, also on a node that accepts nothing.
func TestOtherNodesLearnWhatIsUsed(t *testing.T) {
	url := database(t)
	var here, there limits
	here.day.Store(10)
	there.day.Store(10)
	a, b := open(t, url, 1, here.set), open(t, url, 2, there.set)
	a.mustTry(7, 3)
	if got := here.seen(false); got != 3 {
		t.Errorf("the node that accepts knows of %d parts, want 3", got)
	}
	b.until("the other node knows", func() bool { return there.seen(false) == 3 })
}

func isQuota(err error) bool {
	var over *store.QuotaError
	return errors.As(err, &over)
}
