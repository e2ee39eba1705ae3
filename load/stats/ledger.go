package stats

import "time"

// Final is the final state that a delivery receipt reports.
type Final uint8

// Final states as the ledger sees them: everything that is final but not delivered (FAILED, REJECTED, EXPIRED,
// CANCELLED, UNKNOWN) is [FinalFailed]. Intermediate receipts are not passed to the ledger.
const (
	FinalDelivered Final = 1
	FinalFailed    Final = 2
)

// Effect tells what a receipt did to the ledger.
type Effect uint8

// Effects of a receipt.
const (
	Settled   Effect = iota // the message's first final receipt
	Duplicate               // the message was settled before
	Unknown                 // no such message was submitted by this worker, or it was rejected
	Parked                  // by SMSC id only: the receipt came before the response; kept until it comes
)

// Resolution is the answer to "what became of it?" for a message still open after the drain.
type Resolution uint8

// Resolutions, see DESIGN.md: pending = the target still says PENDING or SENT; lost = the target says it is final or
// unknown, or cannot be asked.
const (
	ResolvedPending Resolution = 1
	ResolvedLost    Resolution = 2
)

// LedgerOptions configure a [Ledger]; the zero value is useful.
type LedgerOptions struct {
	Run       uint32 // identifies the run in client_ref
	Worker    uint16
	MaxIDs    int // SMSC ids in flight, default 4,000,000; beyond it an id is not kept and IDsRefused counts
	MaxParked int // receipts waiting for their response, default 65,536; beyond it a receipt counts as unknown
	Stripes   int // counter stripes, default 2×GOMAXPROCS
}

// Counts are the ledger's totals. They close:
//
//	Issued   = Accepted + Rejected + Unanswered + Awaiting
//	Accepted = Delivered + Failed + Open + Pending + Lost
//
// A receipt for an unanswered message proves that it was accepted and moves it from Unanswered to Accepted.
type Counts struct {
	Issued, Accepted, Rejected, Unanswered, Awaiting uint64
	Delivered, Failed, Open, Pending, Lost           uint64
	Receipts                                         uint64 // all receipts that came, duplicates and unknown ones included
	Duplicates                                       uint64 // receipts for messages settled before
	UnknownReceipts                                  uint64 // receipts without a submit
	EarlyReceipts                                    uint64 // receipts before the response
	Parked                                           uint64 // of the early ones: still waiting for their response
	IDsRefused                                       uint64 // SMSC ids not kept because MaxIDs was reached
}

// OpenMessage is a message without a final receipt.
type OpenMessage struct {
	Seq      uint64
	ID       uint64        // the target's message id when it is 16 hex digits, else 0
	Sent     time.Duration // since the start of the run
	Answered bool          // accepted; false = awaiting or unanswered
}
