package message_test

import (
	"testing"

	"protei-bulk/bulk/message"
)

func TestSteering(t *testing.T) {
	for s, want := range map[string]rune{
		"": -1, "Sale €": -1, "می\u200cخواهم": -1, "مرحبا\u200f": -1, "👩\u200d👧": -1, "a\u00a0b": -1, "\xff": -1,
		"a\x1b[2J": 0x1b, "a\tb": '\t', "a\nb": '\n', "\x00": 0, "\u009bm": 0x9b, "a\u202eb": 0x202e, "\u2066": 0x2066, "\u2028": 0x2028,
	} {
		if r, ok := message.Steering(s); ok != (want >= 0) || ok && r != want {
			t.Errorf("%q: %U %v, want %U", s, r, ok, want)
		}
	}
}
