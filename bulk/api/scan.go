package api

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a JSON body.
const maxDepth = 32

// scanner reads one JSON text (RFC 8259) from front to back without reflection. Strings
// without escapes alias the text. After the first syntax error every call does nothing
// and err says what was wrong where. The text must be valid UTF-8.
//
//	s.object()
//	for s.more('}') {
//		switch key := s.key(); key {
//		case "to": s.str()
//		default:   s.skip()
//		}
//	}
type scanner struct {
	text    string
	pos     int
	depth   int
	first   bool // no element of the innermost object or array was read yet
	scratch []byte
	err     *syntaxError
}

// syntaxError says where a text stops being JSON.
type syntaxError struct {
	offset int // octets from the start
	detail string
}

func (e *syntaxError) Error() string { return e.detail }

// place returns line and column, both from 1, of an offset.
func place(text string, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	line = 1 + strings.Count(before, "\n")
	return line, 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}

func (s *scanner) reset(text string) {
	*s = scanner{text: text, scratch: s.scratch[:0]}
}

func (s *scanner) fail(offset int, detail string) {
	if s.err == nil {
		s.err = &syntaxError{offset, detail}
		s.pos = len(s.text)
	}
}

// unexpected reports what stands at pos instead of what was wanted.
func (s *scanner) unexpected(want string) {
	if s.err != nil {
		return
	}
	if s.pos >= len(s.text) {
		s.fail(s.pos, "the text ends where "+want+" is expected")
		return
	}
	c, _ := utf8.DecodeRuneInString(s.text[s.pos:])
	s.fail(s.pos, fmt.Sprintf("%q stands where %s is expected", c, want))
}

func (s *scanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\n', '\t', '\r':
			s.pos++
		default:
			return
		}
	}
}

// kind returns the first octet of the next value: one of { [ " t f n, 0 for a number,
// and the octet itself for anything else; 1 at the end or after an error.
func (s *scanner) kind() byte {
	s.space()
	if s.err != nil || s.pos >= len(s.text) {
		return 1
	}
	switch c := s.text[s.pos]; c {
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return 0
	default:
		return c
	}
}

// object and array step into a value whose kind was looked at.
func (s *scanner) object() { s.open('{', "an object") }
func (s *scanner) array()  { s.open('[', "an array") }

func (s *scanner) open(c byte, want string) {
	if s.kind() != c {
		s.unexpected(want)
		return
	}
	if s.depth++; s.depth > maxDepth {
		s.fail(s.pos, fmt.Sprintf("objects and arrays are nested deeper than %d", maxDepth))
		return
	}
	s.pos++
	s.first = true
}

// more reports whether another element follows before the closing octet, which it steps
// over at the end.
func (s *scanner) more(closing byte) bool {
	s.space()
	if s.err != nil {
		return false
	}
	if s.pos < len(s.text) && s.text[s.pos] == closing {
		s.pos++
		s.depth--
		s.first = false
		return false
	}
	if !s.first {
		if s.pos >= len(s.text) || s.text[s.pos] != ',' {
			s.unexpected("a comma or " + string(rune(closing)))
			return false
		}
		s.pos++
		s.space()
	}
	s.first = false
	if s.pos >= len(s.text) {
		s.unexpected("a value")
		return false
	}
	return true
}

// key reads the name of an object's member and the colon.
func (s *scanner) key() string {
	s.space()
	if s.err != nil {
		return ""
	}
	if s.pos >= len(s.text) || s.text[s.pos] != '"' {
		s.unexpected("a name in double quotes")
		return ""
	}
	key := s.str()
	s.space()
	if s.err == nil {
		if s.pos >= len(s.text) || s.text[s.pos] != ':' {
			s.unexpected("a colon")
			return ""
		}
		s.pos++
	}
	return key
}

