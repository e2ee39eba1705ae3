package scenario

import (
	"slices"
	"strings"

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
