// Package route decides which connector carries a message. Rules are compiled to an
// immutable Table that Router holds behind an atomic pointer: messages read it without a
// lock, a change builds a new Table and swaps it. Book is the set of rules that the store
// keeps. The package starts no goroutine.
//
// # Which rule
//
// Of the rules that take a message, the one with the highest priority decides; among
// equals the one whose prefix is longest, then the one with more conditions, then the
// oldest. Without any rule, everything goes to the first connector that is up.
//
// # How it is found
//
// A trie over the digits of prefixes for the rules of each account, and one for those that
// name no account. Each rule has a rank, its place in the order above. A look-up walks the
// recipient's number down at most two tries; at each node it looks at the rules whose
// prefix ends there, in the order of their ranks, as long as they are better than what was
// found already.
package route

import (
	"errors"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
)

// Query is what a rule may look at.
type Query struct {
	Account      uint32
	Source, Dest message.Address
	Priority     message.Priority
	Encoding     uint8 // gsm.Encoding
	Parts        int
	Tag          string
	// Text is needed only when NeedsText says so.
	Text string
	At   time.Time // when the message is accepted
}

// Choice is what routing decided.
type Choice struct {
	Rule      uint32 // number of the rule, 0: there are no rules
	Connector uint16
	Price     *money.Amount // of a part, when the rule has one; read only
}

// Connector is one way to SMSCs, as routing sees it.
type Connector struct {
	ID       uint16 // from 1 on; stored with each message as its lane
	Name     string
	Disabled bool
	State    *State // nil: always up
}

// ErrNoTable is returned when a Router gets a nil Table.
var ErrNoTable = errors.New("a router needs a table")

// Router is the table in force. It is safe for concurrent use.
type Router struct{ table atomic.Pointer[Table] }

// NewRouter returns a router over the table.
func NewRouter(t *Table) (*Router, error) {
	r := new(Router)
	return r, r.Swap(t)
}

// Swap puts another table in force for all messages accepted from now on.
func (r *Router) Swap(t *Table) error {
	if t == nil {
		return ErrNoTable
	}
	r.table.Store(t)
	return nil
}

// Table returns the table in force.
func (r *Router) Table() *Table { return r.table.Load() }

// Route returns where q goes; false when no rule takes it.
func (r *Router) Route(q *Query) (Choice, bool) { return r.table.Load().Route(q) }

// NeedsText reports whether a rule looks at texts, so that Query.Text is needed.
func (r *Router) NeedsText() bool { return r.table.Load().needsText }

// NeedsText reports whether a rule looks at texts, so that Query.Text is needed.
func (t *Table) NeedsText() bool { return t.needsText }
