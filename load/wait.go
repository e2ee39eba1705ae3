package load

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Wait decides when a user's next iteration is due. The zero Wait is no wait.
type Wait struct {
	kind     waitKind
	min, max time.Duration
}

type waitKind uint8

const (
	waitNone waitKind = iota
	waitBetween
	waitPacing
)

// Between waits a random time between least and most after each iteration.
func Between(least, most time.Duration) Wait {
	return Wait{kind: waitBetween, min: max(least, 0), max: max(least, most, 0)}
}

// Constant waits d after each iteration.
func Constant(d time.Duration) Wait { return Between(d, d) }

// ConstantPacing starts iterations period apart; one that takes longer delays the next.
func ConstantPacing(period time.Duration) Wait {
	return Wait{kind: waitPacing, min: max(period, 0), max: max(period, 0)}
}

// ConstantThroughput starts perSecond iterations a second, per user, or fewer when they
// take longer than that allows.
func ConstantThroughput(perSecond float64) Wait {
	if perSecond <= 0 {
		return Wait{}
	}
	return ConstantPacing(time.Duration(float64(time.Second) / perSecond))
}

// String names the wait as Locust does.
func (w Wait) String() string {
	switch {
	case w.kind == waitPacing:
		return fmt.Sprintf("constant_pacing(%v)", w.min)
	case w.kind == waitNone:
		return "none"
	case w.min == w.max:
		return fmt.Sprintf("constant(%v)", w.min)
	}
	return fmt.Sprintf("between(%v, %v)", w.min, w.max)
}

// Rate is the number of iterations a second that a user starts when each takes busy.
func (w Wait) Rate(busy time.Duration) float64 {
	period := busy + (w.min+w.max)/2
	if w.kind == waitPacing {
		period = max(busy, w.min)
	}
	if period <= 0 {
		return 0
	}
	return float64(time.Second) / float64(period)
}

// maxCatchUp bounds how much of its own delay a paced user makes up for.
const maxCatchUp = 100 * time.Millisecond

// iteration holds the times of one iteration since the start of the run.
type iteration struct {
	intended, actual, end time.Duration
}

// next returns the intended start of the iteration after it.
//
// A paced user keeps its schedule: that it woke up late is the generator's fault and is
// made up for, that the iteration took longer than the period is not.
func (w Wait) next(it iteration, r *rand.Rand) time.Duration {
	switch w.kind {
	case waitBetween:
		return it.end + w.min + time.Duration(r.Int64N(int64(w.max-w.min)+1))
	case waitPacing:
		late := min(it.actual-it.intended, maxCatchUp)
		return max(it.intended+w.min, it.end-max(late, 0))
	}
	return it.end
}
