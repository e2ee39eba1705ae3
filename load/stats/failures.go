package stats

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxErrorText bounds what is kept of an error's text.
const maxErrorText = 300

// maxTraceback bounds what is kept of a traceback.
const maxTraceback = 8 << 10

// Failure is one row of the failure table.
type Failure struct {
	Method, Name, Error string
	Occurrences         uint64
	FirstSeen, LastSeen time.Time
}

// Exception is a task that panicked or broke, as Locust's exceptions table has it.
type Exception struct {
	Count              uint64
	Message, Traceback string
}

// failureTable is off the hot path: it is touched by failed requests only. Both tables are bounded; what comes later
// is counted as "(other)".
type failureTable struct {
	mu            sync.Mutex // guards the maps
	failures      map[failureKey]*Failure
	exceptions    map[string]*Exception
	maxErrors     int
	maxExceptions int
}

type failureKey struct {
	entryKey
	text string
}

func (t *failureTable) init(maxErrors, maxExceptions int) {
	t.failures = make(map[failureKey]*Failure)
	t.exceptions = make(map[string]*Exception)
	t.maxErrors, t.maxExceptions = maxErrors, maxExceptions
}

func (t *failureTable) fail(k entryKey, text string, at time.Time) {
	text = clip(text, maxErrorText)
	key := failureKey{k, text}
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.failures[key]
	if f == nil && len(t.failures) >= t.maxErrors {
		key = failureKey{entryKey{name: Other}, Other}
		f = t.failures[key]
	}
	if f == nil {
		f = &Failure{Method: key.method, Name: key.name, Error: strings.Clone(key.text), FirstSeen: at}
		t.failures[failureKey{key.entryKey, f.Error}] = f
	}
	f.Occurrences++
	if at.After(f.LastSeen) {
		f.LastSeen = at
	}
}

func (t *failureTable) exception(message, traceback string) {
	message = clip(message, maxErrorText)
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.exceptions[message]
	if e == nil && len(t.exceptions) >= t.maxExceptions {
		message, traceback = Other, ""
		e = t.exceptions[message]
	}
	if e == nil {
		e = &Exception{Message: message, Traceback: clip(traceback, maxTraceback)}
		t.exceptions[message] = e
	}
	e.Count++
}

func (t *failureTable) list() []Failure {
	t.mu.Lock()
	out := make([]Failure, 0, len(t.failures))
	for _, f := range t.failures {
		out = append(out, *f)
	}
	t.mu.Unlock()
	slices.SortFunc(out, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Occurrences, a.Occurrences), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Method, b.Method), cmp.Compare(a.Error, b.Error))
	})
	return out
}

func (t *failureTable) exceptionList() []Exception {
	t.mu.Lock()
	out := make([]Exception, 0, len(t.exceptions))
	for _, e := range t.exceptions {
		out = append(out, *e)
	}
	t.mu.Unlock()
	slices.SortFunc(out, func(a, b Exception) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Message, b.Message))
	})
	return out
}

// clip cuts s to n bytes, on a rune's edge.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return strings.Clone(s[:n]) + "…"
}
