package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// moment notes one moment of some accounts.
func (p *past) moment(figures map[uint32]pastFigure) {
	p.moments[p.n%maxPast] = int64(p.n) * 10_000
	for id, f := range figures {
		p.note(id, f)
	}
	p.n++
}

// TestPastIsEveryMoment: what is kept of changes alone is what was noted in each moment.
func TestPastIsEveryMoment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p past
		var noted []pastFigure
		now := pastFigure{}
		for range rapid.IntRange(1, 3*maxPast).Draw(t, "moments") {
			if rapid.IntRange(0, 3).Draw(t, "changes") == 0 {
				now.Accepted++
				now.InFlight = rapid.Int64Range(0, 2).Draw(t, "in flight")
			}
			f := now
			f.At = int64(p.n) * 10_000
			noted = append(noted, f)
			p.moment(map[uint32]pastFigure{7: now})
			if n := len(p.of[7]); n > maxPast {
				t.Fatalf("%d changes are kept", n)
			}
		}
		if diff := cmp.Diff(noted[max(0, len(noted)-maxPast):], p.figures(7)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestPastIsBounded: 1,000 accounts have a past. One more gets one when it sends and another has been quiet for an hour.
func TestPastIsBounded(t *testing.T) {
	var p past
	all := map[uint32]pastFigure{0: {Accepted: 1}}
	for id := range uint32(maxPastOwners + 500) {
		all[id+1] = pastFigure{Accepted: 1}
	}
	p.moment(all)
	if len(p.of) != maxPastOwners+1 || p.of[0] == nil {
		t.Fatalf("%d accounts are remembered", len(p.of))
	}
	late := uint32(0)
	for id := range all {
		if _, known := p.of[id]; !known {
			late = id
		}
	}
	sends := map[uint32]pastFigure{late: {Accepted: 2, InFlight: 1}}
	for range maxPast - 1 {
		p.moment(sends)
	}
	if p.of[late] != nil {
		t.Error("an account took the place of one that changed within the hour")
	}
	p.moment(map[uint32]pastFigure{late: {Accepted: 2}})
	if p.of[late] != nil {
		t.Error("a quiet account took the place of another")
	}
	p.moment(sends)
	if p.of[late] == nil || len(p.of) != maxPastOwners+1 || p.of[0] == nil {
		t.Errorf("%d accounts are remembered, the one that sends: %v", len(p.of), p.of[late])
	}
}
