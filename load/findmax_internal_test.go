package load

import (
	"testing"

	"pgregory.net/rapid"
)

// TestBisectionFindsTheKnee: with a target that keeps every rate up to a knee and none
// above, the rate found is within the precision below the knee.
func TestBisectionFindsTheKnee(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		knee := rapid.Float64Range(1, 200_000).Draw(t, "knee")
		b := bisection{limit: 1_000_000, precision: 0.05, rate: rapid.Float64Range(0.5, 5000).Draw(t, "first")}
		tries := 0
		for !b.done {
			b.tell(b.rate <= knee)
			if tries++; tries > 100 {
				t.Fatalf("no end: %+v", b)
			}
		}
		if b.low > knee || b.high <= knee || b.low < knee*0.94 {
			t.Fatalf("knee %v: found %v, missed at %v", knee, b.low, b.high)
		}
	})
}

// TestTwoOfThreeDecide: whatever the outcomes, a rate passes by its first try or by two
// of three, and every other rate fails.
func TestTwoOfThreeDecide(t *testing.T) {
	for outcomes, passes := range map[string]bool{"+": true, "-++": true, "-+-": false, "--": false} {
		b := bisection{limit: 1e6, precision: 0.05, rate: 100}
		for i, o := range outcomes {
			if decided := b.tell(o == '+'); decided != (i == len(outcomes)-1) {
				t.Errorf("%s: decided %v after try %d", outcomes, decided, i+1)
			}
		}
		if passes && (b.low != 100 || b.rate != 200) || !passes && (b.high != 100 || b.rate != 50) {
			t.Errorf("%s: %+v", outcomes, b)
		}
	}
}

func TestBisectionEnds(t *testing.T) {
	search := func(first, limit float64, ok func(float64) bool) bisection {
		b := bisection{limit: limit, precision: 0.05, rate: first}
		for range 200 {
			if b.done {
				return b
			}
			b.tell(ok(b.rate))
		}
		t.Fatalf("no end: %+v", b)
		return b
	}
	if b := search(100, 3000, func(float64) bool { return true }); b.low != 3000 || b.high != 0 {
		t.Errorf("without a knee: %+v, want the limit", b)
	}
	if b := search(100, 3000, func(float64) bool { return false }); b.low != 0 || b.high > 0.2 {
		t.Errorf("with a target that is always missed: %+v", b)
	}
}
