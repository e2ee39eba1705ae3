package scenario

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"protei-bulk/internal/nearest"
	"protei-bulk/load"
	"protei-bulk/load/scenario/template"
)

var classKeys = []string{
	"weight", "fixed_count", "every", "wait", "rate", "max_users", "tags", "connection", "headers", "smpp",
	"on_start", "on_stop", "sequential", "tasks",
}

func (p *fileParser) class(at ast.Node, name string, n ast.Node) {
	if !template.ValidName(name) {
		p.fault(at, "users: %q is no name: want letters, digits and _", name)
	}
	m := p.mapping(n, name, classKeys...)
	c := &fileClass{
		name:       name,
		weight:     p.whole(m.values["weight"], name+": weight", 1, 0, 1_000_000),
		fixedCount: p.whole(m.values["fixed_count"], name+": fixed_count", 0, 0, 1_000_000),
		every:      p.whole(m.values["every"], name+": every", 0, 0, 1_000_000),
		wait:       p.wait(m.values["wait"], name+": wait"),
		tags:       p.words(m.values["tags"], name+": tags"),
		headers:    p.headers(m.values["headers"], name+": headers"),
		sequential: p.yes(m.values["sequential"], name+": sequential", false),
	}
	c.rate = p.rate(m.values["rate"], name+": rate")
	c.maxUsers = p.whole(m.values["max_users"], name+": max_users", 0, 1, mostPooled)
	p.openClass(c, m)
	if c.fixedCount > 0 && c.every > 0 {
		p.fault(m.keys["every"], "%s: every and fixed_count exclude each other", name)
	}
	switch p.oneOf(m.values["connection"], name+": connection", "per_user", "shared", "none") {
	case "shared":
		c.connection = shared
	case "none":
		c.connection = fresh
	}
	c.smpp = p.smppBinding(m.values["smpp"], name+": smpp")
	c.onStart = p.steps(m.values["on_start"], name+": on_start", c)
	c.onStop = p.steps(m.values["on_stop"], name+": on_stop", c)
	p.tasks(c, m)
	p.file.classes = append(p.file.classes, c)
}

// openClass refuses what has no effect in a class with a rate of its own, and without one.
func (p *fileParser) openClass(c *fileClass, m fields) {
	if !m.has("rate") {
		if m.has("max_users") {
			p.fault(m.keys["max_users"], "%s: max_users is for a class with a rate", c.name)
		}
		return
	}
	for _, key := range []string{"weight", "fixed_count", "every", "wait"} {
		if m.has(key) {
			p.fault(m.keys[key], "%s: %s has no effect beside rate: its times say when a task starts, on as many users as that takes", c.name, key)
		}
	}
}

// wait reads none, TIME, LEAST-MOST, or {between: [A, B]}, {constant: T}, {pacing: T},
// {throughput: N}.
func (p *fileParser) wait(n ast.Node, what string) load.Wait {
	if n == nil {
		return load.Wait{}
	}
	if s, ok := p.scalar(n); ok {
		if s == "none" {
			return load.Wait{}
		}
		low, high, ranged := strings.Cut(s, "-")
		if !ranged {
			high = low
		}
		a, err1 := load.ParseTimespan(strings.TrimSpace(low))
		b, err2 := load.ParseTimespan(strings.TrimSpace(high))
		if err1 != nil || err2 != nil || b < a {
			p.fault(n, "%s: want none, a time as 1s, or LEAST-MOST as 0.1-0.5", what)
		}
		return load.Between(a, b)
	}
	m := p.mapping(n, what, "between", "constant", "pacing", "throughput")
	if len(m.order) != 1 {
		p.fault(n, "%s: want one of between, constant, pacing and throughput", what)
	}
	switch {
	case m.has("between"):
		ends := p.list(m.values["between"])
		if len(ends) != 2 {
			p.fault(m.values["between"], "%s: between: want [LEAST, MOST]", what)
			return load.Wait{}
		}
		a, b := p.timespan(ends[0], what, 0), p.timespan(ends[1], what, 0)
		if b < a {
			p.fault(m.values["between"], "%s: between: the lower time first", what)
		}
		return load.Between(a, b)
	case m.has("constant"):
		return load.Constant(p.timespan(m.values["constant"], what, 0))
	case m.has("pacing"):
		return load.ConstantPacing(p.timespan(m.values["pacing"], what, 0))
	}
	return load.ConstantThroughput(p.number(m.values["throughput"], what, 0))
}

var taskKeys = []string{"task", "weight", "tags", "needs", "otherwise", "steps"}

