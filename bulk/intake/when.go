package intake

import (
	"fmt"
	"strconv"
	"time"
)

// pastSlack is how far in the past schedule_at may lie, for clocks that differ; such a
// message goes at once.
const pastSlack = 5 * time.Minute

// parseSchedule reads schedule_at: RFC 3339 with a zone.
func (in *Intake) parseSchedule(s string, now time.Time) (ms int64, r *Refusal) {
	bad := func(detail string) (int64, *Refusal) {
		return 0, &Refusal{Code: InvalidSchedule, Field: "schedule_at", Detail: detail}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	switch {
	case err != nil:
		return bad(quote(s) + " is not a time with zone such as 2030-01-31T09:00:00Z or 2030-01-31T12:00:00+03:00")
	case t.Before(now.Add(-pastSlack)):
		return bad(quote(s) + " has passed")
	case t.After(now.Add(in.opts.MaxSchedule)):
		return bad(fmt.Sprintf("%s is more than %d days ahead", quote(s), int(in.opts.MaxSchedule.Hours()/24)))
	case !t.After(now):
		return 0, nil
	}
	return t.UnixMilli(), nil
}

// parseValidity reads validity_period: an ISO 8601 duration (PT30M, P1DT12H), whole
// seconds (3600), or the moment of its end in RFC 3339. A period counts from start.
func (in *Intake) parseValidity(s string, start time.Time) (ms int64, r *Refusal) {
	bad := func(detail string) (int64, *Refusal) {
		return 0, &Refusal{Code: InvalidValidity, Field: "validity_period", Detail: detail}
	}
	until, ok := parseEnd(s, start)
	switch {
	case !ok:
		return bad(quote(s) + " is neither an ISO 8601 duration such as PT24H, nor seconds, nor a time with zone")
	case !until.After(start):
		return bad(quote(s) + " ends before the message may be sent")
	case until.Sub(start) > in.opts.MaxValidity:
		return bad(fmt.Sprintf("%s is longer than the %d days allowed", quote(s), int(in.opts.MaxValidity.Hours()/24)))
	}
	return until.UnixMilli(), nil
}

func parseEnd(s string, start time.Time) (time.Time, bool) {
	if d, ok := parseISODuration(s); ok {
		return start.Add(d), true
	}
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return start.Add(time.Duration(n) * time.Second), true
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil
}

// parseISODuration reads weeks, days, hours, minutes and seconds of ISO 8601 durations,
// with whole numbers. Years and months have no fixed length and are refused.
func parseISODuration(s string) (time.Duration, bool) {
	if len(s) < 3 || s[0] != 'P' {
		return 0, false
	}
	var total time.Duration
	inTime, rank, any := false, 0, false
	for i := 1; i < len(s); {
		if s[i] == 'T' && !inTime {
			inTime, rank = true, 2
			if i++; i == len(s) {
				return 0, false
			}
			continue
		}
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		if i == start || i == len(s) || i-start > 9 {
			return 0, false
		}
		n, _ := strconv.Atoi(s[start:i])
		unit, r := isoUnit(s[i], inTime)
		if unit == 0 || r <= rank {
			return 0, false
		}
		if time.Duration(n) > (1<<61)/unit {
			return 0, false
		}
		total += time.Duration(n) * unit
		if total < 0 {
			return 0, false
		}
		rank, any = r, true
		i++
	}
	return total, any
}

// isoUnit returns a designator's length and its place in the order that ISO 8601 asks.
func isoUnit(c byte, inTime bool) (time.Duration, int) {
	switch {
	case c == 'W' && !inTime:
		return 7 * 24 * time.Hour, 1
	case c == 'D' && !inTime:
		return 24 * time.Hour, 2
	case c == 'H' && inTime:
		return time.Hour, 3
	case c == 'M' && inTime:
		return time.Minute, 4
	case c == 'S' && inTime:
		return time.Second, 5
	}
	return 0, 0
}

func formatTPS(tps float64) string { return strconv.FormatFloat(tps, 'f', -1, 64) }
