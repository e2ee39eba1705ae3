package campaign

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"protei-bulk/bulk/contact"
)

// A template is text with variables: {{name}}, with filters {{name | trim | upper}}. A
// backslash before {{ keeps it as it is.
//
//	upper, lower, trim     of the value
//	default:"text"         instead of a value that is missing or empty
//	truncate:20            the first 20 characters
//
// Names are compared as contact.ColumnName has them; {{to}} is the number.

// maxVariables bounds the variables of a template.
const maxVariables = 100

// template is a text that was read. It is immutable.
type template struct {
	pieces []piece
}

// piece is a variable behind a literal text.
type piece struct {
	literal string
	name    string // "": none
	filters []filter
}

type filter struct {
	name string
	text string // of default
	n    int    // of truncate
}

// parseTemplate reads a text, or says where it is wrong.
func parseTemplate(text string) (*template, error) {
	t := &template{}
	var literal strings.Builder
	for rest := text; ; {
		i := strings.Index(rest, "{{")
		if i < 0 {
			literal.WriteString(rest)
			t.pieces = append(t.pieces, piece{literal: literal.String()})
			return t, nil
		}
		if i > 0 && rest[i-1] == '\\' {
			literal.WriteString(rest[:i-1] + "{{")
			rest = rest[i+2:]
			continue
		}
		literal.WriteString(rest[:i])
		inside, after, ok := cutVariable(rest[i+2:])
		if !ok {
			return nil, fmt.Errorf("the {{ at character %d is not closed by }}; write \\{{ for the characters themselves",
				utf8.RuneCountInString(text[:len(text)-len(rest)+i])+1)
		}
		p, err := parseVariable(inside)
		if err != nil {
			return nil, fmt.Errorf("{{%s}}: %w", shown(inside), err)
		}
		p.literal = literal.String()
		literal.Reset()
		if t.pieces = append(t.pieces, p); len(t.pieces) > maxVariables {
			return nil, fmt.Errorf("has more than %d variables", maxVariables)
		}
		rest = after
	}
}

func shown(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// cutVariable cuts at the }} that is outside of quotes.
func cutVariable(s string) (inside, after string, ok bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(s[i:], "}}"):
			return s[:i], s[i+2:], true
		}
	}
	return "", "", false
}

func parseVariable(s string) (p piece, err error) {
	parts := splitOutside(s, '|')
	p.name = contact.ColumnName(parts[0])
	if p.name == "" {
		return p, fmt.Errorf("names no column")
	}
	if strings.ContainsAny(p.name, "{}\"\\:\r\n") {
		return p, fmt.Errorf("the name of a column cannot have %q", "{}\"\\:")
	}
	for _, part := range parts[1:] {
		f, err := parseFilter(strings.TrimSpace(part))
		if err != nil {
			return p, err
		}
		p.filters = append(p.filters, f)
	}
	return p, nil
}

// splitOutside splits at sep outside of quotes.
func splitOutside(s string, sep byte) (parts []string) {
	quoted, from := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

func parseFilter(s string) (f filter, err error) {
	name, arg, has := strings.Cut(s, ":")
	f.name = strings.ToLower(strings.TrimSpace(name))
	arg = strings.TrimSpace(arg)
	if len(arg) >= 2 && arg[0] == '"' {
		if arg, err = strconv.Unquote(arg); err != nil {
			return f, fmt.Errorf("the argument of %s is not a text in quotes", f.name)
		}
	}
	switch f.name {
	case "upper", "lower", "trim":
		if has {
			return f, fmt.Errorf("%s takes no argument", f.name)
		}
	case "default":
		if !has {
			return f, fmt.Errorf(`default needs a text: default:"customer"`)
		}
		f.text = arg
	case "truncate":
		if f.n, err = strconv.Atoi(arg); err != nil || f.n < 1 || f.n > MaxContent {
			return f, fmt.Errorf("truncate needs a number of characters: truncate:20")
		}
	default:
		return f, fmt.Errorf("%q is no filter: upper, lower, trim, default, truncate", shown(f.name))
	}
	return f, nil
}

// plain reports whether there are no variables.
func (t *template) plain() bool { return len(t.pieces) == 1 && t.pieces[0].name == "" }

// unknown returns the variables that have neither a column nor a default.
func (t *template) unknown(columns []string) (names []string) {
	for i := range t.pieces {
		p := &t.pieces[i]
		if p.name != "" && p.name != "to" && !p.hasDefault() && !slices.Contains(columns, p.name) && !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	return names
}

func (p *piece) hasDefault() bool {
	return slices.ContainsFunc(p.filters, func(f filter) bool { return f.name == "default" })
}

// bound is a template whose variables have their columns.
type bound struct {
	*template
	columns []int // of each piece; -1: the number, -2: none
}

func (t *template) bind(columns []string) *bound {
	b := &bound{template: t}
	for i := range t.pieces {
		n := slices.Index(columns, t.pieces[i].name)
		if n < 0 {
			if n = -2; t.pieces[i].name == "to" {
				n = -1
			}
		}
		b.columns = append(b.columns, n)
	}
	return b
}

// render appends the text for m, or returns the variable that m has no value for.
func (b *bound) render(dst []byte, m *contact.Member) (text []byte, missing string) {
	for i := range b.pieces {
		p := &b.pieces[i]
		dst = append(dst, p.literal...)
		if p.name == "" {
			continue
		}
		value := ""
		switch n := b.columns[i]; {
		case n == -1:
			value = m.To
		case n >= 0 && n < len(m.Values):
			value = m.Values[n]
		}
		value, ok := p.apply(value)
		if !ok {
			return dst, p.name
		}
		dst = append(dst, value...)
	}
	return dst, ""
}

// apply runs the filters; false when there is no value and no default.
func (p *piece) apply(v string) (string, bool) {
	ok := v != ""
	for i := range p.filters {
		switch f := &p.filters[i]; f.name {
		case "upper":
			v = strings.ToUpper(v)
		case "lower":
			v = strings.ToLower(v)
		case "trim":
			v = strings.TrimSpace(v)
			ok = ok && v != ""
		case "default":
			if v == "" {
				v, ok = f.text, true
			}
		case "truncate":
			v = firstCharacters(v, f.n)
		}
	}
	return v, ok
}

func firstCharacters(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
