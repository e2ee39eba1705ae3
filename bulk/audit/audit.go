// Package audit is about administrative changes: who made them, when, from where, and what
// was before and after, without secrets.
//
// A Record is the entry of one request under way. It travels in the request's context to
// whatever writes the change, which notes before and after, and is written in the same
// transaction. The package starts no goroutine.
package audit

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// Entry is one administrative change.
type Entry struct {
	ID        string    `json:"id"` // rises with the time
	At        time.Time `json:"at"`
	Account   uint32    `json:"account_id"` // whose credentials they were
	Name      string    `json:"account"`
	Key       string    `json:"api_key,omitempty"` // prefix of the API key; none: by password, or without credentials
	User      string    `json:"user,omitempty"`    // who was signed in to the console
	Address   string    `json:"address"`           // of the connection
	RequestID string    `json:"request_id"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`

	Changes []Change `json:"changes"`
	// Request is what was asked for, where no change was noted: an action.
	Request map[string]any `json:"request,omitempty"`
}

// Change is what became of one thing.
type Change struct {
	What   string         `json:"what"`   // such as "account 3"
	Before map[string]any `json:"before"` // of the fields that changed; null: it was not there
	After  map[string]any `json:"after"`  // null: it is gone
	Count  int            `json:"count,omitempty"`
}

// Record is an Entry under way. Its methods may be called on nil, which does nothing: a
// change that nobody asked for.
type Record struct {
	mu      sync.Mutex // guards what follows
	entry   Entry
	raw     map[string]states // by what
	noted   bool
	written bool
}

// states are before and after as they were noted, with secrets.
type states struct{ before, after map[string]any }

// NewRecord begins the record of e.
func NewRecord(e Entry) *Record {
	return &Record{entry: e, raw: make(map[string]states)}
}

type contextKey struct{}

// With returns a context that carries r.
func With(ctx context.Context, r *Record) context.Context {
	return context.WithValue(ctx, contextKey{}, r)
}

// From returns the record that ctx carries, or nil.
func From(ctx context.Context) *Record {
	r, _ := ctx.Value(contextKey{}).(*Record)
	return r
}

// Note adds what a thing was and becomes; nil stands for nothing, anything else is taken as JSON
// has it. Of a thing that changes twice the first before and the last after stay.
func (r *Record) Note(what string, before, after any) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s, again := r.raw[what]
	if !again {
		s.before = object(before)
	}
	s.after = object(after)
	r.raw[what] = s
	r.noted = true
	r.put(difference(what, s))
}

// Count adds things that are too many to be told one by one; the first few are.
func (r *Record) Count(what string, things []string) {
	if r == nil || len(things) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := Change{What: what, After: map[string]any{}}
	for _, old := range r.entry.Changes {
		if old.What == what {
			c = old
		}
	}
	first, _ := c.After["first"].([]string)
	first = append(first, things[:min(len(things), maxNamed-min(maxNamed, len(first)))]...)
	c.Count += len(things)
	c.After = map[string]any{"first": first}
	r.noted = true
	r.put(c)
}

// maxNamed is how many things Count tells.
const maxNamed = 10

// put needs mu.
func (r *Record) put(c Change) {
	for i := range r.entry.Changes {
		if r.entry.Changes[i].What == c.What {
			r.entry.Changes[i] = c
			return
		}
	}
	r.entry.Changes = append(r.entry.Changes, c)
}

// Asked notes the members of a request, for an action that changes nothing that is noted.
func (r *Record) Asked(body []byte) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var members map[string]any
	if len(r.entry.Changes) > 0 || len(body) == 0 || len(body) > maxAsked || json.Unmarshal(body, &members) != nil {
		return
	}
	r.entry.Request = hide(members)
}

// maxAsked bounds the requests that are kept, in octets.
const maxAsked = 4096

// Pending returns the entry and true when it has not been written as it is now.
func (r *Record) Pending() (Entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entry, !r.written || r.noted || len(r.entry.Changes) == 0
}

// Written says that the entry is on its way to the disk, with what was noted until now.
func (r *Record) Written() Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written, r.noted = true, false
	e := r.entry
	e.Changes = append([]Change{}, e.Changes...)
	return e
}

// object is v as a JSON object.
func object(v any) map[string]any {
	if v == nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return map[string]any{"value": err.Error()}
	}
	var m map[string]any
	if json.Unmarshal(text, &m) != nil {
		return map[string]any{"value": json.RawMessage(text)}
	}
	return m
}

// difference leaves out what is the same before and after, and hides secrets. A thing that is new,
// or gone, is told whole, without what is empty.
func difference(what string, s states) Change {
	c := Change{What: what}
	before, after := flat(s.before), flat(s.after)
	if s.before != nil {
		c.Before = make(map[string]any)
	}
	if s.after != nil {
		c.After = make(map[string]any)
	}
	for name, v := range before {
		if w, ok := after[name]; !same(v, w) || !ok {
			tell(c.Before, name, v, s.after == nil)
		}
	}
	for name, w := range after {
		if v, ok := before[name]; !same(v, w) || !ok {
			tell(c.After, name, w, s.before == nil)
		}
	}
	return c
}

func tell(into map[string]any, name string, v any, whole bool) {
	switch {
	case whole && empty(v):
	case secret(name) && !empty(v):
		into[name] = hidden
	default:
		into[name] = hideIn(v)
	}
}

func same(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

func empty(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case string:
		return x == ""
	case float64:
		return x == 0
	case bool:
		return !x
	case []any:
		return len(x) == 0
	}
	return false
}

// flat makes names with dots of objects within objects.
func flat(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for name, v := range m {
		inner, ok := v.(map[string]any)
		if !ok {
			out[name] = v
			continue
		}
		for below, w := range flat(inner) {
			out[name+"."+below] = w
		}
	}
	return out
}

const hidden = "(hidden)"

// secret reports whether a field of this name must not be told.
func secret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"secret", "password", "passwd", "token", "hash", "apikey", "api_key", "sealed", "authorization", "credential", "private"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

func hide(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for name, v := range m {
		if secret(name) && !empty(v) {
			out[name] = hidden
		} else {
			out[name] = hideIn(v)
		}
	}
	return out
}

func hideIn(v any) any {
	switch x := v.(type) {
	case map[string]any:
		return hide(x)
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = hideIn(x[i])
		}
		return out
	}
	return v
}

// Query selects entries, newest first. Zero fields do not filter.
type Query struct {
	Account      uint32
	What         string // a change of a thing whose name begins so
	Method       string
	Path         string // begin of the path
	Key          string // prefix of the API key
	User         string // who was signed in to the console
	Since, Until time.Time
	Before       string // only entries with a lower ID: the cursor
	Limit        int
}

// Matches reports whether an entry is one that q selects, apart from time and cursor.
func (q *Query) Matches(e *Entry) bool {
	if q.Account != 0 && q.Account != e.Account || q.Key != "" && q.Key != e.Key || q.User != "" && q.User != e.User || q.Method != "" && q.Method != e.Method ||
		!strings.HasPrefix(e.Path, q.Path) {
		return false
	}
	if q.What == "" {
		return true
	}
	for i := range e.Changes {
		if strings.HasPrefix(e.Changes[i].What, q.What) {
			return true
		}
	}
	return false
}
