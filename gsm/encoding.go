package gsm

import (
	"fmt"
	"strings"
)

// Encoding is how text is written into short_message octets.
type Encoding uint8

// The encodings. The numbers are stored with messages: never renumber them.
const (
	// Auto is a request, never a result: GSM7 when every character fits, else UCS2.
	Auto Encoding = iota
	// GSM7 is the GSM default alphabet with its extension table, one septet an octet.
	GSM7
	// Latin1 is ISO 8859-1.
	Latin1
	// UCS2 is UTF-16 in network byte order; characters above U+FFFF take two code units.
	UCS2
	// Binary is octets without a character set.
	Binary
)

const encodings = Binary + 1

var encodingNames = [encodings]string{"AUTO", "GSM7", "LATIN1", "UCS2", "BINARY"}

// String returns the name that the REST API uses: AUTO, GSM7, LATIN1, UCS2 or BINARY.
func (e Encoding) String() string {
	if e < encodings {
		return encodingNames[e]
	}
	return fmt.Sprintf("Encoding(%d)", uint8(e))
}

// ParseEncoding reads a name as String writes it, in either case of letters; an empty
// one means Auto.
func ParseEncoding(name string) (Encoding, error) {
	if name == "" {
		return Auto, nil
	}
	for e, n := range encodingNames {
		if strings.EqualFold(name, n) {
			return Encoding(e), nil
		}
	}
	return Auto, fmt.Errorf("unknown encoding %q: AUTO, GSM7, LATIN1, UCS2 or BINARY", name)
}

// MarshalText returns the name.
func (e Encoding) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads a name as ParseEncoding does.
func (e *Encoding) UnmarshalText(text []byte) error {
	parsed, err := ParseEncoding(string(text))
	if err != nil {
		return err
	}
	*e = parsed
	return nil
}

// DataCoding returns the SMPP 3.4 §5.2.19 data_coding: 0 for GSM7 (the SMSC's default
// alphabet) and Auto, 3 for Latin1, 8 for UCS2, 4 for Binary.
func (e Encoding) DataCoding() byte {
	switch e {
	case Latin1:
		return 3
	case UCS2:
		return 8
	case Binary:
		return 4
	default:
		return 0
	}
}

// flashCoding returns the data_coding with message class 0 (TS 23.038 §4, general data
// coding group with a class); false for Latin1, which that scheme does not know.
func (e Encoding) flashCoding() (byte, bool) {
	switch e {
	case GSM7:
		return 0x10, true
	case Binary:
		return 0x14, true
	case UCS2:
		return 0x18, true
	default:
		return 0, false
	}
}

// OfDataCoding returns the encoding that a received data_coding stands for. Below 0x10
// SMPP 3.4 §5.2.19 rules (IA5 reads as Latin1, of which it is a part; JIS, Cyrillic,
// Hebrew and pictograms as Binary), above it TS 23.038 §4 with its message classes.
func OfDataCoding(dcs byte) Encoding {
	switch {
	case dcs == 0:
		return GSM7
	case dcs == 1, dcs == 3:
		return Latin1
	case dcs == 8:
		return UCS2
	case dcs < 0x10:
		return Binary
	case dcs < 0x40:
		return generalCoding(dcs)
	case dcs >= 0xC0 && dcs < 0xE0:
		return GSM7 // message waiting indication, default alphabet
	case dcs >= 0xE0 && dcs < 0xF0:
		return UCS2 // message waiting indication, UCS2
	case dcs >= 0xF0 && dcs&0x04 == 0:
		return GSM7 // message class group
	default:
		return Binary
	}
}

// generalCoding reads the general data coding group 00xx: bit 5 compressed, bits 3-2
// the alphabet.
func generalCoding(dcs byte) Encoding {
	if dcs&0x20 != 0 {
		return Binary
	}
	switch dcs >> 2 & 3 {
	case 1:
		return Binary
	case 2:
		return UCS2
	default:
		return GSM7
	}
}

// The room in one short message, TS 23.040 §9.2.3.24: 140 octets, of which a
// concatenated one spends 6 (8-bit reference) or 7 (16-bit) on its header.
const (
	concat8Len  = 6
	concat16Len = 7
	// MaxParts is the most parts that a concatenated message can have.
	MaxParts = 255
)

// room returns the units of one part: septets, octets or octets of code units.
func (e Encoding) room(header int) int {
	const octets = 140
	switch e {
	case GSM7:
		return (octets - header) * 8 / 7
	case UCS2:
		return (octets - header) &^ 1
	default:
		return octets - header
	}
}
