// Package money has what balances are made of: Amount, an exact number of millionths of a
// currency's unit, Balance and Movement. Nothing in it rounds, and there are no floating
// point numbers. It starts no goroutine and knows no storage.
package money

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Amount is a sum of money in millionths of its currency's unit: 1.25 is 1,250,000. What
// currency it is in says the account.
type Amount int64

// Unit is one unit of a currency.
const Unit Amount = 1_000_000

// MaxAmount bounds what one movement moves: a thousand million units.
const MaxAmount = 1_000_000_000 * Unit

// decimals are the digits behind the point.
const decimals = 6

// ErrAmount is wrapped by the errors of Parse.
var ErrAmount = errors.New("not an amount")

// Parse reads a decimal number with up to six digits behind the point, such as 12.5 or
// -0.000001. It takes no exponent and no separators, and never rounds.
func Parse(text string) (Amount, error) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, part, point := strings.Cut(digits, ".")
	if whole == "" || point && part == "" || !allDigits(whole) || !allDigits(part) {
		return 0, fmt.Errorf("%w: %q is not a decimal number such as 12.50", ErrAmount, text)
	}
	if len(part) > decimals {
		return 0, fmt.Errorf("%w: %q has more than %d digits behind the point", ErrAmount, text, decimals)
	}
	n, err := strconv.ParseInt(whole+part+"000000"[len(part):], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is out of range", ErrAmount, text)
	}
	if negative {
		n = -n
	}
	return Amount(n), nil
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Append appends the amount as the shortest decimal number that Parse reads back. It is a
// JSON number, too.
func (a Amount) Append(dst []byte) []byte {
	n := uint64(a)
	if a < 0 {
		dst = append(dst, '-')
		n = -n
	}
	dst = strconv.AppendUint(dst, n/uint64(Unit), 10)
	part := n % uint64(Unit)
	if part == 0 {
		return dst
	}
	dst = append(dst, '.')
	for scale := uint64(Unit) / 10; part > 0; scale /= 10 {
		dst = append(dst, byte('0'+part/scale))
		part %= scale
	}
	return dst
}

// String returns the amount as a decimal number.
func (a Amount) String() string { return string(a.Append(nil)) }

// MarshalJSON writes the exact decimal number.
func (a Amount) MarshalJSON() ([]byte, error) { return a.Append(nil), nil }

// UnmarshalJSON reads a JSON number or string as Parse does.
func (a *Amount) UnmarshalJSON(text []byte) error {
	s := string(text)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	n, err := Parse(s)
	if err == nil {
		*a = n
	}
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (a Amount) MarshalText() ([]byte, error) { return a.Append(nil), nil }

// UnmarshalText implements encoding.TextUnmarshaler, as Parse.
func (a *Amount) UnmarshalText(text []byte) error {
	n, err := Parse(string(text))
	if err == nil {
		*a = n
	}
	return err
}
