// Package alert tells people that the platform needs them. Rules compare what is measured of
// connectors, lanes, accounts and the like (Sample) with a threshold; what stays beyond it fires,
// what comes back with a margin resolves (Watcher). Both are told over channels: a signed webhook,
// e-mail, or any HTTP API by template (Telegram and its like). Book keeps rules and channels.
//
// Watcher owns two goroutines between Start and Stop: one that measures, one that sends. Of
// several nodes one may run at a time.
package alert

import (
	"errors"
	"fmt"
	"time"
)

// Errors of a Book.
var (
	ErrUnknown = errors.New("there is no such alert rule or channel")
	ErrFull    = fmt.Errorf("there are %d channels already", MaxChannels)
)

// FieldError says what is wrong with a field of a rule or channel.
type FieldError struct{ Field, Detail string }

// Error implements error.
func (e *FieldError) Error() string { return e.Field + " " + e.Detail }

// State of an alert.
type State string

// The states that are told.
const (
	Firing   State = "firing"
	Resolved State = "resolved"
	Test     State = "test" // somebody tries a channel
)

// Alert is one change that people are told, and what history keeps.
type Alert struct {
	Rule      string    `json:"rule"`
	Subject   string    `json:"subject"` // connector, account, endpoint; empty: the platform
	State     State     `json:"state"`
	Value     float64   `json:"value"`
	Threshold float64   `json:"threshold"`
	Summary   string    `json:"summary"`
	Since     time.Time `json:"since"` // when it began to be so
	At        time.Time `json:"at"`
}

// Sample is a measurement that a rule judges.
type Sample struct {
	Rule    string
	Subject string
	Value   float64
}
