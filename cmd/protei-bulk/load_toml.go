package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parseTOML returns the settings of one table of a TOML file. It reads all of TOML's
// strings, and arrays over several lines; numbers, dates and booleans are given as they
// stand. Inline tables in the table are refused: no flag takes one.
func parseTOML(text, table string) ([]setting, error) {
	if !strings.Contains(text, table[strings.LastIndexByte(table, '.')+1:]) {
		return nil, nil // a project that knows nothing of us: whatever its file holds
	}
	p := &tomlReader{text: text, line: 1}
	var out []setting
	current := ""
	for {
		p.space(true)
		if p.text == "" {
			return out, nil
		}
		start := p.line
		if p.text[0] == '[' {
			current = p.heading()
			continue
		}
		key, err := p.key()
		if err != nil {
			return nil, p.fault(err)
		}
		values, inline, err := p.value()
		if err != nil {
			return nil, p.fault(err)
		}
		if current != "" {
			key = current + "." + key
		}
		if name, ok := strings.CutPrefix(key, table+"."); ok {
			if inline {
				return nil, p.fault(fmt.Errorf("%s can not be a table", name))
			}
			out = append(out, setting{key: name, values: values, line: start})
		}
	}
}

type tomlReader struct {
	text string // what is left
	line int
}

func (p *tomlReader) fault(err error) error { return fmt.Errorf("%d: %w", p.line, err) }

func (p *tomlReader) skip(n int) {
	p.line += strings.Count(p.text[:n], "\n")
	p.text = p.text[n:]
}

// space passes over blanks, and with lines over comments and ends of lines.
func (p *tomlReader) space(lines bool) {
	for p.text != "" {
		switch c := p.text[0]; {
		case c == ' ' || c == '\t':
			p.skip(1)
		case lines && (c == '\n' || c == '\r'):
			p.skip(1)
		case lines && c == '#':
			p.rest()
		default:
			return
		}
	}
}

// rest passes over the rest of the line.
func (p *tomlReader) rest() string {
	n := strings.IndexByte(p.text, '\n')
	if n < 0 {
		n = len(p.text)
	}
	line := p.text[:n]
	p.skip(n)
	return line
}

// heading reads [a.b] or [[a.b]].
func (p *tomlReader) heading() string {
	line, _, _ := strings.Cut(p.rest(), "#")
	line = strings.Trim(strings.TrimSpace(line), "[]")
	parts := strings.Split(line, ".")
	for i := range parts {
		parts[i] = unquote(strings.TrimSpace(parts[i]))
	}
	return strings.Join(parts, ".")
}

func (p *tomlReader) key() (string, error) {
	n := strings.IndexAny(p.text, "=\n")
	if n < 0 || p.text[n] == '\n' {
		return "", errors.New("want key = value")
	}
	parts := strings.Split(p.text[:n], ".")
	for i := range parts {
		parts[i] = unquote(strings.TrimSpace(parts[i]))
	}
	p.skip(n + 1)
	p.space(false)
	return strings.Join(parts, "."), nil
}

// value reads a value; inline says that it was a table, whose content is passed over.
func (p *tomlReader) value() (values []string, inline bool, err error) {
	switch {
	case p.text == "":
		return nil, false, errors.New("a value is missing")
	case p.text[0] == '[':
		p.skip(1)
		return p.array()
	case p.text[0] == '{':
		return nil, true, p.table()
	case p.text[0] == '"' || p.text[0] == '\'':
		s, err := p.quoted()
		return []string{s}, false, err
	}
	n := strings.IndexAny(p.text, ",]}#\r\n")
	if n < 0 {
		n = len(p.text)
	}
	s := strings.TrimSpace(p.text[:n])
	p.skip(n)
	if s == "" {
		return nil, false, errors.New("a value is missing")
	}
	return []string{strings.ReplaceAll(s, "_", "")}, false, nil
}

func (p *tomlReader) array() (values []string, inline bool, err error) {
	for {
		p.space(true)
		if p.text == "" {
			return nil, false, errors.New("the list has no end")
		}
		switch p.text[0] {
		case ']':
			p.skip(1)
			return values, inline, nil
		case ',':
			p.skip(1)
			continue
		}
		v, in, err := p.value()
		if err != nil {
			return nil, false, err
		}
		values, inline = append(values, v...), inline || in
	}
}

// table passes over an inline table.
func (p *tomlReader) table() error {
	p.skip(1)
	for {
		p.space(true)
		if p.text == "" {
			return errors.New("the table has no end")
		}
		switch p.text[0] {
		case '}':
			p.skip(1)
			return nil
		case ',':
			p.skip(1)
			continue
		}
		if _, err := p.key(); err != nil {
			return err
		}
		if _, _, err := p.value(); err != nil {
			return err
		}
	}
}

// quoted reads a string of any of TOML's four kinds.
func (p *tomlReader) quoted() (string, error) {
	mark := p.text[:1]
	if strings.HasPrefix(p.text, strings.Repeat(mark, 3)) {
		mark = p.text[:3]
	}
	p.skip(len(mark))
	if len(mark) == 3 {
		p.text = strings.TrimPrefix(p.text, "\r")
		if strings.HasPrefix(p.text, "\n") {
			p.skip(1)
		}
	}
	var b strings.Builder
	for p.text != "" {
		switch {
		case strings.HasPrefix(p.text, mark):
			p.skip(len(mark))
			return b.String(), nil
		case len(mark) == 1 && p.text[0] == '\n':
			return "", errors.New("the string has no end")
		case mark[0] == '"' && p.text[0] == '\\':
			if err := p.escape(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(p.text[0])
			p.skip(1)
		}
	}
	return "", errors.New("the string has no end")
}

func (p *tomlReader) escape(b *strings.Builder) error {
	if len(p.text) < 2 {
		return errors.New("the string has no end")
	}
	c := p.text[1]
	if i := strings.IndexByte(`btnfr"\e`, c); i >= 0 {
		b.WriteByte("\b\t\n\f\r\"\\\x1b"[i])
		p.skip(2)
		return nil
	}
	digits := map[byte]int{'u': 4, 'U': 8}[c]
	if digits > 0 && len(p.text) >= 2+digits {
		n, err := strconv.ParseUint(p.text[2:2+digits], 16, 32)
		if err == nil && utf8.ValidRune(rune(n)) {
			b.WriteRune(rune(n))
			p.skip(2 + digits)
			return nil
		}
	}
	if strings.TrimLeft(p.text[1:], " \t\r") != "" && strings.TrimLeft(p.text[1:], " \t\r")[0] == '\n' {
		p.skip(1) // an escaped end of line and the blanks after it
		p.space(true)
		return nil
	}
	return fmt.Errorf(`\%c is no escape`, c)
}
