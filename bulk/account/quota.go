package account

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Meter tells how many parts an account had accepted from a moment on and before another,
// both Unix ms. What it says survives every crash; it may lag behind what is being accepted.
type Meter interface {
	Parts(account uint32, from, to int64) int64
}

// quota counts an account's parts in the day and the month of its zone. The truth is the
// Meter: it is read when a period begins, at the first message of the process and when the
// zone changes; in between each part is added before it is accepted, so that parallel
// requests cannot exceed the quota together. Where several nodes share a store, that one decides:
// what is counted here only spares it requests that have no chance.
type quota struct {
	account uint32
	meter   Meter
	active  atomic.Bool // there is a quota

	mu         sync.Mutex // guards what follows
	zone       *time.Location
	day, month period
}

// period is a day or a month with what was used of its quota.
type period struct {
	limit    int64 // parts; 0: none
	from, to int64 // Unix ms; to 0: used is not known
	used     int64 // as this node counts
	seen     int64 // by all nodes, as the store said last: it is not less any more
}

func newQuota(account uint32, meter Meter, s *Spec) *quota {
	q := &quota{account: account, meter: meter, zone: time.UTC}
	q.set(s)
	return q
}

// set takes the quotas of s.
func (q *quota) set(s *Spec) {
	q.mu.Lock()
	defer q.mu.Unlock()
	zone := s.Zone()
	if zone.String() != q.zone.String() || s.DailyQuota == 0 && s.MonthlyQuota == 0 {
		q.day.to, q.month.to = 0, 0 // nothing was counted, or in other periods
	}
	q.zone, q.day.limit, q.month.limit = zone, s.DailyQuota, s.MonthlyQuota
	q.active.Store(q.meter != nil && (s.DailyQuota > 0 || s.MonthlyQuota > 0))
}

// Zone returns the account's time zone; UTC when it has none.
func (s *Spec) Zone() *time.Location {
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return time.UTC // Validate refuses unknown ones: the system's list became shorter
	}
	return zone
}

// enter makes q's periods those of now. It needs q.mu.
func (q *quota) enter(now time.Time) {
	ms := now.UnixMilli()
	if ms < q.day.to && ms < q.month.to {
		return // also when the clock was set back: parts count where they were taken
	}
	day, month := periodsOf(now.In(q.zone))
	q.day.enter(day, ms, q)
	q.month.enter(month, ms, q)
}

func (p *period) enter(span [2]time.Time, ms int64, q *quota) {
	if ms < p.to {
		return
	}
	p.from, p.to = span[0].UnixMilli(), span[1].UnixMilli()
	p.used, p.seen = q.meter.Parts(q.account, p.from, p.to), 0
}

// periodsOf returns begin and end of the day and of the month that at is in.
func periodsOf(at time.Time) (day, month [2]time.Time) {
	y, m, d := at.Date()
	first := func(month time.Month, day int) time.Time { return time.Date(y, month, day, 0, 0, 0, 0, at.Location()) }
	return [2]time.Time{first(m, d), first(m, d+1)}, [2]time.Time{first(m, 1), first(m+1, 1)}
}

// Charge is what was taken of an account's quota; the zero Charge is nothing.
type Charge struct {
	quota      *quota
	parts      int64
	day, month int64 // begin of the periods
}

// Undo gives the parts back: they were not accepted.
func (c Charge) Undo() {
	if c.quota == nil {
		return
	}
	c.quota.mu.Lock()
	defer c.quota.mu.Unlock()
	if c.quota.day.from == c.day {
		c.quota.day.used -= c.parts
	}
	if c.quota.month.from == c.month {
		c.quota.month.used -= c.parts
	}
}

// Add makes c the Charge of both; other is of the same account and period.
func (c *Charge) Add(other Charge) {
	other.parts += c.parts
	*c = other
}

// The periods of quotas.
const (
	Daily   = "daily"
	Monthly = "monthly"
)

