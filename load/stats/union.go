package stats

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Union is the source that many processes' reports make: everything in it is what one process would have measured that
// had done what all of them did. Make it with [NewUnion]; it is safe for concurrent use.
//
// A report of a worker counts when its number is higher than that of the worker's last one, and says everything since
// the worker's start: what a [Second] holds is the difference between what was reported and what was taken before.
type Union struct {
	mu      sync.Mutex // guards all below
	second  Second     // reported and not taken
	keys    []entryKey
	byKey   map[entryKey]Entry
	workers map[int]*reported
	bounds  RecorderOptions
}

// reported is the newest report of a worker.
type reported struct {
	seq           uint64
	dropped       uint64
	counts        Counts
	lateness, dlr []byte
	entries       map[entryKey]*reportEntry
	failures      []Failure
	exceptions    []Exception
	oldFailures   map[failureKey]uint64 // of before the last Forget
	oldExceptions map[string]uint64
	gone          bool
	requests      uint64
}

// NewUnion makes an empty union; the bounds are those of a [Recorder].
func NewUnion(bounds RecorderOptions) *Union {
	bounds.setDefaults()
	return &Union{
		second: newSecond(), keys: []entryKey{{name: Other}}, byKey: map[entryKey]Entry{{name: Other}: otherEntry},
		workers: map[int]*reported{}, bounds: bounds,
	}
}

// change is what a report adds, checked before any of it counts.
type change struct {
	lateness, dlr growth
	entries       []entryChange
}

type entryChange struct {
	to                *reportEntry
	counts            EntryStats
	service, response growth
}

// Report takes a report of a worker. One that is no newer than the last is passed over; one that contradicts the last
// is refused as a whole.
func (u *Union) Report(worker int, b []byte) error {
	r, err := readReport(b)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	w := u.workers[worker]
	if w == nil {
		w = &reported{entries: map[entryKey]*reportEntry{}}
		u.workers[worker] = w
	}
	if r.seq <= w.seq {
		return nil
	}
	c, err := w.compare(r)
	if err != nil {
		return fmt.Errorf("report %d of worker %d: %w", r.seq, worker, err)
	}
	u.add(&c)
	u.second.Dropped += r.dropped - w.dropped
	w.keep(r)
	return nil
}

// compare finds what r adds to the last report.
func (w *reported) compare(r *report) (c change, err error) {
	if r.dropped < w.dropped {
		return c, fmt.Errorf("%w: it shrank", ErrReport)
	}
	var faults [4]error
	c.lateness, faults[0] = grown(w.lateness, r.lateness)
	c.dlr, faults[1] = grown(w.dlr, r.dlr)
	for i := range r.entries {
		to := &r.entries[i]
		old := w.entries[to.key]
		if old == nil {
			old = &reportEntry{}
		}
		e := entryChange{to: to}
		before, after, diff := old.counts.fields(), to.counts.fields(), e.counts.fields()
		for i := range after {
			if *after[i] < *before[i] {
				return c, fmt.Errorf("%w: %s %s shrank", ErrReport, to.key.method, to.key.name)
			}
			*diff[i] = *after[i] - *before[i]
		}
		if !bytes.Equal(old.service, to.service) || !bytes.Equal(old.response, to.response) {
			e.service, faults[2] = grown(old.service, to.service)
			e.response, faults[3] = grown(old.response, to.response)
		}
		if err := errors.Join(faults[:]...); err != nil {
			return c, err
		}
		c.entries = append(c.entries, e)
	}
	return c, errors.Join(faults[:]...)
}

// add counts what a report added. The caller holds mu.
func (u *Union) add(c *change) {
	u.second.Lateness.gain(c.lateness)
	u.second.DLR.gain(c.dlr)
	for i := range c.entries {
		e := &c.entries[i]
		if e.counts == (EntryStats{}) && len(e.response.buckets) == 0 {
			continue
		}
		sum := u.second.entry(u.register(e.to.key))
		e.counts.Service, e.counts.Response = NewHistogram(), NewHistogram()
		sum.add(&e.counts)
		sum.Service.gain(e.service)
		sum.Response.gain(e.response)
	}
}

// keep makes r the last report; what aliases its bytes is copied.
func (w *reported) keep(r *report) {
	w.seq, w.dropped, w.counts = r.seq, r.dropped, r.counts
	w.lateness, w.dlr = slices.Clone(r.lateness), slices.Clone(r.dlr)
	w.failures, w.exceptions = r.failures, r.exceptions
	w.requests = 0
	for i := range r.entries {
		e := r.entries[i]
		w.requests += e.counts.Requests
		if old := w.entries[e.key]; old != nil && bytes.Equal(old.response, e.response) && bytes.Equal(old.service, e.service) {
			old.counts = e.counts
			continue
		}
		e.service, e.response = slices.Clone(e.service), slices.Clone(e.response)
		w.entries[e.key] = &e
	}
}

