package sheet

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// ndjson reads a JSON object from each line.
type ndjson struct {
	lines
	names, cells []string
}

// Next implements Reader.
func (n *ndjson) Next(row *Row) error {
	for {
		line, long, err := n.next()
		if err != nil {
			return err
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		bad := func(code, detail string) error {
			return &Malformed{Line: n.number, Code: code, Detail: detail, Raw: shorten(line)}
		}
		switch {
		case long:
			return bad("row_too_long", "the row has more than 65,536 octets")
		case !utf8.ValidString(line):
			return bad("invalid_characters", "the row is not UTF-8")
		}
		if code, err := n.object(line); err != nil {
			return bad(code, err.Error())
		}
		*row = Row{Line: n.number, Cells: n.cells, Names: n.names, Raw: line}
		return nil
	}
}

// object reads the members of one object in their order.
func (n *ndjson) object(line string) (code string, err error) {
	n.names, n.cells = n.names[:0], n.cells[:0]
	dec := json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return "malformed_json", errors.New("the row is not a JSON object")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return "malformed_json", errors.New("the row is not well-formed JSON")
		}
		name, _ := key.(string) // of an object: always one
		value, err := dec.Token()
		if err != nil {
			return "malformed_json", errors.New("the row is not well-formed JSON")
		}
		var cell string
		switch v := value.(type) {
		case string:
			cell = v
		case json.Number:
			cell = v.String()
		case bool:
			cell = map[bool]string{true: "true", false: "false"}[v]
		case json.Delim:
			return "wrong_type", errors.New(name + " is an object or an array; a value is needed")
		}
		if n.names, n.cells = append(n.names, name), append(n.cells, cell); len(n.cells) > MaxColumns {
			return "too_many_columns", errors.New("the row has more than 256 members")
		}
	}
	if _, err := dec.Token(); err != nil || dec.More() {
		return "malformed_json", errors.New("the row is not one well-formed JSON object")
	}
	return "", nil
}

// Close implements Reader.
func (n *ndjson) Close() error { return nil }