func (p *fileParser) tasks(c *fileClass, m fields) {
	items := p.list(m.values["tasks"])
	if len(items) == 0 {
		p.fault(p.orElse(m.values["tasks"], m.node), "%s: there is no task", c.name)
	}
	type fallback struct {
		at   ast.Node
		name string
	}
	others := map[*fileTask]fallback{}
	for i, item := range items {
		t := &fileTask{weight: 1}
		f := p.mapping(item, c.name+": task "+strconv.Itoa(i+1), append(slices.Clone(taskKeys), stepKeys...)...)
		t.name = p.text(f.values["task"], "task", "")
		what := c.name + ": task " + strconv.Itoa(i+1)
		if t.name != "" {
			what = c.name + ": " + t.name
		}
		t.weight = p.whole(f.values["weight"], what+": weight", 1, 0, 1_000_000)
		if c.sequential && f.has("weight") {
			p.fault(f.keys["weight"], "%s: tasks of a sequential class have no weight", what)
		}
		t.tags = p.words(f.values["tags"], what+": tags")
		for _, need := range p.words(f.values["needs"], what+": needs") {
			slot, ok := p.env.Slot(need)
			if !ok {
				p.fault(f.values["needs"], "%s: needs: nothing saves %q", what, need)
			}
			t.needs = append(t.needs, slot)
		}
		if f.has("otherwise") {
			others[t] = fallback{f.values["otherwise"], p.text(f.values["otherwise"], what+": otherwise", "")}
		}
		t.steps = p.taskSteps(f, item, what, c)
		taken := func() bool {
			return slices.ContainsFunc(c.tasks, func(o *fileTask) bool { return o.name == t.name })
		}
		if t.name == "" {
			if t.name = nameOf(t.steps, "task "+strconv.Itoa(i+1)); taken() {
				t.name += " (task " + strconv.Itoa(i+1) + ")"
			}
		}
		if taken() {
			p.fault(item, "%s: two tasks are called %q; name one with task:", c.name, t.name)
		}
		c.tasks = append(c.tasks, t)
	}
	for t, o := range others {
		i := slices.IndexFunc(c.tasks, func(x *fileTask) bool { return x.name == o.name })
		switch {
		case i < 0:
			names := make([]string, len(c.tasks))
			for j, x := range c.tasks {
				names[j] = x.name
			}
			p.fault(o.at, "%s: otherwise: no task %q%s", c.name, o.name, nearest.Meant(o.name, names))
		case c.tasks[i] == t || len(c.tasks[i].needs) > 0:
			p.fault(o.at, "%s: otherwise: want another task, one that needs nothing", c.name)
		default:
			t.otherwise = c.tasks[i]
		}
	}
	if total := c.totalWeight(); len(items) > 0 && total == 0 {
		p.fault(m.values["tasks"], "%s: all weights are 0", c.name)
	}
}

func (p *fileParser) orElse(n, other ast.Node) ast.Node {
	if n == nil {
		return other
	}
	return n
}

func (c *fileClass) totalWeight() (sum int) {
	for _, t := range c.tasks {
		sum += t.weight
	}
	return sum
}

// taskSteps reads steps:, or the task itself as its only step.
func (p *fileParser) taskSteps(f fields, n ast.Node, what string, c *fileClass) []step {
	var own []string
	for _, key := range f.order {
		if !slices.Contains(taskKeys, key) {
			own = append(own, key)
		}
	}
	switch {
	case f.has("steps") && len(own) > 0:
		p.fault(f.keys[own[0]], "%s: %s beside steps: a task is one step, or has steps", what, own[0])
		return nil
	case f.has("steps"):
		list := p.steps(f.values["steps"], what, c)
		if len(list) == 0 {
			p.fault(f.values["steps"], "%s: steps: there is none", what)
		}
		return list
	}
	if s := p.step(f, n, what, c); s != nil {
		return []step{s}
	}
	return nil
}

func nameOf(steps []step, def string) string {
	if len(steps) > 0 {
		switch s := steps[0].(type) {
		case *httpStep:
			return s.method + " " + s.name
		case *smppStep:
			return "submit_sm"
		}
	}
	return def
}

// stepKeys are the keys of every kind of step.
var stepKeys = append(append([]string{"submit_sm", "pause"}, httpKinds...), httpKeys...)

func (p *fileParser) steps(n ast.Node, what string, c *fileClass) (out []step) {
	for i, item := range p.list(n) {
		name := what + ": step " + strconv.Itoa(i+1)
		if s := p.step(p.mapping(item, name, stepKeys...), item, name, c); s != nil {
			out = append(out, s)
		}
	}
	return out
}

// step reads one step by the key that says its kind.
func (p *fileParser) step(f fields, n ast.Node, what string, c *fileClass) step {
	var kinds []string
	for _, key := range f.order {
		if key == "submit_sm" || key == "pause" || slices.Contains(httpKinds, key) {
			kinds = append(kinds, key)
		}
	}
	if len(kinds) == 0 {
		p.fault(n, "%s: want a step: %s, submit_sm or pause", what, strings.Join(httpKinds, ", "))
		return nil
	}
	if len(kinds) > 1 {
		p.fault(f.keys[kinds[1]], "%s: %s beside %s: a step is one of them", what, kinds[1], kinds[0])
		return nil
	}
	kind := kinds[0]
	if kind != "submit_sm" && kind != "pause" {
		return p.httpStep(f, kind, what, c)
	}
	for _, key := range f.order {
		if slices.Contains(httpKeys, key) {
			p.fault(f.keys[key], "%s: %s is for HTTP steps", what, key)
		}
	}
	if kind == "pause" {
		least, most := p.span(f.values["pause"], what+": pause")
		return &pauseStep{least, most}
	}
	return p.smppStep(f.values["submit_sm"], what+": submit_sm", c)
}

// span reads TIME or LEAST-MOST.
func (p *fileParser) span(n ast.Node, what string) (least, most time.Duration) {
	s, _ := p.scalar(n)
	low, high, ranged := strings.Cut(s, "-")
	if !ranged {
		high = low
	}
	least, err1 := load.ParseTimespan(strings.TrimSpace(low))
	most, err2 := load.ParseTimespan(strings.TrimSpace(high))
	if err1 != nil || err2 != nil || most < least {
		p.fault(n, "%s: want a time, as 1s, or LEAST-MOST, as 0.1-0.5", what)
	}
	return least, most
}
