package report

import (
	"math"
	"strconv"
	"time"

	"protei-bulk/load/stats"
)

// ownHeader is that of PREFIX_series.csv, the series that Locust does not have: one row a second, of that second alone.
// Times are in ms, shares 0..1, memory in bytes; what was not measured is empty.
func ownHeader() []string {
	return []string{
		"Timestamp", "Elapsed", "Phase", "User Count", "Intended Rate", "Requests/s", "Failures/s", "Throttled/s", "Messages/s",
		"Segments/s", "Receipts/s", "Open Messages", "Dropped Iterations", "50%", "95%", "99%", "100%", "Lateness 95%",
		"Target CPU", "Target Memory", "Target RSS", "Generator CPU", "Generator RSS", "Steal",
	}
}

// ownRow is the row of the last second; nil when there is none that was not written yet.
func (c *CSV) ownRow(live *stats.Live) []string {
	p := &live.Last
	end := p.At + p.Width
	if p.Width <= 0 || p.At < c.ownEnd {
		return nil
	}
	c.ownEnd = end
	timed := func(d time.Duration) string {
		if p.Samples == 0 {
			return ""
		}
		return ms(d)
	}
	g := &p.Gauges
	return []string{
		strconv.FormatInt(live.At.Unix(), 10), strconv.FormatFloat(end.Seconds(), 'f', 3, 64), p.Phase.String(), strconv.Itoa(p.Users),
		decimal(p.Rate), decimal(p.Requests), decimal(p.Failures), decimal(p.Throttled), decimal(p.Messages),
		decimal(p.Segments), decimal(p.Receipts), count(p.Open), count(p.Dropped), timed(p.P50), timed(p.P95), timed(p.P99), timed(p.Max), ms(p.LateP95),
		measured(g.TargetCPU, 4), measured(g.TargetMemory, 4), measured(g.TargetRSS, 0), measured(g.GeneratorCPU, 4), measured(g.GeneratorRSS, 0), measured(g.Steal, 4),
	}
}

// measured is a figure with so many decimals, "" when it was not measured.
func measured(v float64, decimals int) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}
