package upstream

import (
	"errors"
	"math/rand/v2"
	"time"

	"protei-bulk/smpp"
)

// reconnect says how long a link waits before it dials again: any time up to a bound (full jitter),
// so that many links do not come at once. The bound begins at least and doubles up to most
//
//   - while the SMSC refuses the bind, or ends it soon a fourth time and more without having taken a
//     message, and
//   - while it cannot be reached, but only after as long as the last bind had held (a minute at
//     least, an hour at most): until then the bound stays at least, and the link is back that soon
//     after the SMSC listens again.
type reconnect struct {
	least, most time.Duration
	bound       time.Duration
	short       int       // binds in a row that ended soon
	patient     time.Time // from then on it also doubles while the SMSC cannot be reached
}

// held is how long a bind must live to be a good one, or as long as the bound, if that is less. One
// over which the SMSC takes a message is good at once.
const held = 10 * time.Second

// forgiven is how many binds in a row may end soon before the bound doubles.
const forgiven = 3

const (
	patienceMin = time.Minute
	patienceMax = time.Hour
)

func newReconnect(least, most time.Duration, now time.Time) reconnect {
	return reconnect{least: least, most: most, bound: least, patient: now.Add(patienceMin)}
}

// ended takes the end of a bind that lived so long, over which the SMSC took messages or none, and
// returns how long to wait.
func (r *reconnect) ended(now time.Time, lived time.Duration, took bool) time.Duration {
	if !took && lived < min(r.bound, held) {
		r.short++
		return r.wait(r.short > forgiven)
	}
	r.bound, r.short = r.least, 0
	if until := now.Add(min(max(lived, patienceMin), patienceMax)); until.After(r.patient) {
		r.patient = until
	}
	return r.wait(false)
}

// failed takes the end of a try to bind, and returns how long to wait.
func (r *reconnect) failed(now time.Time, err error) time.Duration {
	var refused *smpp.StatusError
	return r.wait(errors.As(err, &refused) || now.After(r.patient))
}

func (r *reconnect) wait(doubles bool) time.Duration {
	wait := rand.N(r.bound) + 1
	if doubles {
		r.bound = min(2*r.bound, r.most)
	}
	return wait
}
