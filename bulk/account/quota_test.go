package account_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
)

// parts is a Meter: parts by their moment.
type parts struct {
	mu  sync.Mutex
	all map[int64]int64
}

func (p *parts) add(at time.Time, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = make(map[int64]int64)
	}
	p.all[at.UnixMilli()] += n
}

func (p *parts) Parts(_ uint32, from, to int64) (sum int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at, n := range p.all {
		if at >= from && at < to {
			sum += n
		}
	}
	return sum
}

func openMetered(t *testing.T, store *accounttest.Store, meter account.Meter) *account.Directory {
	t.Helper()
	d, err := account.Open(context.Background(), account.Options{Store: store, Meter: meter})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestQuotaOfADayAndAMonthInTheAccountsZone(t *testing.T) {
	store, meter := new(accounttest.Store), new(parts)
	d := openMetered(t, store, meter)
	a, _ := create(t, d, account.Spec{Name: "acme", DailyQuota: 10, MonthlyQuota: 25, TimeZone: "Asia/Kathmandu"}, "") // UTC+5:45
	zone := a.Zone()
	take := func(at time.Time, n int, want string) {
		t.Helper()
		_, err := a.TakeParts(at, n)
		switch {
		case err == nil && want == "":
			meter.add(at, int64(n))
		case err == nil || err.Period != want:
			t.Errorf("%d parts at %s: %v, want %q", n, at, err, want)
		}
	}
	noon := time.Date(2030, 1, 30, 12, 0, 0, 0, zone)
	take(noon, 10, "")
	take(noon, 1, "daily")
	take(time.Date(2030, 1, 30, 23, 59, 59, 0, zone), 1, "daily")
	next := time.Date(2030, 1, 31, 0, 0, 0, 0, zone) // 18:15 UTC of the day before
	take(next.Add(-time.Millisecond), 1, "daily")
	take(next, 4, "")
	take(next, 7, "daily") // does not fit, and takes nothing
	take(next, 6, "")
	if _, err := a.TakeParts(next, 1); err == nil || err.Left != 0 || !err.Until.Equal(next.AddDate(0, 0, 1)) {
		t.Errorf("quota error %+v", err)
	}
	// A restart forgets nothing.
	a = openMetered(t, store, meter).ByName("acme")
	take(next.Add(time.Hour), 1, "daily")
	day, month := a.Usage(next.Add(time.Hour))
	if day.Parts != 10 || day.Quota != 10 || month.Parts != 20 || !month.From.Equal(time.Date(2030, 1, 1, 0, 0, 0, 0, zone)) {
		t.Errorf("usage %+v, %+v", day, month)
	}
	// The month begins again with the day after, and then it ends before the days do.
	first := time.Date(2030, 2, 1, 0, 0, 0, 0, zone)
	take(first, 10, "")
	take(first.AddDate(0, 0, 1), 10, "")
	take(first.AddDate(0, 0, 2), 5, "")
	take(first.AddDate(0, 0, 2), 1, "monthly")
	take(first.AddDate(0, 0, 3), 1, "monthly")
	take(first.AddDate(0, 1, 0), 1, "")
}

func TestQuotaGivesBackWhatWasNotAccepted(t *testing.T) {
	meter := new(parts)
	d := openMetered(t, new(accounttest.Store), meter)
	a, _ := create(t, d, account.Spec{Name: "acme", DailyQuota: 10}, "")
	now := time.Date(2030, 1, 30, 12, 0, 0, 0, time.UTC)
	var sum account.Charge
	for range 2 {
		c, err := a.TakeParts(now, 5)
		if err != nil {
			t.Fatal(err)
		}
		sum.Add(c)
	}
	sum.Undo()
	account.Charge{}.Undo()
	if day, _ := a.Usage(now); day.Parts != 0 {
		t.Errorf("%d parts after Undo", day.Parts)
	}
	late, _ := a.TakeParts(now, 10)
	tomorrow := now.AddDate(0, 0, 1)
	if _, err := a.TakeParts(tomorrow, 10); err != nil {
		t.Fatal(err)
	}
	late.Undo() // of a day that is over: today's parts stay
	if _, err := a.TakeParts(tomorrow, 1); err == nil {
		t.Error("yesterday's parts were given back today")
	}
}

func TestQuotaChangesWhileItIsUsed(t *testing.T) {
	meter := new(parts)
	d := openMetered(t, new(accounttest.Store), meter)
	a, _ := create(t, d, account.Spec{Name: "acme"}, "")
	now := time.Date(2030, 1, 30, 12, 0, 0, 0, time.UTC)
	meter.add(now, 8) // counted by the store while there was no quota
	set := func(change func(*account.Spec)) {
		t.Helper()
		var err error
		if a, err = d.Update(t.Context(), a.ID, change); err != nil {
			t.Fatal(err)
		}
	}
	set(func(s *account.Spec) { s.DailyQuota = 10 })
	if _, err := a.TakeParts(now, 3); err == nil {
		t.Error("what was sent before the quota does not count")
	}
	if _, err := a.TakeParts(now, 2); err != nil {
		t.Error(err)
	}
	set(func(s *account.Spec) { s.DailyQuota = 11 }) // what is under way stays counted
	if _, err := a.TakeParts(now, 2); err == nil {
		t.Error("a new quota forgot what is under way")
	}
	if _, err := a.TakeParts(now, 1); err != nil {
		t.Error(err)
	}
	set(func(s *account.Spec) { s.DailyQuota = 0 })
	if _, err := a.TakeParts(now, 1000); err != nil {
		t.Error(err)
	}
}

func TestQuotaHoldsAgainstParallelRequests(t *testing.T) {
	d := openMetered(t, new(accounttest.Store), new(parts))
	a, _ := create(t, d, account.Spec{Name: "acme", DailyQuota: 1000}, "")
	now := time.Date(2030, 1, 30, 12, 0, 0, 0, time.UTC)
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := range 400 {
				if c, err := a.TakeParts(now, 1+n%3); err == nil {
					if n%7 == 0 {
						c.Undo()
					} else {
						taken.Add(int64(1 + n%3))
					}
				}
			}
		})
	}
	all.Wait()
	if day, _ := a.Usage(now); day.Parts != taken.Load() || day.Parts > 1000 || day.Parts < 998 {
		t.Errorf("%d parts are counted, %d were taken", day.Parts, taken.Load())
	}
}

