package linear

import (
	"fmt"
	"testing"
)

// call writes a value, or reads when write is negative.
type call struct{ write int }

var register = Model[int, call, int]{Step: func(state int, in call, out int) (bool, int) {
	if in.write < 0 {
		return out == state, state
	}
	return true, in.write
}}

// silent takes what Check says.
type silent struct {
	testing.TB
	failed bool
}

func (s *silent) Helper()               {}
func (s *silent) Errorf(string, ...any) { s.failed = true }
func (s *silent) Logf(string, ...any)   {}

func TestCheckTellsOrdersApart(t *testing.T) {
	type op struct {
		begin, end int64
		write, saw int
	}
	for name, c := range map[string]struct {
		ops  []op
		fits bool
	}{
		"reads while it is written":      {[]op{{0, 10, 5, 0}, {1, 2, -1, 0}, {3, 4, -1, 5}}, true},
		"new, and old afterwards":        {[]op{{0, 10, 5, 0}, {1, 2, -1, 5}, {3, 4, -1, 0}}, false},
		"old after the write":            {[]op{{0, 1, 5, 0}, {2, 3, -1, 0}}, false},
		"a write without an answer":      {[]op{{0, Forever, 5, 0}, {2, 3, -1, 0}, {4, 5, -1, 5}}, true},
		"a write that never happened":    {[]op{{0, Forever, 5, 0}, {2, 3, -1, 0}}, true},
		"a value that was never written": {[]op{{0, 1, 5, 0}, {2, 3, -1, 6}}, false},
	} {
		var h History[call, int]
		for i, o := range c.ops {
			h.Add(i, o.begin, o.end, call{o.write}, o.saw)
		}
		s := &silent{TB: t}
		Check(s, register, &h, func(in call, out int) string { return fmt.Sprint(in, out) })
		if s.failed == c.fits {
			t.Errorf("%s: failed %v", name, s.failed)
		}
	}
}
