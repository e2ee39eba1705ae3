package upstream

import "math"

// refusals tells whether an SMSC throttles more answers than it usually does, by Page's test
// (CUSUM): each answer adds the logarithm of how much likelier it is when too many are throttled
// than when it is the usual share, and the sum does not fall below 0. At the usual share a sum of
// ln n is reached once in n answers at most.
//
// It is guarded by its owner.
type refusals struct {
	share    float64 // usual one of all answers
	up, down float64 // what a throttled answer adds, and one that is not takes
	sum      float64 // 0 to tooMany
}

const (
	shareMin = 0.0005 // of answers, when none is known to be usual
	shareOff = 0.01   // twice the usual share and this is too much
	tooMany  = 11.5   // ln 100,000
)

// usual sets the usual share, below 0.45, and begins anew.
func (r *refusals) usual(share float64) {
	much := 2*share + shareOff
	share = max(share, shareMin)
	*r = refusals{share: share, up: math.Log(much / share), down: math.Log((1 - share) / (1 - much))}
}

// accepted counts an answer that is not throttled.
func (r *refusals) accepted() { r.sum = max(0, r.sum-r.down) }

// throttled counts one that is, and reports whether there are too many.
func (r *refusals) throttled() bool {
	r.sum = min(r.sum+r.up, tooMany)
	return r.sum == tooMany
}
