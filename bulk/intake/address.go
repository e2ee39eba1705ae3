package intake

import (
	"fmt"
	"strings"

	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

// Types of number and numbering plans, SMPP 3.4 §5.2.5 and §5.2.6.
const (
	tonUnknown         = 0
	tonInternational   = 1
	tonNetworkSpecific = 3
	tonAlphanumeric    = 5
	npiUnknown         = 0
	npiISDN            = 1
)

// Bounds of addresses.
const (
	maxWritten      = 40 // characters of an address as a customer may write it
	maxAlphanumeric = 11 // 3GPP TS 23.040 §9.1.2.5: 11 septets
	maxDigits       = 20 // SMPP 3.4 §4.4.1: 20 octets
	maxE164         = 15 // ITU-T E.164 §6.2
	minInternat     = 7
	minRecipient    = 5
	maxShortCode    = 8
)

// parseSender reads a sender: up to 11 letters, digits and signs of the GSM alphabet, a
// number with + of 7 to 15 digits, a short code, or up to 20 digits. detail says what is
// wrong with it.
func parseSender(s string) (a message.Address, detail string) {
	trimmed := strings.TrimSpace(s)
	if trimmed == "" {
		return a, "is empty"
	}
	if len(s) > 4*maxWritten {
		return a, fmt.Sprintf("has %d octets; at most 11 letters and digits, or 20 digits, are allowed", len(s))
	}
	if digits, plus, ok := parseDigits(trimmed); ok {
		switch {
		case plus && (len(digits) < minInternat || len(digits) > maxE164 || digits[0] == '0'):
			return a, fmt.Sprintf("%s is not an international number: + and 7 to 15 digits, the first not 0", quote(s))
		case plus:
			return message.Address{TON: tonInternational, NPI: npiISDN, Addr: digits}, ""
		case len(digits) > maxDigits:
			return a, fmt.Sprintf("%s has %d digits, at most %d are allowed", quote(s), len(digits), maxDigits)
		case len(digits) <= maxShortCode:
			return message.Address{TON: tonNetworkSpecific, NPI: npiUnknown, Addr: digits}, ""
		case len(digits) >= 11 && len(digits) <= maxE164 && digits[0] != '0':
			return message.Address{TON: tonInternational, NPI: npiISDN, Addr: digits}, ""
		}
		return message.Address{TON: tonUnknown, NPI: npiISDN, Addr: digits}, ""
	}
	n, ok := gsm.Septets(trimmed)
	switch {
	case !ok || !isASCIIText(trimmed):
		return a, fmt.Sprintf("%s has characters that a sender cannot have: use letters, digits and spaces of ASCII", quote(s))
	case n > maxAlphanumeric:
		return a, fmt.Sprintf("%s has %d characters, at most %d are allowed in a sender with letters", quote(s), n, maxAlphanumeric)
	}
	return message.Address{TON: tonAlphanumeric, NPI: npiUnknown, Addr: strings.Clone(trimmed)}, ""
}

// parseRecipient reads a phone number into dst: digits with an optional + in front;
// spaces, dots, hyphens, slashes and round brackets between them are left out. dst must
// have room for maxDigits octets. detail says what is wrong.
func parseRecipient(dst []byte, s string) (digits []byte, ton uint8, detail string) {
	if len(s) > maxWritten {
		return dst, 0, fmt.Sprintf("has %d characters; a phone number has at most 15 digits", len(s))
	}
	digits = dst[:0]
	plus := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		case c == '+' && len(digits) == 0 && !plus:
			plus = true
		case isSeparator(c):
		default:
			return digits, 0, fmt.Sprintf("%s is not a phone number: digits with an optional + in front, character %d is neither", quote(s), i+1)
		}
	}
	switch n := len(digits); {
	case n == 0:
		return digits, 0, fmt.Sprintf("%s has no digits", quote(s))
	case n > maxE164:
		return digits, 0, fmt.Sprintf("%s has %d digits, at most %d are allowed", quote(s), n, maxE164)
	case plus && n < minInternat:
		return digits, 0, fmt.Sprintf("%s has %d digits, an international number has at least %d", quote(s), n, minInternat)
	case plus && digits[0] == '0':
		return digits, 0, fmt.Sprintf("%s starts with +0, which no country code does", quote(s))
	case n < minRecipient:
		return digits, 0, fmt.Sprintf("%s has %d digits, at least %d are needed", quote(s), n, minRecipient)
	case plus, n > 10 && digits[0] != '0':
		return digits, tonInternational, ""
	}
	return digits, tonUnknown, ""
}

func isSeparator(c byte) bool {
	switch c {
	case ' ', '-', '.', '(', ')', '/':
		return true
	}
	return false
}

// parseDigits returns the digits of a number with optional + and separators.
func parseDigits(s string) (digits string, plus, ok bool) {
	var b []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			b = append(b, c)
		case c == '+' && len(b) == 0 && !plus:
			plus = true
		case isSeparator(c):
		default:
			return "", false, false
		}
	}
	return string(b), plus, len(b) > 0
}

func isASCIIText(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// quote shows a customer's value in an error, shortened.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		return fmt.Sprintf("%.40q…", s)
	}
	return fmt.Sprintf("%q", s)
}
