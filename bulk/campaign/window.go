package campaign

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Window is a time of the week in which a campaign may send, in its own time zone.
type Window struct {
	Days []string `json:"days,omitempty"` // MON … SUN; none: every day
	From string   `json:"from"`           // 09:00
	To   string   `json:"to"`             // 20:00, exclusive; at or before From: on the next day
}

const maxWindows = 20

var weekdays = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"} // as time.Weekday

// check brings the window into its own form, or says what is wrong.
func (w *Window) check() error {
	for i, d := range w.Days {
		d = strings.ToUpper(strings.TrimSpace(d))
		if len(d) > 3 {
			d = d[:3]
		}
		if !slices.Contains(weekdays, d) {
			return fmt.Errorf("%.20q is no day: MON, TUE, WED, THU, FRI, SAT, SUN", w.Days[i])
		}
		w.Days[i] = d
	}
	for _, clock := range []string{w.From, w.To} {
		if _, ok := minutes(clock); !ok {
			return fmt.Errorf("%.20q is no time of day such as 09:00", clock)
		}
	}
	if w.From == w.To {
		return fmt.Errorf("from and to are both %s", w.From)
	}
	return nil
}

// minutes reads 00:00 to 24:00.
func minutes(clock string) (int, bool) {
	if clock == "24:00" {
		return 24 * 60, true
	}
	t, err := time.Parse("15:04", clock)
	return t.Hour()*60 + t.Minute(), err == nil
}

// span is one opening.
type span struct{ from, to time.Time }

// opening returns the opening that at lies in, or the next one; false when there is none
// within two weeks, which does not happen to windows that were checked.
func opening(windows []Window, zone *time.Location, at time.Time) (span, bool) {
	best, found := span{}, false
	y, m, d := at.In(zone).Date()
	for day := -1; day <= 14; day++ {
		weekday := time.Date(y, m, d+day, 12, 0, 0, 0, zone).Weekday()
		for i := range windows {
			w := &windows[i]
			if len(w.Days) > 0 && !slices.Contains(w.Days, weekdays[weekday]) {
				continue
			}
			from, _ := minutes(w.From)
			to, _ := minutes(w.To)
			if to <= from {
				to += 24 * 60
			}
			// By the clock on the wall: a day with a change of the clock has its hours too.
			s := span{time.Date(y, m, d+day, 0, from, 0, 0, zone), time.Date(y, m, d+day, 0, to, 0, 0, zone)}
			if s.to.After(at) && s.from.Before(s.to) && (!found || s.from.Before(best.from)) {
				best, found = s, true
			}
		}
		if found && day >= 0 {
			return best, true
		}
	}
	return best, found
}

// untilOpen returns how long it is until the campaign may send: 0 when it may now.
func untilOpen(windows []Window, zone *time.Location, now time.Time) (time.Duration, time.Time) {
	if len(windows) == 0 {
		return 0, now
	}
	s, ok := opening(windows, zone, now)
	if !ok || !s.from.After(now) {
		return 0, now
	}
	return s.from.Sub(now), s.from
}
