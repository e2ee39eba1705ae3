package report

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// Limits of the comparison of two series of seconds.
const (
	resamples  = 2000
	confidence = 0.99
	// minSeconds each run must have for a comparison.
	minSeconds = 20
	// sameBelow is the relative change that is no difference, however certain it is.
	sameBelow = 0.01
	sameShare = 0.0001 // likewise of a share, in points
)

// second is what one second says: the figure is the sum of the parts over the sum of the wholes; a percentile has a
// whole of one.
type second struct{ part, whole float64 }

func meanOf(values []second) float64 {
	var s second
	for _, v := range values {
		s.part += v.part
		s.whole += v.whole
	}
	if s.whole == 0 {
		return math.NaN()
	}
	return s.part / s.whole
}

// difference is what two series say about B − A.
type difference struct {
	a, b      float64 // means
	low, high float64 // the interval of B − A at the level of confidence
}

// differ estimates mean(b) − mean(a) with a moving-block bootstrap: neighbouring seconds resemble each other, so blocks
// of them are drawn, not single seconds, which would make every difference look certain.
//
//	seconds  1 2 3 4 5 6 7 8 9          blocks of 3, drawn with replacement, in a circle
//	drawn    [4 5 6] [8 9 1] [3 4 5]  → one mean; 2,000 of them → the 0.5th and the 99.5th of B − A
func differ(a, b []second) difference {
	rng := rand.New(rand.NewPCG(1, uint64(len(a))<<32|uint64(len(b)))) // the same files give the same answer
	d := difference{a: meanOf(a), b: meanOf(b)}
	drawn := make([]float64, resamples)
	for i := range drawn {
		drawn[i] = drawMean(b, rng) - drawMean(a, rng)
	}
	drawn = slices.DeleteFunc(drawn, math.IsNaN)
	if len(drawn) == 0 {
		d.low, d.high = math.NaN(), math.NaN()
		return d
	}
	slices.SortFunc(drawn, cmp.Compare[float64])
	tail := (1 - confidence) / 2
	d.low = drawn[int(tail*float64(len(drawn)-1))]
	d.high = drawn[int(math.Ceil((1-tail)*float64(len(drawn)-1)))]
	return d
}

// blockLength grows slower than the series, as it must for the estimate to converge.
func blockLength(n int) int { return max(2, int(math.Ceil(1.5*math.Cbrt(float64(n))))) }

func drawMean(values []second, rng *rand.Rand) float64 {
	n := len(values)
	length := blockLength(n)
	var s second
	for left := n; left > 0; left -= length {
		at := rng.IntN(n)
		for range min(length, left) {
			s.part += values[at].part
			s.whole += values[at].whole
			if at++; at == n {
				at = 0
			}
		}
	}
	if s.whole == 0 {
		return math.NaN()
	}
	return s.part / s.whole
}

// certain says that the interval leaves no difference out.
func (d difference) certain() bool { return d.low > 0 || d.high < 0 }
