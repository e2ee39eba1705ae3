package alert

import (
	"fmt"
	"math"
	"time"
)

// Names of the rules.
const (
	ConnectorDown  = "connector_down"
	LaneLong       = "lane_long"
	DeliveryLow    = "delivery_low"
	BalanceLow     = "balance_low"
	DiskLow        = "disk_low"
	NotAccepting   = "not_accepting"
	CDRTrouble     = "cdr_trouble"
	WebhookFailing = "webhook_failing"
)

// Rule says from which value on, and after how long, something is told.
type Rule struct {
	Name      string             `json:"name"`
	Meaning   string             `json:"meaning"`
	Below     bool               `json:"below"` // fires at and below the threshold, else at and above it
	Threshold float64            `json:"threshold"`
	Subjects  map[string]float64 `json:"subjects,omitempty"` // thresholds of single subjects
	Margin    float64            `json:"margin"`             // how far beyond the threshold it has to come back
	For       int                `json:"for_seconds"`        // it must stay so before it fires, and before it resolves
	Repeat    int                `json:"repeat_seconds"`     // it is told again while it fires; 0: once
	Disabled  bool               `json:"disabled"`
}

const (
	maxSeconds  = 7 * 24 * 3600
	maxSubjects = 1000
)

// Defaults are the rules as they are before anybody changes them.
func Defaults() []Rule {
	const again = 4 * 3600
	return []Rule{
		{Name: ConnectorDown, Meaning: "binds of a connector that are up", Below: true, For: 30, Repeat: again},
		{Name: LaneLong, Meaning: "messages that wait for a connector", Threshold: 100_000, Margin: 20_000, For: 60, Repeat: again},
		{Name: DeliveryLow, Meaning: "percent delivered of what became final in 5 minutes, from 100 messages on", Below: true, Threshold: 80, Margin: 5, For: 60, Repeat: again},
		{Name: BalanceLow, Meaning: "balance of an account that has had credit", Below: true, For: 0, Repeat: 24 * 3600},
		{Name: DiskLow, Meaning: "percent of the disk of the data folder that is free", Below: true, Threshold: 10, Margin: 2, For: 60, Repeat: again},
		{Name: NotAccepting, Meaning: "1 while the platform takes no messages", Threshold: 1, For: 15, Repeat: again},
		{Name: CDRTrouble, Meaning: "1 while CDRs cannot be written", Threshold: 1, For: 15, Repeat: again},
		{Name: WebhookFailing, Meaning: "failures in a row of a webhook endpoint", Threshold: 10, For: 600, Repeat: again},
	}
}

func (r *Rule) validate() error {
	for field, v := range map[string]float64{"threshold": r.Threshold, "margin": r.Margin} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return &FieldError{field, "is not a number"}
		}
	}
	switch {
	case r.Margin < 0:
		return &FieldError{"margin", "is 0 or more"}
	case r.For < 0 || r.For > maxSeconds:
		return &FieldError{"for_seconds", fmt.Sprintf("is 0 to %d", maxSeconds)}
	case r.Repeat < 0 || r.Repeat > maxSeconds:
		return &FieldError{"repeat_seconds", fmt.Sprintf("is 0 to %d", maxSeconds)}
	case len(r.Subjects) > maxSubjects:
		return &FieldError{"subjects", fmt.Sprintf("has more than %d entries", maxSubjects)}
	}
	return nil
}

func (r *Rule) threshold(subject string) float64 {
	if t, ok := r.Subjects[subject]; ok {
		return t
	}
	return r.Threshold
}

// beyond reports whether value is one that fires; firing is whether it does already.
func (r *Rule) beyond(subject string, value float64, firing bool) bool {
	limit, margin := r.threshold(subject), 0.0
	if firing {
		margin = r.Margin
	}
	if r.Below {
		return value <= limit+margin
	}
	return value >= limit-margin
}

func (r *Rule) holds() time.Duration { return time.Duration(r.For) * time.Second }

func (r *Rule) repeats() time.Duration { return time.Duration(r.Repeat) * time.Second }

// summary is the sentence that people read.
func (r *Rule) summary(subject string, state State, value float64) string {
	name := r.Name
	if subject != "" {
		name += " " + subject
	}
	side := "at or above"
	if r.Below {
		side = "at or below"
	}
	if state == Resolved {
		return fmt.Sprintf("%s is over: %s: %.6g", name, r.Meaning, value)
	}
	return fmt.Sprintf("%s: %s: %.6g, %s %.6g", name, r.Meaning, value, side, r.threshold(subject))
}
