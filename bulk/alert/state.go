package alert

import "time"

// place is what one rule says of one subject.
type place struct{ rule, subject string }

// condition is a place that is, or was a moment ago, beyond its threshold.
type condition struct {
	firing bool
	since  time.Time // when it began to be beyond
	turned time.Time // when the value last went to the other side; zero: it has not
	told   time.Time // when firing was last told
	value  float64
}

// board is the state of all rules. It is not safe for concurrent use.
//
//	        beyond for For                     back by Margin for For
//	quiet ─────────────────> firing (told) ──────────────────────────> quiet (told)
//	                          └─ told again each Repeat
type board map[place]*condition

// judge takes in what was measured at a moment and returns what is to be told. A subject that is
// measured no more counts as back.
func (b board) judge(rules []Rule, samples []Sample, now time.Time) []Alert {
	measured := make(map[place]float64, len(samples))
	for _, s := range samples {
		measured[place{s.Rule, s.Subject}] = s.Value
	}
	var told []Alert
	for i := range rules {
		r := &rules[i]
		if r.Disabled {
			b.forget(r.Name)
			continue
		}
		for at, value := range measured {
			if at.rule == r.Name {
				told = b.look(told, r, at, value, r.beyond(at.subject, value, b.firing(at)), now)
			}
		}
		for at, c := range b {
			if _, ok := measured[at]; !ok && at.rule == r.Name {
				told = b.look(told, r, at, c.value, false, now)
			}
		}
	}
	return told
}

func (b board) firing(at place) bool {
	c := b[at]
	return c != nil && c.firing
}

func (b board) forget(rule string) {
	for at := range b {
		if at.rule == rule {
			delete(b, at)
		}
	}
}

func (b board) look(told []Alert, r *Rule, at place, value float64, beyond bool, now time.Time) []Alert {
	c := b[at]
	if c == nil {
		if !beyond {
			return told
		}
		c = &condition{since: now}
		b[at] = c
	}
	c.value = value
	switch {
	case beyond && !c.firing:
		if now.Sub(c.since) < r.holds() {
			return told
		}
		c.firing = true
	case beyond:
		c.turned = time.Time{}
		if r.Repeat == 0 || now.Sub(c.told) < r.repeats() {
			return told
		}
	case !c.firing:
		delete(b, at)
		return told
	default:
		if c.turned.IsZero() {
			c.turned = now
		}
		if now.Sub(c.turned) < r.holds() {
			return told
		}
		delete(b, at)
		return append(told, c.alert(r, at, Resolved, now))
	}
	c.told = now
	return append(told, c.alert(r, at, Firing, now))
}

func (c *condition) alert(r *Rule, at place, state State, now time.Time) Alert {
	return Alert{
		Rule: r.Name, Subject: at.subject, State: state, Value: c.value, Threshold: r.threshold(at.subject),
		Summary: r.summary(at.subject, state, c.value), Since: c.since, At: now,
	}
}

// recall makes fire again what fired last in the history, which is newest first: a restart, or
// another node, tells nothing twice.
func (b board) recall(history []Alert) {
	seen := make(map[place]bool)
	for _, a := range history {
		at := place{a.Rule, a.Subject}
		if !seen[at] && a.State == Firing {
			b[at] = &condition{firing: true, since: a.Since, told: a.At, value: a.Value}
		}
		seen[at] = true
	}
}
