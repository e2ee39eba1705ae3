package gsm

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Options says how a text becomes short messages. The zero value is automatic
// encoding, an 8-bit reference 0 and up to MaxParts parts.
type Options struct {
	Encoding Encoding
	// Ref is the concatenation reference; without Ref16 only its low octet is used.
	Ref   uint16
	Ref16 bool
	// MaxParts is the most parts allowed; 0, or more than 255, means 255.
	MaxParts int
	// Flash asks for message class 0: shown at once, not stored.
	Flash bool
	// Elements are information elements (TS 23.040 §9.2.3.24) that every part carries besides
	// the concatenation, such as AppendPorts makes; at most MaxElements octets.
	Elements []byte
}

// MaxElements is the most octets of Options.Elements.
const MaxElements = 64

// header is the length of the header of one of several parts, single that of a message of
// one part.
func (o *Options) header() int {
	if o.Ref16 {
		return concat16Len + len(o.Elements)
	}
	return concat8Len + len(o.Elements)
}

func (o *Options) single() int {
	if len(o.Elements) == 0 {
		return 0
	}
	return 1 + len(o.Elements)
}

// appendHeader appends the header of a part: with one part there is no concatenation.
func (o *Options) appendHeader(dst []byte, parts, seq byte) []byte {
	start := len(dst)
	if parts > 1 {
		dst = Concat{Ref: o.Ref, Ref16: o.Ref16, Total: parts, Seq: seq}.Append(dst)
	} else {
		dst = append(dst, 0)
	}
	dst = append(dst, o.Elements...)
	dst[start] += byte(len(o.Elements))
	return dst
}

func (o *Options) maxParts() int {
	if o.MaxParts <= 0 || o.MaxParts > MaxParts {
		return MaxParts
	}
	return o.MaxParts
}

// Info describes what Segment made.
type Info struct {
	Encoding   Encoding // never Auto
	DataCoding byte     // SMPP 3.4 §5.2.19, message class included
	UDHI       bool     // every part starts with a user data header: set esm_class bit 6
	Parts      int
	Units      int // septets, octets or UTF-16 code units of the text, without headers
}

// Choose returns what Auto becomes for text: GSM7 when every character is in the
// alphabet or its extension, else UCS2.
func Choose(text string) Encoding {
	if _, ok := Septets(text); ok {
		return GSM7
	}
	return UCS2
}

// Septets returns how many septets text takes in GSM7; false when a character does not
// exist there.
func Septets(text string) (n int, ok bool) {
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		s := septetOf(r)
		switch {
		case s == unmappable:
			return 0, false
		case s&extended != 0:
			n += 2
		default:
			n++
		}
		i += size
	}
	return n, true
}

// Count returns the units of text in enc (Auto chooses) and how many parts it needs
// with 8-bit references; zeros when the text does not fit the encoding or 255 parts.
func Count(text string, enc Encoding) (units, parts int) {
	var room [1024]byte
	var ends [8]uint32
	_, _, info, err := Segment(room[:0], ends[:0], text, Options{Encoding: enc})
	if err != nil {
		return 0, 0
	}
	return info.Units, info.Parts
}

// Segment appends the short_message octets of every part of text to dst, user data
// header first when there is more than one part, and to ends where each part ends,
// counted from the first octet appended. It never splits an escape or surrogate pair,
// nor, within 32 code units, a sequence of combining characters or joined emoji.
//
// Errors: *UnmappableError, *InvalidUTF8Error, *TooManyPartsError, ErrNoFlash,
// ErrBinaryText. On error dst and ends come back as they were.
func Segment(dst []byte, ends []uint32, text string, o Options) ([]byte, []uint32, Info, error) {
	start := len(dst)
	out, enc, err := encode(dst, text, o.Encoding)
	if err != nil {
		return dst, ends, Info{}, err
	}
	out, newEnds, info, err := cut(out, start, ends, enc, &o)
	if err != nil {
		return dst, ends, Info{}, err
	}
	return out, newEnds, info, nil
}

// SegmentBinary is Segment for octets without a character set: 140 in a single
// message, 134 or 133 a part.
func SegmentBinary(dst []byte, ends []uint32, data []byte, o Options) ([]byte, []uint32, Info, error) {
	start := len(dst)
	out, newEnds, info, err := cut(append(dst, data...), start, ends, Binary, &o)
	if err != nil {
		return dst, ends, Info{}, err
	}
	return out, newEnds, info, nil
}

// encode appends text in enc, without headers, and returns the encoding used.
func encode(dst []byte, text string, enc Encoding) ([]byte, Encoding, error) {
	var err error
	switch enc {
	case Auto:
		out, bad := appendGSM7(dst, text)
		if bad < 0 {
			return out, GSM7, nil
		}
		enc = UCS2
		dst, err = appendUCS2(dst, text)
	case GSM7:
		out, bad := appendGSM7(dst, text)
		if bad >= 0 {
			err = mapError(text, bad, GSM7)
		}
		dst = out
	case Latin1:
		dst, err = appendLatin1(dst, text)
	case UCS2:
		dst, err = appendUCS2(dst, text)
	default:
		err = ErrBinaryText
	}
	return dst, enc, err
}

