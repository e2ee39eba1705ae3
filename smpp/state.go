package smpp

import (
	"bytes"
	"fmt"
)

// MessageState is where the SMSC sees a message (SMPP 3.4 §5.2.28).
type MessageState byte

// The message states.
const (
	StateEnroute       MessageState = 1
	StateDelivered     MessageState = 2
	StateExpired       MessageState = 3
	StateDeleted       MessageState = 4
	StateUndeliverable MessageState = 5
	StateAccepted      MessageState = 6
	StateUnknown       MessageState = 7
	StateRejected      MessageState = 8
)

// Final reports whether the state is an end. ENROUTE and ACCEPTED are not.
func (m MessageState) Final() bool {
	switch m {
	case StateDelivered, StateExpired, StateDeleted, StateUndeliverable, StateUnknown, StateRejected:
		return true
	default:
		return false
	}
}

// Stat returns the seven letters used in the text of a receipt (SMPP 3.4 appendix B),
// UNKNOWN for a state that the standard does not define.
func (m MessageState) Stat() string {
	switch m {
	case StateEnroute:
		return "ENROUTE"
	case StateDelivered:
		return "DELIVRD"
	case StateExpired:
		return "EXPIRED"
	case StateDeleted:
		return "DELETED"
	case StateUndeliverable:
		return "UNDELIV"
	case StateAccepted:
		return "ACCEPTD"
	case StateRejected:
		return "REJECTD"
	default:
		return "UNKNOWN"
	}
}

// String returns Stat, or the number of an undefined state.
func (m MessageState) String() string {
	if m == 0 || m > StateRejected {
		return fmt.Sprintf("state %d", byte(m))
	}
	return m.Stat()
}

// ParseStat reads the stat of a receipt in any case, with the spellings that SMSCs
// use besides the standard's. It reports false for an unknown one.
func ParseStat(stat []byte) (MessageState, bool) {
	var buf [9]byte
	if len(stat) > len(buf) {
		return 0, false
	}
	for i, c := range stat {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		buf[i] = c
	}
	switch string(bytes.TrimSpace(buf[:len(stat)])) {
	case "DELIVRD", "DELIVERED", "DELIVERD":
		return StateDelivered, true
	case "EXPIRED":
		return StateExpired, true
	case "DELETED":
		return StateDeleted, true
	case "UNDELIV", "FAILED", "FAIL":
		return StateUndeliverable, true
	case "ACCEPTD", "ACCEPTED", "ACKED":
		return StateAccepted, true
	case "REJECTD", "REJECTED":
		return StateRejected, true
	case "ENROUTE", "BUFFRED", "BUFFERED":
		return StateEnroute, true
	case "UNKNOWN":
		return StateUnknown, true
	default:
		return 0, false
	}
}
