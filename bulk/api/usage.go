package api

import (
	"time"

	"protei-bulk/bulk/account"
)

// periodView is what an account used in a day or month, in parts.
type periodView struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Parts int64     `json:"parts"`
	Quota *int64    `json:"quota"` // null: none
	Left  *int64    `json:"left"`
}

func viewPeriod(u account.PeriodUsage) periodView {
	v := periodView{From: u.From, Until: u.Until, Parts: u.Parts}
	if u.Quota > 0 {
		left := max(0, u.Quota-u.Parts)
		v.Quota, v.Left = &u.Quota, &left
	}
	return v
}

// usage shows what an account used of its quotas.
func (c *call) usage() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	day, month := a.Usage(c.api.opts.Now())
	return c.document(200, map[string]any{
		"account_id": a.ID, "time_zone": a.Zone().String(), "day": viewPeriod(day), "month": viewPeriod(month),
		"tps": a.TPS, "burst": a.Burst, "tps_counts": a.RateUnit(),
	})
}
