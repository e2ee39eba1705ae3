package message

import (
	"fmt"
	"strings"
)

// Status is where a message, or one part of it, stands.
type Status uint8

// The statuses of a message. The numbers are stored: never renumber them.
const (
	Pending   Status = iota + 1 // accepted and durable, waiting for its turn
	Scheduled                   // accepted, not due yet
	Sent                        // the SMSC took it; a receipt may follow
	Held                        // its outcome is unclear after a crash and the connector's policy says hold
	Delivered                   // final: the receipt says so
	Failed                      // final: undeliverable, or retries used up
	Rejected                    // final: the SMSC refused it for good
	Expired                     // final: its validity period ended
	Cancelled                   // final: the customer withdrew it
	Unknown                     // final, but a late receipt may still correct it
	numStatus
)

var statusNames = [numStatus]string{
	Pending: "PENDING", Scheduled: "SCHEDULED", Sent: "SENT", Held: "HELD", Delivered: "DELIVERED",
	Failed: "FAILED", Rejected: "REJECTED", Expired: "EXPIRED", Cancelled: "CANCELLED", Unknown: "UNKNOWN",
}

// Statuses lists every status in the order of their numbers.
func Statuses() []Status {
	all := make([]Status, 0, numStatus-1)
	for s := Pending; s < numStatus; s++ {
		all = append(all, s)
	}
	return all
}

// String returns the name used in the API.
func (s Status) String() string {
	if s == 0 || s >= numStatus {
		return fmt.Sprintf("Status(%d)", uint8(s))
	}
	return statusNames[s]
}

// ParseStatus reads a name in any case.
func ParseStatus(name string) (Status, error) {
	for s := Pending; s < numStatus; s++ {
		if strings.EqualFold(statusNames[s], name) {
			return s, nil
		}
	}
	return 0, fmt.Errorf("unknown status %q: one of %s", name, strings.Join(statusNames[1:], ", "))
}

// Receipt returns the word for the status in the text of a delivery receipt (SMPP 3.4
// appendix B); UNKNOWN for one that no receipt tells.
func (s Status) Receipt() string {
	switch s {
	case Sent:
		return "ACCEPTD"
	case Delivered:
		return "DELIVRD"
	case Failed:
		return "UNDELIV"
	case Rejected:
		return "REJECTD"
	case Expired:
		return "EXPIRED"
	case Cancelled:
		return "DELETED"
	default:
		return "UNKNOWN"
	}
}

// Final reports whether nothing more is expected to happen. UNKNOWN is final
// although a receipt that comes very late may still correct it.
func (s Status) Final() bool { return s >= Delivered && s < numStatus }

// Waiting reports whether the SMSC has not been given the message yet.
func (s Status) Waiting() bool { return s == Pending || s == Scheduled || s == Held }

// next holds, for each status, the ones that may follow it.
var next = [numStatus]uint16{
	Pending:   1<<Pending | 1<<Scheduled | 1<<Sent | 1<<Held | 1<<Delivered | 1<<Failed | 1<<Rejected | 1<<Expired | 1<<Cancelled | 1<<Unknown,
	Scheduled: 1<<Pending | 1<<Expired | 1<<Cancelled,
	Sent:      1<<Sent | 1<<Pending | 1<<Held | 1<<Delivered | 1<<Failed | 1<<Rejected | 1<<Expired | 1<<Cancelled | 1<<Unknown,
	Held:      1<<Pending | 1<<Sent | 1<<Delivered | 1<<Failed | 1<<Rejected | 1<<Expired | 1<<Cancelled | 1<<Unknown,
	Unknown:   1<<Delivered | 1<<Failed | 1<<Rejected | 1<<Expired,
}

// CanBecome reports whether a part may go from s to t. A final status is never
// overwritten, except UNKNOWN by a receipt.
func (s Status) CanBecome(t Status) bool {
	return s < numStatus && t < numStatus && next[s]&(1<<t) != 0
}

// Priority orders lanes of one connector. The numbers are stored.
type Priority uint8

// The priorities, lowest first.
const (
	Low Priority = iota
	Normal
	High
	Critical
	// NumPriorities is the number of lanes a connector has.
	NumPriorities
)

var priorityNames = [NumPriorities]string{"LOW", "NORMAL", "HIGH", "CRITICAL"}

// String returns the name used in the API.
func (p Priority) String() string {
	if p >= NumPriorities {
		return fmt.Sprintf("Priority(%d)", uint8(p))
	}
	return priorityNames[p]
}

// ParsePriority reads a name in any case.
func ParsePriority(name string) (Priority, error) {
	for p, n := range priorityNames {
		if strings.EqualFold(n, name) {
			return Priority(p), nil
		}
	}
	return 0, fmt.Errorf("unknown priority %q: one of %s", name, strings.Join(priorityNames[:], ", "))
}
