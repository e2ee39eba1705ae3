package stats

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

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

// otherEntry takes what comes after MaxEntries names.
const otherEntry Entry = 0

// Other is the name under which things beyond a bound are counted.
const Other = "(other)"

// RecorderOptions bound a [Recorder]; the zero value is useful.
type RecorderOptions struct {
	Shards        int // default 2×GOMAXPROCS
	MaxEntries    int // distinct (method, name) pairs, default 2,000; later ones are recorded as "(other)"
	MaxErrors     int // distinct (method, name, error) triples, default 500; later ones are counted as "(other)"
	MaxExceptions int // distinct exception messages, default 100
}

func (o *RecorderOptions) setDefaults() {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.Shards, 2*runtime.GOMAXPROCS(0))
	def(&o.MaxEntries, 2000)
	def(&o.MaxErrors, 500)
	def(&o.MaxExceptions, 100)
}

type entryKey struct{ method, name string }

// Recorder holds the counters and histograms of a run, cut into shards so that recording takes no lock.
//
// Memory: an entry costs about 1.4 kB a shard, plus 1 kB for each group of 256 buckets (about a tenth of a decade)
// that its latencies touch, twice for the double buffer.
type Recorder struct {
	shards []*Shard
	active atomic.Uint32 // 0 or 1: the buffer that is recorded into
	drops  atomic.Uint64

	mu      sync.RWMutex // guards byKey and keys
	byKey   map[entryKey]Entry
	keys    []entryKey
	entries int // bound of keys, "(other)" left out

	failures failureTable
}

// NewRecorder makes a recorder.
func NewRecorder(o RecorderOptions) *Recorder {
	o.setDefaults()
	r := &Recorder{
		byKey:   make(map[entryKey]Entry),
		keys:    []entryKey{{name: Other}},
		entries: o.MaxEntries,
	}
	r.failures.init(o.MaxErrors, o.MaxExceptions)
	r.shards = make([]*Shard, o.Shards)
	for i := range r.shards {
		r.shards[i] = &Shard{recorder: r, cells: make([]atomic.Pointer[cell], o.MaxEntries+1)}
	}
	return r
}

// Entry registers (method, name), or finds it. Safe for concurrent use; keep the handle instead of asking per request.
func (r *Recorder) Entry(method, name string) Entry {
	k := entryKey{method, name}
	r.mu.RLock()
	e, ok := r.byKey[k]
	r.mu.RUnlock()
	if ok {
		return e
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.byKey[k]; ok {
		return e
	}
	if len(r.keys) > r.entries {
		return otherEntry
	}
	e = Entry(len(r.keys))
	k = entryKey{strings.Clone(method), strings.Clone(name)} // they may alias a read buffer
	r.keys = append(r.keys, k)
	r.byKey[k] = e
	return e
}

// Lookup finds what was registered; "(other)" is there from the start.
func (r *Recorder) Lookup(method, name string) (Entry, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e, ok := r.byKey[entryKey{method, name}]
	if !ok && method == "" && name == Other {
		return otherEntry, true
	}
	if !ok {
		return -1, false
	}
	return e, true
}

// key returns what e was registered as.
func (r *Recorder) key(e Entry) entryKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.keys[e]
}

// known returns how many entries exist, "(other)" included.
func (r *Recorder) known() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.keys)
}

// Shard returns the shard for a user's index; many users may share one.
func (r *Recorder) Shard(user int) *Shard {
	return r.shards[uint(user)%uint(len(r.shards))]
}

// Drop counts iterations of the open model that found no free user.
func (r *Recorder) Drop(n int) { r.drops.Add(uint64(n)) }

// Fail adds one failure to the failure table; the request itself is counted with [Shard.Record].
func (r *Recorder) Fail(e Entry, text string, at time.Time) {
	r.failures.fail(r.key(e), text, at)
}

// Exception counts a broken task.
func (r *Recorder) Exception(message, traceback string) { r.failures.exception(message, traceback) }

// Failures returns the failure table, most frequent first.
func (r *Recorder) Failures() []Failure { return r.failures.list() }

// Exceptions returns the broken tasks, most frequent first.
func (r *Recorder) Exceptions() []Exception { return r.failures.exceptionList() }

// Shard is one slice of a recorder. Its methods are safe for concurrent use, take no lock and allocate only when an
// entry or a range of latencies is seen for the first time.
type Shard struct {
	recorder *Recorder
	cells    []atomic.Pointer[cell]
	lateness [2]liveHistogram
}

// cell is an entry's share in a shard, double-buffered: users record into the active buffer, the collector drains the
// other one. A user that was held up between reading which buffer is active and recording into it is not lost: the
// drain exchanges counters for zero, and what it misses is there at that buffer's next turn.
type cell struct{ buffers [2]buffer }

type buffer struct {
	bytes     atomic.Uint64
	work      atomic.Uint64 // messages<<32 | segments, of one second
	failed    atomic.Uint64
	throttled atomic.Uint64
	service   liveHistogram
	response  liveHistogram
}

// Record takes one finished request.
func (s *Shard) Record(e Entry, smp Sample) {
	c := s.cells[e].Load()
	if c == nil {
		c = s.grow(e)
	}
	b := &c.buffers[s.recorder.active.Load()]
	if smp.Bytes > 0 {
		b.bytes.Add(uint64(smp.Bytes))
	}
	if smp.Messages > 0 {
		b.work.Add(uint64(smp.Messages)<<32 | uint64(uint32(smp.Segments)))
	}
	switch smp.Outcome {
	case Throttled:
		b.throttled.Add(1)
		return
	case Failed:
		b.failed.Add(1)
	}
	b.service.record(smp.Service)
	b.response.record(smp.Response)
}

func (s *Shard) grow(e Entry) *cell {
	c := new(cell)
	if s.cells[e].CompareAndSwap(nil, c) {
		return c
	}
	return s.cells[e].Load()
}

// Late takes the start of an iteration: actual − intended, 0 when it was on time. Call it once per iteration.
func (s *Shard) Late(d time.Duration) {
	s.lateness[s.recorder.active.Load()].record(d)
}

// harvest is what one drain found for an entry.
type harvest struct {
	entry                       Entry
	requests, failed, throttled uint64
	messages, segments, bytes   uint64
	service, response           *Histogram
}

// swap makes the other buffer active and returns the one to drain.
func (r *Recorder) swap() (drain uint32) {
	drain = r.active.Load()
	r.active.Store(drain ^ 1)
	return drain
}

// drain takes everything out of one buffer of entry e; ok is false when there was nothing.
func (r *Recorder) drain(e Entry, which uint32) (h harvest, ok bool) {
	h = harvest{entry: e}
	for _, s := range r.shards {
		c := s.cells[e].Load()
		if c == nil {
			continue
		}
		if h.service == nil {
			h.service, h.response = NewHistogram(), NewHistogram()
		}
		b := &c.buffers[which]
		h.bytes += b.bytes.Swap(0)
		work := b.work.Swap(0)
		h.messages += work >> 32
		h.segments += work & (1<<32 - 1)
		h.failed += b.failed.Swap(0)
		h.throttled += b.throttled.Swap(0)
		b.service.drainInto(h.service)
		b.response.drainInto(h.response)
	}
	if h.service == nil {
		return h, false
	}
	h.requests = h.response.Count() + h.throttled
	return h, h.requests > 0 || h.failed > 0 || h.messages > 0 || h.bytes > 0
}

// drainLateness takes the lateness out of one buffer.
func (r *Recorder) drainLateness(which uint32, dst *Histogram) {
	for _, s := range r.shards {
		s.lateness[which].drainInto(dst)
	}
}