func (u *Union) register(k entryKey) Entry {
	if e, ok := u.byKey[k]; ok {
		return e
	}
	if len(u.keys) > u.bounds.MaxEntries {
		return otherEntry
	}
	e := Entry(len(u.keys))
	u.keys = append(u.keys, k)
	u.byKey[k] = e
	return e
}

// Take gives what the reports of the last second added.
func (u *Union) Take(bool) Second {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := u.second
	u.second = newSecond()
	return out
}

// Name returns what e is called.
func (u *Union) Name(e Entry) (method, name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	k := u.keys[e]
	return k.method, k.name
}

// Lookup finds the entry of a name that was reported.
func (u *Union) Lookup(method, name string) (Entry, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	e, ok := u.byKey[entryKey{method, name}]
	if !ok {
		return -1, false
	}
	return e, true
}

// Lose says that nothing more is known about a worker: its open messages are unverified from now on, those that wait
// for an answer unanswered. A later report of it still counts.
func (u *Union) Lose(worker int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if w := u.workers[worker]; w != nil {
		w.gone = true
	}
}

// Counts adds the ledgers up.
func (u *Union) Counts() Counts {
	u.mu.Lock()
	defer u.mu.Unlock()
	var sum Counts
	total := sum.fields()
	for _, w := range u.workers {
		c := w.counts
		if w.gone {
			sum.Unverified += c.Open
			c.Open = 0
			c.Unanswered += c.Awaiting
			c.Awaiting = 0
		}
		for i, v := range c.fields() {
			*total[i] += *v
		}
	}
	return sum
}

// Worker is what a worker has reported: its ledger, its requests so far, and the number of its last report, 0 for none.
func (u *Union) Worker(worker int) (c Counts, requests, seq uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	w := u.workers[worker]
	if w == nil {
		return c, 0, 0
	}
	return w.counts, w.requests, w.seq
}

// Forget forgets the failures and exceptions of all workers so far.
func (u *Union) Forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, w := range u.workers {
		w.oldFailures, w.oldExceptions = map[failureKey]uint64{}, map[string]uint64{}
		for _, f := range w.failures {
			w.oldFailures[f.key()] = f.Occurrences
		}
		for _, e := range w.exceptions {
			w.oldExceptions[e.Message] = e.Count
		}
	}
}

func (f *Failure) key() failureKey { return failureKey{entryKey{f.Method, f.Name}, f.Error} }

// Failures is the table of all workers together, as long as one worker's may be.
func (u *Union) Failures() []Failure {
	u.mu.Lock()
	defer u.mu.Unlock()
	var t failureTable
	t.init(u.bounds.MaxErrors, u.bounds.MaxExceptions)
	for _, id := range u.order() {
		w := u.workers[id]
		for _, f := range w.failures {
			f.Occurrences = sub(f.Occurrences, w.oldFailures[f.key()])
			if f.Occurrences > 0 {
				t.join(f)
			}
		}
	}
	return t.list()
}

// order makes what is left out beyond a bound the same each time. The caller holds mu.
func (u *Union) order() []int {
	ids := make([]int, 0, len(u.workers))
	for id := range u.workers {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, cmp.Compare[int])
	return ids
}

// join adds another table's row.
func (t *failureTable) join(f Failure) {
	sum := t.failures[f.key()]
	if sum == nil && len(t.failures) >= t.maxErrors {
		f.Method, f.Name, f.Error = "", Other, Other
		sum = t.failures[f.key()]
	}
	if sum == nil {
		t.failures[f.key()] = &f
		return
	}
	sum.Occurrences += f.Occurrences
	if f.FirstSeen.Before(sum.FirstSeen) {
		sum.FirstSeen = f.FirstSeen
	}
	if f.LastSeen.After(sum.LastSeen) {
		sum.LastSeen = f.LastSeen
	}
}

// Exceptions is the table of all workers together.
func (u *Union) Exceptions() []Exception {
	u.mu.Lock()
	defer u.mu.Unlock()
	var t failureTable
	t.init(u.bounds.MaxErrors, u.bounds.MaxExceptions)
	for _, id := range u.order() {
		w := u.workers[id]
		for _, e := range w.exceptions {
			n := sub(e.Count, w.oldExceptions[e.Message])
			sum := t.exceptions[e.Message]
			if sum == nil && len(t.exceptions) >= t.maxExceptions {
				e.Message, e.Traceback = Other, ""
				sum = t.exceptions[Other]
			}
			switch {
			case n == 0:
			case sum == nil:
				e.Count = n
				t.exceptions[e.Message] = &e
			default:
				sum.Count += n
			}
		}
	}
	return t.exceptionList()
}
