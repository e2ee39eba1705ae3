package stats

import "time"

// Outcome is how a request ended.
type Outcome uint8

// The three outcomes. A throttled answer (HTTP 429, ESME_RTHROTTLED) is counted apart and stays out of the
// percentiles; a failure, a timeout included, is in them at its elapsed time.
const (
	OK Outcome = iota
	Failed
	Throttled
)

// Sample is one finished request.
type Sample struct {
	Service  time.Duration // done − sent
	Response time.Duration // done − intended start
	Bytes    int           // size of the answer's body
	Messages int           // messages accepted by this request: 1 for a single submit, n for a bulk
	Segments int           // SMS parts of those messages
	Outcome  Outcome
}

// Entry is the handle of a (method, name) pair, from [Recorder.Entry].
type Entry int32

// RecorderOptions bound a [Recorder]; the zero value is useful.
type RecorderOptions struct {
	Shards        int // default 2×GOMAXPROCS
	MaxEntries    int // distinct (method, name) pairs, default 10,000; later ones are recorded as "(other)"
	MaxErrors     int // distinct (method, name, error) triples, default 500; later ones are counted as "(other)"
	MaxExceptions int // distinct exception messages, default 100
}

// Failure is one row of the failure table.
type Failure struct {
	Method, Name, Error string
	Occurrences         uint64
	FirstSeen, LastSeen time.Time
}

// Exception is a task that panicked or broke, as Locust's exceptions table has it.
type Exception struct {
	Count              uint64
	Message, Traceback string
}
