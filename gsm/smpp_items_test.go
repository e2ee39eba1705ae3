package gsm_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/gsm"
)

// The tests named Item… hold the encoding part of the project's SMPP checklist.

func TestItem41DataCodings(t *testing.T) {
	for _, c := range []struct {
		name string
		want gsm.Encoding
		dcs  []byte
	}{
		{"SMSC default and GSM", gsm.GSM7, []byte{0x00, 0x10, 0x11, 0x12, 0x13, 0xC0, 0xD0, 0xF0, 0xF1, 0xF3}},
		{"IA5 and Latin-1", gsm.Latin1, []byte{0x01, 0x03}},
		{"UCS-2", gsm.UCS2, []byte{0x08, 0x18, 0x1B, 0xE0}},
		{"octets", gsm.Binary, []byte{0x02, 0x04, 0x14, 0x16, 0xF4, 0xF6, 0x05, 0x0D, 0x20, 0x80}},
	} {
		for _, dcs := range c.dcs {
			if got := gsm.OfDataCoding(dcs); got != c.want {
				t.Errorf("%s: data_coding 0x%02X reads as %v", c.name, dcs, got)
			}
		}
	}
	for _, enc := range []gsm.Encoding{gsm.GSM7, gsm.Latin1, gsm.UCS2, gsm.Binary} {
		if back := gsm.OfDataCoding(enc.DataCoding()); back != enc {
			t.Errorf("%v writes data_coding 0x%02X, which reads as %v", enc, enc.DataCoding(), back)
		}
	}
}

func TestItem41FlashSetsMessageClass0(t *testing.T) {
	for enc, want := range map[gsm.Encoding]byte{gsm.GSM7: 0x10, gsm.UCS2: 0x18} {
		_, _, info, err := gsm.Segment(nil, nil, "now", gsm.Options{Encoding: enc, Flash: true})
		if err != nil || info.DataCoding != want {
			t.Errorf("%v: data_coding 0x%02X, %v", enc, info.DataCoding, err)
		}
		if got := gsm.OfDataCoding(info.DataCoding); got != enc {
			t.Errorf("0x%02X reads back as %v", info.DataCoding, got)
		}
	}
	_, _, _, err := gsm.Segment(nil, nil, "now", gsm.Options{Encoding: gsm.Latin1, Flash: true})
	if !errors.Is(err, gsm.ErrNoFlash) {
		t.Errorf("flash in Latin-1: %v", err)
	}
}

func TestItem42ExtensionCostsTwoSeptets(t *testing.T) {
	for _, r := range "^{}\\[~]|€\f" {
		if n, ok := gsm.Septets(string(r)); n != 2 || !ok {
			t.Errorf("%q counts %d septets, %v", r, n, ok)
		}
	}
	for text, want := range map[string]string{"@": "\x00", "Ç": "\x09", "a@b": "a\x00b"} {
		if got := segmentOne(t, text, gsm.GSM7); got != want {
			t.Errorf("%q encodes as %x", text, got)
		}
	}
	for _, text := range []string{"ç", "`", "\x1b", "\x00", "\u00a0", "\ufffd"} {
		if _, ok := gsm.Septets(text); ok {
			t.Errorf("%q passes for GSM7", text)
		}
		if got := gsm.Choose(text); got != gsm.UCS2 {
			t.Errorf("%q: chose %v", text, got)
		}
	}
}

func TestItem43RoomOfAPart(t *testing.T) {
	for _, c := range []struct {
		enc                      gsm.Encoding
		char                     string
		single, eight, sixteen   int
		octetsAUnit, udh8, udh16 int
	}{
		{gsm.GSM7, "a", 160, 153, 152, 1, 6, 7},
		{gsm.Latin1, "é", 140, 134, 133, 1, 6, 7},
		{gsm.UCS2, "ж", 70, 67, 66, 2, 6, 7},
		{gsm.Binary, "\x01", 140, 134, 133, 1, 6, 7},
	} {
		check := func(units int, ref16 bool, wantEnds ...uint32) {
			t.Helper()
			o := gsm.Options{Encoding: c.enc, Ref16: ref16}
			text := strings.Repeat(c.char, units)
			payload, ends, info, err := gsm.Segment(nil, nil, text, o)
			if c.enc == gsm.Binary {
				payload, ends, info, err = gsm.SegmentBinary(nil, nil, []byte(text), o)
			}
			if err != nil {
				t.Fatalf("%v, %d units: %v", c.enc, units, err)
			}
			if !slices.Equal(ends, wantEnds) || int(ends[len(ends)-1]) != len(payload) {
				t.Errorf("%v, %d units, 16-bit %v: parts end at %v, not %v", c.enc, units, ref16, ends, wantEnds)
			}
			if info.Units != units || info.Parts != len(ends) || info.UDHI != (len(ends) > 1) {
				t.Errorf("%v, %d units: %+v", c.enc, units, info)
			}
		}
		u := c.octetsAUnit
		check(c.single, false, uint32(c.single*u))
		check(c.single, true, uint32(c.single*u))
		part8, part16 := uint32(c.udh8+c.eight*u), uint32(c.udh16+c.sixteen*u)
		check(2*c.eight, false, part8, 2*part8)
		check(2*c.eight+1, false, part8, 2*part8, 2*part8+uint32(c.udh8+u))
		check(2*c.sixteen, true, part16, 2*part16)
		check(2*c.sixteen+1, true, part16, 2*part16, 2*part16+uint32(c.udh16+u))
		rest := c.single + 1 - c.eight
		check(c.single+1, false, part8, part8+uint32(c.udh8+rest*u))
	}
}

