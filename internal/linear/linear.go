// Package linear checks that what callers saw of an object that many used at once is explained by
// its calls having happened one after the other, each at a moment between its begin and its end:
// that the object is linearizable (Herlihy and Wing, 1990).
//
// The main types are Model, the object as it is with one caller, and History, what was seen. The
// search is done by porcupine (docs/adr/0013). For tests only.
package linear

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// Model is an object of state S whose calls have inputs I and answers O.
type Model[S comparable, I, O any] struct {
	Init S
	// Step says whether an object in this state may answer so, and its state afterwards.
	Step func(state S, in I, out O) (ok bool, next S)
}

// History collects calls. The zero History is empty; it is safe for concurrent use.
type History[I, O any] struct {
	begun sync.Once
	zero  time.Time

	mu  sync.Mutex
	ops []porcupine.Operation // guarded by mu
}

// Now is a moment of the history, for Add.
func (h *History[I, O]) Now() int64 {
	h.begun.Do(func() { h.zero = time.Now() })
	return int64(time.Since(h.zero))
}

// Forever as the end of a call that was never answered: it may have happened at any moment after
// its begin, or not at all, which Step must allow after everything else.
const Forever = int64(math.MaxInt64)

// Add notes a call that began and ended at these moments. Caller numbers are for people only.
func (h *History[I, O]) Add(caller int, begin, end int64, in I, out O) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: caller, Input: in, Call: begin, Output: out, Return: end})
}

// patience bounds the search, which is exponential in how many calls are under way at once.
const patience = time.Minute

// Check fails the test when no order of the calls explains the answers. What prints a call.
func Check[S comparable, I, O any](t testing.TB, m Model[S, I, O], h *History[I, O], what func(I, O) string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	model := porcupine.Model{
		Init:  func() any { return m.Init },
		Step:  func(state, in, out any) (bool, any) { return m.Step(state.(S), in.(I), out.(O)) },
		Equal: func(a, b any) bool { return a.(S) == b.(S) },
	}
	switch porcupine.CheckOperationsTimeout(model, h.ops, patience) {
	case porcupine.Illegal:
		slices.SortFunc(h.ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
		var text strings.Builder
		for _, op := range h.ops {
			end := "never"
			if op.Return != Forever {
				end = fmt.Sprint(time.Duration(op.Return))
			}
			fmt.Fprintf(&text, "  %v to %s, caller %d: %s\n", time.Duration(op.Call), end, op.ClientId, what(op.Input.(I), op.Output.(O)))
		}
		t.Errorf("no order of these %d calls explains what they answered:\n%s", len(h.ops), text.String())
	case porcupine.Unknown:
		t.Logf("not decided within %v: %d calls", patience, len(h.ops))
	}
}
