package message

import (
	"fmt"
	"strings"
)

// Inbound is a mobile-originated message (MO) as an SMSC brought it, or one part of a long
// one. It is never written after it was given to the store: a change makes a copy.
type Inbound struct {
	ID           ID
	Connector    uint16 // it came from
	Source, Dest Address
	DataCoding   uint8  // SMPP 3.4 §5.2.19
	ESMClass     uint8  // SMPP 3.4 §5.2.12; with UDHI Octets start with a user data header
	ProtocolID   uint8  // SMPP 3.4 §5.2.13
	Octets       []byte // short_message or message_payload
	ReceivedAt   int64  // Unix ms

	// Ref, Total and Seq tell the parts of a long message: Seq of Total, 1-based. Seq is 0 in
	// one that is whole; Parts is how many it was joined from.
	Ref   uint16
	Wide  bool // Ref has 16 bits
	Total uint8
	Seq   uint8
	Parts uint8

	// Consumed are the parts that a joined message takes the place of. The store forgets
	// them in the same record and does not keep the list.
	Consumed []ID

	InboundState
}

// InboundState is what changes of an Inbound.
type InboundState struct {
	Status  InboundStatus
	Account uint32 // whose it is; 0: nobody's
	Route   ID     // that chose the account; 0: none
	URL     string // webhook it goes to; empty: the account's SMPP binds
	DoneAt  int64  // Unix ms of its end, 0: none yet
}

// InboundChange is one change of one Inbound: the unit that the store records.
type InboundChange struct {
	ID ID
	InboundState
}

// InboundStatus is where an Inbound stands.
type InboundStatus uint8

// The statuses of an Inbound. The numbers are stored: never renumber them.
const (
	InboundPart      InboundStatus = iota + 1 // waits for the other parts of its message
	InboundOpen                               // the customer does not have it yet
	InboundDelivered                          // the customer confirmed it
	InboundUnrouted                           // no route wants it
	InboundExpired                            // a part whose message was not complete in time
	InboundFailed                             // given up: nobody took it in time
	numInboundStatus
)

var inboundNames = [numInboundStatus]string{
	InboundPart: "PART", InboundOpen: "PENDING", InboundDelivered: "DELIVERED",
	InboundUnrouted: "NO_ROUTE", InboundExpired: "EXPIRED", InboundFailed: "FAILED",
}

// String returns the name used in the API.
func (s InboundStatus) String() string {
	if s == 0 || s >= numInboundStatus {
		return fmt.Sprintf("InboundStatus(%d)", uint8(s))
	}
	return inboundNames[s]
}

// Valid reports whether s is one of the statuses.
func (s InboundStatus) Valid() bool { return s > 0 && s < numInboundStatus }

// Ended reports whether nothing more is expected to happen.
func (s InboundStatus) Ended() bool { return s > InboundOpen && s < numInboundStatus }

// ParseInboundStatus reads a name in any case.
func ParseInboundStatus(name string) (InboundStatus, error) {
	for s := InboundPart; s < numInboundStatus; s++ {
		if strings.EqualFold(inboundNames[s], name) {
			return s, nil
		}
	}
	return 0, fmt.Errorf("unknown status %q: one of %s", name, strings.Join(inboundNames[1:], ", "))
}

// InboundQuery selects Inbounds, newest first. Zero fields do not filter.
type InboundQuery struct {
	Account  uint32
	Status   InboundStatus
	From, To string // exact address
	Below    ID     // only ids below it
	Limit    int    // at most 1,000
}

// Matches reports whether m is selected, Limit aside.
func (q *InboundQuery) Matches(m *Inbound) bool {
	return (q.Account == 0 || m.Account == q.Account) && (q.Status == 0 || m.Status == q.Status) &&
		(q.From == "" || m.Source.Addr == q.From) && (q.To == "" || m.Dest.Addr == q.To) && (q.Below == 0 || m.ID < q.Below)
}
