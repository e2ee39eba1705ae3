package scenario

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"protei-bulk/load/scenario/template"
)

// body reads json, form or body and returns its content type.
func (p *fileParser) body(s *httpStep, to *content, f fields, what string) (contentType string) {
	var given []string
	for _, key := range []string{"json", "form", "body"} {
		if f.has(key) {
			given = append(given, key)
		}
	}
	if len(given) > 1 {
		p.fault(f.keys[given[1]], "%s: %s beside %s: a request has one body", what, given[1], given[0])
	}
	p.messages(s, f, what)
	if len(given) == 0 {
		return ""
	}
	b := p.env.NewBuilder()
	n := f.values[given[0]]
	switch given[0] {
	case "json":
		j := jsonBody{fileParser: p, step: s, what: what + ": json"}
		j.value(b, n, 0)
		if s.bulk && j.each == 0 {
			p.fault(n, "%s: it sends many messages, so json needs one list as $each: {…}", what)
		}
		contentType = "application/json"
	case "form":
		form := p.pairs(n, what+": form")
		separator := ""
		for _, key := range form.order {
			if p.leftOut(form.values[key]) {
				continue
			}
			b.Literal(separator)
			separator = "&"
			b.Literal(string(template.AppendQuery(nil, key)) + "=")
			p.scalarInto(b, form.values[key], what+": form: "+key, template.Query)
		}
		contentType = "application/x-www-form-urlencoded"
	case "body":
		raw, _ := p.scalar(n)
		p.templateFaults(n, what+": body", raw, b.Text(raw, template.Text))
		contentType = "text/plain; charset=utf-8"
	}
	if s.bulk && given[0] != "json" {
		p.fault(f.keys["messages"], "%s: many messages in one request need a json body", what)
	}
	to.body = b.Template()
	return contentType
}

// messages reads how many messages a request sends: N or LEAST-MOST.
func (p *fileParser) messages(s *httpStep, f fields, what string) {
	n := f.values["messages"]
	if n == nil {
		return
	}
	text, _ := p.scalar(n)
	low, high, ranged := strings.Cut(text, "-")
	if !ranged {
		high = low
	}
	a, err1 := strconv.Atoi(strings.TrimSpace(low))
	b, err2 := strconv.Atoi(strings.TrimSpace(high))
	if strings.Contains(text, "${") { // a var
		t := p.template(n, what+": messages", template.Text)
		if v, ok := t.Static(); ok {
			a, b, err1, err2 = parseRange(v)
		}
	}
	if err1 != nil || err2 != nil || a < 1 || b < a || b > 10_000 {
		p.fault(n, "%s: messages: want a number of messages, or LEAST-MOST, from 1 to 10000", what)
		return
	}
	s.leastMsgs, s.mostMsgs = a, b
	s.bulk = a != 1 || b != 1 || p.hasEach(f.values["json"], 0)
}

func parseRange(text string) (a, b int, err1, err2 error) {
	low, high, ranged := strings.Cut(text, "-")
	if !ranged {
		high = low
	}
	a, err1 = strconv.Atoi(strings.TrimSpace(low))
	b, err2 = strconv.Atoi(strings.TrimSpace(high))
	return a, b, err1, err2
}

// eachKey marks the list of a body that has an item for every message.
const eachKey = "$each"

func (p *fileParser) hasEach(n ast.Node, depth int) bool {
	if n == nil || depth > 40 {
		return false
	}
	switch v := p.resolve(n).(type) {
	case *ast.MappingNode:
		for _, kv := range v.Values {
			if t := kv.Key.GetToken(); t != nil && t.Value == eachKey || p.hasEach(kv.Value, depth+1) {
				return true
			}
		}
	case *ast.SequenceNode:
		for _, item := range v.Values {
			if p.hasEach(item, depth+1) {
				return true
			}
		}
	}
	return false
}

// jsonBody compiles a tree of values to one template.
type jsonBody struct {
	*fileParser
	step *httpStep
	what string
	each int
}

func (j *jsonBody) value(b *template.Builder, n ast.Node, depth int) {
	if depth > 30 {
		j.fault(n, "%s: it is nested too deeply", j.what)
		return
	}
	switch v := j.resolve(n).(type) {
	case *ast.MappingNode:
		j.object(b, n, depth)
	case *ast.SequenceNode:
		b.Literal("[")
		for i, item := range v.Values {
			if i > 0 {
				b.Literal(",")
			}
			j.value(b, item, depth+1)
		}
		b.Literal("]")
	case *ast.IntegerNode:
		b.Literal(fmt.Sprint(v.Value))
	case *ast.FloatNode:
		if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
			j.fault(n, "%s: JSON has no such number", j.what)
			return
		}
		text, _ := json.Marshal(v.Value)
		b.Literal(string(text))
	case *ast.InfinityNode, *ast.NanNode:
		j.fault(n, "%s: JSON has no such number", j.what)
	case *ast.BoolNode:
		b.Literal(strconv.FormatBool(v.Value))
	case *ast.NullNode:
		b.Literal("null")
	case nil:
	default:
		s, ok := j.scalar(v)
		if !ok {
			j.fault(n, "%s: want a value", j.what)
			return
		}
		j.templateFaults(n, j.what, s, b.Value(s, unquoted(v), template.JSON))
	}
}

func (j *jsonBody) object(b *template.Builder, n ast.Node, depth int) {
	m := j.pairs(n, j.what)
	if each := m.values[eachKey]; each != nil {
		j.each++
		switch {
		case len(m.order) > 1:
			j.fault(n, "%s: $each stands alone: it is the whole list", j.what)
		case j.step.mostMsgs == 0:
			j.fault(m.keys[eachKey], "%s: $each needs messages: N beside json, the number of its items", j.what)
		}
		item := j.env.NewBuilder()
		j.value(item, each, depth+1)
		b.Literal("[")
		b.Each(item.Template(), ",")
		b.Literal("]")
		return
	}
	separator := "{"
	for _, key := range m.order {
		if j.leftOut(m.values[key]) {
			continue
		}
		b.Literal(separator)
		separator = ","
		b.Literal(`"` + string(template.AppendJSON(nil, key)) + `":`)
		j.value(b, m.values[key], depth+1)
	}
	if separator == "{" {
		b.Literal("{")
	}
	b.Literal("}")
}
