package aggregator

import (
	"bytes"
	"encoding/xml"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// template is text with fields.
type template []segment

// segment is text, or a field when name is not empty.
type segment struct {
	text   string
	name   string
	value  func(*Values) string
	escape escape
}

// escape writes a value so that it cannot become anything but a value where it stands.
type escape func(dst []byte, value string) ([]byte, error)

func (c *compiler) template(field, text string, esc escape) template {
	if len(text) > maxTemplate {
		c.bad(field, "has at most %d octets", maxTemplate)
		return nil
	}
	if !utf8.ValidString(text) {
		c.bad(field, "is not UTF-8")
		return nil
	}
	var t template
	for text != "" {
		before, rest, ok := strings.Cut(text, "{{")
		if before != "" {
			t = append(t, segment{text: before})
		}
		if !ok {
			break
		}
		name, after, ok := strings.Cut(rest, "}}")
		if !ok {
			c.bad(field, "{{%.20s has no }}", rest)
			break
		}
		name = strings.TrimSpace(name)
		f, ok := fieldNamed(name)
		if !ok {
			c.bad(field, "{{%.40s}} is no field; %s", name, fieldNames())
		}
		t = append(t, segment{name: name, value: f.value, escape: esc})
		text = after
	}
	return t
}

// append writes the template with its fields.
func (t template) append(dst []byte, v *Values) (_ []byte, err error) {
	for i := range t {
		s := &t[i]
		if s.name == "" {
			dst = append(dst, s.text...)
			continue
		}
		if dst, err = s.escape(dst, s.value(v)); err != nil {
			return nil, errors.New(s.name + ": " + err.Error())
		}
	}
	return dst, nil
}

// has reports whether the template has one of the fields.
func (t template) has(names ...string) bool {
	for i := range t {
		for _, n := range names {
			if t[i].name == n {
				return true
			}
		}
	}
	return false
}

func escapeNone(dst []byte, value string) ([]byte, error) { return append(dst, value...), nil }

func escapeQuery(dst []byte, value string) ([]byte, error) {
	return append(dst, url.QueryEscape(value)...), nil
}

func escapePath(dst []byte, value string) ([]byte, error) {
	return append(dst, url.PathEscape(value)...), nil
}

// escapeJSON writes what stands between the quotes of a JSON string: a number or a boolean
// stays as it is (RFC 8259 §7).
func escapeJSON(dst []byte, value string) ([]byte, error) {
	const hex = "0123456789abcdef"
	for _, r := range value {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst, nil
}

func escapeXML(dst []byte, value string) ([]byte, error) {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(value)); err != nil {
		return nil, err
	}
	return append(dst, b.Bytes()...), nil
}

// escapeHeader refuses what would end the header (RFC 9110 §5.5).
func escapeHeader(dst []byte, value string) ([]byte, error) {
	for i := 0; i < len(value); i++ {
		if value[i] < ' ' || value[i] == 0x7F {
			return nil, errors.New("has a control character, and stands in a header: " + strconv.Quote(value[:min(len(value), 20)]))
		}
	}
	return append(dst, value...), nil
}
