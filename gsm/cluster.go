package gsm

import (
	"unicode"
	"unicode/utf16"
)

// keepTogether is how far back, in octets, cutUCS2 looks for a place that does not
// divide what is drawn as one character.
const keepTogether = 64

// cutUCS2 returns where to cut body (UTF-16BE) at or before end: never inside a
// surrogate pair and, when there is such a place within keepTogether, not inside a
// sequence that is drawn as one character.
func cutUCS2(body []byte, end int) int {
	if lowSurrogate(body, end) && highSurrogate(body, end-2) {
		end -= 2
	}
	lowest := max(end-keepTogether, 2)
	for at := end; at >= lowest; {
		if !joined(body, at) {
			return at
		}
		_, size := runeBefore(body, at)
		at -= size
	}
	return end
}

// joined reports whether the characters before and after at belong together: a
// combining mark, variation selector, emoji modifier, tag or ZWJ after; a ZWJ before;
// or the two halves of a flag.
func joined(body []byte, at int) bool {
	next, _ := runeAfter(body, at)
	prev, size := runeBefore(body, at)
	switch {
	case next < 0x300:
		return false
	case unicode.Is(unicode.M, next), next == zwj, prev == zwj:
		return true
	case next >= 0x1F3FB && next <= 0x1F3FF, next >= 0xE0020 && next <= 0xE007F:
		return true
	case regional(next) && regional(prev):
		return flagsBefore(body, at-size)%2 == 0
	}
	return false
}

const zwj = 0x200D // ZERO WIDTH JOINER

func regional(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }

// flagsBefore counts the regional indicators that end at at; body is at most one part
// up to there.
func flagsBefore(body []byte, at int) int {
	n := 0
	for at > 0 {
		r, size := runeBefore(body, at)
		if !regional(r) {
			break
		}
		n++
		at -= size
	}
	return n
}

func unit(body []byte, at int) rune {
	if at < 0 || at+2 > len(body) {
		return 0
	}
	return rune(body[at])<<8 | rune(body[at+1])
}

func highSurrogate(body []byte, at int) bool { return unit(body, at)>>10 == 0xD800>>10 }
func lowSurrogate(body []byte, at int) bool  { return unit(body, at)>>10 == 0xDC00>>10 }

func runeAfter(body []byte, at int) (r rune, size int) {
	if highSurrogate(body, at) && lowSurrogate(body, at+2) {
		return utf16.DecodeRune(unit(body, at), unit(body, at+2)), 4
	}
	return unit(body, at), 2
}

func runeBefore(body []byte, at int) (r rune, size int) {
	if lowSurrogate(body, at-2) && highSurrogate(body, at-4) {
		return utf16.DecodeRune(unit(body, at-4), unit(body, at-2)), 4
	}
	return unit(body, at-2), 2
}
