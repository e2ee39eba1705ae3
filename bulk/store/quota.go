package store

import "fmt"

// QuotaLeft is what a day or a month has left for an account.
type QuotaLeft struct {
	Month       bool  // else a day
	To          int64 // Unix ms
	Parts, Left int64
}

// QuotaError refuses messages that do not fit in what other nodes have left of the account's
// quotas: those are named that have too little, the day's first. None of the messages is accepted.
type QuotaError struct{ Quotas []QuotaLeft }

// Error implements error.
func (e *QuotaError) Error() string {
	return fmt.Sprintf("store: %d of %d parts are left of a quota", e.Quotas[0].Left, e.Quotas[0].Parts)
}
