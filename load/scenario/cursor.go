package scenario

import (
	"bytes"
	"errors"
)

var errJSON = errors.New("no JSON of the expected form")

// cursor reads known shapes out of JSON in one pass and without allocating:
//
//	for key, ok := c.object(), ...; it is lenient about commas and strict about nesting.
//
// After a mistake in the text err is set and every loop ends.
type cursor struct {
	b   []byte
	pos int
	err error
}

func (c *cursor) fail() { c.err, c.pos = errJSON, len(c.b) }

// next is the next byte that is neither space nor separator; 0 at the end.
func (c *cursor) next() byte {
	for c.pos < len(c.b) {
		switch ch := c.b[c.pos]; ch {
		case ' ', '\t', '\r', '\n', ',', ':':
			c.pos++
		default:
			return ch
		}
	}
	return 0
}

// enter consumes the opening bracket, { or [.
func (c *cursor) enter(open byte) bool {
	if c.next() != open {
		c.fail()
		return false
	}
	c.pos++
	return true
}

// key returns the next member's name in an entered object, or false after its end.
func (c *cursor) key() ([]byte, bool) {
	switch c.next() {
	case '"':
		return c.quoted(), c.err == nil
	case '}':
		c.pos++
	default:
		c.fail()
	}
	return nil, false
}

// item says whether an entered array has another item, and leaves it when not.
func (c *cursor) item() bool {
	switch c.next() {
	case ']':
		c.pos++
		return false
	case 0:
		c.fail()
		return false
	}
	return true
}

// text reads a string as it stands, escapes included; any other value is skipped and nil.
func (c *cursor) text() []byte {
	if c.next() == '"' {
		return c.quoted()
	}
	c.skip()
	return nil
}

// quoted reads a string whose opening quote is next.
func (c *cursor) quoted() []byte {
	start := c.pos + 1
	for at := start; ; {
		i := bytes.IndexByte(c.b[at:], '"')
		if i < 0 {
			c.fail()
			return nil
		}
		at += i
		slashes := 0
		for at-slashes > start && c.b[at-slashes-1] == '\\' {
			slashes++
		}
		at++
		if slashes%2 == 0 {
			c.pos = at
			return c.b[start : at-1]
		}
	}
}

func (c *cursor) scalar() []byte {
	start := c.pos
	for c.pos < len(c.b) {
		switch c.b[c.pos] {
		case ',', ' ', '\t', '\r', '\n', '}', ']', ':', '"', '{', '[':
			return c.b[start:c.pos]
		}
		c.pos++
	}
	return c.b[start:]
}

// skip passes over a value of any kind.
func (c *cursor) skip() {
	depth := 0
	for {
		switch c.next() {
		case 0:
			c.fail()
			return
		case '"':
			c.quoted()
		case '{', '[':
			depth++
			c.pos++
		case '}', ']':
			if depth == 0 {
				c.fail()
				return
			}
			depth--
			c.pos++
		default:
			c.scalar()
		}
		if depth == 0 || c.err != nil {
			return
		}
	}
}

// member returns the text of a top-level member, nil when there is none.
func member(b []byte, name string) []byte {
	c := cursor{b: b}
	if !c.enter('{') {
		return nil
	}
	for key, ok := c.key(); ok; key, ok = c.key() {
		if string(key) == name {
			return c.text()
		}
		c.skip()
	}
	return nil
}
