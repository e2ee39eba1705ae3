package scenario

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// jsonPath leads to a value: $.name, $.list[0].id, $['a name'], $.list[*].id.
type jsonPath struct {
	text  string
	steps []pathStep
}

type pathStep struct {
	name  string
	index int
	kind  stepKind
}

type stepKind uint8

const (
	stepName stepKind = iota
	stepIndex
	stepAll
)

// label is the path as failures name it: message_id for $.message_id and $.message_id[*].
func (p *jsonPath) label() string {
	return strings.TrimSuffix(strings.TrimPrefix(p.text, "$."), "[*]")
}

// parsePath reads a path; the $ at its start may be left out.
func parsePath(text string) (p jsonPath, err error) {
	p.text = text
	rest := strings.TrimPrefix(text, "$")
	if rest == text && text != "" && text[0] != '.' && text[0] != '[' {
		rest = "." + text
	}
	bad := func() (jsonPath, error) {
		return jsonPath{}, fmt.Errorf("%q is no JSON path: want $.name, $.list[0].name or $['a name']", text)
	}
	if text == "" || len(text) > 500 {
		return bad()
	}
	for rest != "" {
		switch rest[0] {
		case '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			name := rest[1 : 1+end]
			if name == "" || strings.ContainsAny(name, "$*]\"' \\") {
				return bad()
			}
			p.steps = append(p.steps, pathStep{name: name})
			rest = rest[1+end:]
		case '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return bad()
			}
			step, ok := parseIndex(rest[1:end])
			if !ok {
				return bad()
			}
			p.steps = append(p.steps, step)
			rest = rest[end+1:]
		default:
			return bad()
		}
	}
	return p, nil
}

func parseIndex(s string) (pathStep, bool) {
	if s == "*" {
		return pathStep{kind: stepAll}, true
	}
	if n := len(s); n > 2 && (s[0] == '\'' || s[0] == '"') && s[n-1] == s[0] {
		return pathStep{name: s[1 : n-1]}, true
	}
	i, err := strconv.Atoi(s)
	return pathStep{kind: stepIndex, index: i}, err == nil && i >= 0
}

// all says that the path has a [*].
func (p *jsonPath) all() bool {
	for _, s := range p.steps {
		if s.kind == stepAll {
			return true
		}
	}
	return false
}

// each calls fn with every value that the path leads to, until it returns false: strings
// without their quotes, escapes as they stand, anything else as it is written.
func (p *jsonPath) each(body []byte, fn func(value []byte, quoted bool) bool) {
	c := cursor{b: body}
	walkPath(&c, p.steps, fn)
}

func walkPath(c *cursor, steps []pathStep, fn func([]byte, bool) bool) (more bool) {
	if len(steps) == 0 {
		v, quoted := c.value()
		return c.err == nil && fn(v, quoted)
	}
	step, rest := &steps[0], steps[1:]
	open := byte('[')
	if step.kind == stepName {
		open = '{'
	}
	if c.next() != open {
		c.skip()
		return c.err == nil
	}
	c.enter(open)
	more = true
	if step.kind == stepName {
		for key, ok := c.key(); ok; key, ok = c.key() {
			if more && string(key) == step.name {
				more = walkPath(c, rest, fn)
			} else {
				c.skip()
			}
			if !more {
				return false
			}
		}
		return more && c.err == nil
	}
	for i := 0; c.item(); i++ {
		if more && (step.kind == stepAll || i == step.index) {
			if more = walkPath(c, rest, fn); !more {
				return false
			}
		} else {
			c.skip()
		}
	}
	return c.err == nil
}

// find returns the first value of the path.
func (p *jsonPath) find(body []byte) (value []byte, quoted, ok bool) {
	// Names alone need no callback, which would be allocated.
	c := cursor{b: body}
	for i := range p.steps {
		if !c.descend(&p.steps[i]) {
			return nil, false, false
		}
	}
	value, quoted = c.value()
	return value, quoted, c.err == nil
}

// descend goes one step; [*] takes the first item.
func (c *cursor) descend(s *pathStep) bool {
	if s.kind == stepName {
		if c.next() != '{' {
			return false
		}
		c.enter('{')
		for key, ok := c.key(); ok; key, ok = c.key() {
			if string(key) == s.name {
				return true
			}
			c.skip()
		}
		return false
	}
	if c.next() != '[' {
		return false
	}
	c.enter('[')
	for i := 0; c.item(); i++ {
		if i == s.index {
			return true
		}
		c.skip()
	}
	return false
}

// value reads whatever is next.
func (c *cursor) value() (v []byte, quoted bool) {
	switch c.next() {
	case 0, '}', ']':
		c.fail()
		return nil, false
	case '"':
		return c.quoted(), true
	}
	start := c.pos
	c.skip()
	if c.err != nil {
		return nil, false
	}
	return c.b[start:c.pos], false
}

// unescape appends a JSON string's inside without its escapes.
func unescape(dst, s []byte) []byte {
	if bytes.IndexByte(s, '\\') < 0 {
		return append(dst, s...)
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(string(s), `\/`, `/`) + `"`)
	if err != nil {
		return append(dst, s...)
	}
	return append(dst, text...)
}
