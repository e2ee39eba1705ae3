package template

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"protei-bulk/internal/nearest"
)

// Fault is a mistake in a text; Offset counts its bytes from 0.
type Fault struct {
	Offset int
	Text   string
}

func (f *Fault) Error() string { return f.Text }

// Env is what templates of a file may name.
type Env struct {
	consts   map[string]string
	slots    map[string]int
	feeds    map[string]*Feed
	counters map[string]*atomic.Int64
	getenv   func(string) string
	onVar    func(name string)
}

// NewEnv makes an environment; getenv serves ${env(NAME)}.
func NewEnv(getenv func(string) string) *Env {
	return &Env{
		consts: map[string]string{}, slots: map[string]int{}, feeds: map[string]*Feed{},
		counters: map[string]*atomic.Int64{}, getenv: getenv,
	}
}

// Const gives a name a value that is fixed before the first request.
func (e *Env) Const(name, value string) { e.consts[name] = value }

// Var gives a name a slot in every Scope and returns it.
func (e *Env) Var(name string) int {
	slot, ok := e.slots[name]
	if !ok {
		slot = len(e.slots)
		e.slots[name] = slot
	}
	return slot
}

// Slot is the slot of a variable.
func (e *Env) Slot(name string) (int, bool) {
	slot, ok := e.slots[name]
	return slot, ok
}

// Vars is the number of slots.
func (e *Env) Vars() int { return len(e.slots) }

// OnVar is called for every use of a variable that is compiled from now on.
func (e *Env) OnVar(fn func(name string)) { e.onVar = fn }

// Feed makes a feed's columns known as ${NAME.COLUMN}.
func (e *Env) Feed(f *Feed) {
	f.index = len(e.feeds)
	e.feeds[f.Name] = f
}

// Known are all names that a text may use, functions first.
func (e *Env) Known() []string {
	names := slices.Clone(functionNames)
	for n := range e.consts {
		names = append(names, n)
	}
	for n := range e.slots {
		names = append(names, n)
	}
	slices.Sort(names[len(functionNames):])
	return names
}

// Share deals the rows of all sequential feeds out: see [Feed.Share].
func (e *Env) Share(index, of int) {
	for _, f := range e.feeds {
		f.Share(index, of)
	}
}

// ValidName says whether variables, constants and feeds may have this name.
func ValidName(name string) bool {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != "" && len(name) <= 64
}

// Reserved says whether a name is a function's.
func Reserved(name string) bool { return slices.Contains(functionNames, name) }

// Compile compiles one text; the faults are all there are.
func (e *Env) Compile(text string, esc Escape) (*Template, []*Fault) {
	return e.compile(text, esc, esc == JSON)
}

// compile compiles one text, its literal parts escaped or as the author wrote them.
func (e *Env) compile(text string, esc Escape, literals bool) (*Template, []*Fault) {
	b := e.NewBuilder()
	faults := b.text(text, esc, literals)
	return b.Template(), faults
}

// Builder puts a template together from pieces.
type Builder struct {
	env *Env
	ops []op
}

// NewBuilder returns an empty one.
func (e *Env) NewBuilder() *Builder { return &Builder{env: e} }

// Template returns what was built.
func (b *Builder) Template() *Template { return &Template{ops: b.ops} }

// Literal appends a text as it is.
func (b *Builder) Literal(text string) {
	if text == "" {
		return
	}
	if n := len(b.ops); n > 0 && b.ops[n-1].kind == opLiteral {
		b.ops[n-1].text += text
		return
	}
	b.ops = append(b.ops, op{kind: opLiteral, text: text})
}

// Each appends a template once for every message of a request, joined by between.
func (b *Builder) Each(t *Template, between string) {
	b.ops = append(b.ops, op{kind: opEach, each: t, text: between})
}

func (b *Builder) add(o op) {
	if o.kind == opLiteral {
		b.Literal(o.text)
		return
	}
	b.ops = append(b.ops, o)
}

// Value appends a text as a value of its own. For JSON it stands in quotes, or bare when
// plain is set and it is one number, or when it is ${raw(…)}. For a query or form its
// literal parts are escaped, too.
func (b *Builder) Value(text string, plain bool, esc Escape) []*Fault {
	t, faults := b.env.compile(text, esc, true)
	quoted := esc == JSON && !isRaw(text) && (!plain || !t.numeric())
	if quoted {
		b.Literal(`"`)
	}
	for _, o := range t.ops {
		b.add(o)
	}
	if quoted {
		b.Literal(`"`)
	}
	return faults
}

// isRaw says that a text is nothing but ${raw(…)}.
func isRaw(text string) bool {
	return strings.HasPrefix(text, "${raw(") && strings.HasSuffix(text, ")}") && strings.Count(text, "${") == 1
}

// Text appends a text with expressions. Literal parts are escaped for JSON only: in a
// URL or a form they stand as the author wrote them.
func (b *Builder) Text(text string, esc Escape) []*Fault { return b.text(text, esc, esc == JSON) }

