package money

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"protei-bulk/bulk/message"
)

// Kind says why money moved. The numbers are stored.
type Kind uint8

// The kinds of movement.
const (
	TopUp      Kind = iota + 1 // paid in
	Adjustment                 // a correction, up or down
	Transfer                   // between a parent and its child
	numKind
)

var kindNames = [numKind]string{TopUp: "TOP_UP", Adjustment: "ADJUSTMENT", Transfer: "TRANSFER"}

// String returns the name used in the API.
func (k Kind) String() string {
	if k == 0 || k >= numKind {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Valid reports whether k is one of the kinds.
func (k Kind) Valid() bool { return k > 0 && k < numKind }

// Bounds of a movement's texts, in characters.
const (
	MaxReference = 64
	MaxNote      = 256
)

// Movement is one change of a balance that is no message: a delta, never a new balance.
type Movement struct {
	ID        message.ID
	Account   uint32
	Kind      Kind
	Amount    Amount // that the account gets; negative: that it loses
	Peer      uint32 // Transfer: the account that loses or gets it; else 0
	By        uint32 // account that asked for it
	At        int64  // Unix ms
	Reference string // unique for the account, unless empty: the same one again changes nothing
	Note      string
}

// Same reports whether o is the same movement asked for again.
func (m *Movement) Same(o *Movement) bool {
	return m.Account == o.Account && m.Kind == o.Kind && m.Amount == o.Amount && m.Peer == o.Peer
}

// Errors of movements that callers tell apart.
var (
	// ErrInsufficient: the account that would lose money has too little.
	ErrInsufficient = errors.New("the balance does not suffice")
	// ErrReferenceUsed: another movement of the account has the reference.
	ErrReferenceUsed = errors.New("the reference belongs to another movement")
	// ErrTooMuch: the balance would be beyond what can be counted.
	ErrTooMuch = errors.New("the balance would be too large")
)

// FieldError names the field of a movement that cannot be accepted.
type FieldError struct{ Field, Detail string }

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Detail }

// Validate names every fault at once, joined; each one is a *FieldError.
func (m *Movement) Validate() error {
	var faults []error
	bad := func(field, detail string) { faults = append(faults, &FieldError{field, detail}) }
	switch {
	case m.Amount == 0:
		bad("amount", "is needed, and not 0")
	case m.Kind != Adjustment && m.Kind != Transfer && m.Amount < 0:
		bad("amount", "is above 0: take money back with an adjustment")
	case m.Amount > MaxAmount || m.Amount < -MaxAmount:
		bad("amount", "is at most "+MaxAmount.String())
	}
	for _, f := range []struct {
		field, text string
		most        int
	}{{"reference", m.Reference, MaxReference}, {"note", m.Note, MaxNote}} {
		if utf8.RuneCountInString(f.text) > f.most || strings.ContainsFunc(f.text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			bad(f.field, fmt.Sprintf("has at most %d printable characters", f.most))
		}
	}
	return errors.Join(faults...)
}

// Balance is the money of one account: sums of deltas since it exists. Charged and Refunded
// come from its messages, Credits from its movements.
type Balance struct {
	Credits  Amount // all movements
	Charged  Amount // accepted messages
	Refunded Amount // of Charged
	Reserved Amount // of Charged: parts without a final state, which may be refunded
	Held     Amount // messages and movements that are not durable yet
	Left     Amount // counted on its own: Credits − Charged + Refunded − Held, or the books do not close
}

// Closes reports whether the sums give what is left.
func (b *Balance) Closes() bool { return b.Credits-b.Charged+b.Refunded-b.Held == b.Left }
