package scenario

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"protei-bulk/load/scenario/template"
)

// saved takes a value out of an answer.
type saved struct {
	slot   int
	from   source
	path   jsonPath
	header string
	re     *regexp.Regexp
	def    string
	hasDef bool
	label  string
}

// source is where in an answer a value is.
type source uint8

const (
	fromJSON source = iota
	fromHeader
	fromBody
)

// check is what an answer must be like.
type check struct {
	status  []statusRange // none: 2xx
	json    []jsonCheck
	headers []textCheck
	body    []textCheck
	maxTime time.Duration
}

type statusRange struct{ least, most int }

// jsonCheck and textCheck hold one expectation.
type jsonCheck struct {
	path   jsonPath
	equals *template.Template
	text   textCheck // without a place
	exists *bool
	least  *float64
	most   *float64
}

type textCheck struct {
	header   string
	contains *template.Template
	lacks    *template.Template
	equals   *template.Template
	matches  *regexp.Regexp
	text     string // as written, for failures
}

func (p *fileParser) saves(n ast.Node, what string) (out []saved) {
	m := p.pairs2(n, what)
	for _, name := range m.order {
		if !p.newName(m.keys[name], what, name) {
			continue
		}
		s := saved{slot: p.env.Var(name), label: name}
		value := m.values[name]
		if text, ok := p.scalar(value); ok {
			s.path = p.jsonPath(value, what+": "+name, text)
			out = append(out, s)
			continue
		}
		f := p.mapping(value, what+": "+name, "json", "header", "regexp", "default")
		switch {
		case f.has("json"):
			s.path = p.jsonPath(f.values["json"], what+": "+name, p.text(f.values["json"], what, ""))
		case f.has("header"):
			s.from, s.header = fromHeader, p.text(f.values["header"], what+": header", "")
		case f.has("regexp"):
			s.from, s.re = fromBody, p.regexp(f.values["regexp"], what+": "+name)
		default:
			p.fault(value, "%s: %s: want json, header or regexp", what, name)
		}
		if f.has("default") {
			s.hasDef, s.def = true, p.text(f.values["default"], what+": default", "")
		}
		out = append(out, s)
	}
	return out
}

func (p *fileParser) jsonPath(n ast.Node, what, text string) jsonPath {
	path, err := parsePath(text)
	if err != nil {
		p.fault(n, "%s: %v", what, err)
	}
	return path
}

func (p *fileParser) regexp(n ast.Node, what string) *regexp.Regexp {
	text := p.text(n, what, "")
	re, err := regexp.Compile(text)
	if err != nil {
		p.fault(n, "%s: %v", what, err)
		return regexp.MustCompile("^")
	}
	return re
}

func (p *fileParser) checks(n ast.Node, what string) (c check) {
	if n == nil {
		return c
	}
	m := p.mapping(n, what, "status", "json", "headers", "body", "max_time")
	for _, item := range p.list(m.values["status"]) {
		c.status = append(c.status, p.status(item, what+": status"))
	}
	c.maxTime = p.timespan(m.values["max_time"], what+": max_time", 0)
	jsons := p.pairs2(m.values["json"], what+": json")
	for _, key := range jsons.order {
		c.json = append(c.json, p.jsonCheck(jsons, key, what+": json: "+key))
	}
	headers := p.pairs2(m.values["headers"], what+": headers")
	for _, key := range headers.order {
		t := p.textCheck(headers.values[key], what+": headers: "+key, true)
		t.header = key
		c.headers = append(c.headers, t)
	}
	if m.has("body") {
		c.body = append(c.body, p.textCheck(m.values["body"], what+": body", false))
	}
	return c
}

// status reads 200, 2xx or 200-204.
func (p *fileParser) status(n ast.Node, what string) statusRange {
	s, _ := p.scalar(n)
	if len(s) == 3 && strings.HasSuffix(strings.ToLower(s), "xx") && s[0] >= '1' && s[0] <= '5' {
		first := int(s[0]-'0') * 100
		return statusRange{first, first + 99}
	}
	a, b, err1, err2 := parseRange(s)
	if err1 != nil || err2 != nil || a < 100 || b > 599 || b < a {
		p.fault(n, "%s: want 200, 2xx or 200-204", what)
	}
	return statusRange{a, b}
}

func (p *fileParser) jsonCheck(m fields, key, what string) jsonCheck {
	value := m.values[key]
	c := jsonCheck{path: p.jsonPath(m.keys[key], what, key)}
	if _, ok := p.scalar(value); ok {
		c.equals = p.template(value, what, template.Text)
		c.text.text, _ = p.scalar(value)
		return c
	}
	if _, null := p.resolve(value).(*ast.NullNode); null {
		c.equals, _ = p.env.Compile("null", template.Text)
		c.text.text = "null"
		return c
	}
	f := p.mapping(value, what, "equals", "exists", "min", "max", "contains", "not_contains", "matches")
	if f.has("exists") {
		yes := p.yes(f.values["exists"], what+": exists", true)
		c.exists = &yes
	}
	for key, to := range map[string]**float64{"min": &c.least, "max": &c.most} {
		if n := f.values[key]; n != nil {
			s, _ := p.scalar(n)
			v, err := strconv.ParseFloat(s, 64)
			if err != nil {
				p.fault(n, "%s: %s: want a number", what, key)
			}
			*to = &v
		}
	}
	c.text = p.textFields(f, what)
	c.equals, c.text.equals = c.text.equals, nil
	return c
}

// textCheck reads a text, which is contained (equal, for headers), or the ways to compare.
func (p *fileParser) textCheck(n ast.Node, what string, equal bool) textCheck {
	if s, ok := p.scalar(n); ok {
		t := p.template(n, what, template.Text)
		if equal {
			return textCheck{equals: t, text: s}
		}
		return textCheck{contains: t, text: s}
	}
	return p.textFields(p.mapping(n, what, "contains", "not_contains", "matches", "equals"), what)
}

func (p *fileParser) textFields(f fields, what string) (c textCheck) {
	var texts []string
	for key, to := range map[string]**template.Template{"contains": &c.contains, "not_contains": &c.lacks, "equals": &c.equals} {
		if n := f.values[key]; n != nil {
			*to = p.template(n, what+": "+key, template.Text)
		}
	}
	if n := f.values["matches"]; n != nil {
		c.matches = p.regexp(n, what+": matches")
	}
	for _, key := range f.order {
		s, _ := p.scalar(f.values[key])
		texts = append(texts, key+" "+s)
	}
	c.text = strings.Join(texts, ", ")
	return c
}
