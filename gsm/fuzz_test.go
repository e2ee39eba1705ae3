package gsm_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"protei-bulk/gsm"
)

// FuzzSegment holds: what Segment accepts, DecodeParts gives back unchanged; every part
// fits a short message and is whole text on its own.
func FuzzSegment(f *testing.F) {
	f.Add("hello", uint8(0), false)
	f.Add("€{}", uint8(1), true)
	f.Add("naïve 😀", uint8(3), false)
	f.Fuzz(func(t *testing.T, text string, enc uint8, ref16 bool) {
		checkRoundTrip(t, text, gsm.Options{Encoding: gsm.Encoding(enc % 5), Ref: 0xBEEF, Ref16: ref16})
	})
}

func TestSegmentThenJoinIsTheText(t *testing.T) {
	alphabet := rapid.OneOf(
		rapid.RuneFrom([]rune("ab €{}[]é@")),
		rapid.RuneFrom([]rune("жя😀\u0301\u200d👍🏽🇷🇺")),
		rapid.Rune(),
	)
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringOfN(alphabet, 0, 700, -1).Draw(rt, "text")
		o := gsm.Options{
			Encoding: gsm.Encoding(rapid.IntRange(0, 4).Draw(rt, "encoding")),
			Ref16:    rapid.Bool().Draw(rt, "ref16"),
			MaxParts: rapid.IntRange(0, 9).Draw(rt, "max"),
		}
		checkRoundTrip(rt, text, o)
	})
}

type failer interface {
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func checkRoundTrip(t failer, text string, o gsm.Options) {
	payload, ends, info, err := gsm.Segment(nil, nil, text, o)
	if err != nil {
		checkError(t, text, o, err)
		return
	}
	if got := gsm.DecodeParts(info.Encoding, info.UDHI, payload, ends); got != text {
		t.Fatalf("%v: %q came back as %q", info.Encoding, text, got)
	}
	if len(ends) != info.Parts || int(ends[len(ends)-1]) != len(payload) {
		t.Fatalf("ends %v for %d octets, %+v", ends, len(payload), info)
	}
	from, joined := uint32(0), ""
	for _, end := range ends {
		part := payload[from:end]
		if limit := 140; len(part) > limit && (info.Encoding != gsm.GSM7 || len(part) > 160) {
			t.Fatalf("a part of %d octets in %v", len(part), info.Encoding)
		}
		joined += gsm.DecodeParts(info.Encoding, info.UDHI, part, []uint32{end - from})
		from = end
	}
	if joined != text {
		t.Fatalf("a part is not whole text: %q became %q", text, joined)
	}
}

func checkError(t failer, text string, o gsm.Options, err error) {
	var unmappable *gsm.UnmappableError
	var invalid *gsm.InvalidUTF8Error
	var tooMany *gsm.TooManyPartsError
	switch {
	case errors.As(err, &unmappable):
		if r, _ := utf8.DecodeRuneInString(text[unmappable.Index:]); r != unmappable.Rune || o.Encoding == gsm.Auto {
			t.Errorf("%v for %q", err, text)
		}
	case errors.As(err, &invalid):
		if utf8.ValidString(text) || !utf8.ValidString(text[:invalid.Index]) {
			t.Errorf("%v for %q", err, text)
		}
	case errors.As(err, &tooMany):
		if tooMany.Parts <= tooMany.Max {
			t.Errorf("%v", err)
		}
	case errors.Is(err, gsm.ErrBinaryText) && o.Encoding == gsm.Binary:
	default:
		t.Errorf("%v: %v", o, err)
	}
}

// FuzzDecode holds: any octets decode to valid, bounded text.
func FuzzDecode(f *testing.F) {
	f.Add(uint8(0), []byte("\x1b\x65\x1b"))
	f.Add(uint8(8), []byte{0xD8, 0x3D, 0xDE})
	f.Add(uint8(4), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, dcs uint8, octets []byte) {
		text := gsm.Decode(gsm.OfDataCoding(dcs), octets)
		if !utf8.ValidString(text) || len(text) > 3*len(octets)+3 {
			t.Fatalf("%x as 0x%02X reads %q", octets, dcs, text)
		}
	})
}

