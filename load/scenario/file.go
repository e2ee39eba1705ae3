package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"protei-bulk/load"
	"protei-bulk/load/report"
	"protei-bulk/load/scenario/template"
	"protei-bulk/load/target"
)

// File is a compiled scenario file: user classes and what they do. It is read-only and
// made by [ReadFile] or [Parse]; [Open] lets it run.
type File struct {
	Name string // as the file calls itself, else the file's name
	Host string // base URL when none is given on the command line; may be ""
	// Users, SpawnRate, RunTime, Shape, Rate and MaxUsers are the file's own load; zero
	// when not given.
	Users     int
	SpawnRate float64
	RunTime   time.Duration
	Shape     string
	Rate      string // as --rate takes it
	MaxUsers  int
	Targets   []FileTarget
	// Watch is what is to be watched behind the target.
	Watch []*target.Spec
	// Warnings are no mistakes, but probably not meant.
	Warnings []string

	env             *template.Env
	api             messagingAPI
	headers         []headerLine
	classes         []*fileClass
	setup, teardown []step
	steps           int // steps numbered so far
	dlrSlot         int
	idSlot          int
	keySlot         int
	secrets         []string // of vars and the environment, by their names
	builtIn         bool
	secretSlots     []int // of variables whose names say that they are secret
}

// FileTarget is one target of a file.
type FileTarget struct {
	Spec    string // as --target takes it: p95=100ms:200ms
	Targets []report.Target
	Name    string // "METHOD name" or name of the requests that it is about, "" = all
	Abort   bool   // the run ends when it is missed
	After   time.Duration
}

// fileClass is a user class of a file.
type fileClass struct {
	name                      string
	weight, fixedCount, every int
	wait                      load.Wait
	rate                      string // of its own, as --rate takes it; "": none
	maxUsers                  int
	tags                      []string
	connection                connection
	headers                   []headerLine
	onStart, onStop           []step
	sequential                bool
	tasks                     []*fileTask
	smpp                      *smppBinding
}

// connection says who holds the connections of a class.
type connection uint8

const (
	perUser connection = iota
	shared
	fresh
)

type fileTask struct {
	name      string
	weight    int
	tags      []string
	steps     []step
	needs     []int // slots that must have a value
	otherwise *fileTask
}

// step is one thing that a task does.
type step interface {
	do(c *fileUser) bool // false ends the task
}

// ParseOptions say what surrounds a file.
type ParseOptions struct {
	// Getenv serves ${env(NAME)}; nil: there is no environment.
	Getenv func(string) string
	// Vars replace those of the file, as NAME=VALUE.
	Vars []string
	// Unwatched leaves the section watch alone, with the secrets that it takes from the environment: for those who have
	// users and watch nothing.
	Unwatched bool
	// ReadFile reads CSV files; nil: there are none.
	ReadFile func(name string) ([]byte, error)
}

// ReadFile reads and compiles a file. What is wrong with it is a *Mistakes.
func ReadFile(name string, opts ParseOptions) (*File, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	if opts.ReadFile == nil {
		opts.ReadFile = func(csv string) ([]byte, error) {
			if !filepath.IsAbs(csv) {
				csv = filepath.Join(filepath.Dir(name), csv)
			}
			return os.ReadFile(csv)
		}
	}
	return Parse(name, data, opts)
}

// Parse compiles a file's text.
func Parse(name string, data []byte, opts ParseOptions) (*File, error) {
	f := &File{Name: strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))}
	getenv := opts.Getenv
	if getenv != nil {
		getenv = func(name string) string {
			value := opts.Getenv(name)
			if secretName(name) {
				f.secrets = append(f.secrets, value)
			}
			return value
		}
	}
	f.env = template.NewEnv(getenv)
	r := &reader{env: f.env, readFile: opts.ReadFile}
	if root := r.parseYAML(data); root != nil {
		p := fileParser{reader: r, file: f, unwatched: opts.Unwatched}
		p.root(root, opts.Vars)
	}
	if len(r.mistakes) > 0 {
		slices.SortStableFunc(r.mistakes, func(a, b Mistake) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Column - b.Column
		})
		return nil, &Mistakes{File: name, List: r.mistakes}
	}
	return f, nil
}

// fileParser compiles a document.
type fileParser struct {
	*reader
	file        *File
	maxUsersKey ast.Node // of load
	quiet       bool     // compiles requests for a run without receipts
	unwatched   bool
}

// The keys of a file.
var rootKeys = []string{"name", "host", "load", "vars", "feeds", "headers", "messaging", "users", "setup", "teardown", "watch", "targets"}

