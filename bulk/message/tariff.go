package message

import (
	"fmt"
	"slices"
	"strings"
)

// Tariff is what a message costs and who pays. It is fixed at accept and never changes;
// messages may share one.
type Tariff struct {
	Price   int64   // of a part, in millionths of the payer's currency; above 0
	Payer   uint32  // account whose balance pays
	Refunds Refunds // what is paid back
}

// Refunds says for which final states of a part its price is paid back. The bits are stored.
type Refunds uint8

// The bits. A part is sent once the SMSC took it (submit_sm_resp ESME_ROK).
const (
	RefundRejected      Refunds = 1 << iota // the SMSC's verdict, in its response or receipt
	RefundFailedUnsent                      // FAILED before it was sent
	RefundFailed                            // FAILED after it was sent
	RefundExpiredUnsent                     // EXPIRED before it was sent
	RefundExpired                           // EXPIRED after it was sent
	RefundCancelled
	allRefunds = 1<<iota - 1
)

// DefaultRefunds charge for what was submitted.
const DefaultRefunds = RefundRejected | RefundFailedUnsent | RefundExpiredUnsent | RefundCancelled

// Valid reports whether r has bits that are known only.
func (r Refunds) Valid() bool { return r&^allRefunds == 0 }

// gives reports whether a part that ends in s is paid back. UNKNOWN never is: a late receipt
// may still make DELIVERED of it.
func (r Refunds) gives(s Status, sent bool) bool {
	var bit Refunds
	switch {
	case s == Rejected:
		bit = RefundRejected
	case s == Cancelled:
		bit = RefundCancelled
	case s == Failed && sent:
		bit = RefundFailed
	case s == Failed:
		bit = RefundFailedUnsent
	case s == Expired && sent:
		bit = RefundExpired
	case s == Expired:
		bit = RefundExpiredUnsent
	}
	return r&bit != 0
}

// OpenParts counts the parts to which something may still happen: neither final, nor sent
// without a receipt wanted.
func (m *Message) OpenParts() (n int) {
	for i := range m.Parts {
		s := m.Parts[i].Status
		if !s.Final() && (s != Sent || m.Flags&WantReceipt != 0) {
			n++
		}
	}
	return n
}

// Charged is what the message costs its payer by now, in millionths.
func (m *Message) Charged() int64 {
	if m.Tariff == nil {
		return 0
	}
	return m.Tariff.Price * int64(len(m.Parts)-int(m.Refunded))
}

// refundNames are the names of the bits in the API, by bit.
var refundNames = [...]string{"REJECTED", "FAILED_UNSENT", "FAILED", "EXPIRED_UNSENT", "EXPIRED", "CANCELLED"}

// Names lists what is paid back: FAILED and EXPIRED are the sent and the unsent.
func (r Refunds) Names() []string {
	names := []string{}
	for i, name := range refundNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// ParseRefunds is the inverse of Names; FAILED and EXPIRED include the unsent.
func ParseRefunds(names []string) (r Refunds, err error) {
	for _, name := range names {
		i := slices.Index(refundNames[:], strings.ToUpper(name))
		if i < 0 {
			return 0, fmt.Errorf("%q is none of %s", name, strings.Join(refundNames[:], ", "))
		}
		r |= 1 << i
	}
	if r&RefundFailed != 0 {
		r |= RefundFailedUnsent
	}
	if r&RefundExpired != 0 {
		r |= RefundExpiredUnsent
	}
	return r, nil
}
