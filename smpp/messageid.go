package smpp

import "strconv"

// IDFormat is how a message_id is written. Peers convert between the bases, so ids have
// no leading zeros (item 62 of SMPP.md).
type IDFormat uint8

// The formats of a message_id.
const (
	IDHex     IDFormat = iota // lower-case hexadecimal
	IDDecimal                 // decimal
)

// AppendMessageID appends id as text.
func AppendMessageID(dst []byte, id uint64, f IDFormat) []byte {
	if f == IDDecimal {
		return strconv.AppendUint(dst, id, 10)
	}
	return strconv.AppendUint(dst, id, 16)
}

// ParseMessageID reads a number in the given format, in either case of letters and with
// leading zeros. It reports false for anything else.
func ParseMessageID(b []byte, f IDFormat) (uint64, bool) {
	base := 16
	if f == IDDecimal {
		base = 10
	}
	for _, c := range b {
		if c == '_' || c == '+' || c == '-' {
			return 0, false
		}
	}
	id, err := strconv.ParseUint(string(b), base, 64)
	return id, err == nil
}

// ValidMessageID reports whether b is a message_id that any peer takes: 1 to 64 of
// 0-9, A-Z, a-z and the hyphen.
func ValidMessageID(b []byte) bool {
	if len(b) == 0 || len(b) >= sizeMessageID {
		return false
	}
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-':
		default:
			return false
		}
	}
	return true
}