func (p *fileParser) root(n ast.Node, vars []string) {
	m := p.mapping(n, "scenario", rootKeys...)
	f := p.file
	f.Name = p.text(m.values["name"], "name", f.Name)
	f.dlrSlot, f.idSlot, f.keySlot = p.env.Var("dlr_url"), p.env.Var("message_id"), p.env.Var("api_key")
	p.vars(m.values["vars"], vars)
	p.feeds(m.values["feeds"])
	p.saved(n, 0)
	if h, ok := p.constant(m.values["host"], "host"); ok {
		f.Host = h
	}
	p.load(m.values["load"])
	f.headers = p.headers(m.values["headers"], "headers")
	p.messaging(m.values["messaging"])
	f.setup = p.steps(m.values["setup"], "setup", nil)
	f.teardown = p.steps(m.values["teardown"], "teardown", nil)
	if !p.unwatched {
		p.watch(m.values["watch"])
	}
	p.targets(m.values["targets"])
	users := p.pairs(m.values["users"], "users")
	if len(users.order) == 0 {
		p.fault(n, "users: there is no user class")
	}
	for _, name := range users.order {
		p.class(users.keys[name], name, users.values[name])
	}
	if f.MaxUsers > 0 && f.Rate == "" && !f.HasRates() {
		p.fault(p.maxUsersKey, "load: max_users is for a rate, and there is none")
	}
}

// constant renders a text that may name constants and the environment only.
func (p *fileParser) constant(n ast.Node, what string) (string, bool) {
	if n == nil {
		return "", false
	}
	t := p.template(n, what, template.Text)
	s, ok := t.Static()
	if !ok {
		p.fault(n, "%s: it may use vars and ${env(NAME)} only", what)
	}
	return s, ok
}

func (p *fileParser) vars(n ast.Node, given []string) {
	m := p.pairs(n, "vars")
	set := map[string]string{}
	for _, pair := range given {
		key, value, ok := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		if !ok || !m.has(key) {
			hint := "the file has no vars"
			if len(m.order) > 0 {
				hint = "its vars are " + strings.Join(m.order, ", ")
			}
			p.mistakes = append(p.mistakes, Mistake{1, 1, fmt.Sprintf("--set %s: want NAME=VALUE with a var of this file; %s", pair, hint)})
			continue
		}
		set[key] = value
	}
	for _, key := range m.order {
		if !p.newName(m.keys[key], "vars", key) {
			continue
		}
		value, _ := p.constant(m.values[key], "vars: "+key)
		if v, ok := set[key]; ok {
			value = v
		}
		if secretName(key) {
			p.file.secrets = append(p.file.secrets, value)
		}
		p.env.Const(key, value)
	}
}

// newName refuses names that can not be used or mean something else.
func (p *fileParser) newName(n ast.Node, what, name string) bool {
	switch {
	case !template.ValidName(name):
		p.fault(n, "%s: %q is no name: want letters, digits and _", what, name)
	case template.Reserved(name) || slices.Contains(builtinVars, name):
		p.fault(n, "%s: %q has a meaning of its own in ${…}", what, name)
	default:
		return true
	}
	return false
}

// builtinVars are variables that every file has.
var builtinVars = []string{"dlr_url", "message_id", "api_key"}

func (p *fileParser) feeds(n ast.Node) {
	m := p.pairs(n, "feeds")
	for _, name := range m.order {
		what := "feeds: " + name
		if !p.newName(m.keys[name], "feeds", name) {
			continue
		}
		f := p.mapping(m.values[name], what, "file", "order")
		order := template.Sequential
		if p.oneOf(f.values["order"], what+": order", "sequential", "random") == "random" {
			order = template.Random
		}
		file, ok := p.constant(f.values["file"], what+": file")
		if !ok {
			p.fault(m.keys[name], "%s: file is missing", what)
			continue
		}
		p.feed(name, file, order, f.values["file"])
	}
}

func (p *fileParser) feed(name, file string, order template.Order, at ast.Node) {
	what := "feeds: " + name
	if p.readFile == nil {
		p.fault(at, "%s: files can not be read here", what)
		return
	}
	data, err := p.readFile(file)
	if err != nil {
		p.fault(at, "%s: %v", what, err)
		return
	}
	feed, err := template.ParseCSV(name, data, order)
	if err != nil {
		p.fault(at, "%s: %s: %v", what, file, err)
		return
	}
	p.env.Feed(feed)
}

// saved makes every name under a save: known before the first text is compiled, so that
// the order of the tasks does not matter.
func (p *fileParser) saved(n ast.Node, depth int) {
	if depth > 40 {
		return
	}
	switch v := p.resolve(n).(type) {
	case *ast.SequenceNode:
		for _, item := range v.Values {
			p.saved(item, depth+1)
		}
	case *ast.MappingNode:
		for _, kv := range v.Values {
			if kv.Key.GetToken() != nil && kv.Key.GetToken().Value == "save" {
				p.savedNames(kv.Value)
			}
			p.saved(kv.Value, depth+1)
		}
	}
}

