package sheet

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// lines reads physical lines of bounded length.
type lines struct {
	src    *bufio.Reader
	number uint32   // of the line read last
	back   []string // read already, to be read again
	ended  bool
}

// next returns a line without its end; long says that it was cut at MaxRow.
func (l *lines) next() (line string, long bool, err error) {
	if len(l.back) > 0 {
		line, l.back = l.back[0], l.back[1:]
		l.number++
		return line, false, nil
	}
	if l.ended {
		return "", false, io.EOF
	}
	var whole []byte
	for {
		part, err := l.src.ReadSlice('\n')
		switch {
		case err == nil || errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			l.ended = true
		default:
			return "", false, err
		}
		full := errors.Is(err, bufio.ErrBufferFull)
		if whole == nil && !full {
			whole = part
		} else if len(whole) <= MaxRow {
			whole = append(bytes.Clone(whole), part...)
		}
		if full {
			continue
		}
		if l.ended && len(whole) == 0 {
			return "", false, io.EOF
		}
		l.number++
		whole = bytes.TrimSuffix(whole, []byte("\n"))
		if len(whole) > MaxRow {
			return string(whole[:MaxRow]), true, nil
		}
		return string(bytes.TrimSuffix(whole, []byte("\r"))), false, nil
	}
}

func (l *lines) unread(all []string) {
	l.back = append(append([]string(nil), all...), l.back...)
	l.number -= uint32(len(all))
}

// maxQuotedLines bounds the lines of a quoted cell: a quote that is never closed costs its
// own row only.
const maxQuotedLines = 50

// csvReader reads RFC 4180, and what spreadsheets make of it.
type csvReader struct {
	lines
	delimiter byte
	cells     []string
}

func newCSV(in *bufio.Reader, delimiter byte) *csvReader {
	head, _ := in.Peek(peeked)
	if rest, ok := bytes.CutPrefix(head, []byte("sep=")); ok && len(rest) > 1 && rest[0] < utf8.RuneSelf && (rest[1] == '\n' || rest[1] == '\r') { // Excel's
		if delimiter == 0 {
			delimiter = rest[0]
		}
		c := &csvReader{lines: lines{src: in}, delimiter: delimiter}
		_, _, _ = c.lines.next()
		return c
	}
	if delimiter == 0 {
		delimiter = sniff(head)
	}
	return &csvReader{lines: lines{src: in}, delimiter: delimiter}
}

// sniff finds the delimiter that the first lines have equally often.
func sniff(head []byte) byte {
	all := strings.SplitN(string(head), "\n", 21)
	if len(all) > 1 {
		all = all[:len(all)-1] // it may be cut
	}
	best, bestScore := byte(','), 0
	for _, d := range []byte{',', ';', '\t', '|'} {
		first := countOutside(all[0], d)
		if first == 0 {
			continue
		}
		same := 0
		for _, line := range all {
			if countOutside(line, d) == first {
				same++
			}
		}
		if score := same*1000 + min(first, 999); score > bestScore {
			best, bestScore = d, score
		}
	}
	return best
}

// countOutside counts d outside of quotes.
func countOutside(line string, d byte) (n int) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '"':
			quoted = !quoted
		case line[i] == d && !quoted:
			n++
		}
	}
	return n
}

// Next implements Reader.
func (c *csvReader) Next(row *Row) error {
	for {
		line, long, err := c.next()
		if err != nil {
			return err
		}
		number := c.number
		bad := func(code, detail string) error {
			return &Malformed{Line: number, Code: code, Detail: detail, Raw: shorten(line)}
		}
		if long {
			return bad("row_too_long", "the row has more than 65,536 octets")
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		raw := line
		if strings.IndexByte(line, '"') < 0 {
			c.split(line)
		} else if raw, err = c.quoted(line); err != nil {
			c.number = max(c.number, number)
			var m *Malformed
			if errors.As(err, &m) {
				return bad(m.Code, m.Detail)
			}
			return err
		}
		if !utf8.ValidString(raw) {
			return bad("invalid_characters", "the row is not in the character set of the file's beginning")
		}
		if len(c.cells) > MaxColumns {
			return bad("too_many_columns", "the row has more than 256 cells")
		}
		*row = Row{Line: number, Cells: c.cells, Raw: raw}
		return nil
	}
}

func (c *csvReader) split(line string) {
	c.cells = c.cells[:0]
	for {
		i := strings.IndexByte(line, c.delimiter)
		if i < 0 {
			c.cells = append(c.cells, line)
			return
		}
		c.cells = append(c.cells, line[:i])
		line = line[i+1:]
	}
}

// quoted splits a row with quotes, which may go on over several lines.
func (c *csvReader) quoted(line string) (raw string, err error) {
	raw = line
	var more []string
	for {
		open, err := c.parse(raw)
		if err != nil || !open {
			if err != nil {
				c.unread(more)
			}
			return raw, err
		}
		next, long, err := c.next()
		if err == nil && !long && len(more) < maxQuotedLines && len(raw)+len(next) < MaxRow {
			more = append(more, next)
			raw += "\n" + next
			continue
		}
		if err == nil {
			more = append(more, next)
		} else if !errors.Is(err, io.EOF) {
			return raw, err
		}
		c.unread(more)
		return raw, &Malformed{Code: "unclosed_quote", Detail: "a quote is opened and not closed"}
	}
}

// parse splits text into cells; open says that it ends inside of quotes.
func (c *csvReader) parse(text string) (open bool, err error) {
	c.cells = c.cells[:0]
	for {
		if trimmed := strings.TrimLeft(text, " "); !strings.HasPrefix(trimmed, `"`) {
			i := strings.IndexByte(text, c.delimiter)
			if i < 0 {
				c.cells = append(c.cells, text)
				return false, nil
			}
			c.cells = append(c.cells, text[:i])
			text = text[i+1:]
			continue
		} else {
			text = trimmed[1:]
		}
		var cell []byte
		for {
			i := strings.IndexByte(text, '"')
			if i < 0 {
				return true, nil
			}
			if strings.HasPrefix(text[i+1:], `"`) {
				cell = append(cell, text[:i+1]...)
				text = text[i+2:]
				continue
			}
			if cell == nil {
				c.cells = append(c.cells, text[:i])
			} else {
				c.cells = append(c.cells, string(append(cell, text[:i]...)))
			}
			text = text[i+1:]
			break
		}
		switch rest := strings.TrimLeft(text, " "); {
		case rest == "":
			return false, nil
		case rest[0] == c.delimiter:
			text = rest[1:]
		case text[0] == c.delimiter: // the delimiter is a space
			text = text[1:]
		default:
			return false, &Malformed{Code: "text_after_quote", Detail: "something other than a delimiter follows a closing quote"}
		}
	}
}

// Close implements Reader.
func (c *csvReader) Close() error { return nil }