func mapError(text string, i int, enc Encoding) error {
	r, size := utf8.DecodeRuneInString(text[i:])
	if r == utf8.RuneError && size <= 1 {
		return &InvalidUTF8Error{Index: i}
	}
	return &UnmappableError{Rune: r, Index: i, Encoding: enc}
}

// appendGSM7 appends the septets of text; bad is the offset of the first character that
// has none, or -1.
func appendGSM7(dst []byte, text string) (out []byte, bad int) {
	n := len(dst)
	dst = slices.Grow(dst, len(text))
	room := dst[n : n+len(text)]
	for i := 0; i < len(text); i++ {
		s := asciiSeptets[text[i]]
		if s >= extended {
			return appendGSM7Slow(dst[:n+i], text, i)
		}
		room[i] = s
	}
	return dst[:n+len(text)], -1
}

// appendGSM7Slow goes on at offset i with characters of more than one octet or septet.
func appendGSM7Slow(dst []byte, text string, i int) (out []byte, bad int) {
	for i < len(text) {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		s := septetOf(r)
		switch {
		case s == unmappable:
			return dst, i
		case s&extended != 0:
			dst = append(dst, escape, s&^extended)
		default:
			dst = append(dst, s)
		}
		i += size
	}
	return dst, -1
}

func appendLatin1(dst []byte, text string) ([]byte, error) {
	for i, r := range text {
		if r > 0xFF {
			return dst, mapError(text, i, Latin1)
		}
		dst = append(dst, byte(r))
	}
	return dst, nil
}

func appendUCS2(dst []byte, text string) ([]byte, error) {
	dst = slices.Grow(dst, 2*len(text))
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			return dst, &InvalidUTF8Error{Index: i}
		case r < 0x10000:
			dst = append(dst, byte(r>>8), byte(r))
		default:
			r -= 0x10000
			hi, lo := 0xD800|r>>10, 0xDC00|r&0x3FF
			dst = append(dst, byte(hi>>8), byte(hi), byte(lo>>8), byte(lo))
		}
	}
	return dst, nil
}

// cut makes parts of the encoded text dst[start:].
func cut(dst []byte, start int, ends []uint32, enc Encoding, o *Options) ([]byte, []uint32, Info, error) {
	info := Info{Encoding: enc, DataCoding: enc.DataCoding(), Parts: 1, Units: len(dst) - start}
	if enc == UCS2 {
		info.Units /= 2
	}
	if o.Flash {
		coding, ok := enc.flashCoding()
		if !ok {
			return nil, nil, info, ErrNoFlash
		}
		info.DataCoding = coding
	}
	size := len(dst) - start
	first := len(ends)
	if size <= enc.room(o.single()) {
		ends = append(ends, uint32(size))
		if o.single() == 0 {
			return dst, ends, info, nil
		}
		info.UDHI = true
		return insertHeaders(dst, start, ends[first:], o, o.single()), ends, info, nil
	}

	ends = appendCuts(ends, dst[start:], enc, o)
	info.Parts = len(ends) - first
	info.UDHI = true
	if info.Parts > o.maxParts() {
		return nil, nil, info, &TooManyPartsError{Parts: info.Parts, Max: o.maxParts()}
	}
	return insertHeaders(dst, start, ends[first:], o, o.header()), ends, info, nil
}

// appendCuts appends where each part of body ends, without headers.
func appendCuts(ends []uint32, body []byte, enc Encoding, o *Options) []uint32 {
	room := enc.room(o.header())
	for at := 0; at < len(body); {
		end := at + room
		if end >= len(body) {
			end = len(body)
		} else {
			end = cutBefore(body, at, end, enc)
		}
		ends = append(ends, uint32(end))
		at = end
	}
	return ends
}

// cutBefore returns the last good place to cut in body[at:end], at most end.
func cutBefore(body []byte, at, end int, enc Encoding) int {
	switch enc {
	case GSM7:
		if escaped(body[at:end]) {
			return end - 1
		}
	case UCS2:
		return at + cutUCS2(body[at:], end-at)
	}
	return end
}

// escaped reports whether septets end in an escape whose character comes next. An
// escape never encodes a character of its own, so the last septet decides.
func escaped(septets []byte) bool { return septets[len(septets)-1] == escape }

// insertHeaders moves the parts apart, last one first, and writes their headers. On
// return ends[i] counts them.
//
//	before  |aaaa|bbbb|cc|
//	after   |hdr|aaaa|hdr|bbbb|hdr|cc|
func insertHeaders(dst []byte, start int, ends []uint32, o *Options, header int) []byte {
	parts := len(ends)
	dst = slices.Grow(dst, parts*header)
	dst = dst[:len(dst)+parts*header]
	body := dst[start:]
	for i := parts - 1; i >= 0; i-- {
		from := uint32(0)
		if i > 0 {
			from = ends[i-1]
		}
		to := int(from) + i*header
		copy(body[to+header:], body[from:ends[i]])
		o.appendHeader(body[to:to], byte(parts), byte(i+1))
		ends[i] += uint32((i + 1) * header)
	}
	return dst
}
