package sheet

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

// xmlScanner reads the little of XML that a sheet is made of, in bounded memory:
// encoding/xml reads a text of any length into memory before it shows it. Entities other
// than the five of XML and characters by number do not exist, as there is no DOCTYPE.
type xmlScanner struct {
	src *bufio.Reader
	tag []byte // of the tag read last, without < and >

	name   []byte // of the tag, without its prefix
	attrs  []byte // the rest of it
	closes bool   // an end tag
	empty  bool   // <name/>
	text   []byte // between the tag before and this one
}

const maxTag = 8 << 10

var errXML = errors.New("not well-formed XML")

// next reads up to the end of the next tag.
func (x *xmlScanner) next() error {
	x.text = x.text[:0]
	for {
		if err := x.until('<', &x.text, 4*maxCell); err != nil {
			return err
		}
		head, _ := x.src.Peek(8)
		switch {
		case bytes.HasPrefix(head, []byte("!--")):
			if err := x.skipTo("-->"); err != nil {
				return err
			}
		case bytes.HasPrefix(head, []byte("![CDATA[")):
			return errXML // no writer of sheets makes one
		case bytes.HasPrefix(head, []byte("!")):
			return errXML
		case bytes.HasPrefix(head, []byte("?")):
			if err := x.skipTo("?>"); err != nil {
				return err
			}
		default:
			x.tag = x.tag[:0]
			if err := x.until('>', &x.tag, maxTag); err != nil {
				return noEnd(err)
			}
			x.split()
			return nil
		}
	}
}

func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// until reads to the octet end into dst, which does not get it.
func (x *xmlScanner) until(end byte, dst *[]byte, most int) error {
	for {
		part, err := x.src.ReadSlice(end)
		if err == nil {
			part = part[:len(part)-1]
		}
		if len(*dst)+len(part) > most {
			return errors.New("a text or tag is too long")
		}
		*dst = append(*dst, part...)
		if err == nil || !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

func (x *xmlScanner) skipTo(end string) error {
	last := end[len(end)-1]
	var seen []byte
	for {
		b, err := x.src.ReadByte()
		if err != nil {
			return noEnd(err)
		}
		if seen = append(seen, b); b == last && bytes.HasSuffix(seen, []byte(end)) {
			return nil
		}
		if len(seen) > maxTag {
			seen = append(seen[:0], seen[len(seen)-len(end):]...)
		}
	}
}

func (x *xmlScanner) split() {
	tag := x.tag
	if x.closes = len(tag) > 0 && tag[0] == '/'; x.closes {
		tag = tag[1:]
	}
	if x.empty = len(tag) > 0 && tag[len(tag)-1] == '/'; x.empty {
		tag = tag[:len(tag)-1]
	}
	i := bytes.IndexAny(tag, " \t\r\n")
	if i < 0 {
		i = len(tag)
	}
	x.name, x.attrs = tag[:i], tag[i:]
	if colon := bytes.IndexByte(x.name, ':'); colon >= 0 {
		x.name = x.name[colon+1:]
	}
}

// attr returns the value of an attribute as it stands, or nil.
func (x *xmlScanner) attr(name string) []byte {
	for rest := x.attrs; ; {
		rest = bytes.TrimLeft(rest, " \t\r\n")
		eq := bytes.IndexByte(rest, '=')
		if eq < 0 {
			return nil
		}
		key := bytes.TrimSpace(rest[:eq])
		rest = bytes.TrimLeft(rest[eq+1:], " \t\r\n")
		if len(rest) < 2 {
			return nil
		}
		end := bytes.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return nil
		}
		if string(key) == name {
			return rest[1 : 1+end]
		}
		rest = rest[end+2:]
	}
}

// unescape appends text with its entities resolved.
func unescape(dst, text []byte) []byte {
	for len(text) > 0 {
		i := bytes.IndexByte(text, '&')
		if i < 0 {
			break
		}
		dst, text = append(dst, text[:i]...), text[i:]
		end := bytes.IndexByte(text[:min(len(text), 12)], ';')
		if end < 0 {
			dst, text = append(dst, '&'), text[1:]
			continue
		}
		dst = appendEntity(dst, string(text[1:end]))
		text = text[end+1:]
	}
	return append(dst, text...)
}

func appendEntity(dst []byte, name string) []byte {
	switch name {
	case "amp":
		return append(dst, '&')
	case "lt":
		return append(dst, '<')
	case "gt":
		return append(dst, '>')
	case "quot":
		return append(dst, '"')
	case "apos":
		return append(dst, '\'')
	}
	if len(name) > 1 && name[0] == '#' {
		base, digits := 10, name[1:]
		if digits[0] == 'x' {
			base, digits = 16, digits[1:]
		}
		if n, err := strconv.ParseUint(digits, base, 32); err == nil && n > 0 && n <= utf8.MaxRune {
			return utf8.AppendRune(dst, rune(n))
		}
	}
	return append(append(append(dst, '&'), name...), ';')
}
