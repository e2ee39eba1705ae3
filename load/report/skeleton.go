package report

import (
	"io"
	"time"

	"protei-bulk/load/stats"
)

// GuideTargets is the set "guide" of DESIGN.md.
func GuideTargets() []Target { return nil }

// ParseTarget reads NAME=LIMIT[:ACCEPTABLE], for example "p95=100ms:200ms", "tps=10000:5000", "errors=0.1%".
func ParseTarget(s string) (Target, error) { return Target{}, nil }

// ParseTargets reads every --target value; "guide" stands for the whole set. No value: nil.
func ParseTargets(values []string) ([]Target, error) { return nil, nil }

// Judge sets run.Verdict. decisive are the targets that decide the exit code (nil: none was named); the guide's set is
// always judged and shown.
func Judge(run *Run, decisive []Target) {}

// ExitCode of a finished run: 0, 1 (requests failed, no targets named), 3 (failed), 4 (invalid).
func (v Verdict) ExitCode(strict bool) int { return 0 }

// TerminalOptions configure a [Terminal].
type TerminalOptions struct {
	Out         io.Writer
	Color       bool          // see UseColor
	OnlySummary bool          // --only-summary: no periodic table
	TableEvery  time.Duration // default 10 s between the tables; the state line comes each second
}

// UseColor decides on colour: a terminal, and NO_COLOR unset.
func UseColor(out io.Writer, getenv func(string) string) bool { return false }

// Terminal prints a run.
type Terminal struct{}

// NewTerminal makes a terminal printer. Its methods are called from one goroutine.
func NewTerminal(o TerminalOptions) *Terminal { return &Terminal{} }

// Plan is what is printed before a run.
type Plan struct {
	Title, Host, Scenario, Shape string
	Users                        int
	SpawnRate                    float64
	RunTime                      time.Duration // 0 = until stopped
	OfferedRequests              float64       // a second, 0 = unknown
	OfferedMessages              float64
	Connections, Binds           int
	Lines                        []string // further lines
}

// Plan prints the plan.
func (t *Terminal) Plan(p Plan) {}

// Note prints a line between the state lines.
func (t *Terminal) Note(format string, args ...any) {}

// Tick prints the state line, and the table when it is due.
func (t *Terminal) Tick(live stats.Live) {}

// Final prints the three tables, the ledger, the verdict table and the verdict's word.
func (t *Terminal) Final(run *Run) {}

// WriteHTML writes the self-contained report.
func WriteHTML(w io.Writer, run *Run) error { return nil }

// WriteJSON writes the summary as JSON.
func WriteJSON(w io.Writer, run *Run) error { return nil }

// CSV writes Locust's four files: PREFIX_stats.csv, _stats_history.csv, _failures.csv, _exceptions.csv.
type CSV struct{}

// OpenCSV creates the files, and missing directories of prefix.
func OpenCSV(prefix string, fullHistory bool) (*CSV, error) { return &CSV{}, nil }

// Write rewrites the tables and appends to the history; once a second, after Collector.Live.
func (c *CSV) Write(live stats.Live) error { return nil }

// Close writes the last state and closes the files.
func (c *CSV) Close() error { return nil }
