package dispatch

import (
	"math/rand/v2"
	"time"

	"protei-bulk/bulk/upstream"
	"protei-bulk/smpp"
)

// Class is what a command_status of submit_sm_resp means for the message.
type Class uint8

// The classes.
const (
	Accepted  Class = iota // the SMSC has it
	Throttle               // the bind pauses, the same part goes again first
	Temporary              // the message tries again later
	Permanent              // the message is REJECTED
	Failing                // the message is FAILED
	NoRoute                // the message goes to its rule's next connector, or is REJECTED after the last
)

// classify is the one place that decides (SMPP.md item 39): too fast, try again,
// or never. What is in no list is permanent.
func (d *Dispatcher) classify(st smpp.Status) Class {
	if st == smpp.ROK {
		return Accepted
	}
	if c, ok := d.o.Classes[st]; ok {
		return c
	}
	switch {
	case upstream.Throttled(st):
		return Throttle
	case st == smpp.RSYSERR, st == smpp.RXTAPPN, st == smpp.RDELIVERYFAILURE, st == smpp.RUNKNOWNERR,
		st == smpp.RINVBNDSTS, st == smpp.RSERTYPUNAVAIL:
		return Temporary
	}
	return Permanent
}

// backoff returns how long a message waits after so many failed tries: RetryMin, doubled
// each time up to RetryMax, and up to a tenth more or less.
func (d *Dispatcher) backoff(attempts uint8) time.Duration {
	wait := d.o.RetryMax
	if attempts < 30 {
		wait = min(d.o.RetryMin<<attempts, d.o.RetryMax)
	}
	return wait - wait/10 + rand.N(wait/5+1)
}

// afterCut is backoff for a message that was in flight when its link ended, which is not its
// fault: the first time it goes at once. Whatever ends each link that it goes over does not get
// there again and again.
func (d *Dispatcher) afterCut(attempts uint8) time.Duration {
	if attempts == 0 {
		return 0
	}
	return d.backoff(attempts - 1)
}
