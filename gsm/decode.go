package gsm

import (
	"encoding/hex"
	"unicode/utf16"
	"unicode/utf8"
)

// Decode returns the text of octets without a user data header, for people to read:
// what cannot be shown becomes U+FFFD, Binary becomes hex digits. Auto reads as GSM7.
func Decode(enc Encoding, octets []byte) string {
	var room [320]byte
	return string(AppendText(room[:0], enc, octets))
}

// AppendText is Decode appending UTF-8 to dst.
func AppendText(dst []byte, enc Encoding, octets []byte) []byte {
	switch enc {
	case Latin1:
		for _, c := range octets {
			dst = utf8.AppendRune(dst, rune(c))
		}
		return dst
	case UCS2:
		return appendFromUCS2(dst, octets)
	case Binary:
		return hex.AppendEncode(dst, octets)
	default:
		return appendFromGSM7(dst, octets)
	}
}

func appendFromGSM7(dst, septets []byte) []byte {
	for i := 0; i < len(septets); i++ {
		s := septets[i]
		switch {
		case s >= 0x80:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		case s != escape:
			dst = utf8.AppendRune(dst, defaultAlphabet[s])
		case i+1 == len(septets) || septets[i+1] >= 0x80:
			dst = append(dst, ' ')
		default:
			i++
			dst = utf8.AppendRune(dst, extensionChar(septets[i]))
		}
	}
	return dst
}

func appendFromUCS2(dst, octets []byte) []byte {
	for len(octets) >= 2 {
		r, size := runeAfter(octets, 0)
		if utf16.IsSurrogate(r) {
			r = utf8.RuneError
		}
		dst = utf8.AppendRune(dst, r)
		octets = octets[size:]
	}
	if len(octets) == 1 {
		dst = utf8.AppendRune(dst, utf8.RuneError)
	}
	return dst
}

// DecodeParts returns the text of a whole message as Segment made it: payload holds
// the parts one after the other, ends says where each one ends, and with udhi each
// starts with a user data header, which is left out. A part with a broken header counts
// as text.
func DecodeParts(enc Encoding, udhi bool, payload []byte, ends []uint32) string {
	if !udhi {
		return Decode(enc, payload)
	}
	octets := make([]byte, 0, len(payload))
	from := uint32(0)
	for _, end := range ends {
		part := payload[from:end]
		if _, rest, err := ParseUDH(part); err == nil {
			part = rest
		}
		octets = append(octets, part...)
		from = end
	}
	return Decode(enc, octets)
}
