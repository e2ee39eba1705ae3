package dispatch

import (
	"fmt"
	"strconv"
)

// idMode says how an SMSC writes message_ids in receipts, compared with its
// submit_sm_resp (SMPP.md item 58).
type idMode uint8

const (
	idAuto idMode = iota // as it is, else converted between hex and decimal
	idRaw
	idHexToDec // hex in the receipt, decimal in the response
	idDecToHex
)

func parseIDMode(s string) (idMode, error) {
	switch s {
	case "", "auto":
		return idAuto, nil
	case "raw":
		return idRaw, nil
	case "hex2dec":
		return idHexToDec, nil
	case "dec2hex":
		return idDecToHex, nil
	}
	return 0, fmt.Errorf("id mode %q: one of auto, raw, hex2dec, dec2hex", s)
}

// spelling is one way to write the id of a receipt as the response may have had it.
type spelling int32

const (
	asIs spelling = iota
	lowerHex
	upperHex
	lowerHex8 // padded to 8 digits
	upperHex8
	decimal
	decimal10 // padded to 10 digits
	numSpellings
)

// spellings returns the ways to try, the one that matched last first.
func (d *Dispatcher) spellings(buf []spelling) []spelling {
	switch d.ids {
	case idRaw:
		return append(buf, asIs)
	case idHexToDec:
		return append(buf, decimal, decimal10)
	case idDecToHex:
		return append(buf, lowerHex, upperHex, lowerHex8, upperHex8)
	}
	first := spelling(d.learned.Load())
	buf = append(buf, first)
	for s := asIs; s < numSpellings; s++ {
		if s != first {
			buf = append(buf, s)
		}
	}
	return buf
}

// spell appends id in that spelling, and reports false when it has none, or the same as it is.
func (s spelling) spell(dst, id []byte) ([]byte, bool) {
	switch s {
	case asIs:
		return append(dst, id...), true
	case decimal, decimal10:
		n, ok := parseUint(id, 16)
		if !ok {
			return dst, false
		}
		if s == decimal10 {
			dst = pad(dst, n, 10, 1e9)
		}
		return strconv.AppendUint(dst, n, 10), s == decimal || n < 1e9
	}
	n, ok := parseUint(id, 10)
	if !ok {
		return dst, false
	}
	start := len(dst)
	if s == lowerHex8 || s == upperHex8 {
		dst = pad(dst, n, 16, 1<<28)
		if len(dst) == start {
			return dst, false
		}
	}
	dst = strconv.AppendUint(dst, n, 16)
	if s == upperHex || s == upperHex8 {
		changed := false
		for i, c := range dst[start:] {
			if c >= 'a' {
				dst[start+i] = c - 'a' + 'A'
				changed = true
			}
		}
		if !changed {
			return dst[:start], false // the lower-case spelling is the same
		}
	}
	return dst, true
}

// pad appends the zeros that n lacks to have as many digits as top in that base.
func pad(dst []byte, n, base, top uint64) []byte {
	for ; n < top && top > 1; top /= base {
		dst = append(dst, '0')
	}
	return dst
}

// maxIDDigits is the longest id that is taken for a number: 64 bits in decimal.
const maxIDDigits = 20

func parseUint(b []byte, base uint64) (uint64, bool) {
	if len(b) == 0 || len(b) > maxIDDigits {
		return 0, false
	}
	n := uint64(0)
	for _, c := range b {
		digit := base
		switch {
		case c >= '0' && c <= '9':
			digit = uint64(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			digit = uint64(c|0x20-'a') + 10
		}
		if digit >= base || n > (1<<64-1-digit)/base {
			return 0, false
		}
		n = n*base + digit
	}
	return n, true
}
