package suppression

import (
	"errors"
	"fmt"
)

// Number is a phone number of 3 to 15 digits in one word: its digits as a number, shifted by
// four bits, and how many they are, so that leading zeros count.
type Number uint64

const (
	minDigits  = 3
	maxDigits  = 15 // ITU-T E.164 §6.2
	lengthBits = 4
	// maxWritten bounds a number as people write it.
	maxWritten = 40
)

var errDigits = errors.New("has no 3 to 15 digits")

// ParseNumber reads digits with an optional + in front; spaces, dots, hyphens, slashes and
// round brackets between them are left out, as they are in recipients.
func ParseNumber(text string) (Number, error) {
	if len(text) > maxWritten {
		return 0, fmt.Errorf("%.40q… %w", text, errDigits)
	}
	var value uint64
	count := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			if count++; count > maxDigits {
				return 0, fmt.Errorf("%q %w", text, errDigits)
			}
			value = value*10 + uint64(c-'0')
		case c == '+' && count == 0:
		case c == ' ', c == '-', c == '.', c == '(', c == ')', c == '/':
		default:
			return 0, fmt.Errorf("%q is not a number: character %d is neither a digit nor between digits", text, i+1)
		}
	}
	if count < minDigits {
		return 0, fmt.Errorf("%q %w", text, errDigits)
	}
	return Number(value<<lengthBits | uint64(count)), nil
}

// numberOf packs digits, and returns 0 for what is none: no list has it.
func numberOf(digits string) Number {
	var value uint64
	if len(digits) > 0 && digits[0] == '+' {
		digits = digits[1:]
	}
	if len(digits) < minDigits || len(digits) > maxDigits {
		return 0
	}
	for i := 0; i < len(digits); i++ {
		c := digits[i] - '0'
		if c > 9 {
			return 0
		}
		value = value*10 + uint64(c)
	}
	return Number(value<<lengthBits | uint64(len(digits)))
}

// String returns the digits.
func (n Number) String() string {
	count := int(n & (1<<lengthBits - 1))
	var digits [maxDigits + 1]byte
	value := uint64(n >> lengthBits)
	for i := count - 1; i >= 0; i-- {
		digits[i] = byte('0' + value%10)
		value /= 10
	}
	return string(digits[:count])
}