// FuzzParseUDH holds: no panic, whole elements only, and nothing lost or doubled.
func FuzzParseUDH(f *testing.F) {
	f.Add([]byte("\x05\x00\x03\x01\x02\x01text"))
	f.Add([]byte("\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x01\x02\x01"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		h, text, err := gsm.ParseUDH(octets)
		if err != nil {
			return
		}
		size := 0
		for _, data := range h.All() {
			size += 2 + len(data)
		}
		if size != len(h) || 1+len(h)+len(text) != len(octets) {
			t.Fatalf("%x: %d of %d header octets in elements", octets, size, len(h))
		}
		c, ok := h.Concat()
		if !ok {
			return
		}
		again, _, err := gsm.ParseUDH(c.Append(nil))
		if back, _ := again.Concat(); err != nil || back != c {
			t.Fatalf("%+v written and read is %+v, %v", c, back, err)
		}
	})
}

// FuzzPack holds: unpack(pack(septets)) == septets for every fill.
func FuzzPack(f *testing.F) {
	f.Add([]byte("hellohello"), uint8(1))
	f.Add([]byte{0, 0x7F, 0x1B}, uint8(6))
	f.Fuzz(func(t *testing.T, septets []byte, fill uint8) {
		for i := range septets {
			septets[i] &= 0x7F
		}
		n := int(fill % 7)
		packed := gsm.Pack(nil, septets, n)
		if back := gsm.Unpack(nil, packed, len(septets), n); string(back) != string(septets) {
			t.Fatalf("%x with %d fill bits became %x", septets, n, back)
		}
		if more := gsm.Unpack(nil, packed, len(septets)+100, n); len(more) > len(septets)+1 {
			t.Fatalf("%d septets out of %d", len(more), len(septets))
		}
	})
}

// FuzzElements: with any elements each part is within 140 octets (160 septets), its header
// parses to the elements, and the parts together say the text.
func FuzzElements(f *testing.F) {
	f.Add("hello", []byte{5, 4, 0x0b, 0x84, 0x23, 0xf0}, uint8(1), true)
	f.Add(strings.Repeat("{€ю😀", 60), []byte{}, uint8(3), false)
	f.Fuzz(func(t *testing.T, text string, elements []byte, enc uint8, wide bool) {
		if len(elements) > gsm.MaxElements {
			return
		}
		whole := append([]byte{byte(len(elements))}, elements...)
		if _, _, err := gsm.ParseUDH(whole); err != nil {
			return
		}
		o := gsm.Options{Encoding: gsm.Encoding(enc % 4), Ref: 0x1234, Ref16: wide, Elements: elements}
		payload, ends, info, err := gsm.Segment(nil, nil, text, o)
		if err != nil {
			return
		}
		if len(elements) > 0 && !info.UDHI {
			t.Fatal("a header that nothing tells of")
		}
		start := uint32(0)
		for i, end := range ends {
			part := payload[start:end]
			start = end
			body := part
			if info.UDHI {
				h, rest, err := gsm.ParseUDH(part)
				if err != nil {
					t.Fatalf("part %d: %v", i+1, err)
				}
				if !bytes.HasSuffix(h, elements) {
					t.Fatalf("part %d has the header % x without % x", i+1, h, elements)
				}
				body = rest
			}
			octets := len(part)
			if info.Encoding == gsm.GSM7 {
				octets = len(part) - len(body) + (len(body)*7+7)/8
			}
			if octets > 140 {
				t.Fatalf("part %d takes %d octets", i+1, octets)
			}
		}
		if got := gsm.DecodeParts(info.Encoding, info.UDHI, payload, ends); got != text {
			t.Fatalf("the parts say %q, not %q", got, text)
		}
	})
}
