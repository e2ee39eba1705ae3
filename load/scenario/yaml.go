package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"protei-bulk/internal/nearest"
	"protei-bulk/load"
	"protei-bulk/load/scenario/template"
)

// Mistake is something wrong in a scenario file. Line and Column count from 1; 0 is the
// file as a whole.
type Mistake struct {
	Line, Column int
	Text         string
}

// Mistakes are all that is wrong in a file, in the order of their lines.
type Mistakes struct {
	File string
	List []Mistake
}

func (m *Mistakes) Error() string {
	lines := make([]string, len(m.List))
	for i, one := range m.List {
		lines[i] = fmt.Sprintf("%s:%d:%d: %s", m.File, one.Line, one.Column, one.Text)
	}
	return strings.Join(lines, "\n")
}

const (
	maxFileBytes = 4 << 20
	maxMistakes  = 100
	maxNodes     = 200_000 // aliases counted each time
)

// reader walks the YAML of a scenario file. It goes on after a mistake, so that all are
// found at once; what it returns for a wrong value is a harmless one.
type reader struct {
	env      *template.Env
	readFile func(name string) ([]byte, error)

	mistakes []Mistake
	anchors  map[string]ast.Node
	nodes    int
}

// parseYAML returns the file's only document; nil when there is none or a mistake.
func (r *reader) parseYAML(data []byte) (root ast.Node) {
	if len(data) > maxFileBytes {
		r.mistakes = append(r.mistakes, Mistake{0, 0, "the file has more than 4 MB"})
		return nil
	}
	defer func() {
		if p := recover(); p != nil { // a panic of the YAML library is a mistake of the file
			r.mistakes = append(r.mistakes, Mistake{1, 1, "this is not YAML"})
			root = nil
		}
	}()
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			r.fault(doc.Body, "a second document: one file is one scenario")
			break
		}
		root = doc.Body
	}
	if root == nil && len(r.mistakes) == 0 {
		r.mistakes = append(r.mistakes, Mistake{1, 1, "the file is empty; `protei-bulk load example` prints one to start from"})
		return nil
	}
	r.anchors = map[string]ast.Node{}
	ast.Walk(anchorVisitor(r.anchors), root)
	return root
}

func (r *reader) syntax(err error) {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil && e.GetToken().Position != nil {
		p := e.GetToken().Position
		r.mistakes = append(r.mistakes, Mistake{max(p.Line, 1), max(p.Column, 1), "YAML: " + e.GetMessage()})
		return
	}
	r.mistakes = append(r.mistakes, Mistake{1, 1, "YAML: " + err.Error()})
}

type anchorVisitor map[string]ast.Node

func (v anchorVisitor) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil && a.Name.GetToken() != nil {
		v[a.Name.GetToken().Value] = a.Value
	}
	return v
}

// resolve follows anchors, aliases and tags, and bounds what they multiply to.
func (r *reader) resolve(n ast.Node) ast.Node {
	for range 32 {
		if r.nodes++; r.nodes > maxNodes {
			if r.nodes == maxNodes+1 {
				r.fault(n, "aliases multiply this file beyond %d values", maxNodes)
			}
			return nil
		}
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.AliasNode:
			name := ""
			if v.Value != nil && v.Value.GetToken() != nil {
				name = v.Value.GetToken().Value
			}
			to, ok := r.anchors[name]
			if !ok {
				r.fault(v, "no anchor &%s", name)
				return nil
			}
			n = to
		case *ast.TagNode:
			n = v.Value
		default:
			return n
		}
	}
	r.fault(n, "an alias that leads to itself")
	return nil
}

// startOf is where a value begins.
func startOf(n ast.Node) *token.Token {
	for range 32 {
		switch v := n.(type) {
		case nil:
			return nil
		case *ast.MappingNode:
			if v.IsFlowStyle || len(v.Values) == 0 {
				return v.Start
			}
			n = v.Values[0]
		case *ast.MappingValueNode:
			n = v.Key
		case *ast.LiteralNode:
			return v.Start
		default:
			return n.GetToken()
		}
	}
	return nil
}

func (r *reader) fault(n ast.Node, format string, args ...any) {
	r.faultAt(startOf(n), 0, 0, format, args...)
}

func (r *reader) faultAt(t *token.Token, lines, columns int, format string, args ...any) {
	if len(r.mistakes) >= maxMistakes {
		return
	}
	m := Mistake{Line: 1, Column: 1, Text: fmt.Sprintf(format, args...)}
	if t != nil && t.Position != nil {
		m.Line, m.Column = t.Position.Line+lines, t.Position.Column+columns
	}
	if !slices.Contains(r.mistakes, m) { // an alias is read more than once
		r.mistakes = append(r.mistakes, m)
	}
}

// fields are a mapping's values by key.
type fields struct {
	node   ast.Node
	values map[string]ast.Node
	order  []string
	keys   map[string]ast.Node
}

func (f fields) has(key string) bool { return f.values[key] != nil }

