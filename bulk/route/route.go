// Package route decides which connector carries a message. Router holds an immutable
// Table behind an atomic pointer: messages read it without a lock, a change builds a
// new Table and swaps it. The package starts no goroutine.
package route

import (
	"errors"
	"fmt"
	"sync/atomic"

	"protei-bulk/bulk/message"
)

// Query is what a rule may look at.
type Query struct {
	Account      uint32
	Source, Dest message.Address
	Priority     message.Priority
}

// Connector is one way to SMSCs, as routing sees it.
type Connector struct {
	ID       uint16 // from 1 on; stored with each message as its lane
	Name     string
	Disabled bool
	State    *State // nil: always up
}

// Table is a compiled set of rules. It never changes.
type Table struct {
	connectors []Connector
	enabled    []Connector
}

// NewTable builds a table that sends everything to the first connector that is up, else to
// the first that is not stopped, else to the first. Without one that is enabled nothing has
// a route. IDs are unique and not zero.
func NewTable(connectors []Connector) (*Table, error) {
	t := &Table{connectors: append([]Connector(nil), connectors...)}
	seen := make(map[uint16]bool, len(connectors))
	for _, c := range connectors {
		if c.ID == 0 || seen[c.ID] {
			return nil, fmt.Errorf("connector %q: the id %d is zero or taken", c.Name, c.ID)
		}
		seen[c.ID] = true
		if !c.Disabled {
			t.enabled = append(t.enabled, c)
		}
	}
	return t, nil
}

// Route returns the connector for q; false when there is none.
func (t *Table) Route(q *Query) (Connector, bool) {
	if len(t.enabled) == 0 {
		return Connector{}, false
	}
	best := 0
	for i := range t.enabled {
		condition := t.enabled[i].State.Condition()
		if condition == Up {
			return t.enabled[i], true
		}
		if condition < t.enabled[best].State.Condition() {
			best = i
		}
	}
	return t.enabled[best], true
}

// Connectors returns the connectors in the order given. The caller must not change them.
func (t *Table) Connectors() []Connector { return t.connectors }

// Name returns the name of a connector, or "" for an unknown one.
func (t *Table) Name(id uint16) string {
	for i := range t.connectors {
		if t.connectors[i].ID == id {
			return t.connectors[i].Name
		}
	}
	return ""
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

// Route returns the connector for q; false when there is none.
func (r *Router) Route(q *Query) (Connector, bool) { return r.table.Load().Route(q) }
