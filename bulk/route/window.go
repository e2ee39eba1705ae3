package route

import (
	"fmt"
	"strings"
	"time"
)

// Window is a part of the week.
type Window struct {
	Days string `json:"days,omitempty"` // mon-fri, sat,sun; empty: every day
	From string `json:"from,omitempty"` // 08:00, included; empty: from midnight
	To   string `json:"to,omitempty"`   // 20:00, not included; before From: on the next day; empty: to midnight
	Zone string `json:"zone,omitempty"` // Asia/Ashgabat; empty: UTC
}

// window is a Window that is ready to be asked.
type window struct {
	days     [7]bool // by time.Weekday: days on which it begins
	from, to int     // minutes after midnight; to above from, and above a day when it ends on the next
	zone     *time.Location
}

const dayMinutes = 24 * 60

var dayNames = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday, "thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday,
}

func (w *Window) compile() (c window, err error) {
	if c.days, err = parseDays(w.Days); err != nil {
		return c, err
	}
	if c.from, err = parseClock(w.From, 0); err != nil {
		return c, err
	}
	if c.to, err = parseClock(w.To, dayMinutes); err != nil {
		return c, err
	}
	if c.to <= c.from {
		c.to += dayMinutes
	}
	c.zone = time.UTC
	if w.Zone != "" {
		if c.zone, err = time.LoadLocation(w.Zone); err != nil || w.Zone == "Local" {
			return c, fmt.Errorf("%.40q is not a time zone such as Asia/Ashgabat or UTC", w.Zone)
		}
	}
	return c, nil
}

func parseDays(text string) (days [7]bool, err error) {
	if strings.TrimSpace(text) == "" {
		return [7]bool{true, true, true, true, true, true, true}, nil
	}
	for _, item := range strings.Split(strings.ToLower(text), ",") {
		first, last, span := strings.Cut(strings.TrimSpace(item), "-")
		if !span {
			last = first
		}
		from, ok1 := dayNames[first]
		to, ok2 := dayNames[last]
		if !ok1 || !ok2 {
			return days, fmt.Errorf("%.40q is not days such as mon-fri or sat,sun", text)
		}
		for d := from; ; d = (d + 1) % 7 {
			days[d] = true
			if d == to {
				break
			}
		}
	}
	return days, nil
}

func parseClock(text string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	if text == "24:00" {
		return dayMinutes, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a time of day such as 08:00", text)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// contains reports whether the moment is in the window.
func (w *window) contains(at time.Time) bool {
	t := at.In(w.zone)
	minute, day := t.Hour()*60+t.Minute(), t.Weekday()
	if w.days[day] && minute >= w.from && minute < w.to {
		return true
	}
	return w.days[(day+6)%7] && minute+dayMinutes < w.to // it began yesterday
}
