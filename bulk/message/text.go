package message

import (
	"strings"
	"unicode"
)

// Steers reports whether r is no character to be shown but one that a terminal or a page obeys: a control
// character, the end of a line, or one that turns what follows, as U+202E does. Joiners and direction marks
// belong to the words they stand in.
func Steers(r rune) bool {
	switch r {
	case '\u200e', '\u200f', '\u061c': // direction marks
		return false
	case '\u2028', '\u2029':
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// Steering returns the first character of s that Steers, if there is one.
func Steering(s string) (r rune, ok bool) {
	i := strings.IndexFunc(s, Steers)
	if i < 0 {
		return 0, false
	}
	for _, r = range s[i:] {
		break
	}
	return r, true
}