// pairs reads a mapping with any keys.
func (r *reader) pairs(n ast.Node, what string) fields {
	f := fields{node: n, values: map[string]ast.Node{}, keys: map[string]ast.Node{}}
	var list []*ast.MappingValueNode
	switch v := r.resolve(n).(type) {
	case nil:
		return f
	case *ast.MappingNode:
		list = v.Values
	case *ast.MappingValueNode:
		list = []*ast.MappingValueNode{v}
	default:
		r.fault(n, "%s: want keys with values, got %s", what, kindOf(v))
		return f
	}
	for _, kv := range list {
		if kv.Key == nil || kv.Key.GetToken() == nil {
			r.fault(n, "%s: a key is missing", what)
			continue
		}
		key := kv.Key.GetToken().Value
		if s, ok := kv.Key.(*ast.StringNode); ok {
			key = s.Value
		}
		if f.has(key) {
			r.fault(kv.Key, "%s: %s is given twice", what, key)
			continue
		}
		value := kv.Value
		if value == nil {
			value = kv.Key // never seen; a null is a NullNode
		}
		f.values[key], f.keys[key] = value, kv.Key
		f.order = append(f.order, key)
	}
	return f
}

// mapping reads a mapping whose keys are known.
func (r *reader) mapping(n ast.Node, what string, known ...string) fields {
	f := r.pairs(n, what)
	for _, key := range f.order {
		if slices.Contains(known, key) {
			continue
		}
		hint := nearest.Meant(key, known)
		if hint == "" {
			hint = "; there are " + strings.Join(known, ", ")
		}
		r.fault(f.keys[key], "%s: unknown key %s%s", what, strconv.Quote(key), hint)
	}
	return f
}

// list reads a sequence; one value alone is a list of one.
func (r *reader) list(n ast.Node) []ast.Node {
	switch v := r.resolve(n).(type) {
	case nil, *ast.NullNode:
		return nil
	case *ast.SequenceNode:
		return v.Values
	default:
		return []ast.Node{n}
	}
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	}
	return "a single value"
}

// scalar is the text of a single value.
func (r *reader) scalar(n ast.Node) (text string, ok bool) {
	switch v := r.resolve(n).(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return v.GetToken().Value, true
	}
	return "", false
}

// text reads a single value, def when n is nil.
func (r *reader) text(n ast.Node, what, def string) string {
	if n == nil {
		return def
	}
	s, ok := r.scalar(n)
	if !ok {
		r.fault(n, "%s: want a text", what)
	}
	return s
}

// oneOf reads one of some words.
func (r *reader) oneOf(n ast.Node, what string, words ...string) string {
	s := r.text(n, what, words[0])
	if n == nil || slices.Contains(words, s) {
		return s
	}
	r.fault(n, "%s: %q is none of %s%s", what, s, strings.Join(words, ", "), nearest.Meant(s, words))
	return words[0]
}

func (r *reader) whole(n ast.Node, what string, def, least, most int) int {
	if n == nil {
		return def
	}
	s, _ := r.scalar(n)
	v, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
	if err != nil || v < least || v > most {
		r.fault(n, "%s: want a whole number from %d to %d", what, least, most)
		return def
	}
	return v
}

func (r *reader) number(n ast.Node, what string, def float64) float64 {
	if n == nil {
		return def
	}
	s, _ := r.scalar(n)
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v > 0) || v > 1e9 {
		r.fault(n, "%s: want a number above 0", what)
		return def
	}
	return v
}

func (r *reader) yes(n ast.Node, what string, def bool) bool {
	if n == nil {
		return def
	}
	if b, ok := r.resolve(n).(*ast.BoolNode); ok {
		return b.Value
	}
	r.fault(n, "%s: want true or false", what)
	return def
}

func (r *reader) timespan(n ast.Node, what string, def time.Duration) time.Duration {
	if n == nil {
		return def
	}
	s, _ := r.scalar(n)
	d, err := load.ParseTimespan(s)
	if err != nil {
		r.fault(n, "%s: want a time, as 0.5, 500ms, 20s, 3m or 1h30m", what)
		return def
	}
	return d
}

// words reads a list of plain words.
func (r *reader) words(n ast.Node, what string) (out []string) {
	for _, item := range r.list(n) {
		s, ok := r.scalar(item)
		if !ok || s == "" || strings.ContainsAny(s, " ,\t\n") {
			r.fault(item, "%s: want single words", what)
			continue
		}
		out = append(out, s)
	}
	return out
}

// template compiles a single value.
func (r *reader) template(n ast.Node, what string, esc template.Escape) *template.Template {
	s, ok := r.scalar(n)
	if !ok {
		r.fault(n, "%s: want a text", what)
	}
	t, faults := r.env.Compile(s, esc)
	r.templateFaults(n, what, s, faults)
	return t
}

// templateFaults places the mistakes of a text in the file.
func (r *reader) templateFaults(n ast.Node, what, text string, faults []*template.Fault) {
	for _, f := range faults {
		v := r.resolve(n)
		t := startOf(v)
		lines, columns := 0, f.Offset
		if _, literal := v.(*ast.LiteralNode); literal {
			before := text[:min(f.Offset, len(text))]
			lines, columns = 1+strings.Count(before, "\n"), 0
		} else if t != nil && (t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType) {
			columns++
		}
		r.faultAt(t, lines, columns, "%s: %s", what, f.Text)
	}
}

// unquoted says that a value is written without quotes.
func unquoted(n ast.Node) bool {
	t := n.GetToken()
	return t != nil && t.Type != token.DoubleQuoteType && t.Type != token.SingleQuoteType
}
