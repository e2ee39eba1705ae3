package api

import (
	"fmt"

	"protei-bulk/bulk/account"
)

// maxChildren bounds the accounts of one reseller.
const maxChildren = 1000

// childService are the members that a reseller may set of its children, beside those of
// selfService. Who the child is, what it pays and which senders it has decide admins.
var childService = map[string]bool{
	"name": true, "system_id": true, "password": true, "tps": true, "burst": true, "tps_counts": true, "daily_quota": true,
	"monthly_quota": true, "time_zone": true, "window": true, "max_binds": true, "smpp_allow": true, "outbind": true,
	"outbind_password": true, "disabled": true, "shared_balance": true,
}

// mayChange says whether the caller may set the members of a, nil for a new child.
func (c *call) mayChange(a *account.Account, set map[string]bool) error {
	if c.who.Role == account.Admin {
		return nil
	}
	child := a == nil || c.who.IsParentOf(a)
	for name := range set {
		if !selfService[name] && (!child || !childService[name]) {
			return wrong("forbidden", "only an admin changes "+name)
		}
	}
	return nil
}

// adopt makes spec that of a new child of the caller: prepaid, in its currency, with its
// senders, and with its limits where the child has none.
func (c *call) adopt(s *account.Spec) error {
	children := 0
	for _, a := range c.api.opts.Accounts.Snapshot().All() {
		if a.Parent == c.who.ID {
			children++
		}
	}
	if children >= maxChildren {
		return wrong("conflict", fmt.Sprintf("the account has %d children, more are not allowed", maxChildren))
	}
	p := &c.who.Spec
	s.Parent, s.Mode, s.Currency = c.who.ID, account.Prepaid, p.Currency
	s.Senders, s.SenderTypes, s.SenderPolicy = p.Senders, p.SenderTypes, p.SenderPolicy
	if s.TPS == 0 {
		s.TPS, s.RateBy = p.TPS, p.RateBy
	}
	if s.DailyQuota == 0 {
		s.DailyQuota = p.DailyQuota
	}
	if s.MonthlyQuota == 0 {
		s.MonthlyQuota = p.MonthlyQuota
	}
	if s.MaxBinds == 0 {
		s.MaxBinds = p.MaxBinds
	}
	return nil
}

// within refuses limits of a child that are wider than those of the reseller who sets them.
func (c *call) within(s *account.Spec) {
	if c.who.Role != account.Reseller {
		return
	}
	p := &c.who.Spec
	for _, l := range []struct {
		name      string
		own, most float64
	}{
		{"tps", s.TPS, p.TPS},
		{"daily_quota", float64(s.DailyQuota), float64(p.DailyQuota)},
		{"monthly_quota", float64(s.MonthlyQuota), float64(p.MonthlyQuota)},
		{"max_binds", float64(s.MaxBinds), float64(p.MaxBinds)},
	} {
		if l.most > 0 && (l.own == 0 || l.own > l.most) {
			c.dec.fault("out_of_range", l.name, fmt.Sprintf("is between 1 and %v, the limit of the parent", l.most))
		}
	}
}
