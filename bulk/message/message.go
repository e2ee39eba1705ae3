// Package message defines what the platform carries: Message and its Parts, their
// IDs and statuses, and the Events that change them. It starts no goroutine and
// knows no storage.
//
// # Who owns what
//
// A Message is built by intake and fixed at accept: the fields above "state" are
// never written again, so anybody may read them without a lock. The state (Status,
// Parts[i].State, Attempts, …) is written only by the store's apply step, which runs
// the committed events in journal order, under the lock of the store's live
// table; everybody else reads state through the store, or from the copy inside an
// Event.
package message

// Address is an SMPP address (SMPP 3.4 §5.2.5–5.2.9): type of number, numbering plan
// and up to 20 octets of address.
type Address struct {
	TON, NPI uint8
	Addr     string
}

// Flags of a message, fixed at accept.
type Flags uint8

// The flags. The numbers are stored.
const (
	// ViaSMPP: it came by submit_sm; receipts go back by deliver_sm.
	ViaSMPP Flags = 1 << iota
	// WantReceipt: a receipt is asked of the SMSC. Without it SENT ends the message's work.
	WantReceipt
	// NotifyFinal: the customer is told each final state (webhook or deliver_sm).
	NotifyFinal
	// NotifyFailureOnly limits NotifyFinal to states other than DELIVERED (registered_delivery 2).
	NotifyFailureOnly
	// NotifySuccessOnly limits NotifyFinal to DELIVERED (registered_delivery 3 of SMPP 5.0).
	NotifySuccessOnly
	// NotifyIntermediate: the customer is also told states on the way (registered_delivery bit 4).
	NotifyIntermediate
	// Ordered: it leaves behind the messages of its account to the same destination that have
	// this flag and were accepted before it.
	Ordered
)

// Message is one accepted message. See the package comment for who may write what.
type Message struct {
	ID       ID
	Account  uint32 // account.Account.ID
	Batch    ID     // bulk request it came with, or 0
	Campaign ID     // campaign it came from, or 0
	Ordinal  uint32 // 1-based recipient ordinal inside the campaign

	Source, Dest Address

	Encoding   uint8 // gsm.Encoding chosen for the text
	DataCoding uint8 // SMPP 3.4 §5.2.19
	ESMClass   uint8 // SMPP 3.4 §5.2.12, of every part (UDHI included)
	ProtocolID uint8 // SMPP 3.4 §5.2.13
	Priority   Priority
	Flags      Flags
	Callback   Callback // the form in which DLRURL is told

	ClientRef string // the customer's own reference, echoed everywhere
	DLRURL    string // webhook for this message; empty: the account's default

	SubmittedAt int64 // Unix ms
	ScheduleAt  int64 // Unix ms, 0: at once
	ValidUntil  int64 // Unix ms, 0: the platform's default

	// Connector is the lane it belongs to, with Priority. A Requeue may move the message while
	// no part of it is SENT: it is written as state is.
	Connector uint16
	Route     uint32 // number of the routing rule that chose the connector, 0: none

	// Payload holds the short_message octets of all parts, user data header
	// included, one after the other; Parts[i].End says where each one ends.
	Payload []byte

	Tariff *Tariff // nil: it costs nothing

	// ---- state: written by the store's apply step only ----

	Status  Status
	LaneSeq uint64 // position in its lane; 0 once it has been handed to the SMSC
	DueAt   int64  // Unix ms of the next try, 0: at once
	// PossibleDuplicate is set when a crash left it unclear whether the SMSC has it already.
	PossibleDuplicate bool
	Refunded          uint8 // parts whose price was paid back
	// Notify says whether the customer still has to be told the final state.
	Notify NotifyState
	DoneAt int64 // Unix ms of the final state, or 0
	Parts  []Part
	one    [1]Part

	// Store is the bookkeeping of the store that holds the message: nobody else
	// reads or writes it, and a copy of a message carries it for nothing.
	Store Bookkeeping
}

// Bookkeeping is what a store notes about a message it holds. It lives here so that
// the store needs no second table of the same messages.
type Bookkeeping struct {
	Applied uint64 // number of the last journal record that changed the message
	Row     Status // status of its row in the database; 0: it has none
	Flags   uint8  // the store's own
	// Of a message with a Tariff, as its row has it.
	RowOpen     uint8 // OpenParts
	RowRefunded uint8 // Refunded
}

// NotifyState is the outbox state of a message.
type NotifyState uint8

// The outbox states. The numbers are stored.
const (
	NotifyNone NotifyState = iota // nothing to tell, or not final yet
	NotifyOpen                    // final, the customer has not confirmed it
	NotifyDone                    // the customer has it, or it was given up after 72 h
)

// Part is one short message of a long one.
type Part struct {
	End      uint32 // end of its octets in Message.Payload
	Status   Status
	Attempts uint8
	SMSCID   string // message_id the SMSC gave, as it wrote it
	Error    uint32 // command_status of the last failed try, or the receipt's err
	SentAt   int64  // Unix ms of submit_sm_resp
	DoneAt   int64  // Unix ms of the final state
}

// SetParts gives m n parts, all PENDING, without an allocation for n = 1.
func (m *Message) SetParts(n int) {
	if n == 1 {
		m.Parts = m.one[:]
	} else {
		m.Parts = make([]Part, n)
	}
	for i := range m.Parts {
		m.Parts[i] = Part{Status: Pending}
	}
}

// PartPayload returns the short_message octets of part i, aliasing m.Payload.
func (m *Message) PartPayload(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = m.Parts[i-1].End
	}
	return m.Payload[start:m.Parts[i].End:m.Parts[i].End]
}

// Lane identifies one queue: a connector and a priority.
type Lane struct {
	Connector uint16
	Priority  Priority
}

// Lane returns the lane that m waits in.
func (m *Message) Lane() Lane { return Lane{m.Connector, m.Priority} }

// overall derives the message's status from its parts: not final while any part is
// not, and HELD while any part is, which waits for somebody's decision; then the worst
// final one.
func (m *Message) overall() Status {
	worst := Status(0)
	open := Status(0)
	for i := range m.Parts {
		s := m.Parts[i].Status
		if !s.Final() {
			if open == 0 || s == Held || s == Sent && open != Held {
				open = s
			}
			continue
		}
		if severity(s) > severity(worst) {
			worst = s
		}
	}
	if open != 0 {
		return open
	}
	return worst
}

func severity(s Status) int {
	switch s {
	case Delivered:
		return 1
	case Unknown:
		return 2
	case Cancelled:
		return 3
	case Expired:
		return 4
	case Failed:
		return 5
	case Rejected:
		return 6
	default:
		return 0
	}
}
