package scenario

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"protei-bulk/load/scenario/template"
)

// httpKinds are the keys that make an HTTP step: the method, with the path as value.
var httpKinds = []string{"get", "post", "put", "patch", "delete", "head", "options"}

// httpKeys are the other keys of an HTTP step.
var httpKeys = []string{"name", "headers", "query", "json", "form", "body", "messages", "save", "check"}

// httpStep is one request with what is expected of its answer.
type httpStep struct {
	id                  int
	method, name        string
	full, quiet         content // quiet is without what is ${dlr_url} alone
	fixed               []string
	headers             []headerLine // with something to fill in
	leastMsgs, mostMsgs int          // messages that it sends; 0: none
	bulk                bool         // the answer has many ids
	usesID              bool         // a text names ${message_id}
	save                []saved
	check               check
}

// content is what a request asks for and sends.
type content struct {
	path   *template.Template
	static string // the path when it is always the same
	body   *template.Template
}

// content is what the step sends in a run.
func (s *httpStep) content(r *Run) *content {
	if r.quiet {
		return &s.quiet
	}
	return &s.full
}

// headerLine is "Name: " and its value.
type headerLine struct {
	name  string
	value *template.Template
}

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

func (p *fileParser) httpStep(f fields, kind, what string, c *fileClass) step {
	s := &httpStep{id: p.file.steps, method: strings.ToUpper(kind)}
	p.file.steps++
	p.env.OnVar(func(name string) {
		if name == "message_id" {
			s.usesID = true
		}
	})
	defer p.env.OnVar(nil)
	p.quiet = true
	p.path(s, &s.quiet, f, kind, what)
	p.body(s, &s.quiet, f, what)
	p.quiet = false
	p.path(s, &s.full, f, kind, what)
	contentType := p.body(s, &s.full, f, what)
	p.headerLines(s, f, what, contentType, c)
	s.save = p.saves(f.values["save"], what+": save")
	s.check = p.checks(f.values["check"], what+": check")
	return s
}

func (p *fileParser) path(s *httpStep, to *content, f fields, kind, what string) {
	n := f.values[kind]
	raw, _ := p.scalar(n)
	if !strings.HasPrefix(raw, "/") {
		p.fault(n, "%s: %s: want a path that begins with /; the host is given by -H or host:", what, kind)
	}
	if i := strings.IndexFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f }); i >= 0 && !strings.Contains(raw, "${") {
		p.fault(n, "%s: %s: a path has no spaces; write %%20", what, kind)
	}
	b := p.env.NewBuilder()
	path, query, asked := strings.Cut(raw, "?")
	faults := b.Text(path, template.Path)
	if asked {
		b.Literal("?")
		more := b.Text(query, template.Query)
		for _, m := range more {
			m.Offset += len(path) + 1
		}
		faults = append(faults, more...)
	}
	p.templateFaults(n, what+": "+kind, raw, faults)
	s.name = p.text(f.values["name"], what+": name", "")
	if s.name == "" {
		s.name = groupName(path)
	}
	q := p.pairs2(f.values["query"], what+": query")
	for _, key := range q.order {
		if p.leftOut(q.values[key]) {
			continue
		}
		separator := "&"
		if !asked {
			separator, asked = "?", true
		}
		b.Literal(separator + string(template.AppendQuery(nil, key)) + "=")
		p.scalarInto(b, q.values[key], what+": query: "+key, template.Query)
	}
	to.path = b.Template()
	to.static, _ = to.path.Static()
}

// leftOut says that a member, field or parameter is nothing but the receipts' URL, and
// there is none.
func (p *fileParser) leftOut(n ast.Node) bool {
	s, _ := p.scalar(n)
	return p.quiet && s == "${dlr_url}"
}

// pairs2 is pairs for a part that may be left out.
func (p *fileParser) pairs2(n ast.Node, what string) fields {
	if n == nil {
		return fields{}
	}
	return p.pairs(n, what)
}

// groupName makes one name of all URLs of a step: what varies becomes [name].
func groupName(path string) string {
	var b strings.Builder
	for {
		i := strings.Index(path, "${")
		if i < 0 {
			return b.String() + path
		}
		end := strings.IndexByte(path[i:], '}')
		if end < 0 {
			return b.String() + path
		}
		name, _, _ := strings.Cut(path[i+2:i+end], "(")
		b.WriteString(path[:i] + "[" + strings.TrimSpace(name) + "]")
		path = path[i+end+1:]
	}
}

// scalarInto appends a single value, escaped for its place when it is literal, too.
func (p *fileParser) scalarInto(b *template.Builder, n ast.Node, what string, esc template.Escape) {
	s, ok := p.scalar(n)
	if !ok {
		p.fault(n, "%s: want a text", what)
	}
	p.templateFaults(n, what, s, b.Value(s, false, esc))
}

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

// headers reads a mapping of headers.
func (p *fileParser) headers(n ast.Node, what string) (out []headerLine) {
	m := p.pairs2(n, what)
	for _, key := range m.order {
		if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
			p.fault(m.keys[key], "%s: %q is no name of a header", what, key)
			continue
		}
		switch strings.ToLower(key) {
		case "content-length", "transfer-encoding", "host", "connection":
			p.fault(m.keys[key], "%s: %s is written by the load tester", what, key)
			continue
		}
		value := p.template(m.values[key], what+": "+key, template.Header)
		if s, _ := p.scalar(m.values[key]); strings.ContainsAny(s, "\r\n") {
			p.fault(m.values[key], "%s: %s: a header is one line", what, key)
			continue
		}
		out = append(out, headerLine{key, value})
	}
	return out
}

// headerLines puts together the headers of a step, of its class and of the file; the
// narrower one counts.
func (p *fileParser) headerLines(s *httpStep, f fields, what, contentType string, c *fileClass) {
	lines := p.headers(f.values["headers"], what+": headers")
	add := func(more []headerLine) {
		for _, h := range more {
			if !slices.ContainsFunc(lines, func(o headerLine) bool { return strings.EqualFold(o.name, h.name) }) {
				lines = append(lines, h)
			}
		}
	}
	if c != nil {
		add(c.headers)
	}
	add(p.file.headers)
	if contentType != "" {
		t, _ := p.env.Compile(contentType, template.Text)
		add([]headerLine{{"Content-Type", t}})
	}
	for _, h := range lines {
		if text, ok := h.value.Static(); ok {
			s.fixed = append(s.fixed, h.name+": "+text)
		} else {
			s.headers = append(s.headers, h)
		}
	}
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