// QuotaError says which quota a message does not fit in.
type QuotaError struct {
	Period      string // Daily or Monthly
	Quota, Left int64  // parts
	Until       time.Time
}

// Error implements error.
func (e *QuotaError) Error() string {
	return fmt.Sprintf("the account's %s quota of %d parts is used up: %d are left, and it begins again at %s",
		e.Period, e.Quota, e.Left, e.Until.Format(time.RFC3339))
}

// TakeParts takes n parts from the account's quotas, or nothing when one of them does not
// have so many left. An account without quotas is asked nothing.
func (a *Account) TakeParts(now time.Time, n int) (Charge, *QuotaError) {
	q := a.quota
	if q == nil || !q.active.Load() {
		return Charge{}, nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.enter(now)
	if !q.day.fits(n) {
		return Charge{}, q.day.exceeded(Daily, q.zone)
	}
	if !q.month.fits(n) {
		return Charge{}, q.month.exceeded(Monthly, q.zone)
	}
	q.day.used += int64(n)
	q.month.used += int64(n)
	return Charge{quota: q, parts: int64(n), day: q.day.from, month: q.month.from}, nil
}

func (p *period) fits(n int) bool { return p.limit == 0 || p.total()+int64(n) <= p.limit }

func (p *period) total() int64 { return max(p.used, p.seen) }

func (p *period) exceeded(name string, zone *time.Location) *QuotaError {
	return &QuotaError{Period: name, Quota: p.limit, Left: max(0, p.limit-p.total()), Until: time.UnixMilli(p.to).In(zone)}
}

// Allowance is how many parts an account may have accepted in a period.
type Allowance struct {
	Month    bool  // else a day
	From, To int64 // Unix ms
	Parts    int64
}

// Allowances appends the quotas that the account has at a moment to a list.
func (a *Account) Allowances(at time.Time, list []Allowance) []Allowance {
	if a.DailyQuota == 0 && a.MonthlyQuota == 0 {
		return list
	}
	day, month := periodsOf(at.In(a.zone))
	if a.DailyQuota > 0 {
		list = append(list, Allowance{From: day[0].UnixMilli(), To: day[1].UnixMilli(), Parts: a.DailyQuota})
	}
	if a.MonthlyQuota > 0 {
		list = append(list, Allowance{Month: true, From: month[0].UnixMilli(), To: month[1].UnixMilli(), Parts: a.MonthlyQuota})
	}
	return list
}

// NoteUsed tells how many parts all nodes have had accepted in the day or month that begins at
// from (Unix ms): durably, so that they will not be less.
func (a *Account) NoteUsed(month bool, from, parts int64) {
	q := a.quota
	if q == nil || !q.active.Load() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	p := &q.day
	if month {
		p = &q.month
	}
	if p.to != 0 && p.from == from {
		p.seen = max(p.seen, parts)
	}
}

// PeriodUsage is what an account used in a day or month.
type PeriodUsage struct {
	From, Until time.Time
	Parts       int64
	Quota       int64 // 0: none
}

// Usage returns what the account used in this day and month of its zone.
func (a *Account) Usage(now time.Time) (day, month PeriodUsage) {
	d, m := periodsOf(now.In(a.Zone()))
	day = PeriodUsage{From: d[0], Until: d[1], Quota: a.DailyQuota}
	month = PeriodUsage{From: m[0], Until: m[1], Quota: a.MonthlyQuota}
	q := a.quota
	if q == nil || q.meter == nil {
		return day, month
	}
	if q.active.Load() {
		q.mu.Lock()
		q.enter(now)
		day.Parts, month.Parts = q.day.total(), q.month.total()
		q.mu.Unlock()
	}
	for _, u := range []*PeriodUsage{&day, &month} {
		if u.Quota == 0 { // other nodes count it, if there are any
			u.Parts = max(u.Parts, q.meter.Parts(a.ID, u.From.UnixMilli(), u.Until.UnixMilli()))
		}
	}
	return day, month
}
