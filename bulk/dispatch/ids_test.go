package dispatch

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

func TestSpellings(t *testing.T) {
	for _, c := range []struct {
		as       spelling
		id, want string // want "": no such spelling
	}{
		{asIs, "aB-1", "aB-1"},
		{lowerHex, "255", "ff"},
		{lowerHex, "ff", ""},
		{upperHex, "255", "FF"},
		{upperHex, "16", ""}, // the same as lowerHex
		{lowerHex8, "255", "000000ff"},
		{upperHex8, "255", "000000FF"},
		{lowerHex8, "4294967295", ""}, // has 8 digits anyway
		{decimal, "ff", "255"},
		{decimal, "FFFFFFFFFFFFFFFF", "18446744073709551615"},
		{decimal, "1FFFFFFFFFFFFFFFF", ""},
		{decimal, "xyz", ""},
		{decimal, "", ""},
		{decimal10, "ff", "0000000255"},
		{decimal10, "ffffffff", ""}, // has 10 digits anyway
		{lowerHex, "18446744073709551616", ""},
	} {
		got, ok := c.as.spell([]byte("x"), []byte(c.id))
		if ok != (c.want != "") || ok && string(got) != "x"+c.want {
			t.Errorf("%q as %d: %q, %v; want %q", c.id, c.as, got, ok, c.want)
		}
	}
}

// FuzzSpell checks the spellings against strconv: each names the same number.
func FuzzSpell(f *testing.F) {
	for _, s := range []string{"0", "255", "ff", "00FF", "18446744073709551615", "ffffffffffffffff", "deadbeefdeadbeef0", "id-17", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		for s := asIs; s < numSpellings; s++ {
			got, ok := s.spell(nil, []byte(id))
			if !ok {
				continue
			}
			from, to := 10, 16
			switch s {
			case asIs:
				if string(got) != id {
					t.Fatalf("%q as it is: %q", id, got)
				}
				continue
			case decimal, decimal10:
				from, to = 16, 10
			}
			want, err := strconv.ParseUint(id, from, 64)
			if err != nil {
				t.Fatalf("%q was taken for a number", id)
			}
			if n, err := strconv.ParseUint(string(got), to, 64); err != nil || n != want {
				t.Fatalf("%q as %d: %q is %d, %v; want %d", id, s, got, n, err, want)
			}
			if (s == lowerHex8 || s == upperHex8) && len(got) != 8 || s == decimal10 && len(got) != 10 {
				t.Fatalf("%q as %d: %q has the wrong length", id, s, got)
			}
			if s == lowerHex && bytes.ContainsAny(got, "ABCDEF") || s == upperHex && strings.ContainsAny(string(got), "abcdef") {
				t.Fatalf("%q as %d: %q", id, s, got)
			}
		}
	})
}
