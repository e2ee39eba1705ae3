package bulk

import (
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/store/postgres"
)

// quotas is the store's hook: what an account may have accepted, as this node knows it.
func (p *Platform) quotas(id uint32, at int64, list []postgres.Quota) []postgres.Quota {
	a := p.quotaAccount(id)
	if a == nil {
		return list
	}
	var all [2]account.Allowance
	for _, q := range a.Allowances(time.UnixMilli(at), all[:0]) {
		list = append(list, postgres.Quota{Account: id, Month: q.Month, From: q.From, To: q.To, Parts: q.Parts, Version: a.UpdatedAt})
	}
	return list
}

// used is the store's hook: what all nodes have used of a quota.
func (p *Platform) used(q postgres.Quota, parts int64) {
	if a := p.quotaAccount(q.Account); a != nil {
		a.NoteUsed(q.Month, q.From, parts)
	}
}

// quotaAccount returns an account, or nil; there is none until the platform is wired, and before
// that no door is open.
func (p *Platform) quotaAccount(id uint32) *account.Account {
	select {
	case <-p.wired:
		if p.accounts != nil { // the start has failed
			return p.accounts.ByID(id)
		}
	default:
	}
	return nil
}

// overQuota is what the store says of quotas, in the words of package account.
func overQuota(e *store.QuotaError) *intake.OverQuota {
	over := &intake.OverQuota{}
	for _, q := range e.Quotas {
		period := account.Daily
		if q.Month {
			period = account.Monthly
		}
		over.Quotas = append(over.Quotas, account.QuotaError{Period: period, Quota: q.Parts, Left: q.Left, Until: time.UnixMilli(q.To).UTC()})
	}
	return over
}