// str reads a string.
func (s *scanner) str() string {
	if s.kind() != '"' {
		s.unexpected("a string")
		return ""
	}
	start := s.pos + 1
	for i := start; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.pos = i + 1
			return s.text[start:i]
		case c == '\\':
			return s.escaped(start, i)
		case c < ' ':
			s.fail(i, fmt.Sprintf("the control character %U in a string has to be escaped", rune(c)))
			return ""
		}
	}
	s.fail(start-1, "a string begins here and has no end")
	return ""
}

// escaped reads the rest of a string from its first backslash on.
func (s *scanner) escaped(start, i int) string {
	buf := append(s.scratch[:0], s.text[start:i]...)
	for i < len(s.text) {
		c := s.text[i]
		switch {
		case c == '"':
			s.pos = i + 1
			s.scratch = buf
			return string(buf)
		case c < ' ':
			s.fail(i, fmt.Sprintf("the control character %U in a string has to be escaped", rune(c)))
			return ""
		case c != '\\':
			buf = append(buf, c)
			i++
			continue
		}
		if i+1 >= len(s.text) {
			break
		}
		switch e := s.text[i+1]; e {
		case '"', '\\', '/':
			buf = append(buf, e)
		case 'b':
			buf = append(buf, '\b')
		case 'f':
			buf = append(buf, '\f')
		case 'n':
			buf = append(buf, '\n')
		case 'r':
			buf = append(buf, '\r')
		case 't':
			buf = append(buf, '\t')
		case 'u':
			r, n := unescape(s.text[i:])
			if n == 0 {
				s.fail(i, "\\u is not followed by four hex digits of a whole character")
				return ""
			}
			buf = utf8.AppendRune(buf, r)
			i += n
			continue
		default:
			s.fail(i, fmt.Sprintf("\\%c is no escape", e))
			return ""
		}
		i += 2
	}
	s.fail(start-1, "a string begins here and has no end")
	return ""
}

// unescape reads \uXXXX, with its second half when it is a surrogate; n = 0: it is none.
func unescape(text string) (r rune, n int) {
	r, ok := hex4(text)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	low, ok := hex4(text[6:])
	if !ok {
		return 0, 0
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

func hex4(text string) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(text[2:6], 16, 16)
	return rune(v), err == nil
}

// number reads a number and returns it as written.
func (s *scanner) number() string {
	if s.kind() != 0 {
		s.unexpected("a number")
		return ""
	}
	start := s.pos
	i := start
	digits := func() bool {
		from := i
		for i < len(s.text) && s.text[i] >= '0' && s.text[i] <= '9' {
			i++
		}
		return i > from
	}
	if s.text[i] == '-' {
		i++
	}
	ok := true
	if i < len(s.text) && s.text[i] == '0' {
		i++
	} else {
		ok = digits()
	}
	if ok && i < len(s.text) && s.text[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(s.text) && (s.text[i] == 'e' || s.text[i] == 'E') {
		if i++; i < len(s.text) && (s.text[i] == '+' || s.text[i] == '-') {
			i++
		}
		ok = digits()
	}
	if !ok {
		s.fail(start, "this is not a number")
		return ""
	}
	s.pos = i
	return s.text[start:i]
}

// literal reads true, false or null.
func (s *scanner) literal() string {
	s.space()
	for _, word := range [...]string{"true", "false", "null"} {
		if s.err == nil && strings.HasPrefix(s.text[s.pos:], word) {
			s.pos += len(word)
			return word
		}
	}
	s.unexpected("a value")
	return ""
}

// skip reads any value and forgets it.
func (s *scanner) skip() {
	switch s.kind() {
	case '{':
		s.object()
		for s.more('}') {
			s.key()
			s.skip()
		}
	case '[':
		s.array()
		for s.more(']') {
			s.skip()
		}
	case '"':
		s.str()
	case 0:
		s.number()
	default:
		s.literal()
	}
}

// end checks that nothing but space is left.
func (s *scanner) end() {
	if s.space(); s.err == nil && s.pos < len(s.text) {
		s.unexpected("the end of the text")
	}
}
