package stats

import "time"

// Phase of a run.
type Phase uint8

// Phases in their order.
const (
	PhaseRamp   Phase = iota // load is changing
	PhaseSteady              // load is at what the shape asks for
	PhaseDrain               // users stopped, receipts still come in
)

// Gauges are what was sampled beside the requests in one second. NaN means not measured.
type Gauges struct {
	TargetCPU      float64 // share of the cores the target may use, 0..1
	TargetMemory   float64 // (RSS − mapped files) ÷ limit or RAM, 0..1
	TargetRSS      float64 // bytes, mapped files left out
	GeneratorCPU   float64 // share of the machine's cores, 0..1
	GeneratorRSS   float64 // bytes
	Steal          float64 // share of the second stolen by the hypervisor, 0..1
	WindowFullTime float64 // seconds SMPP users waited for a window slot of their own
}

// Tick is what the engine knows when a second ends.
type Tick struct {
	At     time.Time // end of the second; need not be exact
	Users  int       // users running
	Rate   float64   // iterations a second the open model intends, 0 = none
	Phase  Phase
	Gauges Gauges
}

// EntryStats are the figures of one request name, or of all of them.
type EntryStats struct {
	Method, Name                  string
	Requests, Failures, Throttled uint64
	Messages, Segments, Bytes     uint64
	Service, Response             *Histogram // throttled answers left out
	FirstAt, LastAt               time.Duration
}

// Point is one point of the charts: a second at first, 10 s or more in the older part of a long run.
type Point struct {
	At, Width                     time.Duration // start since the run's start
	Users                         int
	Rate                          float64       // intended iterations a second
	Requests, Failures, Throttled float64       // a second
	Messages, Segments, Receipts  float64       // a second
	P50, P95, P99, Max            time.Duration // response time, 0 when nothing was measured
	Samples                       uint64
	Open                          uint64 // messages that wait for a receipt at the end of the point
	LateP95                       time.Duration
	Dropped                       uint64
	Late, Host                    bool // p95 of lateness > 25 ms; steal > 10 %
	Phase                         Phase
	Gauges                        Gauges
}

// Window is a stretch of the run.
type Window struct {
	From, To time.Duration // since the run's start
	Warmup   time.Duration // cut off before From
}

// Duration of the window.
func (w Window) Duration() time.Duration { return w.To - w.From }

// Summary is a window recombined.
type Summary struct {
	Window
	Covered     time.Duration // what the timeline rows inside the window really cover
	Total       EntryStats
	Entries     []EntryStats // by name, then method, as Locust sorts
	Receipts    uint64
	DLRLatency  *Histogram // submit → DLR of the receipts that came in the window
	Lateness    *Histogram // actual − intended start
	Iterations  uint64     // started
	Dropped     uint64     // found no free user
	Seconds     int        // measured seconds with iterations
	LateSeconds int        // p95 of lateness > 25 ms
	HostSeconds int        // steal > 10 %
	PeakUsers   int
	PeakRate    float64
	Mean, Peak  Gauges // NaN = never measured
}

// Live is the state of a run after a tick.
type Live struct {
	At         time.Time
	Elapsed    time.Duration
	Users      int
	Phase      Phase
	Total      EntryStats   // since the start of the run
	Entries    []EntryStats // likewise
	Recent     Summary      // the last 10 s
	Ledger     Counts
	Failures   []Failure
	Exceptions []Exception
}

// CollectorOptions configure a [Collector].
type CollectorOptions struct {
	Start    time.Time // of the run, with a monotonic reading
	Recorder *Recorder
	Ledger   *Ledger // nil: no receipts
	MaxBytes int     // of the timeline, default 64 MiB
}