func TestBurstAndCost(t *testing.T) {
	d := open(t, new(accounttest.Store))
	a, _ := create(t, d, account.Spec{Name: "acme", TPS: 10, Burst: 3, RateBy: account.RateParts}, "")
	now := time.Now()
	if a.Cost(7) != 7 {
		t.Error("parts do not count")
	}
	let := func(at time.Time) (n int) {
		for a.Take(at, 1) == 0 {
			n++
		}
		return n
	}
	if n := let(now); n != 3 {
		t.Errorf("a burst of %d, want 3", n)
	}
	if n := let(now.Add(time.Second)); n != 3 {
		t.Errorf("%d after a second, want 3", n)
	}
	if wait := a.Take(now.Add(1100*time.Millisecond), 5); wait != 0 {
		t.Errorf("waits %s", wait)
	}
	if wait := a.Wait(now.Add(1100 * time.Millisecond)); wait < 490*time.Millisecond || wait > 510*time.Millisecond {
		t.Errorf("the debt of 4 is waited for %s, want 500 ms", wait)
	}
	b, _ := create(t, d, account.Spec{Name: "b", TPS: 10}, "")
	if b.Cost(7) != 1 {
		t.Error("messages do not count")
	}
}

func TestLimitsAreChecked(t *testing.T) {
	for name, s := range map[string]account.Spec{
		"burst": {Burst: -1}, "tps_counts": {RateBy: "octets"}, "daily_quota": {DailyQuota: -1}, "monthly_quota": {MonthlyQuota: account.MaxQuota + 1},
		"time_zone": {TimeZone: "Mars/Olympus"}, "window": {Window: 2001},
	} {
		s.Name = "x"
		err := s.Validate()
		if err == nil || err.Error()[:len(name)] != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhatOtherNodesUse: it counts in the period that it is of, and nothing that this node gives
// back makes it less.
func TestWhatOtherNodesUse(t *testing.T) {
	d := openMetered(t, new(accounttest.Store), new(parts))
	a, _ := create(t, d, account.Spec{Name: "acme", DailyQuota: 10, MonthlyQuota: 30, TimeZone: "Asia/Kathmandu"}, "")
	noon := time.Date(2030, 1, 30, 12, 0, 0, 0, a.Zone())
	list := a.Allowances(noon, nil)
	want := []account.Allowance{
		{From: time.Date(2030, 1, 30, 0, 0, 0, 0, a.Zone()).UnixMilli(), To: time.Date(2030, 1, 31, 0, 0, 0, 0, a.Zone()).UnixMilli(), Parts: 10},
		{Month: true, From: time.Date(2030, 1, 1, 0, 0, 0, 0, a.Zone()).UnixMilli(), To: time.Date(2030, 2, 1, 0, 0, 0, 0, a.Zone()).UnixMilli(), Parts: 30},
	}
	if !slices.Equal(list, want) {
		t.Fatalf("allowances %+v, want %+v", list, want)
	}
	charge, err := a.TakeParts(noon, 4)
	if err != nil {
		t.Fatal(err)
	}
	a.NoteUsed(false, want[0].From, 8)
	a.NoteUsed(false, want[0].From-86_400_000, 10) // of yesterday
	a.NoteUsed(false, want[0].From, 7)             // late news
	charge.Undo()
	if _, err := a.TakeParts(noon, 3); err == nil || err.Period != "daily" || err.Left != 2 {
		t.Errorf("3 parts with 2 left: %+v", err)
	}
	a.NoteUsed(true, want[1].From, 29)
	if _, err := a.TakeParts(noon, 2); err == nil || err.Period != "monthly" || err.Left != 1 {
		t.Errorf("2 parts with 1 left in the month: %+v", err)
	}
	if day, month := a.Usage(noon); day.Parts != 8 || month.Parts != 29 {
		t.Errorf("usage %d and %d", day.Parts, month.Parts)
	}
	if _, err := a.TakeParts(noon.AddDate(0, 0, 2), 10); err != nil { // the next month
		t.Error(err)
	}
}
