package stats

import "time"

// Recorder holds the counters and histograms of a run, cut into shards so that recording takes no lock.
type Recorder struct{}

// NewRecorder makes a recorder.
func NewRecorder(o RecorderOptions) *Recorder { return &Recorder{} }

// Entry registers (method, name), or finds it. Safe for concurrent use; keep the handle, do not look it up per request.
func (r *Recorder) Entry(method, name string) Entry { return 0 }

// Shard returns the shard for a user's index; many users may share one.
func (r *Recorder) Shard(user int) *Shard { return &Shard{} }

// Fail adds one failure to the failure table (count it with Record too).
func (r *Recorder) Fail(e Entry, text string, at time.Time) {}

// Exception counts a broken task.
func (r *Recorder) Exception(message, traceback string) {}

// Drop counts iterations of the open model that found no free user.
func (r *Recorder) Drop(n int) {}

// Failures returns the failure table, most frequent first.
func (r *Recorder) Failures() []Failure { return nil }

// Exceptions returns the broken tasks, most frequent first.
func (r *Recorder) Exceptions() []Exception { return nil }

// Shard is one slice of a recorder.
type Shard struct{}

// Record takes one finished request.
func (s *Shard) Record(e Entry, smp Sample) {}

// Late takes the start of an iteration: actual − intended. Call it once per iteration, on-time ones with 0.
func (s *Shard) Late(d time.Duration) {}

// Histogram is a merged distribution of durations.
type Histogram struct{}

func NewHistogram() *Histogram                               { return &Histogram{} }
func (h *Histogram) Record(d time.Duration)                  {}
func (h *Histogram) Merge(o *Histogram)                      {}
func (h *Histogram) Count() uint64                           { return 0 }
func (h *Histogram) Mean() time.Duration                     { return 0 }
func (h *Histogram) Min() time.Duration                      { return 0 }
func (h *Histogram) Max() time.Duration                      { return 0 }
func (h *Histogram) Quantile(q float64) time.Duration        { return 0 }
func (h *Histogram) AppendBinary(dst []byte) ([]byte, error) { return dst, nil }
func (h *Histogram) UnmarshalBinary(b []byte) error          { return nil }

// Ledger follows every message from submit to final receipt.
type Ledger struct{}

// NewLedger makes a ledger.
func NewLedger(o LedgerOptions) *Ledger { return &Ledger{} }

// Issue takes n consecutive sequence numbers for messages about to be sent at `at` (since the run's start).
func (l *Ledger) Issue(n int, at time.Duration) (first uint64) { return 0 }

// Sent corrects the send time, where the send had to wait.
func (l *Ledger) Sent(seq uint64, at time.Duration) {}

// AppendRef appends the client_ref of seq: run-worker-sequence.
func (l *Ledger) AppendRef(dst []byte, seq uint64) []byte { return dst }

// ParseRef reads a client_ref; ok is false when it is not of this run and worker.
func (l *Ledger) ParseRef(ref []byte) (seq uint64, ok bool) { return 0, false }

// Accept notes a positive answer. id is the target's message id (may be nil); it is kept while the message is open.
func (l *Ledger) Accept(seq uint64, id []byte) {}

// AcceptSMPP is Accept that also makes the message findable by ReceiptID, and settles it when its receipt is parked.
func (l *Ledger) AcceptSMPP(seq uint64, id []byte) {}

// Reject notes a negative answer (throttled included).
func (l *Ledger) Reject(seq uint64) {}

// Unanswered notes that no answer came.
func (l *Ledger) Unanswered(seq uint64) {}

// Receipt notes a final receipt found by client_ref.
func (l *Ledger) Receipt(seq uint64, f Final, at time.Duration) Effect { return 0 }

// ReceiptID notes a final receipt found by the SMSC's message id.
func (l *Ledger) ReceiptID(id []byte, f Final, at time.Duration) Effect { return 0 }

// UnknownReceipt counts a receipt whose client_ref is not ours.
func (l *Ledger) UnknownReceipt() {}

// Counts sums the totals.
func (l *Ledger) Counts() Counts { return Counts{} }

// OpenMessages calls fn for every message without a final receipt and without a resolution, oldest first, until fn returns false.
func (l *Ledger) OpenMessages(fn func(OpenMessage) bool) {}

// Resolve notes what the target says about an open accepted message after the drain.
func (l *Ledger) Resolve(seq uint64, r Resolution) {}

// Collector drains recorder and ledger into the timeline.
type Collector struct{}

// NewCollector makes a collector.
func NewCollector(o CollectorOptions) *Collector { return &Collector{} }

// Tick ends a second.
func (c *Collector) Tick(t Tick) {}

// Live returns the state after the last tick.
func (c *Collector) Live() Live { return Live{} }

// Points returns the chart points so far.
func (c *Collector) Points() []Point { return nil }

// Measured finds the measured window; ok is false when there is none.
func (c *Collector) Measured(warmup time.Duration) (w Window, ok bool) { return Window{}, false }

// Summary recombines a window.
func (c *Collector) Summary(w Window) Summary { return Summary{} }

// Whole is the window of the whole run.
func (c *Collector) Whole() Window { return Window{} }