func TestItem44NeverSplitsPairs(t *testing.T) {
	t.Run("69 A and an emoji are 71 units in 2 parts", func(t *testing.T) {
		text := strings.Repeat("A", 69) + "😀"
		if units, parts := gsm.Count(text, gsm.Auto); units != 71 || parts != 2 {
			t.Errorf("%d units, %d parts", units, parts)
		}
	})
	t.Run("surrogate pair on the edge moves to the next part", func(t *testing.T) {
		texts := parts(t, strings.Repeat("ж", 66)+"😀"+strings.Repeat("ж", 10), gsm.Options{})
		want := []string{strings.Repeat("ж", 66), "😀" + strings.Repeat("ж", 10)}
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("escape pair on the edge moves to the next part", func(t *testing.T) {
		texts := parts(t, strings.Repeat("a", 152)+"€"+strings.Repeat("b", 20), gsm.Options{})
		want := []string{strings.Repeat("a", 152), "€" + strings.Repeat("b", 20)}
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a text of escapes alone", func(t *testing.T) {
		texts := parts(t, strings.Repeat("€", 200), gsm.Options{})
		if len(texts) != 3 || texts[0] != strings.Repeat("€", 76) {
			t.Errorf("%d parts, the first of %d characters", len(texts), len([]rune(texts[0])))
		}
	})
	for _, cluster := range []string{
		"👨\u200d👩\u200d👧\u200d👦", "e\u0301", "👍🏽", "🇷🇺", "☎\ufe0f", "🏴\U000E0067\U000E0062\U000E007F",
	} {
		t.Run("keeps "+cluster, func(t *testing.T) {
			for before := 50; before < 70; before++ {
				text := strings.Repeat("ж", before) + cluster + strings.Repeat("ж", 30)
				whole := 0
				for _, part := range parts(t, text, gsm.Options{}) {
					whole += strings.Count(part, cluster)
				}
				if whole != 1 {
					t.Fatalf("split after %d characters", before)
				}
			}
		})
	}
	t.Run("flags in a row stay whole", func(t *testing.T) {
		for _, part := range parts(t, "ж"+strings.Repeat("🇷🇺", 40), gsm.Options{}) {
			if rest := strings.ReplaceAll(strings.TrimPrefix(part, "ж"), "🇷🇺", ""); rest != "" {
				t.Errorf("half a flag in %q", part)
			}
		}
	})
	t.Run("a cluster longer than a part is still cut at characters", func(t *testing.T) {
		text := "o" + strings.Repeat("\u0301", 200)
		if got := strings.Join(parts(t, text, gsm.Options{}), ""); got != text {
			t.Errorf("joined %q", got)
		}
	})
}

func TestItem45AutoAndExplicitEncoding(t *testing.T) {
	for text, want := range map[string]gsm.Encoding{
		"": gsm.GSM7, "Hello {1} €": gsm.GSM7, "naïve": gsm.UCS2, "привет": gsm.UCS2, "“quoted”": gsm.UCS2,
	} {
		_, _, info, err := gsm.Segment(nil, nil, text, gsm.Options{})
		if err != nil || info.Encoding != want || gsm.Choose(text) != want || info.DataCoding != want.DataCoding() {
			t.Errorf("%q: %+v, %v; Choose says %v", text, info, err, gsm.Choose(text))
		}
	}
	dst, ends := []byte("kept"), []uint32{7}
	out, outEnds, _, err := gsm.Segment(dst, ends, "abc“d”", gsm.Options{Encoding: gsm.GSM7})
	var unmappable *gsm.UnmappableError
	if !errors.As(err, &unmappable) {
		t.Fatalf("explicit GSM7: %v", err)
	}
	if diff := cmp.Diff(&gsm.UnmappableError{Rune: '“', Index: 3, Encoding: gsm.GSM7}, unmappable); diff != "" {
		t.Error(diff)
	}
	if string(out) != "kept" || len(outEnds) != 1 {
		t.Errorf("an error left %q and %v", out, outEnds)
	}
	_, _, _, err = gsm.Segment(nil, nil, "ab€", gsm.Options{Encoding: gsm.Latin1})
	if !errors.As(err, &unmappable) || unmappable.Index != 2 || unmappable.Encoding != gsm.Latin1 {
		t.Errorf("€ in Latin-1: %v", err)
	}
	for _, enc := range []gsm.Encoding{gsm.Auto, gsm.GSM7, gsm.Latin1, gsm.UCS2} {
		for text, index := range map[string]int{"ab\xff": 2, "a\xef": 1, "\xc3": 0, "xyz\xed\xa0\x80": 3} {
			_, _, _, err = gsm.Segment(nil, nil, text, gsm.Options{Encoding: enc})
			var invalid *gsm.InvalidUTF8Error
			if !errors.As(err, &invalid) || invalid.Index != index {
				t.Errorf("%q as %v: %v", text, enc, err)
			}
		}
	}
	if _, _, _, err = gsm.Segment(nil, nil, "a", gsm.Options{Encoding: gsm.Binary}); !errors.Is(err, gsm.ErrBinaryText) {
		t.Errorf("text as Binary: %v", err)
	}
}

func TestItem45TransliterationIsFlagged(t *testing.T) {
	plain, changed := gsm.Transliterate("“It’s”\u00a0— here…")
	if plain != `"It's" - here...` || !changed {
		t.Errorf("%q, %v", plain, changed)
	}
	if gsm.Choose(plain) != gsm.GSM7 {
		t.Error("still not GSM7")
	}
	if plain, changed = gsm.Transliterate("naïve"); plain != "naïve" || changed {
		t.Errorf("%q, %v: touched what is not typography", plain, changed)
	}
}

func TestItem46ConcatenationHeaders(t *testing.T) {
	text := strings.Repeat("a", 153) + "b"
	payload, ends, _, err := gsm.Segment([]byte("before"), []uint32{9}, text, gsm.Options{Ref: 0x1234})
	if err != nil {
		t.Fatal(err)
	}
	text += "cdefghij" // 162
	payload, ends, _, err = gsm.Segment(payload[:6], ends[:1], text, gsm.Options{Ref: 0x1234})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint32{9, 159, 159 + 6 + 9}, ends); diff != "" {
		t.Fatal(diff)
	}
	want := "before\x05\x00\x03\x34\x02\x01" + strings.Repeat("a", 153) + "\x05\x00\x03\x34\x02\x02bcdefghij"
	if string(payload) != want {
		t.Errorf("8-bit: %q", payload)
	}
	payload, _, _, err = gsm.Segment(nil, nil, text, gsm.Options{Ref: 0x1234, Ref16: true})
	want = "\x06\x08\x04\x12\x34\x02\x01" + strings.Repeat("a", 152) + "\x06\x08\x04\x12\x34\x02\x02abcdefghij"
	if string(payload) != want || err != nil {
		t.Errorf("16-bit: %q, %v", payload, err)
	}
}

func TestItem46PartLimitIsAnError(t *testing.T) {
	for _, c := range []struct{ units, limit, parts, max int }{
		{153*10 + 1, 10, 11, 10},
		{153*255 + 1, 0, 256, 255},
		{153*300 + 1, 1000, 301, 255},
		{161, 1, 2, 1},
	} {
		_, _, _, err := gsm.Segment(nil, nil, strings.Repeat("a", c.units), gsm.Options{MaxParts: c.limit})
		var tooMany *gsm.TooManyPartsError
		if !errors.As(err, &tooMany) || tooMany.Parts != c.parts || tooMany.Max != c.max {
			t.Errorf("%d septets, limit %d: %v", c.units, c.limit, err)
		}
	}
	_, ends, _, err := gsm.Segment(nil, nil, strings.Repeat("a", 153*255), gsm.Options{})
	if err != nil || len(ends) != 255 {
		t.Errorf("255 full parts: %d parts, %v", len(ends), err)
	}
}

func TestItem46ReferencesOfOnePairDiffer(t *testing.T) {
	refs := gsm.NewRefs()
	seen := make(map[byte]bool)
	for i := range 256 {
		seen[byte(refs.Next("1000", "79161234567"))] = true
		refs.Next("1000", fmt.Sprint(79160000000+i))
	}
	// Another pair may share the counter and take a reference or two, never give one twice.
	if len(seen) < 250 {
		t.Errorf("%d different 8-bit references in 256", len(seen))
	}
	if a, b := gsm.NewRefs(), gsm.NewRefs(); a.Next("1", "2") == b.Next("1", "2") && a.Next("3", "4") == b.Next("3", "4") {
		t.Error("two starts give the same references")
	}
}

func TestItem47InboundHeaders(t *testing.T) {
	ports := []byte{0x05, 0x04, 0x0B, 0x84, 0x23, 0xF0}
	concat := []byte{0x00, 0x03, 0x2A, 0x03, 0x02}
	national := []byte{0x24, 0x01, 0x01, 0x25, 0x01, 0x01}
	for name, elements := range map[string][]byte{
		"concat first": slices.Concat(concat, ports, national),
		"concat last":  slices.Concat(national, ports, concat),
	} {
		octets := append([]byte{byte(len(elements))}, elements...)
		h, text, err := gsm.ParseUDH(append(octets, "rest"...))
		if err != nil || string(text) != "rest" {
			t.Fatalf("%s: %q, %v", name, text, err)
		}
		c, ok := h.Concat()
		if want := (gsm.Concat{Ref: 0x2A, Total: 3, Seq: 2}); !ok || c != want {
			t.Errorf("%s: %+v, %v", name, c, ok)
		}
		if dst, src, ok := h.Ports(); !ok || dst != 0x0B84 || src != 0x23F0 {
			t.Errorf("%s: ports %d %d %v", name, dst, src, ok)
		}
		n := 0
		for range h.All() {
			n++
		}
		if n != 4 {
			t.Errorf("%s: %d elements", name, n)
		}
	}
	for name, c := range map[string]struct {
		octets string
		offset int
	}{
		"nothing":                {"", 0},
		"length beyond the end":  {"\x06\x00\x03\x01\x02\x01", 0},
		"element beyond header":  {"\x05\x00\x04\x01\x02\x01xx", 1},
		"half an element":        {"\x06\x00\x03\x01\x02\x01\x05xx", 6},
		"second one beyond":      {"\x07\x00\x03\x01\x02\x01\x05\x04xxxx", 6},
		"length of all the rest": {"\xff", 0},
	} {
		var broken *gsm.UDHError
		if _, _, err := gsm.ParseUDH([]byte(c.octets)); !errors.As(err, &broken) || broken.Offset != c.offset {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, octets := range map[string]string{
		"number 0":            "\x05\x00\x03\x01\x02\x00",
		"total 0":             "\x05\x00\x03\x01\x00\x00",
		"number above total":  "\x05\x00\x03\x01\x02\x03",
		"wrong length":        "\x06\x00\x04\x01\x02\x01\x00",
		"no concatenation":    "\x03\x24\x01\x01",
		"an empty header":     "\x00",
		"16-bit of 3 octets":  "\x05\x08\x03\x01\x02\x01",
		"16-bit number above": "\x06\x08\x04\x00\x01\x02\x03",
	} {
		h, _, err := gsm.ParseUDH([]byte(octets))
		if c, ok := h.Concat(); ok || err != nil {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	h, _, _ := gsm.ParseUDH([]byte("\x0a\x00\x03\x01\x02\x01\x00\x03\x01\x02\x02"))
	if c, _ := h.Concat(); c.Seq != 2 {
		t.Errorf("of two elements the last holds, not %+v", c)
	}
}

func TestItem48PartsKeepOrderAndCoding(t *testing.T) {
	text := strings.Repeat("0123456789", 100)
	payload, ends, info, err := gsm.Segment(nil, nil, text, gsm.Options{Ref: 7})
	if err != nil || info.Parts != 7 || len(ends) != 7 {
		t.Fatalf("%+v, %v", info, err)
	}
	from := uint32(0)
	for i, end := range ends {
		h, _, err := gsm.ParseUDH(payload[from:end])
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := h.Concat(); c != (gsm.Concat{Ref: 7, Total: 7, Seq: byte(i + 1)}) {
			t.Errorf("part %d has %+v", i, c)
		}
		from = end
	}
	if got := gsm.DecodeParts(info.Encoding, info.UDHI, payload, ends); got != text {
		t.Errorf("joined %q", got)
	}
}

// parts returns the text of each part, checking that none is larger than a short message.
func parts(t *testing.T, text string, o gsm.Options) []string {
	t.Helper()
	payload, ends, info, err := gsm.Segment(nil, nil, text, o)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	from := uint32(0)
	for _, end := range ends {
		limit := 140
		if info.Encoding == gsm.GSM7 {
			limit = 160
		}
		if int(end-from) > limit {
			t.Errorf("a part of %d octets", end-from)
		}
		texts = append(texts, gsm.DecodeParts(info.Encoding, info.UDHI, payload[from:end], []uint32{end - from}))
		from = end
	}
	return texts
}
