package route

import "sync/atomic"

// State says how a connector is doing. Its owner changes it while tables read it.
type State struct{ n atomic.Int32 }

// Condition of a connector, from the best on: routing takes the best there is.
type Condition int32

// The conditions.
const (
	Up      Condition = iota // a bind can send
	Down                     // bound nowhere, or paused: what it gets waits
	Stopped                  // by an administrator: what it gets waits until it is started
)

// String returns the name used in the API.
func (c Condition) String() string {
	switch c {
	case Up:
		return "up"
	case Down:
		return "down"
	default:
		return "stopped"
	}
}

// Set notes the present condition.
func (s *State) Set(c Condition) { s.n.Store(int32(c)) }

// Condition returns the present one; a connector without a State is up.
func (s *State) Condition() Condition {
	if s == nil {
		return Up
	}
	return Condition(s.n.Load())
}
