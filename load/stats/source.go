package stats

// Source is where a [Collector] takes its seconds from: the recorder and the ledger of this process ([NewSource]), or
// the reports of many processes ([Union]). Its methods are safe for concurrent use.
type Source interface {
	// Take gives what was recorded since the last call; all also takes what the current second has so far. It has one
	// caller at a time.
	Take(all bool) Second
	// Counts is the ledger, zero without one.
	Counts() Counts
	// Name returns what an entry was registered as.
	Name(Entry) (method, name string)
	// Lookup finds an entry that is registered.
	Lookup(method, name string) (Entry, bool)
	Failures() []Failure
	Exceptions() []Exception
	// Forget forgets failures and exceptions.
	Forget()
}

// Second is what was recorded since the last one. The receiver owns it.
type Second struct {
	Entries  map[Entry]*EntryStats
	Lateness *Histogram
	DLR      *Histogram // submit → DLR
	Dropped  uint64     // iterations that found no free user
}

func newSecond() Second {
	return Second{Entries: make(map[Entry]*EntryStats), Lateness: NewHistogram(), DLR: NewHistogram()}
}

func (s *Second) entry(e Entry) *EntryStats {
	sum := s.Entries[e]
	if sum == nil {
		sum = &EntryStats{Service: NewHistogram(), Response: NewHistogram()}
		s.Entries[e] = sum
	}
	return sum
}

// local is the source of this process.
type local struct {
	*Recorder
	ledger *Ledger // nil: no receipts
	drops  uint64  // at the last Take
}

// NewSource makes a source of the recorder and the ledger of this process; ledger may be nil.
func NewSource(r *Recorder, l *Ledger) Source { return &local{Recorder: r, ledger: l} }

func (s *local) Take(all bool) Second {
	out := newSecond()
	buffers := []uint32{s.swap()}
	if all {
		buffers = append(buffers, buffers[0]^1)
	}
	for _, which := range buffers {
		s.drainLateness(which, out.Lateness)
		for e := range Entry(s.known()) {
			if h, ok := s.drain(e, which); ok {
				out.entry(e).add(h.stats())
			}
		}
	}
	drops := s.Recorder.drops.Load()
	out.Dropped, s.drops = drops-s.drops, drops
	if s.ledger != nil {
		s.ledger.drainLatency(out.DLR, all)
		s.ledger.Compact()
	}
	return out
}

func (h *harvest) stats() *EntryStats {
	return &EntryStats{
		Requests: h.requests, Failures: h.failed, Throttled: h.throttled,
		Messages: h.messages, Segments: h.segments, Bytes: h.bytes, Service: h.service, Response: h.response,
	}
}

func (s *local) Counts() Counts {
	if s.ledger == nil {
		return Counts{}
	}
	return s.ledger.Counts()
}

func (s *local) Forget() { s.failures.reset() }
