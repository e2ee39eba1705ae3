package report

import (
	"time"

	"protei-bulk/load/stats"
)

// Run is a finished (or stopped) run: everything that a report shows.
type Run struct {
	Title    string // "Protei_Bulk Load Test"
	Host     string // what was tested, as given with -H
	Scenario string // "messaging (built in)" or a file
	Shape    string // "", or the shape's name
	Rate     string // of the open model, "" = none
	Profile  string // label that groups runs, "" = none
	Command  string // command line, secrets masked
	Version  string // of protei-bulk
	Started  time.Time
	Ended    time.Time
	Stopped  string // why it ended early ("Ctrl-C"), "" = as planned
	Aborted  string // the target that ended it, with what it found; "" = none did
	Degraded string // what went wrong with the workers of the run, "" = nothing
	Scaled   string // why the load was scaled down, "" = it was not
	Machine  Machine

	Whole    stats.Summary
	Measured stats.Summary // zero Duration = there was no measured window
	Points   []stats.Point
	Markers  []Marker
	// Intervals of the measured window, the total first; what [Compare] tests on.
	Intervals []stats.EntryIntervals

	Ledger stats.Counts
	// Judged is the ledger that the verdict is about when it is not the whole run's; nil: Ledger.
	Judged     *stats.Counts
	Search     *Search          // nil: no rate was searched
	DLRLatency *stats.Histogram // whole run
	Receipts   Measurement      // were receipts followed?

	Failures   []stats.Failure
	Exceptions []stats.Exception
	Answers    []FailingAnswer // the first of each kind

	Target TargetSystem
	// Series are the further figures of the target system, in the order of Point.Series. Off is the last reason for which
	// one was not measured in a second, also when it was in others.
	Series    []stats.SeriesInfo
	Generator Generator
	Notes     []string // canary, clock, limits: whatever a reader must know

	Verdict Verdict // from Judge
}

// Measurement says whether something was measured and if not, why.
type Measurement struct {
	Off string // "" = measured, otherwise the reason: "--no-receipts"
}

// Machine is where the generator ran.
type Machine struct {
	Hostname string `json:"hostname"`
	OS       string `json:"os"`
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	Memory   uint64 `json:"memory_bytes"`
	Go       string `json:"go"`
}

// Marker is an event on the time axis.
type Marker struct {
	At   time.Duration // since the start of the run
	Text string
}

// TargetSystem is what the target said about itself over /metrics.
type TargetSystem struct {
	Name, Version string
	Off           string // why its metrics were not read, "" = they were
	Cores         float64
	MemoryLimit   uint64 // bytes
	Durability    string // "fsync", "none", "" = unknown
	Facts         []Fact // further figures, shown as they are
}

// Fact is a labelled value.
type Fact struct{ Label, Value string }

// Generator is the load tester's own resources.
type Generator struct {
	Workers    int
	OpenFiles  uint64 // soft limit in effect
	Facts      []Fact
	WindowFull time.Duration // time SMPP users waited for their own window
}
