package gsm_test

import (
	"strings"
	"testing"

	"protei-bulk/gsm"
)

// TestAlphabetOfTS23038 holds the mapping to the table of TS 23.038 §6.2.1, row by row
// (the high digit of the septet), with the escape left out.
func TestAlphabetOfTS23038(t *testing.T) {
	rows := []string{
		"@£$¥èéùìòÇ\nØø\rÅå",
		"Δ_ΦΓΛΩΠΨΣΘΞ\x00ÆæßÉ",
		" !\"#¤%&'()*+,-./",
		"0123456789:;<=>?",
		"¡ABCDEFGHIJKLMNO",
		"PQRSTUVWXYZÄÖÑÜ§",
		"¿abcdefghijklmno",
		"pqrstuvwxyzäöñüà",
	}
	for high, row := range rows {
		for low, r := range []rune(row) {
			if r == 0 {
				continue
			}
			septet := byte(high<<4 | low)
			got := segmentOne(t, string(r), gsm.GSM7)
			if got != string([]byte{septet}) {
				t.Errorf("%q encodes as %x, the standard has %02x", r, got, septet)
			}
			if back := gsm.Decode(gsm.GSM7, []byte{septet}); back != string(r) {
				t.Errorf("%02x decodes as %q, the standard has %q", septet, back, r)
			}
		}
	}
}

// TestExtensionTableOfTS23038 holds §6.2.1.1: the escape and one more septet.
func TestExtensionTableOfTS23038(t *testing.T) {
	table := map[rune]byte{
		'\f': 0x0A, '^': 0x14, '{': 0x28, '}': 0x29, '\\': 0x2F,
		'[': 0x3C, '~': 0x3D, ']': 0x3E, '|': 0x40, '€': 0x65,
	}
	for septet := range byte(0x80) {
		want := ""
		for r, s := range table {
			if s == septet {
				want = string(r)
			}
		}
		got := gsm.Decode(gsm.GSM7, []byte{0x1B, septet})
		if want == "" {
			// "the receiving entity shall display the character of the default alphabet"
			want = gsm.Decode(gsm.GSM7, []byte{septet})
		} else if enc := segmentOne(t, want, gsm.GSM7); enc != string([]byte{0x1B, septet}) {
			t.Errorf("%q encodes as %x", want, enc)
		}
		if got != want {
			t.Errorf("1B %02X decodes as %q, not %q", septet, got, want)
		}
	}
	if got := gsm.Decode(gsm.GSM7, []byte{'a', 0x1B}); got != "a " {
		t.Errorf("an escape at the end shows as %q, the standard has a space", got)
	}
}

// TestPackingOfTS23038 holds §6.1.2.1.1: character n starts at bit 7·n, low bit first.
func TestPackingOfTS23038(t *testing.T) {
	septets := []byte{0x01, 0x7F, 0x40, 0x55, 0x2A, 0x33, 0x0C, 0x71, 0x1E}
	for n := range len(septets) + 1 {
		for fill := range 7 {
			packed := gsm.Pack(nil, septets[:n], fill)
			for i := range n * 7 {
				at := fill + i
				if packed[at/8]>>(at%8)&1 != septets[i/7]>>(i%7)&1 {
					t.Fatalf("%d septets, %d fill bits: bit %d is wrong in %x", n, fill, at, packed)
				}
			}
			if want := (n*7 + fill + 7) / 8; n > 0 && len(packed) != want {
				t.Errorf("%d septets, %d fill bits: %d octets, not %d", n, fill, len(packed), want)
			}
			if back := gsm.Unpack(nil, packed, n, fill); string(back) != string(septets[:n]) {
				t.Errorf("%d septets, %d fill bits: unpacked %x", n, fill, back)
			}
		}
	}
}

// The packed form that tools and books quote everywhere; not from the standard.
func TestPackHellohello(t *testing.T) {
	if got := gsm.Pack(nil, []byte("hellohello"), 0); string(got) != "\xe8\x32\x9b\xfd\x46\x97\xd9\xec\x37" {
		t.Errorf("packed % x", got)
	}
}

func TestSevenSpareBitsAreNotACharacter(t *testing.T) {
	packed := gsm.Pack(nil, []byte("1234567"), 0)
	if len(packed) != 7 {
		t.Fatalf("7 septets take %d octets", len(packed))
	}
	if got := gsm.Unpack(nil, packed, 7, 0); string(got) != "1234567" {
		t.Errorf("unpacked %q", got)
	}
}

// TS 23.040 §9.2.3.24: fill bits bring text to a septet boundary: 160 − 7 = 153.
func TestFillBitsOfTS23040(t *testing.T) {
	for header, want := range map[int]int{6: 1, 7: 0, 14: 0, 1: 6, 2: 5, 8: 6} {
		if got := gsm.FillBits(header); got != want {
			t.Errorf("header of %d octets: %d fill bits, not %d", header, got, want)
		}
	}
	text := strings.Repeat("x", 153)
	packed := gsm.Pack(gsm.AppendConcat8(nil, 1, 2, 1), []byte(text), gsm.FillBits(6))
	if len(packed) != 140 {
		t.Errorf("a full part packs into %d octets, not 140", len(packed))
	}
}

func segmentOne(t *testing.T, text string, enc gsm.Encoding) string {
	t.Helper()
	payload, ends, info, err := gsm.Segment(nil, nil, text, gsm.Options{Encoding: enc})
	if err != nil {
		t.Errorf("%q: %v", text, err)
		return ""
	}
	if len(ends) != 1 || info.Parts != 1 || info.UDHI {
		t.Errorf("%q makes %d parts, %+v", text, len(ends), info)
	}
	return string(payload)
}