func (p *fileParser) savedNames(n ast.Node) {
	m, ok := p.resolve(n).(*ast.MappingNode)
	if !ok {
		return
	}
	for _, kv := range m.Values {
		if t := kv.Key.GetToken(); t != nil && template.ValidName(t.Value) && p.env.Vars() < 1000 {
			slot := p.env.Var(t.Value)
			if secretName(t.Value) {
				p.file.secretSlots = append(p.file.secretSlots, slot)
			}
		}
	}
}

func (p *fileParser) load(n ast.Node) {
	if n == nil {
		return
	}
	m := p.mapping(n, "load", "users", "spawn_rate", "run_time", "shape", "rate", "max_users")
	f := p.file
	f.Users = p.whole(m.values["users"], "load: users", 0, 0, 10_000_000)
	f.SpawnRate = p.number(m.values["spawn_rate"], "load: spawn_rate", 0)
	f.RunTime = p.timespan(m.values["run_time"], "load: run_time", 0)
	f.Rate = p.rate(m.values["rate"], "load: rate")
	f.MaxUsers = p.whole(m.values["max_users"], "load: max_users", 0, 1, mostPooled)
	p.maxUsersKey = m.keys["max_users"]
	if shape := m.values["shape"]; shape != nil {
		f.Shape = p.corners(shape, "load: shape", "users", func(users ast.Node, what string) string {
			return strconv.Itoa(p.whole(users, what, 0, 0, 10_000_000))
		})
		if _, err := load.ParseShape(f.Shape, 0, 0); err != nil {
			p.fault(shape, "load: %v", err)
		}
	}
}

// corners reads the text of a shape or a rate, or a list of {at: TIME, key: VALUE} as that
// text.
func (p *fileParser) corners(n ast.Node, what, key string, value func(n ast.Node, what string) string) string {
	if _, ok := p.resolve(n).(*ast.SequenceNode); !ok {
		return p.text(n, what, "")
	}
	var corners []string
	for _, item := range p.list(n) {
		c := p.mapping(item, what, "at", key)
		at := p.timespan(c.values["at"], what+": at", 0)
		if !c.has(key) {
			p.fault(item, "%s: %s is missing", what, key)
		}
		corners = append(corners, at.String()+":"+value(c.values[key], what+": "+key))
	}
	return strings.Join(corners, ",")
}

// mostPooled bounds max_users.
const mostPooled = 1_000_000

// rate reads when the open model starts iterations.
func (p *fileParser) rate(n ast.Node, what string) string {
	if n == nil {
		return ""
	}
	text := p.corners(n, what, "rate", func(rate ast.Node, what string) string { return p.text(rate, what, "") })
	r, err := load.ParseRate(text, p.file.RunTime)
	switch {
	case err != nil:
		p.fault(n, "%s: %v", strings.TrimSuffix(what, ": rate"), err)
	case r.Peak() == 0:
		p.fault(n, "%s: nothing ever starts: want more than 0", what)
	}
	return text
}

func (p *fileParser) targets(n ast.Node) {
	for _, item := range p.list(n) {
		if s, ok := p.scalar(item); ok {
			p.file.Targets = append(p.file.Targets, p.target(item, FileTarget{Spec: s}))
			continue
		}
		m := p.mapping(item, "targets", "target", "request", "abort", "after")
		t := FileTarget{
			Spec: p.text(m.values["target"], "targets: target", ""), Name: p.text(m.values["request"], "targets: request", ""),
			Abort: p.yes(m.values["abort"], "targets: abort", false), After: p.timespan(m.values["after"], "targets: after", 0),
		}
		if m.has("after") && !t.Abort {
			p.fault(m.keys["after"], "targets: after says from when on abort looks; there is no abort: true")
		}
		p.file.Targets = append(p.file.Targets, p.target(item, t))
	}
}

// target checks a target's text.
func (p *fileParser) target(n ast.Node, t FileTarget) FileTarget {
	list, err := report.ParseTargets([]string{t.Spec})
	if err != nil {
		p.fault(n, "targets: %v", err)
		return t
	}
	t.Targets = list
	for _, one := range list {
		if t.Abort && afterDrain(one.Metric) {
			p.fault(n, "targets: abort: %s is known after the drain only", one.Metric)
		}
	}
	p.checkSeries(n, list)
	if t.Name != "" && slices.ContainsFunc(list, func(one report.Target) bool { return !perRequest(one.Metric) }) {
		p.fault(n, "targets: a target of one request is tps, avg, p50, p95, p99, errors or throttled")
	}
	return t
}

// afterDrain says that a metric has no value while the run goes on.
func afterDrain(m report.Metric) bool {
	return m == report.MetricLost || m == report.MetricPending || m == report.MetricDelivered
}

// perRequest says whether a metric can be had of one request name.
func perRequest(m report.Metric) bool {
	switch m {
	case report.MetricTPS, report.MetricAvg, report.MetricP50, report.MetricP95, report.MetricP99, report.MetricErrors, report.MetricThrottled:
		return true
	}
	return false
}
