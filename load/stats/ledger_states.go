package stats

import (
	"sync"
	"time"
)

const (
	outcomeBits = 2
	finalStates = 16 // numbers that WithState takes, and 0
)

// WithState adds the number of the protocol's own final state, 1 to 15: [Ledger.LatencyByState] keeps the times of each
// apart. The ledger itself knows delivered and failed only.
func (f Final) WithState(state uint8) Final {
	return f.outcome() | Final(state%finalStates)<<outcomeBits
}

// outcome is FinalDelivered or FinalFailed.
func (f Final) outcome() Final { return f & (1<<outcomeBits - 1) }

func (f Final) state() uint8 { return uint8(f >> outcomeBits) }

// stateTimes are submit → DLR by the final state that receipts name; receipts without one are not in them.
type stateTimes struct {
	live [finalStates][]liveHistogram // striped like the ledger's counters; [0] is empty

	mu   sync.Mutex              // guards sums
	sums [finalStates]*Histogram // what was drained; nil: nothing yet
}

func (t *stateTimes) init(stripes int) {
	for i := 1; i < finalStates; i++ {
		t.live[i] = make([]liveHistogram, stripes)
	}
}

func (t *stateTimes) record(state uint8, seq uint64, took time.Duration) {
	if h := t.live[state%finalStates]; len(h) > 0 {
		h[seq%uint64(len(h))].record(took)
	}
}

// drain moves what was recorded into sums, so that no counter of 32 bits runs over.
func (t *stateTimes) drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for state := range t.live {
		if t.sums[state] == nil {
			t.sums[state] = NewHistogram()
		}
		for i := range t.live[state] {
			t.live[state][i].drainInto(t.sums[state])
		}
	}
}

// LatencyByState returns submit → DLR since the start of the run for one of the numbers given to [Final.WithState].
func (l *Ledger) LatencyByState(state uint8) *Histogram {
	l.states.drain()
	l.states.mu.Lock()
	defer l.states.mu.Unlock()
	return l.states.sums[state%finalStates].Clone()
}
