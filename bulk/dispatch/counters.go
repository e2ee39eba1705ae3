package dispatch

import "sync/atomic"

// counters are what a dispatcher has seen since it began.
type counters struct {
	submitted, throttled, temporary, rejected, lost, retried, gaveUp, expired, suspects, noID, moved atomic.Uint64

	receipts, intermediate, malformed, resolved, parked, refused, notStored, inbound atomic.Uint64
}

// Counters is a picture of them.
type Counters struct {
	Submitted uint64 // parts that the SMSC took
	Throttled uint64 // answers that asked to slow down
	Temporary uint64 // other answers that ask for another try
	Rejected  uint64 // parts refused for good
	Lost      uint64 // parts whose answer never came
	Retried   uint64 // messages put back to try again
	GaveUp    uint64 // messages without time or tries for another one
	Expired   uint64 // messages whose validity ended before they were sent
	Suspects  uint64 // messages that the process before this one may have sent
	NoID      uint64 // answers without message_id
	Moved     uint64 // messages given to another connector because this SMSC has no way for them

	Receipts     uint64 // final receipts
	Intermediate uint64 // receipts of a state that is not final
	Malformed    uint64 // deliver_sm marked as receipts that are none
	Resolved     uint64 // receipts whose message was found on disk
	Parked       uint64 // receipts without a message, left to the store
	Refused      uint64 // receipts sent away because too many waited for a lookup
	NotStored    uint64 // receipts answered ESME_RX_T_APPN
	Inbound      uint64 // mobile-originated messages and parts of them

	InFlight int64 // messages with the SMSC, without an outcome
	Unsynced int64 // results that are not durable yet
}

// Counters returns the present values.
func (d *Dispatcher) Counters() Counters {
	c := &d.counters
	return Counters{
		Submitted: c.submitted.Load(), Throttled: c.throttled.Load(), Temporary: c.temporary.Load(),
		Rejected: c.rejected.Load(), Lost: c.lost.Load(), Retried: c.retried.Load(), GaveUp: c.gaveUp.Load(),
		Expired: c.expired.Load(), Suspects: c.suspects.Load(), NoID: c.noID.Load(), Moved: c.moved.Load(),
		Receipts: c.receipts.Load(), Intermediate: c.intermediate.Load(), Malformed: c.malformed.Load(),
		Resolved: c.resolved.Load(), Parked: c.parked.Load(), Refused: c.refused.Load(),
		NotStored: c.notStored.Load(), Inbound: c.inbound.Load(),
		InFlight: d.flying.Load(), Unsynced: d.unsynced.Load(),
	}
}