func (b *Builder) text(text string, esc Escape, literals bool) (faults []*Fault) {
	literal := func(s string) {
		if literals {
			s = string(appendEscaped(nil, s, esc))
		}
		b.Literal(s)
	}
	for at := 0; at < len(text); {
		i := strings.Index(text[at:], "${")
		if i < 0 {
			literal(text[at:])
			break
		}
		i += at
		if i > at && text[i-1] == '$' { // $${ stands for ${
			literal(text[at : i-1])
			literal("${")
			at = i + 2
			continue
		}
		literal(text[at:i])
		p := parser{text: text, pos: i + 2}
		o, fault := p.expression(b.env, esc)
		if fault != nil {
			faults = append(faults, fault)
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				break
			}
			at = i + end + 1
			continue
		}
		b.add(o)
		at = p.pos
	}
	return faults
}

// argument is a value between the parentheses of a function.
type argument struct {
	text   string
	offset int
}

// parser reads one expression: NAME, FEED.COLUMN or NAME(ARGUMENT, …), and its "}".
type parser struct {
	text string
	pos  int
}

func (p *parser) fault(at int, format string, args ...any) *Fault {
	return &Fault{Offset: at, Text: fmt.Sprintf(format, args...)}
}

func (p *parser) spaces() {
	for p.pos < len(p.text) && (p.text[p.pos] == ' ' || p.text[p.pos] == '\t') {
		p.pos++
	}
}

func (p *parser) peek() byte {
	p.spaces()
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *parser) name() string {
	start := p.pos
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		p.pos++
	}
	return p.text[start:p.pos]
}

func (p *parser) expression(e *Env, esc Escape) (op, *Fault) {
	start := p.pos - 2
	p.spaces()
	at := p.pos
	name := p.name()
	if name == "" {
		return op{}, p.fault(start, "${ is followed by no name; write $${ for a literal ${")
	}
	column, args, called := "", []argument(nil), false
	switch p.peek() {
	case '.':
		p.pos++
		column = p.name()
	case '(':
		p.pos++
		var fault *Fault
		if args, fault = p.arguments(); fault != nil {
			return op{}, fault
		}
		called = true
	}
	if p.peek() != '}' {
		return op{}, p.fault(start, "${%s is not closed by }", name)
	}
	p.pos++
	if column != "" || !called && e.feeds[name] != nil {
		return e.feedColumn(name, column, at, esc)
	}
	if o, known, fault := e.named(name, at, esc); known && !called {
		return o, fault
	}
	return e.call(name, at, args, esc)
}

// arguments reads what stands before the closing parenthesis.
func (p *parser) arguments() (args []argument, _ *Fault) {
	if p.peek() == ')' {
		p.pos++
		return nil, nil
	}
	for {
		a, fault := p.argument()
		if fault != nil {
			return nil, fault
		}
		args = append(args, a)
		switch p.peek() {
		case ',':
			p.pos++
		case ')':
			p.pos++
			return args, nil
		default:
			return nil, p.fault(p.pos, "want , or ) after an argument")
		}
	}
}

func (p *parser) argument() (argument, *Fault) {
	quote := p.peek()
	a := argument{offset: p.pos}
	if quote == '"' || quote == '\'' {
		end := strings.IndexByte(p.text[p.pos+1:], quote)
		if end < 0 {
			return a, p.fault(p.pos, "an argument's quote is not closed")
		}
		a.text = p.text[p.pos+1 : p.pos+1+end]
		p.pos += end + 2
		return a, nil
	}
	end := strings.IndexAny(p.text[p.pos:], ",)}")
	if end < 0 {
		return a, p.fault(p.pos, "an argument list is not closed by )")
	}
	a.text = strings.TrimSpace(p.text[p.pos : p.pos+end])
	if a.text == "" {
		return a, p.fault(p.pos, "an argument is empty; write '' for an empty text")
	}
	p.pos += end
	return a, nil
}

func (e *Env) feedColumn(name, column string, at int, esc Escape) (op, *Fault) {
	f := e.feeds[name]
	if f == nil {
		names := make([]string, 0, len(e.feeds))
		for n := range e.feeds {
			names = append(names, n)
		}
		return op{}, &Fault{at, "no feed " + strconv.Quote(name) + nearest.Meant(name, names)}
	}
	i := f.column(column)
	if i < 0 {
		return op{}, &Fault{at, fmt.Sprintf("feed %s has no column %q; it has %s", name, column, strings.Join(f.columns, ", "))}
	}
	return op{kind: opFeed, feed: f, slot: i, esc: esc}, nil
}

// named finds constants and variables.
func (e *Env) named(name string, _ int, esc Escape) (o op, known bool, _ *Fault) {
	if v, ok := e.consts[name]; ok {
		return op{kind: opLiteral, text: string(appendEscaped(nil, v, esc))}, true, nil
	}
	slot, ok := e.slots[name]
	if !ok {
		return op{}, false, nil
	}
	if e.onVar != nil {
		e.onVar(name)
	}
	return op{kind: opVar, slot: slot, esc: esc}, true, nil
}
